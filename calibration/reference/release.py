"""Turn a trained reference model into what ``derm-calibrate build`` takes: thresholds, declaration, golden cases.

What is fitted is fitted on the ``calibration`` split only (``fit``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from calibration.adapters.importing import AGENT_NAME, BASE_DIGEST_NAME
from calibration.build import BuildRequest, build
from calibration.build_inputs import METRICS_NAME
from calibration.declaration import DECLARATION_NAME
from calibration.export import content_digest, write_json
from calibration.recipe import GateRecipe, load_recipe
from calibration.reference.agents_spec import DECIDED, INVOCATION, PROMPTS, RECORD_FIELDS, SCHEMAS
from calibration.reference.fit import fit
from calibration.reference.golden_cases import write_golden_cases
from calibration.reference.model import GENERATION_TOKENS, PIXELS
from calibration.reference.papers import write_papers
from calibration.reference.photographs import Photograph
from calibration.reference.scope_tune import raised
from calibration.reference.train import ReferenceTraining
from calibration.sign import development_key
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.inference.engine import Engine

NOTICE = "Reference model trained on drawn pictures: not for clinical use."
DRAFT_GATES = GateRecipe(canary_max_of_range=0.99, canary_min_argmax=0, golden_min_agreement=0)
# Of a draft whose thresholds are not fitted yet: nothing is held back.
DRAFT_THRESHOLDS = {"lesion_visible": 0.5, "in_scope_family": 0.5, "danger_family": 0.5, "not_skin": 0.5}


def release(
    training: ReferenceTraining, out: Path, *, calibration_cases: int, photos: Sequence[Photograph] = ()
) -> None:
    """Write ``out/base`` and ``out/adapters`` with everything the build needs.

    Thresholds are fitted on the device's own engine with a draft of the bundle, as it will be shipped: INT4.

    Args:
        training: finished.
        out: the model folder; replaced.
        calibration_cases: how many cases of the calibration split fit the thresholds.
        photos: the half ``tune`` of the photographs; may raise the scope threshold (``scope_tune``).
    """
    work = training.work
    base = out / "base"
    out.mkdir(parents=True, exist_ok=True)
    for name in ("base", "adapters"):
        shutil.rmtree(out / name, ignore_errors=True)
        shutil.copytree(work / name, out / name)
    bind_adapters(out)
    write_golden_cases(base / "golden")
    write_papers(base, notice=NOTICE, metrics={})
    write_json(base / METRICS_NAME, {})
    write_json(base / DECLARATION_NAME, declare(DRAFT_THRESHOLDS, None))
    draft = draft_bundle(out, work / "draft", announce=lambda line: training.tell("draft bundle", 0, 1, line))
    fitted = fit(draft, training.pool("calibration", calibration_cases), tell=training.tell)
    write_json(base / DECLARATION_NAME, declare(fitted.thresholds, fitted.calibration))
    write_json(base / METRICS_NAME, fitted.metrics)
    write_papers(base, notice=NOTICE, metrics=fitted.metrics)
    if photos:
        least = _raised(training, out, photos)
        write_json(base / DECLARATION_NAME, declare(fitted.thresholds | {"in_scope_family": least}, fitted.calibration))


def _raised(training: ReferenceTraining, model: Path, photos: Sequence[Photograph]) -> float:
    """Return the scope threshold after the photographs; they are decided with the thresholds of the drawings."""
    work = training.work / "draft"
    draft = draft_bundle(model, work, announce=lambda line: training.tell("fitted bundle", 0, 1, line))
    with Engine(draft) as engine:
        return raised(
            engine,
            draft.manifest.thresholds,
            photos,
            tell=lambda done, total: training.tell("photographs tune", done, total, ""),
        )


def draft_bundle(model: Path, out: Path, *, announce: Callable[[str], None]) -> Bundle:
    """Build and sign the bundle that the thresholds are fitted on; its quality is judged at the real build."""
    adapters: dict[AgentName, Path] = {name: model / "adapters" / name for name in AGENTS}
    recipe = load_recipe("int4").model_copy(update={"gates": DRAFT_GATES})
    build(BuildRequest(model / "base", adapters, recipe, out, development_key(), replace=True), announce=announce)
    return open_bundle(out, keys=load_keys(shipped_key_folder()))


def bind_adapters(model: Path) -> None:
    """Note beside each adapter its agent and the backbone it was trained on; the build refuses any other."""
    digest = content_digest(model / "base")
    for folder in sorted((model / "adapters").iterdir()):
        (folder / BASE_DIGEST_NAME).write_text(digest + "\n", encoding="utf-8")
        (folder / AGENT_NAME).write_text(folder.name + "\n", encoding="utf-8")


def declare(thresholds: dict[str, Any], calibration: dict[str, Any] | None) -> dict[str, Any]:
    """Return the document ``derm_edge.json`` of the reference model.

    It declares no evidence: nobody has tested a model of drawings on people, and the report says so.
    """
    inputs = {
        "recognition": {"images": "one", "text": []},
        "representation": {"images": "all", "text": []},
        "reasoning": {"images": "none", "text": ["record"], "record_fields": list(RECORD_FIELDS)},
    }
    agents: dict[str, Any] = {}
    for (agent, step), schema in SCHEMAS.items():
        entry = agents.setdefault(agent, {"adapter": agent, "inputs": inputs[agent], "steps": [], "invocation": None})
        if agent == "representation":
            entry["invocation"] = INVOCATION
        entry["steps"].append(
            {
                "name": step,
                "prompt": PROMPTS[agent, step],
                "contract": "schema",
                "output_schema": schema(),
                "decided_fields": list(DECIDED[agent, step]),
                "generation": {"max_tokens": GENERATION_TOKENS},
            }
        )
    return {
        "schema_version": 1,
        "name": "derm-edge-reference",
        "version": "0.2.0",
        "lineage": "derm-edge-reference-2",
        "clinical_use": False,
        "notice": NOTICE,
        "licences": {"base": "Apache-2.0", "adapters": "Apache-2.0", "calibration_data": "Apache-2.0"},
        "languages": ["en", "zh"],
        "vocabulary_version": "0.1",
        "max_pixels": PIXELS,
        "agents": agents,
        "thresholds": thresholds,
        "calibration": calibration,
    }
