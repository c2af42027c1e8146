"""``derm-calibrate accept`` as a model team runs it, on a random small checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.intel")

from calibration.cli import main
from calibration.trust.outcome import Status
from calibration.trust.verify import SIGNATURE, verify
from tests.simulators.sweep_source import SweepSource, write_papers, write_source

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SweepSource:
    """A random small checkpoint without papers."""
    return write_source(tmp_path_factory.mktemp("accept"))


def _report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "acceptance.json").read_text(encoding="utf-8"))
    return found


def test_parity_and_build_pass_and_missing_papers_are_told(
    source: SweepSource, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random weights export truly; what stops them is that nobody wrote a change plan, a model card and licence texts."""
    out = tmp_path / "out"
    code = main(source.acceptance(source.base, out=out))
    told = capsys.readouterr()
    report = _report(out)
    assert {one["step"]: one["state"] for one in report["steps"]} == {
        "inspect": "passed", "parity": "passed", "build": "passed", "evaluate": "not run", "verify": "FAILED",
    }, told.err  # fmt: skip
    assert code == report["exit_code"] != 0
    assert "derm-calibrate verify" in report["steps"][-1]["failure"]
    assert {row["label"] for row in report["parity"]} == {"bare", *source.adapters}
    assert all(row["max_abs"] < row["max_abs_bound"] for row in report["parity"])
    assert {row["name"] for row in report["licences"]} == {"apache-2.0"}
    assert told.out.strip().endswith("acceptance.html")
    assert (out / "bundles" / "int8" / "manifest.json").is_file()


def test_with_its_papers_a_built_bundle_is_verified(source: SweepSource, tmp_path: Path) -> None:
    """Model card, change plan and figures beside the checkpoint: everything that was really built passes ``verify``.

    It is not accepted all the same: nobody measured it.
    """
    base, out = shutil.copytree(source.base, tmp_path / "base"), tmp_path / "out"
    write_papers(base)
    code = main(source.acceptance(base, out=out))
    report = _report(out)
    assert report["steps"][-1]["state"] == "passed", report["steps"][-1]["failure"]
    assert (code, report["headline"]) == (83, "Not accepted: evaluate was not run.")
    checked = verify(out / "bundles" / "int8", keys=())
    assert [one.check for one in checked.outcomes if one.status is not Status.PASSED] == [SIGNATURE]


def test_a_sick_checkpoint_stops_before_any_work(source: SweepSource, tmp_path: Path) -> None:
    """A shape that claims to be Qwen2.5-VL-3B under a free licence is refused by the preflight; nothing is exported."""
    base = shutil.copytree(source.base, tmp_path / "base")
    card = "---\nlicense: apache-2.0\nbase_model: Qwen/Qwen2.5-VL-3B-Instruct\n---\n# Mine\n"
    (base / "README.md").write_text(card, encoding="utf-8")
    assert main(source.acceptance(base, out=tmp_path / "out")) == 81
    report = _report(tmp_path / "out")
    assert report["steps"][0]["state"] == "FAILED"
    assert "carries the qwen-research licence" in report["steps"][0]["failure"]
    assert "Qwen2.5-VL-3B, published under qwen-research" in report["known_base"]
    assert {one["state"] for one in report["steps"][1:]} == {"not run"}
    assert not (tmp_path / "out" / "stages").exists()
