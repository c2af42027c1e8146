"""Put a bundle's answers beside its reference's in rows: what was lost, what flipped, how far decisions lie apart.

By group: over all cases, by tone and by view type. Judges nothing; ``gates`` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from calibration.evaluation.comparison import Comparison, Estimate, Group
from calibration.evaluation.forcing import Divergence
from calibration.evaluation.gate_parts import FLIP_FIELDS
from calibration.evaluation.metrics import measure
from edge_agent.contracts.manifest import AGENTS


def finite(value: float) -> float | None:
    """Return a figure with six digits; None for what JSON cannot hold."""
    return round(value, 6) if math.isfinite(value) else None


def losses(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield what was lost of the mean field accuracy by group, with the bound that these cases give; judges nothing."""
    for group in _every_group(comparison):
        result = measure(comparison, "field_accuracy_loss", "mean", group)
        if isinstance(result, Estimate):
            bound = finite(result.bound)
            yield {"group": group.name, "value": round(result.value, 6), "bound": bound, "n": result.n}


def flip_table(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield a row per kind of flip and group, the one over all cases first."""
    for what in FLIP_FIELDS:
        for group in _every_group(comparison):
            result = measure(comparison, "flips", what, group)
            if isinstance(result, Estimate):
                yield {"what": what, "group": group.name, **_flip_row(comparison, what, group, result)}


def _flip_row(comparison: Comparison, what: str, group: Group, result: Estimate) -> dict[str, Any]:
    rows = [
        flip
        for flip in comparison.flips
        if flip.what == what and flip.truth and group.holds(tone=flip.tone, view_type=flip.view_type)
    ]
    right = [(_is_right(what, flip.before, flip.truth), _is_right(what, flip.after, flip.truth)) for flip in rows]
    return {
        "cases": round(result.value * result.n),
        "n": result.n,
        "share": round(result.value, 4),
        "bound": round(result.bound, 4),
        "lost": sum(old and not new for old, new in right),
        "gained": sum(new and not old for old, new in right),
    }


def _every_group(comparison: Comparison) -> list[Group]:
    return [*comparison.groups("all"), *comparison.groups("each_tone"), *comparison.groups("each_view_type")]


def _is_right(what: str, value: str, truth: str) -> bool:
    return (value == "in_scope") == (truth == "in_scope") if what == "decision" else value == truth


def divergences(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for agent in AGENTS:
        for group in _every_group(comparison):
            members = set(comparison.members(group))
            rows = [one[agent] for index, one in comparison.divergences.items() if index in members and agent in one]
            total = sum(rows, Divergence())
            if total.decisions:
                yield {
                    "agent": agent,
                    "group": group.name,
                    "decisions": total.decisions,
                    "nats": round(total.nats / total.decisions, 6),
                    "same": round(total.same / total.decisions, 4),
                    "tokens_same": round(total.tokens_same / total.tokens, 4),
                }
