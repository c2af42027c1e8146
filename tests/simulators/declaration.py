"""The reference model's declaration with neutral thresholds, for checkpoints that only the tests make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from calibration.reference import agents_spec
from edge_agent.agents import prompts


def declaration() -> dict[str, Any]:
    """Return a valid ``derm_edge.json`` document with the reference model's prompts and schemas."""
    return {
        "schema_version": 1,
        "name": "random-weights",
        "version": "0.0.1",
        "lineage": "random",
        "notice": "Random weights. Not for clinical use.",
        "licences": {"weights": "Apache-2.0"},
        "languages": ["en", "zh"],
        "vocabulary_version": "0.1",
        "agents": {
            "recognition": agent("recognition", images="one", text=[], steps=["describe"]),
            "representation": {
                **agent("representation", images="all", text=[], steps=["integrate", "pathogenesis"]),
                "invocation": agents_spec.INVOCATION,
            },
            "reasoning": agent("reasoning", images="none", text=["representation", "intake"], steps=["assess"]),
        },
        "thresholds": {"lesion_visible": 0.5, "in_scope_family": 0.5, "danger_family": 0.5, "not_skin": 0.5},
    }


def agent(name: str, *, images: str, text: list[str], steps: list[str]) -> dict[str, Any]:
    """Return one declared agent from ``agents_spec``."""
    return {"adapter": name, "inputs": {"images": images, "text": text}, "steps": [_step(name, one) for one in steps]}


def _step(name: str, step: str) -> dict[str, Any]:
    schema = agents_spec.SCHEMAS[(name, step)]()
    rules = {field: rule.get("items", rule)["enum"] for field, rule in schema["properties"].items()}
    return {
        "name": step,
        "prompt": agents_spec.PROMPTS[(name, step)],
        "contract": "schema",
        "output_schema": schema,
        "decided_fields": [field for field, values in rules.items() if len(values) > 1],
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
    texts = {
        "representation": prompts.render_representation({"colour": ["bright_red"]}, {"symmetry": "symmetric"}, None),
        "intake": prompts.render_intake({"pulse": ["rapid"], "general": {"thirst": "yes"}}),
    }
    cases = [
        {"case_id": "a", "pictures": ["p0.png", "p1.png"], "texts": texts},
        {"case_id": "b", "pictures": ["p2.png"], "texts": {**texts, "intake": prompts.render_intake({})}},
    ]
    (golden / "cases.json").write_text(json.dumps({"cases": cases}), encoding="utf-8")
