"""Hold estimates against their limits, and refuse a bundle that misses one. Pure; measures nothing itself.

A gate passes when its bound lies inside its limit. A gate whose metric cannot be computed fails, unless the recipe names
a substitute, which is then judged and named. No gate is skipped because a figure is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from calibration.evaluation.comparison import BOOTSTRAP, Comparison, Estimate, Group, Missing, Result
from calibration.evaluation.limits import QualityGate
from calibration.evaluation.metrics import measure
from edge_agent.errors import QualityGateError

_LEAST_TONES = 2  # a gate on each of one group asks nothing that the gate on all cases does not ask
_SHOWN = 5  # gates named in the one line of an error; the report has all


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate in one group: what was asked, what came out, and whether it passed.

    ``substitute`` names the metric that was judged instead, empty where none was needed.
    """

    gate: QualityGate
    part: str
    group: Group
    result: Result
    limit: float
    is_met: bool
    substitute: str = ""

    @property
    def where(self) -> str:
        """Return field and group: what fell, for a message."""
        part = "" if self.part == "mean" else f" of {self.part}"
        return f"{self.gate.metric}{part}, {self.group.name}"

    @property
    def strain(self) -> float:
        """Return the bound as a share of the limit; infinite where there is none."""
        bound = self.result.bound if isinstance(self.result, Estimate) else math.inf
        return bound / self.limit if math.isfinite(bound) else math.inf

    def line(self) -> str:
        """Return the gate as one line."""
        state = "met" if self.is_met else "NOT met"
        kind = "hard " if self.gate.is_hard else ""
        instead = f" (judged by {self.substitute})" if self.substitute else ""
        if isinstance(self.result, Missing):
            return f"{state}: {kind}{self.where}{instead}: cannot be computed: {self.result.reason}"
        one = self.result
        figures = f"{one.value:+.4f}, bound {one.bound:.4f}, limit {self.limit:g}, n {one.n}, {one.method}"
        return f"{state}: {kind}{self.where}{instead}: {figures}"


def judge(comparison: Comparison, gates: Sequence[QualityGate]) -> list[GateResult]:
    """Judge every gate in every one of its groups.

    Args:
        comparison: candidate and reference.
        gates: default ones and the recipe's.
    """
    return [row for gate in gates for row in _judge(comparison, gate)]


def _judge(comparison: Comparison, gate: QualityGate) -> Iterator[GateResult]:
    few = _too_few(comparison, gate.min_cases)
    if few is not None:
        yield GateResult(gate, gate.part, Group(gate.group, gate.group), few, gate.limit, is_met=False)
        return
    groups = comparison.groups(gate.group)
    if gate.group == "each_tone" and len(groups) < _LEAST_TONES:
        one = Missing("all cases are of one tone group, so no group can fall behind; label them by tone")
        yield GateResult(gate, gate.part, Group(gate.group, gate.group), one, gate.limit, is_met=False)
        return
    parts = comparison.fields() if gate.part == "each" else [gate.part]
    if not groups or not parts:
        missing = Missing("no labelled field is decided" if not parts else "there is no such group")
        yield GateResult(gate, gate.part, Group(gate.group, "none"), missing, gate.limit, is_met=False)
        return
    for part in parts:
        for group in groups:
            yield _judge_one(comparison, gate, part, group)


def _too_few(comparison: Comparison, least: int) -> Missing | None:
    counts = {group.name: len(comparison.members(group)) for group in comparison.groups("each_tone")}
    group, count = min(counts.items(), key=lambda item: item[1], default=("all cases", 0))
    return Missing(f"{group} has {count} cases, {least} are asked") if count < least else None


def _judge_one(comparison: Comparison, gate: QualityGate, part: str, group: Group) -> GateResult:
    result = _enough(measure(comparison, gate.metric, part, group), gate)
    limit, substitute = gate.limit, ""
    if isinstance(result, Missing) and gate.substitute is not None:
        other = gate.substitute
        substitute, limit = f"{other.metric} of {other.part}", other.limit
        result = _enough(measure(comparison, other.metric, other.part, group), gate)
    return GateResult(gate, part, group, result, limit, is_met=is_inside(result, limit), substitute=substitute)


def _enough(result: Result, gate: QualityGate) -> Result:
    """Take nothing from a resampled bound that rests on too few cases; the other bounds know their n."""
    if isinstance(result, Estimate) and result.method == BOOTSTRAP and result.n < gate.least_told:
        return Missing(f"only {result.n} cases tell it, {gate.least_told} are asked")
    return result


def is_inside(result: Result, limit: float) -> bool:
    """Say whether a bound lies inside its limit; what is missing or no number never does."""
    return isinstance(result, Estimate) and math.isfinite(result.bound) and result.bound <= limit


def worst_groups(results: Sequence[GateResult]) -> list[GateResult]:
    """Return, per gate and part, the group that strains its limit most, in the order of the gates."""
    worst: dict[tuple[str, str, str], GateResult] = {}
    for row in results:
        key = (row.gate.metric, row.part, row.gate.group)
        if key not in worst or row.strain > worst[key].strain:
            worst[key] = row
    return list(worst.values())


def require(results: Sequence[GateResult]) -> None:
    """Refuse results with a gate that is not met, or without any gate.

    Raises:
        QualityGateError: names the fields and groups that fell, hard gates first.
    """
    if not results:
        raise QualityGateError("no quality gate was judged; give --against an FP32 bundle and gates")
    fallen = sorted((row for row in results if not row.is_met), key=lambda row: not row.gate.is_hard)
    if fallen:
        named = "; ".join(row.line() for row in fallen[:_SHOWN])
        more = f"; and {len(fallen) - _SHOWN} more" if len(fallen) > _SHOWN else ""
        is_unknown = all(isinstance(row.result, Missing) for row in fallen)
        advice = "give what is missing" if is_unknown else "use a gentler recipe"
        raise QualityGateError(
            f"{len(fallen)} of {len(results)} quality gates are not met: {named}{more}; {advice}",
            fallen=[row.where for row in fallen],
        )
