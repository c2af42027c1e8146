"""The published JSON schemas of this project's vocabulary, form and agents' answers, as they stand in ``schemas/``.

Everything is generated: from the vocabulary's data files and from the form's model. ``scripts/schemas`` writes the
files, a test compares them. The report's schema is written by hand and is not made here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge_agent.contracts.intake import Intake
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.contracts.terms import Vocabulary

FOLDER = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLES: Mapping[AgentName, str] = MappingProxyType(
    {
        "recognition": "DERM-Rec: what one view shows; one object per view",
        "representation": "DERM-Rep: one object per visit, in two steps",
        "reasoning": "DERM-Reason: reasons, conditions, TCM proposal, plan proposal, limitations; one object per visit",
    }
)
_ANSWERS = (
    "Ids of the vocabulary, grades and short local texts only; no dose, no confidence. Key order is the order of"
    " generation. A bundle may declare less; what it does not decide it fixes at the field's nothing-value or leaves"
    " out where the key is optional."
)
# Digits and capitals: documented exceptions to snake_case (age bands, AVPU letters, triage tiers).
_ID = "^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$"
_NAME = "^[a-z][a-z0-9_]*$"


def published_schemas(vocabulary: Vocabulary) -> dict[str, dict[str, Any]]:
    """Return every generated schema by file name."""
    schemas = {f"{agent}.schema.json": _answer(vocabulary, agent) for agent in AGENTS}
    form = Intake.model_json_schema()
    form.pop("title")
    schemas["intake.schema.json"] = _head("intake", "The intake form of one visit; nothing is required") | form
    schemas["vocabulary.schema.json"] = _head("vocabulary", "One data file of the vocabulary, read as TOML") | _rows()
    return schemas


def schema_text(schema: Mapping[str, Any]) -> str:
    """Return the bytes of a schema file as text; key order is kept, since it is part of the contract."""
    return json.dumps(schema, ensure_ascii=False, indent=1) + "\n"


def _answer(vocabulary: Vocabulary, agent: AgentName) -> dict[str, Any]:
    head = _head(agent, _TITLES[agent]) | {"description": f"{_ANSWERS} Vocabulary {vocabulary.version}."}
    steps = vocabulary.agent_steps(agent)
    if len(steps) == 1:
        return head | vocabulary.agent_schema(agent, steps[0])
    return head | {
        "type": "object",
        "properties": {step: vocabulary.agent_schema(agent, step) for step in steps},
        "required": list(steps),
        "additionalProperties": False,
    }


def _rows() -> dict[str, Any]:
    """The shape of the data files themselves: lists of rows; further keys of a row are its facts."""
    word = {"type": "string", "minLength": 1}
    scalar = {"type": ["string", "integer", "boolean"]}
    fact = {"anyOf": [scalar, {"type": "array", "items": scalar}]}
    row = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": _ID},
            "zh": word,
            "en": word,
            "status": {"enum": ["unreviewed", "reviewed"]},
            "source": word,
            "since": {"type": "integer", "minimum": 1},
        },
        "required": ["id", "zh", "en", "status", "source", "since"],
        "propertyNames": {"pattern": _NAME},
        "additionalProperties": fact,
    }
    body = {
        "type": "object",
        "properties": {
            "zh": word,
            "en": word,
            "max": {"type": "integer", "minimum": 1},
            "model": _model(),
            "values": {"type": "array", "items": row},
        },
        "required": ["zh", "en", "max", "values"],
        "additionalProperties": False,
    }
    return {"type": "object", "minProperties": 1, "propertyNames": {"pattern": _NAME}, "additionalProperties": body}


def _model() -> dict[str, Any]:
    grade = {"type": "integer"}
    return {
        "description": "Which agent fills the list, and how; absent where only people or code do.",
        "type": "object",
        "properties": {
            "agent": {"enum": list(AGENTS)},
            "step": {"type": "string", "pattern": _NAME},
            "order": {"type": "integer", "minimum": 1},
            "key": {"type": "string", "pattern": _NAME},
            "grades": {"type": "array", "items": grade, "minItems": 2, "maxItems": 2},
            "max_characters": {"type": "integer", "minimum": 1},
            "is_optional": {"type": "boolean"},
            "is_reference": {"type": "boolean"},
        },
        "required": ["agent", "step", "order"],
        "additionalProperties": False,
    }


def _head(name: str, title: str) -> dict[str, Any]:
    return {"$schema": DIALECT, "$id": f"https://derm-edge.invalid/schemas/{name}-1.json", "title": title}
