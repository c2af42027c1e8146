"""The reference model's declaration with neutral thresholds, for checkpoints that only the tests make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from calibration.reference import agents_spec
from edge_agent.agents.evidence.record import record_of, render
from edge_agent.agents.representation import Lead


def declaration() -> dict[str, Any]:
    """Return a valid ``derm_edge.json`` document with the reference model's prompts and schemas."""
    return {
        "schema_version": 1,
        "name": "random-weights",
        "version": "0.0.1",
        "lineage": "random",
        "notice": "Random weights. Not for clinical use.",
        "licences": {"base": "Apache-2.0", "adapters": "Apache-2.0", "calibration_data": "Apache-2.0"},
        "languages": ["en", "zh"],
        "vocabulary_version": "0.1",
        "agents": {
            "recognition": agent("recognition", images="one", text=[], steps=["describe"]),
            "representation": {
                **agent("representation", images="all", text=[], steps=["integrate", "pathogenesis"]),
                "invocation": agents_spec.INVOCATION,
            },
            "reasoning": agent("reasoning", images="none", text=["record"], steps=["assess"]),
        },
        "thresholds": {"lesion_visible": 0.5, "in_scope_family": 0.5, "danger_family": 0.5, "not_skin": 0.5},
    }


def agent(name: str, *, images: str, text: list[str], steps: list[str]) -> dict[str, Any]:
    """Return one declared agent from ``agents_spec``."""
    inputs: dict[str, Any] = {"images": images, "text": text}
    if "record" in text:
        inputs["record_fields"] = list(agents_spec.RECORD_FIELDS)
    return {"adapter": name, "inputs": inputs, "steps": [_step(name, one) for one in steps]}


def _step(name: str, step: str) -> dict[str, Any]:
    return {
        "name": step,
        "prompt": agents_spec.PROMPTS[(name, step)],
        "contract": "schema",
        "output_schema": agents_spec.SCHEMAS[(name, step)](),
        "decided_fields": list(agents_spec.DECIDED[(name, step)]),
        "generation": {"max_tokens": 400},
    }


def write_declared(base: Path) -> None:
    """Write derm_edge.json, README.md and two golden cases (three pictures) into a checkpoint folder."""
    (base / "derm_edge.json").write_text(json.dumps(declaration(), indent=1), encoding="utf-8")
    (base / "README.md").write_text("# Random weights\n\nNot for clinical use.\n", encoding="utf-8")
    (base / "metrics.json").write_text('{"note": "random weights"}', encoding="utf-8")
    golden = base / "golden"
    golden.mkdir(exist_ok=True)
    random = np.random.default_rng(7)
    for number, (width, height) in enumerate([(112, 84), (140, 140), (90, 131)]):
        coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((width, height)).save(golden / f"p{number}.png")
    cases = [
        {"case_id": "a", "pictures": ["p0.png", "p1.png"], "texts": {"record": _record({"pulse": ["rapid"]})}},
        {"case_id": "b", "pictures": ["p2.png"], "texts": {"record": _record({})}},
    ]
    (golden / "cases.json").write_text(json.dumps({"cases": cases}), encoding="utf-8")


def _record(intake: dict[str, Any]) -> str:
    """Render what Reason would read of a visit with one sign and this form."""
    leads = {"colour": Lead(0, ("bright_red",))}
    return render(record_of(leads, representation={"symmetry": "symmetric"}, intake=intake), agents_spec.RECORD_FIELDS)
