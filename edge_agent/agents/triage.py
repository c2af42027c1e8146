"""Find the most urgent tier of rules, worker and program; whoever comes later can only raise it.

Does not lower a tier for any reason; that is a clinician's decision with a reason code, made elsewhere.

Source: clinical-vocabulary section 9 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge_agent.agents.red_flags import Verdict
from edge_agent.contracts.intake import WorkerView
from edge_agent.contracts.terms import Vocabulary

TIERS = ("T1_emergency", "T2_same_day", "T3_urgent", "T4_routine", "T5_local")
LEAST_URGENT = TIERS[-1]
# No copy of this program is older, and none lives so long: outside, the computer's clock was never set. A date that is
# counted from such a clock sends nobody anywhere.
EARLIEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
LATEST_CLOCK = datetime(2200, 1, 1, tzinfo=UTC)
WORRIED_TIER = "T2_same_day"  # section 8, RF-28: a worried worker is reviewed today


@dataclass(frozen=True, slots=True)
class Triage:
    """The final tier, who asked for which tier, the rules behind it, and whether a person must read the case.

    ``deadline_hours`` counts from the visit and is None where the next visit decides; ``deadline`` is the same as a
    time, None also where the clock was not set (``is_clock_set``).
    """

    final: str
    by_rules: str | None
    by_worker: str | None
    by_program: str | None
    reasons: tuple[str, ...]
    not_assessed: tuple[Verdict, ...]
    needs_human_reading: bool
    deadline_hours: int | None
    deadline: datetime | None


def most_urgent(tiers: Iterable[str | None]) -> str | None:
    """Return the most urgent of some tiers; None when nobody named one."""
    named = [tier for tier in tiers if tier is not None]
    return min(named, key=TIERS.index) if named else None


def is_clock_set(created: datetime) -> bool:
    """Say whether the time of a case can be true."""
    return EARLIEST_CLOCK <= created < LATEST_CLOCK


def worker_tier(worker: WorkerView) -> str | None:
    """Return what the worker's own urgency and worry ask for."""
    worried = WORRIED_TIER if worker.worried == "yes" else None
    return most_urgent([worker.tier, worried])


def decide(
    verdicts: Sequence[Verdict],
    *,
    worker: WorkerView,
    program: str | None,
    created: datetime,
    vocabulary: Vocabulary,
) -> Triage:
    """Combine the tiers.

    Args:
        verdicts: danger-sign and triage rules, all of them.
        worker: the worker's own impression, entered before the program's answer was shown.
        program: the tier that the program asks for, or None.
        created: when the case was made; the deadline counts from it.
        vocabulary: holds the hours of each tier.
    """
    fired = [v for v in verdicts if v.outcome == "fires" and v.rule.tier is not None]
    by_rules = most_urgent(v.rule.tier for v in fired)
    by_worker = worker_tier(worker)
    final = most_urgent([by_rules, by_worker, program]) or LEAST_URGENT
    hours: int | None = vocabulary.lists["triage"].terms[final].facts.get("deadline_hours")
    is_dated = hours is not None and is_clock_set(created)
    return Triage(
        final=final,
        by_rules=by_rules,
        by_worker=by_worker,
        by_program=program,
        reasons=tuple(v.rule.id for v in fired),
        not_assessed=tuple(v for v in verdicts if v.outcome == "unknown"),
        needs_human_reading=final != LEAST_URGENT or any(v.rule.human_reading for v in fired),
        deadline_hours=hours,
        deadline=created + timedelta(hours=hours or 0) if is_dated else None,
    )
