"""Make what a benchmark runs on: a random checkpoint of a shape and the bundles built of it, kept in the work folder."""

from __future__ import annotations

from pathlib import Path

from calibration.build import BuildRequest, build
from calibration.checkpoint.shape import write_shape
from calibration.checkpoint.shape_declared import ADAPTERS_FOLDER, RECIPE_NAME
from calibration.checkpoint.shapes import SHAPES
from calibration.recipe import load_recipe, recipe_folder
from calibration.sign import development_key
from edge_agent.contracts.manifest import AGENTS
from scripts.speed.contenders import Parts
from scripts.speed.interleave import Tell

NAMES = {"reference": "reference", "0.6b": "0.6b", "3b": "qwen2.5-vl-3b"}
_OPEN_GATES = "[gates]\ncanary_max_of_range = 0.9\ncanary_min_argmax = 0.0\ngolden_min_agreement = 0.0\n"


def parts_of(shape: str, work: Path, *, side_px: int, tell: Tell) -> Parts:
    """Return the INT4 bundle of a shape with its checkpoint; makes what the work folder lacks (3b: ten minutes).

    Raises:
        EdgeError: the checkpoint cannot be written or built.
    """
    work.mkdir(parents=True, exist_ok=True)
    checkpoint = checkpoint_of(shape, work, tell=tell)
    bundle = _built(checkpoint, work / f"{shape}.int4", checkpoint / RECIPE_NAME, tell=tell)
    return Parts(checkpoint, bundle, work / f"{shape}.genai", side_px)


def float_bundle(shape: str, work: Path, *, tell: Tell) -> Path:
    """Return the bundle of a shape in which nothing is compressed."""
    checkpoint = checkpoint_of(shape, work, tell=tell)
    recipe = work / "fp32-open.toml"
    text = (recipe_folder() / "fp32.toml").read_text(encoding="utf-8").split("[gates]")[0]
    recipe.write_text(text + _OPEN_GATES, encoding="utf-8")
    return _built(checkpoint, work / f"{shape}.fp32", recipe, tell=tell)


def checkpoint_of(shape: str, work: Path, *, tell: Tell) -> Path:
    """Return the random checkpoint of a shape."""
    folder = work / shape
    if not folder.is_dir():
        tell(f"write a random checkpoint of the shape {shape}")
        write_shape(SHAPES[NAMES[shape]], folder)
    return folder


def _built(checkpoint: Path, out: Path, recipe: Path, *, tell: Tell) -> Path:
    if (out / "manifest.dsse.json").is_file():
        return out
    adapters = {agent: checkpoint / ADAPTERS_FOLDER / agent for agent in AGENTS}
    request = BuildRequest(
        base=checkpoint, adapters=adapters, recipe=load_recipe(str(recipe)), out=out, private_key=development_key()
    )
    build(request, announce=lambda line: tell(f"build {out.name}: {line}"))
    return out
