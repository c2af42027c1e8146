"""Say what follows from a soak test: the reasons against a device, and the figures that stand beside the verdict."""

from __future__ import annotations

from statistics import median
from typing import Final

from edge_agent.devices.soak import Observed

MIN_CASES: Final = 24
WORTH: Final = (
    0.9  # of the CPU's time: less than a tenth is within what a computer's clock does, and not worth a second driver
)
# Of the logits' range. Measured on the reference bundle: 4e-7 between two instruction sets in f32, 7e-3 between f32 and bf16.
MAX_GAP: Final = 0.0001
MIN_GROWTH_BYTES: Final = 4_000_000
MAX_GROWTH: Final = 0.0025  # of what the process holds


def reasons_against(seen: Observed, *, start_timeout_s: float) -> list[str]:
    """List every reason why a device has not earned its place, one line each; empty: it has.

    Args:
        seen: the soak test.
        start_timeout_s: how long a child may load in daily use; one that takes longer would be ended every time.
    """
    if seen.fault:
        return [f"it failed: {seen.fault}"]
    reasons = [f"it does not answer as the bundle expects: {line}" for line in dict.fromkeys(seen.broken_bounds)]
    if seen.logit_gap > MAX_GAP * seen.logit_range:
        reasons.append(
            f"in f32 its logits differ from the CPU's by {seen.logit_gap:.2g}, allowed are {MAX_GAP * seen.logit_range:.2g}"
        )
    if differing := list(dict.fromkeys(place for pair in seen.pairs for place in pair.differing)):
        reasons.append(f"{len(differing)} decisions differ from the CPU's, the first is {differing[0]}")
    if len(seen.pairs) < MIN_CASES:
        reasons.append(f"{len(seen.pairs)} cases are too few, {MIN_CASES} are needed; give it more time")
        return reasons
    return reasons + _slow(seen, start_timeout_s) + _growing(seen)


def figures_of(seen: Observed) -> dict[str, float]:
    """Return what was measured: seconds and bytes as medians, the differences as they are."""
    figures = {
        "cases": float(len(seen.pairs)),
        "logit_gap": seen.logit_gap,
        "logit_range": seen.logit_range,
        "differing_cases": float(sum(bool(pair.differing) for pair in seen.pairs)),
    }
    if seen.load_s:
        figures["load_s"] = max(seen.load_s)
    if seen.pairs:
        candidate, cpu = median(pair.candidate_s for pair in seen.pairs), median(pair.cpu_s for pair in seen.pairs)
        figures |= {"case_s": candidate, "cpu_case_s": cpu, "ratio": candidate / cpu}
    if any(seen.memory_bytes):
        figures["memory_bytes"] = float(max(max(lap) for lap in seen.memory_bytes if lap))
        figures["growth_bytes"] = float(max(_growth(lap) for lap in seen.memory_bytes))
    return {name: round(value, 6) for name, value in figures.items() if value != float("inf")}


def _slow(seen: Observed, start_timeout_s: float) -> list[str]:
    reasons = []
    candidate, cpu = median(pair.candidate_s for pair in seen.pairs), median(pair.cpu_s for pair in seen.pairs)
    if candidate > WORTH * cpu:
        reasons.append(f"it is not faster: {candidate:.3g} s per case, {cpu:.3g} s on the CPU, {WORTH:.0%} are asked")
    if max(seen.load_s) > start_timeout_s:
        reasons.append(f"it loads in {max(seen.load_s):.0f} s, start_timeout_s is {start_timeout_s:.0f}")
    return reasons


def _growing(seen: Observed) -> list[str]:
    reasons = []
    for lap in seen.memory_bytes:
        allowed = max(MIN_GROWTH_BYTES, MAX_GROWTH * max(lap, default=0))
        if (growth := _growth(lap)) > allowed:
            third = f"{growth / 1e6:.1f} MB in {len(lap) // 3} cases, {allowed / 1e6:.1f} MB are allowed"
            reasons.append(f"its memory grows: {third}")
    return reasons[:1]


def _growth(lap: list[int]) -> float:
    """Return how much the last third of a lap holds more than the middle one; the first third is warming up."""
    third = len(lap) // 3
    return 0.0 if third == 0 else median(lap[-third:]) - median(lap[third : 2 * third])
