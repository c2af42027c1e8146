"""Quality gates as data: which metric, for whom, and how much worse than FP32 it may be. Judges nothing.

A recipe's ``[[gates.quality]]`` rows are added to the rows of ``gates.toml``; a row for the same metric, part and group
replaces the default one. A hard gate can be tightened by a recipe, never loosened and never given a substitute.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, ValidationError

from calibration.evaluation.gate_parts import part_problem
from edge_agent.contracts.manifest import Strict
from edge_agent.errors import CompressionError

CASES_PER_TONE = 2000
_TOLD_SHARE = 20  # of ``min_cases`` one case in so many must tell a resampled figure
GroupKind = Literal["all", "each_tone", "each_view_type"]
Metric = Literal[
    "field_accuracy_loss",
    "calibration_error_gain",
    "danger_refusal_loss",
    "danger_naming_loss",
    "scope_refusal_loss",
    "scope_finding_loss",
    "abstention_loss",
    "shown_wrong_gain",
    "danger_opened_by_words",
    "flips",
    "divergence",
    "token_disagreement",
    "text_loss",
    "weight_error",
]
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "field_accuracy_loss": "right answers lost",
        "calibration_error_gain": "confidences less true",
        "danger_refusal_loss": "danger families no longer refused",
        "danger_naming_loss": "danger families no longer named",
        "scope_refusal_loss": "cases out of scope read on",
        "scope_finding_loss": "cases in scope no longer found",
        "abstention_loss": "unreadable cases read on",
        "shown_wrong_gain": "wrong values shown",
        "danger_opened_by_words": "danger cases opened by what was written",
        "flips": "answers flipped",
        "divergence": "divergence along the reference's answers (nats per decision)",
        "token_disagreement": "other decisions along the reference's answers",
        "text_loss": "texts further from the experts'",
        "weight_error": "weights away from FP32, worst of a part",
    }
)


class Substitute(Strict):
    """What is judged instead where a metric cannot be computed: ``part`` and ``limit`` as in ``QualityGate``."""

    metric: Metric
    part: str = "mean"
    limit: float = Field(gt=0, allow_inf_nan=False)


class QualityGate(Strict):
    """One gate: the one-sided 95 % bound of ``metric`` must not lie above ``limit`` in any group of the kind.

    ``part`` says of what: a field (``recognition.family``), ``each`` field, their ``mean``; an agent for ``divergence``
    and ``token_disagreement``; ``decision``, ``family``, ``stage``, ``syndrome``, ``cascade_syndrome`` for ``flips``; a
    score's name for ``text_loss``; ``language_model``, ``vision_merger`` or ``adapter.recognition`` for ``weight_error``
    (``calibration.evaluation.gate_parts`` knows them all; ``merge_gates`` refuses others).
    Shares and accuracies are 0..1, divergences nats per decision. ``min_cases``: with fewer cases in any tone group of
    the evaluation nothing is judged, since a resampled bound of few cases means little.
    """

    metric: Metric
    part: str = "mean"
    group: GroupKind = "all"
    limit: float = Field(gt=0, allow_inf_nan=False)
    is_hard: bool = False
    min_cases: int = Field(default=CASES_PER_TONE, ge=1)
    substitute: Substitute | None = None

    @property
    def name(self) -> str:
        """Return the gate in words for a message."""
        part = "" if self.part == "mean" else f" of {self.part}"
        return f"{self.metric}{part}"

    @property
    def least_told(self) -> int:
        """Return how many cases must tell a figure whose bound is resampled.

        Resampling cases that do not differ gives a bound of width zero, however few they are. With the default 100 cases
        a loss of 2.6 points in none of them is excluded (z^2 / (n + z^2)), which is inside every field's limit.
        """
        return -(-self.min_cases // _TOLD_SHARE)


class _GateFile(Strict):
    gate: list[QualityGate]


def default_gates() -> tuple[QualityGate, ...]:
    """Return the gates that every evaluation judges.

    Raises:
        CompressionError: the packaged file is damaged.
    """
    return load_gates(Path(__file__).resolve().parent / "gates.toml")


def load_gates(path: Path) -> tuple[QualityGate, ...]:
    """Read gates from a TOML file of ``[[gate]]`` tables.

    Raises:
        CompressionError: it cannot be read, or a gate is malformed; names the place.
    """
    try:
        return tuple(_GateFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).gate)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise CompressionError(f"the gates {path} cannot be read: {' '.join(str(exc).split())[:120]}") from exc
    except ValidationError as exc:
        raise CompressionError(f"{path}: {_first(exc)}; mend the gate") from exc


def gates_of(recipe: Mapping[str, Any], *, defaults: Sequence[QualityGate]) -> tuple[QualityGate, ...]:
    """Return the gates that a recipe asks for, on top of the defaults.

    Args:
        recipe: the recipe's document as it stands in a manifest (``gates.quality`` is optional).
        defaults: usually ``default_gates()``.

    Raises:
        CompressionError: a row is malformed, names an unknown part, or loosens a hard gate.
    """
    rows = recipe.get("gates", {}).get("quality", [])
    try:
        own = [QualityGate.model_validate(row) for row in rows]
    except ValidationError as exc:
        raise CompressionError(f"recipe {recipe.get('name')}: gates.quality: {_first(exc)}; mend the recipe") from exc
    return merge_gates(defaults, own, source=f"recipe {recipe.get('name')}")


def merge_gates(defaults: Sequence[QualityGate], own: Sequence[QualityGate], *, source: str) -> tuple[QualityGate, ...]:
    """Return the defaults with rows replaced or added; see ``gates_of``.

    Raises:
        CompressionError: a row names a part that its metric does not have, loosens a hard gate, or gives it a substitute.
    """
    merged = {_key(gate): gate for gate in defaults}
    for gate in own:
        _check_parts(gate, source=source)
        base = merged.get(_key(gate))
        is_hard = gate.is_hard or (base is not None and base.is_hard)
        if base is not None and base.is_hard:
            is_looser = gate.limit > base.limit or gate.min_cases < base.min_cases
            if is_looser or gate.substitute is not None:
                raise CompressionError(f"{source}: the hard gate {gate.name} may be tightened only; remove the row")
        merged[_key(gate)] = gate.model_copy(update={"is_hard": is_hard})
    return tuple(merged.values())


def _check_parts(gate: QualityGate, *, source: str) -> None:
    asked = [(gate.metric, part_problem(gate.metric, gate.part, may_be_each=True))]
    if gate.substitute is not None:
        other = gate.substitute
        asked.append((other.metric, part_problem(other.metric, other.part, may_be_each=False)))
    for metric, problem in asked:
        if problem:
            raise CompressionError(f"{source}: gate on {metric}: {problem}")


def widened(gates: Sequence[QualityGate], *, defaults: Sequence[QualityGate]) -> tuple[str, ...]:
    """Return the names of gates that ask less than the default ones: a wider limit, fewer cases, a substitute."""
    known = {_key(gate): gate for gate in defaults}
    pairs = [(gate, known[_key(gate)]) for gate in dict.fromkeys(gates) if _key(gate) in known]
    return tuple(
        gate.name
        for gate, base in pairs
        if gate.limit > base.limit or gate.min_cases < base.min_cases or gate.substitute != base.substitute
    )


def _key(gate: QualityGate) -> tuple[str, str, str]:
    return gate.metric, gate.part, gate.group


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
