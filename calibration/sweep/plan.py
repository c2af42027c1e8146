"""Lay out the stages of a sweep, with everything that goes into each of them. Runs nothing, loads no weight."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.evaluation.case_folder import cases_digest, read_cases
from calibration.recipe import Recipe, is_uncompressed, load_recipe
from calibration.sweep.inputs import code_digest, cpu_count, files_digest, thread_count, tool_versions
from calibration.sweep.stages import Kind, Stage
from calibration.trust.write import EPOCH_VARIABLE
from edge_agent.contracts.manifest import AgentName
from edge_agent.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# An export reads weights, configuration and tokenizer; what is declared or told about them does not change it.
_EXPORTED = ("*.safetensors", "*.json", "*.txt", "*.jinja")
_NOT_EXPORTED = ("derm_edge.json", "metrics.json")
_HIDDEN = (".cache", ".git")


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What to build and measure.

    Attributes:
        base: checkpoint in Hugging Face layout, as for a build.
        adapters: PEFT folders by agent.
        recipes: each becomes a bundle.
        out: the sweep's folder.
        cases: labelled cases (docs/evaluation.md); None builds only, and judges nothing.
        private_key: PEM to sign bundles with.
        calibration_cases: for recipes that look at activations; None as for a build.
        per_tone: first so many cases of each tone group; None takes all.
        forced_per_tone: of them teacher-forced.
        stops_at_failure: nothing is begun after a stage has failed; otherwise the other recipes go on.
    """

    base: Path
    adapters: Mapping[AgentName, Path]
    recipes: Sequence[Recipe]
    out: Path
    cases: Path | None = None
    private_key: Path | None = None
    calibration_cases: Path | None = None
    per_tone: int | None = None
    forced_per_tone: int = 200
    stops_at_failure: bool = False


@dataclass(frozen=True, slots=True)
class RecipePlan:
    """One recipe's stages; ``evaluate`` is None where nothing is measured. ``is_asked``: not only the others' twin."""

    recipe: Recipe
    build: Stage
    evaluate: Stage | None
    is_asked: bool = True

    @property
    def name(self) -> str:
        """Return the recipe's name."""
        return self.recipe.name


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """All stages; ``twin`` is the FP32 recipe that the others are measured against, the first of ``recipes``."""

    export: Stage
    recipes: tuple[RecipePlan, ...]
    twin: RecipePlan | None

    @property
    def stages(self) -> list[Stage]:
        """Return every stage in the order in which they run."""
        measured = [one.evaluate for one in self.recipes if one.evaluate is not None]
        return [self.export, *(one.build for one in self.recipes), *measured]


def make_plan(request: SweepRequest) -> SweepPlan:
    """Read every input once and return the stages.

    Raises:
        ConfigError: two recipes of one name, a name that is no folder's, no recipe, or a folder for results among inputs.
        CaseError: a case is malformed.
        ExportError: a folder is missing.
    """
    _check_names(request.recipes)
    _check_out(request)
    common = {"tools": tool_versions(), "threads": thread_count(), "cpus": cpu_count()}
    weights = files_digest(request.base, only=_EXPORTED, without=_NOT_EXPORTED)
    export = Stage(Kind.EXPORT, "", {**common, "base": weights, "code": code_digest("export")})
    built = {**common, **_build_inputs(request), "code": code_digest("build")}
    measured = None if request.cases is None else _evaluation_inputs(request, request.cases)
    asked = {recipe.name for recipe in request.recipes}
    recipes = _with_twin(request.recipes) if measured is not None else list(request.recipes)
    plans: list[RecipePlan] = []
    twin_key = ""
    for recipe in recipes:
        build = Stage(Kind.BUILD, recipe.name, {**built, "recipe": recipe.model_dump(mode="json")})
        evaluate = None
        if measured is not None:
            inputs = {**common, **measured, "bundle": build.key, "against": twin_key}
            evaluate = Stage(Kind.EVALUATE, recipe.name, inputs)
            twin_key = twin_key or build.key  # the twin comes first and has none itself
        plans.append(RecipePlan(recipe, build, evaluate, is_asked=recipe.name in asked))
    return SweepPlan(export, tuple(plans), plans[0] if measured is not None else None)


def _check_names(recipes: Sequence[Recipe]) -> None:
    if not recipes:
        raise ConfigError("a sweep needs at least one --recipe")
    names = [recipe.name for recipe in recipes]
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"the recipe name {name!r} cannot be a folder's; use letters, digits, . _ and -")
        if names.count(name) > 1:
            raise ConfigError(f"two recipes are called {name}; give one of them another name")


def _check_out(request: SweepRequest) -> None:
    """Refuse results inside an input: they would change its digest, and nothing would ever be finished."""
    out = request.out.resolve()
    inputs = [request.base, *request.adapters.values(), request.cases, request.calibration_cases]
    for place in (one for one in inputs if one is not None):
        if out.is_relative_to(place.resolve()):
            raise ConfigError(f"--out {request.out} lies inside {place}, which is read; choose another --out")


def _with_twin(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Return the recipes with an uncompressed one in front."""
    own = next((recipe for recipe in recipes if is_uncompressed(recipe)), None)
    if own is None and any(recipe.name == "fp32" for recipe in recipes):
        raise ConfigError("a recipe called fp32 compresses weights; give it another name")
    twin = own or load_recipe("fp32")
    return [twin, *(recipe for recipe in recipes if recipe is not twin)]


def _build_inputs(request: SweepRequest) -> dict[str, Any]:
    cases = request.calibration_cases
    return {
        "base": files_digest(request.base, without=_HIDDEN),
        "base_name": request.base.resolve().name,
        "adapters": {name: files_digest(folder, without=_HIDDEN) for name, folder in request.adapters.items()},
        "calibration_cases": None if cases is None else [cases.resolve().name, files_digest(cases)],
        "epoch": os.environ.get(EPOCH_VARIABLE),
    }


def _evaluation_inputs(request: SweepRequest, cases: Path) -> dict[str, Any]:
    return {
        "cases": cases_digest(read_cases(cases, per_tone=request.per_tone)),
        "forced_per_tone": request.forced_per_tone,
        "code": code_digest("evaluate"),
    }
