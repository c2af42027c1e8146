"""A clinician's decision on each part of a report: accepted, corrected or rejected, by whom, when and why.

The report itself is never changed: decisions stand beside it, and the last one on a part counts. Does not store, print
or send anything.

Source: clinical-vocabulary sections 9 (who may lower a tier), 10 and 11; policy "Final tier".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge_agent.contracts.result import DecisionReason, Section, SectionDecision
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError
from edge_agent.review.sections import decidable, unknown_correction

Verdict = Literal["accepted", "corrected", "rejected"]
REASONS: tuple[DecisionReason, ...] = get_args(DecisionReason)
NOTE_MAX = 400
_CLINICIAN = "clinician"
_TCM = "tcm_practitioner"


class Decision(BaseModel):
    """One decision on one part. ``values`` are a correction's ids by field; ``note`` is free text and stays local."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    section: Section
    verdict: Verdict
    reason: DecisionReason
    values: Mapping[str, str] = Field(default_factory=dict)
    note: Annotated[str, Field(max_length=NOTE_MAX)] = ""
    account: str = Field(min_length=1, max_length=64)
    decided: datetime

    @model_validator(mode="after")
    def _reason_fits(self) -> Decision:
        if (self.verdict == "accepted") != (self.reason == "agree"):
            raise ValueError("accepting goes with the reason agree, correcting and rejecting with another one")
        if self.verdict == "accepted" and (self.values or self.note):
            raise ValueError("an accepted part holds no correction: choose corrected")
        if self.verdict == "corrected" and not (self.values or self.note.strip()):
            raise ValueError("say what is right: choose a value or write a note")
        if self.reason == "other_local_text" and not self.note.strip():
            raise ValueError("the reason other needs a note")
        if self.decided.tzinfo is None:
            raise ValueError("a decision's time needs a time zone")
        return self

    def on_the_wire(self) -> SectionDecision:
        """Return what may leave the device: codes, no words, no name, no time."""
        return SectionDecision(section=self.section, decision=self.verdict, reason=self.reason)


def check_decision(
    decision: Decision, *, report: Mapping[str, Any], roles: Collection[str], vocabulary: Vocabulary
) -> None:
    """Refuse a decision that this account may not take or that does not fit the report.

    Args:
        decision: what was chosen.
        report: of schema version 2.
        roles: the account's.
        vocabulary: holds the ids of corrections.

    Raises:
        CaseError: says what to mend.
    """
    if not may_decide(decision.section, roles):
        raise CaseError("only a clinician decides on this part: sign in as one")
    if decision.section not in decidable(report):
        raise CaseError("the report does not hold this part: there is nothing to decide")
    wrong = unknown_correction(decision.section, decision.values, vocabulary)
    if wrong is not None:
        raise CaseError(f"{wrong}: choose from the list")


def may_decide(section: Section, roles: Collection[str]) -> bool:
    """Say whether an account with these roles decides on a part; a TCM practitioner decides on the reasoning too."""
    return _CLINICIAN in roles or (section == "reasoning" and _TCM in roles)


def standing(decisions: Sequence[Decision]) -> dict[Section, Decision]:
    """Return the decision that counts for each part: the one taken last. ``decisions`` are in the order of taking."""
    return {decision.section: decision for decision in decisions}


def open_sections(report: Mapping[str, Any], decisions: Sequence[Decision]) -> tuple[Section, ...]:
    """Return the parts that nobody has decided on yet, in the order of the report."""
    done = standing(decisions)
    return tuple(section for section in decidable(report) if section not in done)


def final_tier(report: Mapping[str, Any], decisions: Sequence[Decision]) -> str:
    """Return the tier that a signature makes final: a clinician's own, else the report's.

    A clinician alone may lower a tier, with a reason code; the report keeps showing what it was.

    Raises:
        CaseError: the tier was found wrong and no other was named.
    """
    if lacks_tier(decisions):
        raise CaseError("the urgency was found wrong and no other was named: correct it and choose the right one")
    triage = standing(decisions).get("triage")
    return str(report["triage"]["final"]) if triage is None else triage.values.get("tier", report["triage"]["final"])


def lacks_tier(decisions: Sequence[Decision]) -> bool:
    """Say whether the tier was found wrong and no other was named: then nothing stands that could be signed."""
    triage = standing(decisions).get("triage")
    return triage is not None and triage.verdict != "accepted" and "tier" not in triage.values


def on_the_wire(report: Mapping[str, Any], decisions: Sequence[Decision]) -> tuple[SectionDecision, ...]:
    """Return the decisions of a signed report as they may leave the device, in the order of the report.

    Raises:
        CaseError: a part is still open.
    """
    left = open_sections(report, decisions)
    if left:
        raise CaseError(f"{len(left)} parts of the report wait for a decision: {', '.join(left)}")
    done = standing(decisions)
    return tuple(done[section].on_the_wire() for section in decidable(report))
