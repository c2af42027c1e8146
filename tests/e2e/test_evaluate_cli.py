"""``derm-calibrate evaluate`` as a person runs it: figures, report, one line and an exit code for what fell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from calibration.cli import main
from calibration.evaluation.evaluate import Plan, check_comparable, evaluate
from calibration.package import UNSIGNED_NAME, manifest_bytes
from edge_agent.contracts.bundle import ENVELOPE_NAME, Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.errors import CalibrationError
from tests.simulators.evaluation_cases import called_uncompressed, golden_cases
from tests.simulators.judge_endpoint import FOUR, NOBODY, Endpoint
from tests.simulators.reference import BUNDLE


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The shipped bundle."""
    return open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))


@pytest.fixture(scope="module")
def cases(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of its golden cases."""
    folder = tmp_path_factory.mktemp("cases")
    golden_cases(bundle, folder)
    return folder


@pytest.fixture(scope="module")
def twin(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands in for its FP32 build."""
    return called_uncompressed(bundle, tmp_path_factory.mktemp("twin") / "fp32")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for reports in which answers stay: the second test on it asks nothing again."""
    return tmp_path_factory.mktemp("kept")


def test_a_bundle_is_judged_and_falls_for_lack_of_cases(
    cases: Path, twin: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six cases prove nothing: exit code 83, the groups are named, and the report is there all the same."""
    out = kept
    code = main(["evaluate", str(BUNDLE), "--cases", str(cases), "--against", str(twin), "--out", str(out)])
    told = capsys.readouterr()
    assert code == 83
    assert f"{BUNDLE} stays where it is: do not sign it" in told.err
    assert "quality gates are not met: NOT met: hard danger_refusal_loss" in told.err
    assert "3 cases, 2000 are asked" in told.err
    assert told.out.strip() == str(out / "report.html")
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["flips"] == []  # a bundle beside itself
    assert {row["nats"] for row in summary["divergences"]} == {0.0}
    assert summary["fields"]["candidate"] == summary["fields"]["reference"]


def test_a_judge_that_dies_hides_no_fallen_gate(
    cases: Path, twin: Path, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report is there, the exit code is the gate's, and the judge's failure is one line besides."""
    for name in ("report.html", "summary.json"):
        (kept / name).unlink(missing_ok=True)
    against = ["--against", str(twin), "--out", str(kept)]
    code = main(["evaluate", str(BUNDLE), "--cases", str(cases), *against, "--judge", NOBODY])
    told = capsys.readouterr()
    assert code == 83
    assert sum(f"the judge at {NOBODY}" in line for line in told.err.splitlines()) == 1
    assert "quality gates are not met" in told.err
    assert told.out.strip() == str(kept / "report.html")
    summary = json.loads((kept / "summary.json").read_text(encoding="utf-8"))
    assert (summary["judge"], bool(summary["gates"])) == (None, True)


def test_a_judge_that_dies_leaves_the_report(cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without gates its own failure is the exit code; what was measured is kept."""
    measured = ["--cases", str(cases), "--per-tone", "1", "--out", str(tmp_path)]
    assert main(["evaluate", str(BUNDLE), *measured, "--judge", NOBODY]) == CalibrationError.exit_code
    assert "start it or leave --judge out" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "report.html").is_file()


def test_the_judge_is_asked_when_the_report_is_written(cases: Path, tmp_path: Path) -> None:
    """Whatever happens while it is asked, the figures are on disk; its scores are added at the end."""
    endpoint = Endpoint()
    found: list[bool] = []
    endpoint.before_answer = lambda: found.append((tmp_path / "report.html").is_file())
    try:
        measured = ["--cases", str(cases), "--per-tone", "1", "--out", str(tmp_path)]
        assert main(["evaluate", str(BUNDLE), *measured, "--judge", endpoint.url, "--judge-cases", "1"]) == 0
    finally:
        endpoint.close()
    assert found == [True]
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["judge"]["means"] == dict.fromkeys(FOUR, 4.0)


def test_a_compressed_reference_is_refused(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside itself, or beside another recipe, no bundle loses anything: that would be a gate that cannot fall."""
    assert main(["evaluate", str(BUNDLE), "--cases", str(cases), "--against", str(BUNDLE)]) == 80
    assert "is no FP32 build: its recipe" in capsys.readouterr().err


def test_other_weights_are_no_reference(bundle: Bundle) -> None:
    """The FP32 build of another checkpoint answers the same questions and says nothing about this one."""
    backbone = bundle.manifest.backbone.model_copy(update={"content_digest": "b" * 64})
    other = bundle.manifest.model_copy(update={"backbone": backbone})
    with pytest.raises(CalibrationError, match="different weights"):
        check_comparable(bundle.manifest, other)


def test_a_bundle_is_measured_before_anybody_signs_it(
    cases: Path, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the build left it: a signature comes after the measurement, not before."""
    folder = tmp_path / "built"
    shutil.copytree(bundle.path, folder)
    (folder / ENVELOPE_NAME).unlink()
    (folder / UNSIGNED_NAME).write_bytes(manifest_bytes(bundle.manifest))
    code = main(["evaluate", str(folder), "--cases", str(cases), "--per-tone", "1", "--out", str(tmp_path / "out")])
    assert code == 0, capsys.readouterr().err


def test_without_a_reference_nothing_is_judged(cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A measurement alone ends well and says that nothing was judged."""
    code = main(["evaluate", str(BUNDLE), "--cases", str(cases), "--per-tone", "1", "--out", str(tmp_path)])
    assert code == 0
    assert "measured, not judged" in capsys.readouterr().err


def test_an_interrupted_run_goes_on(cases: Path, bundle: Bundle, tmp_path: Path) -> None:
    """What was finished is not asked again: the second run answers nothing and has the same answers."""
    from calibration.evaluation.case_folder import read_cases

    plan = Plan(read_cases(cases, per_tone=1), (), tmp_path, is_timed=False)
    first = evaluate(bundle, None, plan, tell=lambda *_: None)
    asked: list[tuple[str, int, int]] = []
    again = evaluate(bundle, None, plan, tell=lambda *row: asked.append(row))
    assert again.candidate.answers == first.candidate.answers
    assert asked == [("candidate", 2, 2)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cases", "nowhere"], "cannot read the cases"),
        (["--cases", ".", "--judge", "http://192.0.2.1/v1"], "--judge-may-leave"),
        (["--cases", ".", "--per-tone", "0"], "--per-tone is at least 1"),
        (["--cases", ".", "--forced-per-tone", "0"], "--forced-per-tone is at least 1"),
        (["--cases", ".", "--judge-cases", "0"], "--judge-cases is at least 1"),
        (["--cases", ".", "--judge-cases", "-3"], "--judge-cases is at least 1"),
        (["--cases", ".", "--gates", "nowhere.toml"], "nowhere.toml cannot be read"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before any work is done."""
    assert main(["evaluate", str(BUNDLE), *arguments]) != 0
    assert words in " ".join(capsys.readouterr().err.split())
