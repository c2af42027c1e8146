"""What clinicians decided about a report, as paper and files may tell it: names as people write them, codes, no notes.

A decision holds for others once the report is signed. Before that nothing a clinician wrote stands yet, but what was
found wrong is not repeated either. Does not read the store (``interop.stored`` does) and puts no words to anything.

Source: clinical-vocabulary sections 9 (a clinician may lower a tier with a reason), 10 and 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal

from edge_agent.agents.rules.triage import most_urgent

Standing = Literal["program", "accepted", "corrected", "rejected"]
TIER: Final = "tier"


@dataclass(frozen=True, slots=True)
class Correction:
    """One value that a clinician put in place of the program's: ``value`` is an id of the vocabulary's list ``of``."""

    field: str
    of: str
    value: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """The decision that counts for one part.

    ``section``: an id of ``decided_section``; ``verdict``: of ``decision``; ``reason``: of ``decision_reason``; ``by``:
    the name as people write it, empty where the account is not known any more; ``at`` has a time zone. A note is never
    here: it stays on the device.
    """

    section: str
    verdict: str
    by: str
    at: datetime
    reason: str
    corrections: tuple[Correction, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerCorrection:
    """One answer of the form that somebody put right after the hand-over.

    ``question``: its place in the form; ``of``: the list of its ids; ``was`` and ``now``: both values as JSON; ``reason``: of
    ``correction_reason``; ``by``: the name as people write it; ``at`` has a time zone.
    """

    question: str
    of: str
    was: Any
    now: Any
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """Everything that was decided about one report, and every answer of its form that was put right since.

    ``signed_by`` and ``signed`` are None while nobody has signed; ``follow_up`` is the day on which the person comes back,
    as the clinician set it.
    """

    rulings: Mapping[str, Ruling] = field(default_factory=dict)
    signed_by: str | None = None
    signed: datetime | None = None
    follow_up: date | None = None
    answers: tuple[AnswerCorrection, ...] = ()
    fallen: tuple[
        str, ...
    ] = ()  # rules that no longer fire with the corrected answers; they stay until a clinician decides
    is_unseen: bool = False  # an answer was corrected after the signature, and no clinician has looked since

    @property
    def is_signed(self) -> bool:
        """Say whether a clinician signed the report."""
        return self.signed is not None

    @property
    def has_doubts(self) -> bool:
        """Say whether any part was corrected or rejected, signed or not."""
        return any(one.verdict != "accepted" for one in self.rulings.values())

    def ruling(self, section: str) -> Ruling | None:
        """Return the decision on a part; None where nobody took one."""
        return self.rulings.get(section)

    def standing(self, section: str) -> Standing:
        """Say how a part stands; of an unsigned report nothing is accepted yet, and what was found wrong is known."""
        found = self.rulings.get(section)
        if found is None or (found.verdict == "accepted" and not self.is_signed):
            return "program"
        return (
            "accepted" if found.verdict == "accepted" else "corrected" if found.verdict == "corrected" else "rejected"
        )

    def stands(self, section: str) -> bool:
        """Say whether the program's own words of a part may be told as they are."""
        return self.standing(section) in {"program", "accepted"}

    @property
    def suspicion_stands(self) -> bool:
        """Say whether the suspected conditions may be told: a syndrome that was put right says nothing about them."""
        found = self.rulings.get("reasoning")
        if found is None or self.stands("reasoning"):
            return True
        is_syndrome_alone = {one.field for one in found.corrections} == {"syndrome"}
        return found.verdict == "corrected" and is_syndrome_alone and found.reason != "wrong_condition"

    def corrections(self, section: str) -> tuple[Correction, ...]:
        """Return the clinician's own values of a part; none before the signature."""
        found = self.rulings.get(section)
        return found.corrections if found is not None and self.is_signed else ()

    def value(self, section: str, name: str) -> str | None:
        """Return the clinician's own value of one field; None where there is none."""
        return next((one.value for one in self.corrections(section) if one.field == name), None)

    def tier(self, report: Mapping[str, Any]) -> str | None:
        """Return the tier that counts; None where a clinician rejected it and named no other.

        Before the signature a decision on the tier can only make it more urgent: nobody waits longer for an unsigned word.
        """
        found = self.rulings.get("triage")
        named = None if found is None else next((one.value for one in found.corrections if one.field == TIER), None)
        return tier_after(
            str(report["triage"]["final"]),
            verdict=None if found is None else found.verdict,
            named=named,
            is_signed=self.is_signed,
        )


def tier_after(program: str, *, verdict: str | None, named: str | None, is_signed: bool) -> str | None:
    """Return the tier that counts; the one judge for screen, list, paper, signature and hub.

    Does not look at the reasons and does not check ids.

    Args:
        program: the report's own tier.
        verdict: of the last decision on the tier; None where nobody took one.
        named: the tier that this decision names; None where it names none.
        is_signed: whether the report is signed.

    Returns:
        An id of ``TIERS``. Before the signature never less urgent than the program's; after it None where the tier was
        found wrong and no other was named.
    """
    if verdict is None or verdict == "accepted":
        return program
    return named if is_signed else most_urgent([program, named])


NO_REVIEW: Final = Review()
