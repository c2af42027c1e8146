"""A candidate and its reference on the same cases, and the groups whose figures are told apart. Judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from calibration.evaluation.answers import CaseAnswer
from calibration.evaluation.bounds import Floats, Resampler
from calibration.evaluation.case_folder import EvaluationCase
from calibration.evaluation.forcing import Divergence, diverge_case
from calibration.evaluation.limits import GroupKind
from calibration.evaluation.outcomes import Flip, Outcome, flips_of, outcomes_of, paired

BOOTSTRAP = "bootstrap over cases"


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that belong together: ``kind`` all, each_tone or each_view_type; ``value`` which one."""

    kind: GroupKind
    value: str

    @property
    def name(self) -> str:
        """Return the group in words."""
        if self.value == self.kind and self.kind != "all":
            return self.kind.replace("_", " ")
        return {"all": "all cases", "each_tone": f"tone {self.value}", "each_view_type": f"view {self.value}"}[
            self.kind
        ]

    def holds(self, *, tone: str, view_type: str) -> bool:
        """Say whether a row belongs to it."""
        if self.kind == "all":
            return True
        return self.value == (tone if self.kind == "each_tone" else view_type)


@dataclass(frozen=True, slots=True)
class Estimate:
    """``value`` in the sample of ``n`` cases (pairs) that tell it, and the upper one-sided 95 % ``bound`` by ``method``."""

    value: float
    bound: float
    n: int
    method: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no figure."""

    reason: str


Result = Estimate | Missing


@dataclass(slots=True)
class Comparison:
    """A candidate and its reference on the same cases, in the same order; everything below is derived from them.

    ``before`` and ``after`` hold the same fields of the same cases (``outcomes.paired``).

    ``text_pairs`` are scores per case: score's name -> case index -> (reference's, candidate's). ``weights`` are relative
    errors by linear (``weights.weight_errors``).
    """

    cases: Sequence[EvaluationCase]
    reference: Sequence[CaseAnswer]
    candidate: Sequence[CaseAnswer]
    text_pairs: Mapping[str, Mapping[int, tuple[float, float]]] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    before: list[Outcome] = field(init=False)
    after: list[Outcome] = field(init=False)
    flips: list[Flip] = field(init=False)
    divergences: dict[int, Mapping[str, Divergence]] = field(init=False)
    _resamplers: dict[int, Resampler] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.before, self.after = paired(
            outcomes_of(self.cases, self.reference), outcomes_of(self.cases, self.candidate)
        )
        self.flips = flips_of(self.cases, self.reference, self.candidate)
        pairs = zip(self.reference, self.candidate, strict=True)
        self.divergences = {index: found for index, (old, new) in enumerate(pairs) if (found := diverge_case(old, new))}

    def groups(self, kind: GroupKind) -> list[Group]:
        """Return the groups of a kind that occur, in order."""
        if kind == "all":
            return [Group("all", "all")]
        rows = [(case.file.tone_group, case.view_type) for case in self.cases]
        if kind == "each_tone":
            return [Group(kind, value) for value in sorted({tone for tone, _ in rows})]
        return [Group(kind, value) for value in sorted({row.view_type for row in self.after} | {v for _, v in rows})]

    def fields(self) -> list[str]:
        """Return the labelled fields that either bundle decides, in the order of the candidate's answers."""
        return list(dict.fromkeys(row.field for row in self.after))

    def members(self, group: Group) -> list[int]:
        """Return the indices of a group's cases."""
        return [
            index
            for index, case in enumerate(self.cases)
            if group.holds(tone=case.file.tone_group, view_type=case.view_type)
        ]

    def bootstrap(self, sums: Floats, statistic: Callable[[Floats], Floats], *, n: int) -> Estimate:
        """Return the estimate of a statistic of case totals; all rows are resampled, ``n`` of them tell something."""
        rows = len(sums)
        if rows not in self._resamplers:
            self._resamplers[rows] = Resampler(rows)
        value, bound = self._resamplers[rows].upper(sums, statistic)
        return Estimate(value, bound, n, BOOTSTRAP)
