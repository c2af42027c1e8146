"""``derm-calibrate sweep`` as a person runs it, on a random small checkpoint: two recipes, one of which falls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("optimum.intel")

from calibration.cli import main
from calibration.sign import development_key
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from tests.simulators.sweep_run import run_for
from tests.simulators.sweep_source import SweepSource, write_source

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Swept:
    """A finished sweep, what it said on stderr and how it ended."""

    source: SweepSource
    arguments: list[str]
    out: Path
    said: list[str]
    code: int


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """INT8 twice: once with a bound that nothing meets, first, and once with one that random weights meet."""
    source = write_source(tmp_path_factory.mktemp("sweep"))
    strict = "[gates]\ncanary_max_of_range = 0.000001\ncanary_min_argmax = 0.99\ngolden_min_agreement = 0.0\n"
    recipes = source.recipe("int8", gates=strict, called="strict"), source.recipe("int8")
    out = source.folder / "out"
    arguments = [*source.arguments(*recipes, out=out), f"--key={development_key()}"]
    said, code = run_for(arguments, seconds=None)
    return Swept(source, arguments, out, said, code)


def test_a_failed_recipe_is_told_and_the_other_goes_on(swept: Swept) -> None:
    """Exit code of the gate that fell; one bundle, which a device opens; the report names both recipes."""
    assert swept.code == 83, swept.said
    assert [path.name for path in (swept.out / "bundles").iterdir()] == ["int8"]
    assert (
        open_bundle(swept.out / "bundles" / "int8", keys=load_keys(shipped_key_folder())).signed_by == "development key"
    )
    rows = {row["name"]: row for row in json.loads((swept.out / "sweep.json").read_text(encoding="utf-8"))["recipes"]}
    assert (rows["strict"]["state"], rows["int8"]["state"]) == ("FAILED", "built, not judged")
    assert "logits differ by" in rows["strict"]["failure"]
    assert "logits differ by" in (swept.out / "report.html").read_text(encoding="utf-8")


def test_one_export_serves_all_and_lasts_while_a_recipe_needs_it(swept: Swept) -> None:
    """It is made once, and kept for the recipe that may be mended."""
    assert sum("export base to OpenVINO" in line for line in swept.said) == 1
    kinds = sorted(path.name.rsplit("-", 1)[0] for path in (swept.out / "stages").iterdir())
    assert kinds == ["build-int8", "export"]


def test_a_sweep_builds_what_a_build_builds(swept: Swept, tmp_path: Path) -> None:
    """Sharing the export and running in workers changes no byte."""
    adapters = [f"--adapter={name}={folder}" for name, folder in swept.source.adapters.items()]
    recipe, out = swept.source.folder / "int8.toml", tmp_path / "bundle"
    arguments = ["build", f"--base={swept.source.base}", *adapters, f"--recipe={recipe}", f"--out={out}"]
    assert main([*arguments, f"--key={development_key()}"]) == 0
    ours = {path.name: path.read_bytes() for path in (swept.out / "bundles" / "int8").iterdir()}
    theirs = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(ours) == sorted(theirs)
    assert [name for name, data in ours.items() if theirs[name] != data] == []


def test_a_mended_recipe_joins_without_repeating_anything(swept: Swept) -> None:
    """The recipe that fell is built from the kept export, the other is not touched; the export goes when all are built."""
    swept.source.recipe("int8", called="strict")  # the same name, a bound that random weights meet
    said, code = run_for(swept.arguments, seconds=None)
    assert code == 0, said
    assert said[0] == "3 stages, 2 finished before"
    assert not any("export base" in line or "build int8" in line for line in said)
    assert sorted(path.name for path in (swept.out / "bundles").iterdir()) == ["int8", "strict"]
    kinds = sorted(path.name.rsplit("-", 1)[0] for path in (swept.out / "stages").iterdir())
    assert kinds == ["build-int8", "build-strict"]


def test_a_group_that_divides_nothing_is_refused_before_the_export(swept: Swept, tmp_path: Path) -> None:
    """What headers tell is told in a moment; the other recipe of the same call would still be built."""
    recipe = swept.source.recipe("int4-data-free", called="odd")
    recipe.write_text(
        recipe.read_text(encoding="utf-8").replace("group_size = 32", "group_size = 28"), encoding="utf-8"
    )
    said, code = run_for(swept.source.arguments(recipe, out=tmp_path / "out"), seconds=None)
    assert code != 0
    assert not any("export base" in line for line in said)
    assert any("28" in line for line in said), said
