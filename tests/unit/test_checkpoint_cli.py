"""``derm-calibrate inspect`` and ``shape`` as a person calls them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from calibration.cli import main
from calibration.export import content_digest
from edge_agent.contracts.manifest import AGENTS
from edge_agent.errors import ConfigError, ExportError
from tests.simulators import hf_folder
from tests.simulators.declaration import write_declared

REFERENCE_BUNDLE = Path(__file__).resolve().parents[2] / "edge_agent" / "bundles" / "reference"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound checkpoint."""
    return hf_folder.write_folder(tmp_path / "base")


def test_inspect_prints_a_checkpoint_with_digests(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shapes, parts, files with sha256, licences, and one line per recipe and profile."""
    assert main(["inspect", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "text 2 x 8, 2 heads / 1 KV" in out
    assert hashlib.sha256((folder / hf_folder.SHARDS[0]).read_bytes()).hexdigest() in out
    assert content_digest(folder) in out
    assert "licence of calibration_data: cc0-1.0 (derm_edge.json)" in out
    assert "generic, a case" in out
    assert "no faults found" in out


def test_inspect_as_json_holds_everything(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document for machines: counts by part, adapters, estimates, faults."""
    adapter = hf_folder.write_peft(tmp_path / "reasoning", r=2, digest=content_digest(folder))
    assert main(["inspect", str(folder), "--json", "--recipe", "int4-data-free", f"--adapter=reasoning={adapter}"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["parameters"]["embeddings"] == 512
    assert document["dtypes"] == {"BF16": len(hf_folder.TENSORS)}
    assert document["shards"] == list(hf_folder.SHARDS)
    assert document["faults"] == []
    (found,) = document["adapters"]
    assert (found["agent"], found["r"], found["alpha"], found["targets"]) == ("reasoning", 2, 4.0, ["q_proj"])
    assert (found["dtypes"], found["parameters"], found["base_digest"]) == (["F32"], 64, content_digest(folder))
    assert [one["recipe"] for one in document["estimates"]] == ["int4-data-free"]
    assert document["tokenizer"]["special"]["<|image_pad|>"] == 55


def test_inspect_prints_every_fault_and_ends_with_the_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person mends all of them in one go; the exit code is that of a checkpoint that cannot be exported."""
    (folder / "preprocessor_config.json").unlink()
    (folder / "derm_edge.json").write_text("{}")
    assert main(["inspect", str(folder)]) == ExportError.exit_code
    printed = capsys.readouterr()
    assert "has no preprocessor_config.json" in printed.out
    assert "no licence for the calibration data" in printed.out
    assert "has no preprocessor_config.json" in printed.err
    assert "(and 1 more: derm-calibrate inspect" in printed.err


def test_inspect_notes_the_fast_image_processor(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Newer checkpoints are saved with it; the device takes the same steps with Pillow, and says so."""
    hf_folder.edit(folder / "preprocessor_config.json", {"image_processor_type": "Qwen2VLImageProcessorFast"})
    assert main(["inspect", str(folder), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert any("Qwen2VLImageProcessorFast" in note for note in document["notes"])
    assert document["preprocessor"]["processor"] == "Qwen2VLImageProcessorFast"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"agnets": {}}, "agnets: Extra inputs are not permitted; did you mean 'agents'?"),
        ({"lineage": 7}, "lineage"),
    ],
)
def test_inspect_says_what_a_build_would_refuse(
    tmp_path: Path, changes: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A declaration that is not finished is no fault of the weights, and is told all the same."""
    folder = hf_folder.write_folder(tmp_path / "base")
    write_declared(folder)
    hf_folder.edit(folder / "derm_edge.json", changes)
    assert main(["inspect", str(folder), "--json"]) == 0
    (note,) = [one for one in json.loads(capsys.readouterr().out)["notes"] if one.startswith("not ready to build: ")]
    assert words in note


def test_inspect_says_that_golden_cases_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are the other half of what a build reads beside the weights."""
    folder = hf_folder.write_folder(tmp_path / "base")
    write_declared(folder)
    shutil.rmtree(folder / "golden")
    assert main(["inspect", str(folder)]) == 0
    assert "not ready to build: " in capsys.readouterr().out


def test_inspect_still_prints_a_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with a manifest is verified as before."""
    assert main(["inspect", str(REFERENCE_BUNDLE)]) == 0
    assert "signed by development key" in capsys.readouterr().out
    assert main(["inspect", str(REFERENCE_BUNDLE), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "derm-edge-reference"


@pytest.mark.parametrize(
    ("name", "words"), [("empty", "is neither a checkpoint (no config.json) nor a bundle"), ("gone", "is no folder")]
)
def test_a_folder_that_is_neither(tmp_path: Path, name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to inspect: one line that says so, and not that a signature cannot be read."""
    (tmp_path / "empty").mkdir()
    assert main(["inspect", str(tmp_path / name)]) == ConfigError.exit_code
    assert f"{tmp_path / name} {words}" in " ".join(capsys.readouterr().err.split())


def test_an_adapter_for_nobody_is_refused(folder: Path) -> None:
    """AGENT is one of three."""
    assert main(["inspect", str(folder), "--adapter", "treatment=x"]) == ConfigError.exit_code


PROBE = """
import sys
from calibration.cli import main
code = main(["inspect", sys.argv[1], "--json"])
heavy = {"torch", "transformers", "openvino", "nncf", "peft"} & set(sys.modules)
print(code, sorted(heavy), file=sys.stderr)
"""


def test_inspect_loads_no_heavy_library(folder: Path) -> None:
    """The preflight answers in a moment and never imports torch, whatever the checkpoint."""
    done = subprocess.run([sys.executable, "-c", PROBE, str(folder)], check=True, capture_output=True, text=True)
    assert done.stderr.strip().splitlines()[-1] == "0 []"


def test_shape_writes_a_folder_that_inspect_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is missing: licences, declaration, and an adapter of rank 16 for every agent."""
    out = tmp_path / "shape"
    assert main(["shape", "--like", "reference", "--layers", "1", "--out", str(out)]) == 0
    capsys.readouterr()
    adapters = [f"--adapter={agent}={out / 'adapters' / agent}" for agent in AGENTS]
    assert main(["inspect", str(out), *adapters, f"--recipe={out / 'recipe.toml'}", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["faults"] == []
    assert {one["agent"]: one["r"] for one in report["adapters"]} == dict.fromkeys(AGENTS, 16)
    assert [one["is_activated"] for one in report["adapters"]] == [False, True, False]


def test_shape_never_overwrites(folder: Path) -> None:
    """A folder that is there is left alone."""
    before = sorted(path.name for path in folder.iterdir())
    assert main(["shape", "--like", "reference", "--out", str(folder)]) == ExportError.exit_code
    assert sorted(path.name for path in folder.iterdir()) == before
