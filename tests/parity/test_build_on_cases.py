"""A whole build with a recipe that looks at activations: what the bundle says about it, and that it holds none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from calibration.build import BuildRequest, build
from calibration.recipe import GateRecipe, load_recipe
from calibration.reference import agents_spec
from calibration.trust.contents import check_contents
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import AgentName, Manifest
from tests.simulators.checkpoint import write_adapters, write_base
from tests.simulators.declaration import write_declared

# Random logits lie close together: the shipped gates would judge the dice, not the build.
LOOSE = GateRecipe(canary_max_of_range=0.9, canary_min_argmax=0.0, golden_min_agreement=0.0)


@dataclass(frozen=True)
class Built:
    """A bundle built with scale estimation, and what was announced meanwhile."""

    bundle: Bundle
    announced: list[str]

    @property
    def manifest(self) -> Manifest:
        """Return its manifest."""
        return self.bundle.manifest


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Build once from a random small checkpoint; Recognition's adapter serves as a later one of Reasoning."""
    folder = tmp_path_factory.mktemp("on-cases")
    schemas = (json.dumps(schema(), separators=(",", ":")) for schema in agents_spec.SCHEMAS.values())
    base = write_base(folder / "base", [*agents_spec.PROMPTS.values(), *schemas])
    write_declared(base)
    adapters: dict[AgentName, Path] = write_adapters(folder / "adapters", base)  # type: ignore[assignment]
    later = shutil.copytree(adapters["recognition"], folder / "later")
    out, announced = folder / "out" / "bundle", list[str]()
    recipe = load_recipe("int4-se").model_copy(update={"gates": LOOSE})
    request = BuildRequest(base, adapters, recipe, out, later={"reasoning": later})
    manifest = build(request, announce=announced.append)
    yield Built(Bundle(path=out, manifest=manifest, signed_by="nobody"), announced)


def test_nothing_captured_is_in_the_bundle_or_beside_it(built: Built) -> None:
    """Every file has a role that the format knows and holds nothing else; the folder beside it is gone."""
    assert check_contents(built.bundle).faults == ()
    assert [path.name for path in built.bundle.path.parent.iterdir()] == ["bundle"]


def test_the_manifest_says_what_was_looked_at(built: Built) -> None:
    """Two golden cases with three pictures in all, on one thread; errors of seen and later adapters side by side."""
    record = built.manifest.metrics["compression"]
    assert isinstance(record, dict)
    assert (record["source"], record["cases"], record["threads"]) == ("golden", 2, 1)
    assert record["conversations"] == {"recognition": 3, "representation": 2, "reasoning": 2}
    errors = record["errors"]
    assert set(errors) == {"recognition", "representation", "reasoning", "reasoning.later", "bare"}
    assert all(0 < error["logits"] < 1 for error in errors.values())
    assert len(errors["recognition"]["linears"]) == 14


def test_the_record_of_the_recipe_fixes_the_threads(built: Built) -> None:
    """recipe.json and manifest say the method, its parameters and the number of threads."""
    recipe = json.loads(built.bundle.path_of("recipe").read_text(encoding="utf-8"))
    assert recipe == built.manifest.recipe
    assert recipe["calibration"] == {"threads": 1}
    assert recipe["language_model"]["scale_estimation"] is True
    assert recipe["language_model"]["advanced_parameters"]["scale_estimation_params"]["scale_steps"] == 5


def test_the_census_is_that_of_int4(built: Built) -> None:
    """14 INT4 linears with their zero points: scale estimation changes scales, never precision."""
    tensors = {(row.part, row.element_type): row.tensors for row in built.manifest.census}
    assert tensors["language_model", "u4"] == 28


def test_steps_are_announced(built: Built) -> None:
    """Somebody who waits sees what takes so long."""
    assert "compress language_model (int4-se)" in built.announced
