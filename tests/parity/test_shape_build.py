"""What ``derm-calibrate shape`` writes is what ``derm-calibrate build`` takes, with its weights in bf16 until the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.cli import main
from calibration.recipe import recipe_folder
from calibration.sign import development_key
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AGENTS

pytestmark = pytest.mark.long

LOOSE = "[gates]\ncanary_max_of_range = 0.9\ncanary_min_argmax = 0.0\ngolden_min_agreement = 0.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of two layers, written by the command."""
    out = tmp_path_factory.mktemp("shape") / "checkpoint"
    assert main(["shape", "--like", "reference", "--layers", "2", "--out", str(out)]) == 0
    return out


def arguments(folder: Path, recipe: Path | str, out: Path) -> list[str]:
    """The build's arguments for such a folder."""
    adapters = [f"--adapter={agent}={folder / 'adapters' / agent}" for agent in AGENTS]
    key = f"--key={development_key()}"
    return ["build", f"--base={folder}", *adapters, f"--recipe={recipe}", f"--out={out}", key]


def test_a_shape_builds_as_it_is(folder: Path, tmp_path: Path) -> None:
    """Declaration, golden case, adapters and recipe lie in the folder; the device opens what comes out."""
    assert main(arguments(folder, folder / "recipe.toml", tmp_path / "bundle")) == 0
    manifest = open_bundle(tmp_path / "bundle", keys=load_keys(shipped_key_folder())).manifest
    assert [adapter.name for adapter in manifest.adapters] == sorted(AGENTS)
    assert {adapter.activation.kind for adapter in manifest.adapters} == {"always", "invocation"}
    weights = {(row.part, row.element_type) for row in manifest.census}
    assert ("language_model", "u4") in weights
    assert not any(kind in ("bf16", "f32") and row.elements > 10_000 for row in manifest.census
                   for kind in [row.element_type])  # fmt: skip


def test_float32_from_bf16_is_what_pytorch_computes(folder: Path, tmp_path: Path) -> None:
    """Under the FP32 recipe's own gate, 1e-4 of the logits' range: weights that were widened, in both, are the same."""
    assert main(arguments(folder, "fp32", tmp_path / "bundle")) == 0


def test_methods_that_look_at_cases_see_float32(folder: Path, tmp_path: Path) -> None:
    """Scale estimation runs through the graft on widened parts, and nothing of them is left beside the bundle."""
    recipe = tmp_path / "se.toml"
    text = (recipe_folder() / "int4-se.toml").read_text(encoding="utf-8").split("[gates]")[0]
    recipe.write_text(text + LOOSE, encoding="utf-8")
    assert main(arguments(folder, recipe, tmp_path / "out" / "bundle")) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bundle"]
