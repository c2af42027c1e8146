"""Find the most urgent tier of rules, worker and program; only a clinician, with a reason code, may set another.

Whoever comes later can only raise the tier, the program too. A clinician's tier is final, up or down; what stood there
before stays visible (``before_clinician``).

Source: clinical-vocabulary section 9 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from edge_agent.agents.rules.red_flags import Verdict
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.contracts.intake_parts import ClinicianView, WorkerView
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError

LEAST_URGENT = TIERS[-1]
# No copy of this program is older, and none lives so long: outside, the computer's clock was never set. A date that is
# counted from such a clock sends nobody anywhere.
EARLIEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
LATEST_CLOCK = datetime(2200, 1, 1, tzinfo=UTC)
WORRIED_TIER = "T2_same_day"  # section 8, RF-28: a worried worker is reviewed today
TRIAGE_RULES = "TR-"  # ids of section 9's rules; the danger signs have their own section of the report
NOBODY = ClinicianView()


@dataclass(frozen=True, slots=True)
class Triage:
    """The final tier, who asked for which tier, the rules behind it, and whether a person must read the case.

    ``deadline_hours`` counts from the visit and is None where the next visit decides; ``deadline`` is the same as a
    time, None also where the clock was not set (``is_clock_set``). ``by_program`` includes flags that only a picture
    raised. ``by_clinician`` is None until a clinician set a tier; then it is ``final`` and ``before_clinician`` holds
    what the others asked for. ``is_provisional``: a danger sign that nobody answered could make it more urgent.
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
    by_clinician: str | None = None
    clinician_reason: str | None = None
    before_clinician: str = LEAST_URGENT
    private_reasons: tuple[str, ...] = ()
    is_provisional: bool = False

    @property
    def is_lowered(self) -> bool:
        """Say whether a clinician set a less urgent tier than the others asked for."""
        return TIERS.index(self.final) > TIERS.index(self.before_clinician)

    def as_report(self) -> dict[str, Any]:
        """Return the report's section on triage: ids, numbers and booleans, no words.

        ``final``, ``deadline`` (ISO 8601 or None), ``deadline_hours``, ``is_provisional`` (a danger
        sign that nobody answered could make it more urgent), ``needs_human_reading``; ``by``: the tier that rules, worker,
        program and clinician asked for; ``before_clinician``, ``clinician_reason``, ``is_lowered``; ``reasons``: ids of
        the rules that fired; ``private_reasons``: those of them that are never on the person's copy and never sent;
        ``not_assessed``: ``id`` and ``missing`` inputs of the triage rules (danger signs have their own section).
        """
        return {
            "final": self.final,
            "deadline": self.deadline.isoformat() if self.deadline else None,
            "deadline_hours": self.deadline_hours,
            "is_provisional": self.is_provisional,
            "needs_human_reading": self.needs_human_reading,
            "by": {
                "rules": self.by_rules,
                "worker": self.by_worker,
                "program": self.by_program,
                "clinician": self.by_clinician,
            },
            "before_clinician": self.before_clinician,
            "clinician_reason": self.clinician_reason,
            "is_lowered": self.is_lowered,
            "reasons": list(self.reasons),
            "private_reasons": list(self.private_reasons),
            "not_assessed": [
                {"id": v.rule.id, "missing": list(v.missing)}
                for v in self.not_assessed
                if v.rule.id.startswith(TRIAGE_RULES)
            ],
        }


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
    clinician: ClinicianView = NOBODY,
) -> Triage:
    """Combine the tiers.

    Args:
        verdicts: danger-sign and triage rules, all of them; those from pictures count as the program's.
        worker: the worker's own impression, entered before the program's answer was shown.
        program: the tier that the program asks for, or None.
        created: when the case was made; the deadline counts from it.
        vocabulary: holds the hours of each tier, the country's where it set shorter ones.
        clinician: a clinician's own tier with its reason; it may raise or lower.

    Raises:
        CaseError: a clinician's tier has no reason code.
    """
    if clinician.tier is not None and clinician.reason is None:
        raise CaseError("a clinician's tier needs its reason: enter clinician.reason")
    fired = [v for v in verdicts if v.outcome == "fires" and v.tier is not None]
    by_rules = most_urgent(v.tier for v in fired if v.is_confirmed)
    by_program = most_urgent([program, *(v.tier for v in fired if not v.is_confirmed)])
    by_worker = worker_tier(worker)
    before = most_urgent([by_rules, by_worker, by_program]) or LEAST_URGENT
    final = clinician.tier or before
    hours = vocabulary.deadline_hours(final)
    is_dated = hours is not None and is_clock_set(created)
    return Triage(
        final=final,
        by_rules=by_rules,
        by_worker=by_worker,
        by_program=by_program,
        reasons=tuple(dict.fromkeys(v.rule.id for v in fired)),
        not_assessed=tuple(v for v in verdicts if v.outcome == "unknown"),
        needs_human_reading=final != LEAST_URGENT or any(v.rule.human_reading for v in fired),
        deadline_hours=hours,
        deadline=created + timedelta(hours=hours or 0) if is_dated else None,
        by_clinician=clinician.tier,
        clinician_reason=clinician.reason,
        before_clinician=before,
        private_reasons=tuple(dict.fromkeys(v.rule.id for v in fired if v.rule.is_private)),
        is_provisional=any(_could_raise(v, before) for v in verdicts if not v.rule.id.startswith(TRIAGE_RULES)),
    )


def _could_raise(verdict: Verdict, tier: str) -> bool:
    """Say whether an answer that is still missing could make one rule ask for more than a tier."""
    if verdict.outcome == "unknown":
        asked = most_urgent([verdict.rule.tier, verdict.rule.stronger_tier])
    else:
        asked = verdict.rule.stronger_tier if verdict.missing_for_stronger else None
    return asked is not None and TIERS.index(asked) < TIERS.index(tier)
