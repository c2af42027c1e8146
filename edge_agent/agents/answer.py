"""Read Reason's answer, flat or in the blocks of section 5, into the parts that code works on.

A bundle that decides little answers flat (``syndrome``, ``formula``); a full one answers in blocks (``tcm.syndrome``).
Behind this module both look the same. Judges nothing: thresholds, evidence and herbs are checked elsewhere.

Source: clinical-vocabulary section 5 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.agents.abstention import NO_SYNDROME, Abstention
from edge_agent.contracts.case import AgentOutput
from edge_agent.contracts.manifest import Thresholds

SECTION = "reasoning"
WORKING = "biomedical.working"  # where the engine counts the working condition's probability
CONDITION_LIST = "biomedical_condition"  # the vocabulary's list with a condition's words
# Field -> where it stands in the blocks; in the short form it stands at the top under its own name.
_PLACES: Mapping[str, tuple[str, ...]] = {
    "trend": ("trend",),
    "syndrome": ("tcm", "syndrome", "primary"),
    "secondary_syndrome": ("tcm", "syndrome", "secondary"),
    "principle": ("tcm", "principle"),
    "formula": ("tcm", "formula"),
    "modification": ("tcm", "modification"),
    "limitations": ("limitations",),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Reason's answer in parts.

    ``output`` holds the fields alone, flat, for the thresholds; it always has a syndrome. ``reasons`` is what
    ``evidence.examine`` reads, the working condition with its measured confidence. ``proposals`` are plan items as they
    came; ``abstentions`` name a working condition that was withheld.
    """

    output: AgentOutput
    reasons: Mapping[str, Any]
    proposals: tuple[Any, ...]
    abstentions: tuple[Abstention, ...]


def read_answer(output: AgentOutput, thresholds: Thresholds) -> Answer:
    """Part one answer.

    Args:
        output: Reason's, flat or in blocks; a block that is null or absent names no syndrome.
        thresholds: the bundle's; of them only the working condition's is applied here.
    """
    values: dict[str, Any] = {}
    fields = {}
    for name, place in _PLACES.items():
        for path in (place, (name,)):
            found = _at(output.value, path)
            if found is None or isinstance(found, Mapping):
                continue
            values[name] = found
            decided = output.fields.get(".".join(path))
            if decided is not None:
                fields[name] = decided
            break
    values.setdefault("syndrome", NO_SYNDROME)
    reasons, abstentions = _reasons(output, thresholds)
    proposals = output.value.get("plan_proposal")
    is_list = isinstance(proposals, Sequence) and not isinstance(proposals, str)
    return Answer(
        output=replace(output, value=values, fields=fields),
        reasons=reasons,
        proposals=tuple(proposals) if is_list and proposals is not None else (),
        abstentions=abstentions,
    )


def _at(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _reasons(output: AgentOutput, thresholds: Thresholds) -> tuple[dict[str, Any], tuple[Abstention, ...]]:
    """Return the answer with the working condition's measured confidence; without it where that is too low."""
    medical = output.value.get("biomedical")
    medical = dict(medical) if isinstance(medical, Mapping) else {}
    decided, limit = output.fields.get(WORKING), thresholds.fields.get(f"{SECTION}.{WORKING}")
    probability = None if decided is None else decided.probability
    abstentions: tuple[Abstention, ...] = ()
    if "working" in medical and probability is not None:
        if limit is not None and probability < limit.min_confidence:
            medical["working"] = None
            abstentions = (Abstention("low_confidence", SECTION, None, CONDITION_LIST),)
        else:
            working = medical["working"]
            body = dict(working) if isinstance(working, Mapping) else {"condition": working}
            medical["working"] = {**body, "confidence": probability}
    return {**output.value, "biomedical": medical}, abstentions
