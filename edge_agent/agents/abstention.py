"""Withhold what is not confident enough, and say so: a value below its threshold becomes the field's nothing-value.

The threshold is the manifest's ``min_confidence`` of ``<agent>.<field>``; a field without one is never withheld.
What is withheld never reaches the next agent either, so the report shows exactly what a conclusion was drawn from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.contracts.case import AgentOutput, Coded
from edge_agent.contracts.manifest import Thresholds

GRADES = frozenset({"scale_amount", "erythema", "induration"})  # integers 0-4, None = cannot tell
LISTS = frozenset(
    {
        "primary_lesion", "secondary_change", "colour", "shape", "special", "distribution", "mechanism", "location",
        "principle", "limitations",
    }
)  # fmt: skip
NO_SYNDROME = "insufficient_information"  # the nothing-value of these two lists (clinical-vocabulary 3b, 5.3)
_NOTHING = {"syndrome": NO_SYNDROME, "mechanism": NO_SYNDROME}


@dataclass(frozen=True, slots=True)
class Abstention:
    """One thing the program does not say: why, in which section, and which view or field (None: the whole case)."""

    reason: str
    section: str
    view: int | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """One field after the threshold.

    ``value`` is what may be shown; ``is_decided`` is False where the bundle's grammar fixed the field, so that
    nobody looked at all; ``is_withheld`` is True where the model answered below the threshold. ``coded``: the value was
    read in the agent's text, has no probability and none is shown.
    """

    value: Any
    probability: float | None
    is_decided: bool
    is_withheld: bool
    coded: Coded | None = None


def nothing_of(field: str) -> Any:
    """Return the value that says "cannot tell" in a field: None for a grade, a list for a list field."""
    if field in GRADES:
        return None
    word = _NOTHING.get(field, "cannot_tell")
    return [word] if field in LISTS else word


def is_nothing(value: Any) -> bool:
    """Say whether a value tells nothing (cannot tell, or a null grade)."""
    return value is None or value in ("cannot_tell", NO_SYNDROME) or value in (["cannot_tell"], [NO_SYNDROME], [])


def keep(
    output: AgentOutput, thresholds: Thresholds, *, view: int | None = None, uncalibrated: Collection[str] = ()
) -> tuple[dict[str, Kept], list[Abstention]]:
    """Apply the thresholds to one output.

    Args:
        output: one step's.
        thresholds: the bundle's.
        view: the view that it describes.
        uncalibrated: ``<agent>.<field>`` names whose confidence means nothing (``withholding.uncalibrated_fields``);
            what the model decided in them is withheld.

    Returns:
        Every field in the model's order, and one abstention per withheld field.
    """
    kept: dict[str, Kept] = {}
    withheld: list[Abstention] = []
    for field, value in output.value.items():
        decided = output.fields.get(field)
        probability = decided.probability if decided is not None else None
        coded = decided.coded if decided is not None else None
        is_decided = probability is not None or coded is not None
        row = Kept(value, probability, is_decided, is_withheld=False, coded=coded)
        calibration = thresholds.fields.get(f"{output.agent}.{field}")
        # Words have no probability: where a bundle asks for one, a coded value cannot pass.
        is_unmeasured = coded is not None and calibration is not None and calibration.min_confidence > 0
        if is_decided and (is_unmeasured or f"{output.agent}.{field}" in uncalibrated):
            row = Kept(nothing_of(field), None, is_decided=True, is_withheld=True, coded=coded)
            withheld.append(Abstention("no_calibration", output.agent, view, field))
        elif probability is not None and calibration is not None and probability < calibration.min_confidence:
            row = Kept(nothing_of(field), probability, is_decided=True, is_withheld=True)
            withheld.append(Abstention("low_confidence", output.agent, view, field))
        kept[field] = row
    return kept, withheld


def values(kept: Mapping[str, Kept]) -> dict[str, Any]:
    """Return the values alone, as the next agent reads them."""
    return {field: row.value for field, row in kept.items()}
