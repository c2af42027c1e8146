"""The schemas of the benchmark's answers: the reference agents' fields, each one value, so that every answer is as long.

Under the project's tokenizer all values of a field have the same number of tokens, and nothing is a list of open length: whichever
values random weights choose, the answer has the length that ``workload.toml`` fixes.
"""

from __future__ import annotations

from typing import Any

from calibration.reference import agents_spec
from edge_agent.contracts.manifest import Generation, Step
from scripts.speed.workload import Turn

STEPS_OF_REASON = 6  # 24 of 105 tokens are chosen; the reference model chooses 43 of 110
_REASON = {
    "working": agents_spec.BIOMEDICAL_VALUES["working"],
    "differential": agents_spec.BIOMEDICAL_VALUES["differential"],
    **agents_spec.REASON_VALUES,
}


def schema_of(turn: Turn) -> dict[str, Any]:
    """Return the JSON schema of a turn's answer."""
    if turn.step == "describe":
        return _object({name: {"enum": values} for name, values in agents_spec.REC_VALUES.items()})
    if turn.agent == "representation":
        names = ("mechanism",) if turn.step == "pathogenesis" else ("distribution", "symmetry", "phenotype", "stage")
        return _object({name: {"enum": agents_spec.REP_VALUES[name]} for name in names})
    values = {"claim": agents_spec.CLAIMS, "stance": agents_spec.STANCES, "evidence": agents_spec.REC_VALUES["colour"]}
    step = _object({name: {"enum": values[name]} for name in values})
    steps = {"type": "array", "items": step, "minItems": STEPS_OF_REASON, "maxItems": STEPS_OF_REASON}
    return _object({"reasoning_steps": steps, **{name: {"enum": values} for name, values in _REASON.items()}})


def step_of(turn: Turn) -> Step:
    """Return the turn as a manifest's step."""
    schema = schema_of(turn)
    return Step(
        name=turn.step, prompt="", contract="schema", output_schema=schema, generation=Generation(max_tokens=400)
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
