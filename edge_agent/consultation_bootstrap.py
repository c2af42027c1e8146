"""Build what the rooms of a consultation work with, and look after drafts at each start. Starts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_agent.contracts.policy import Policy
    from edge_agent.kiosk.consultation_parts import ConsultationParts
    from edge_agent.store.audit import AuditTrail
    from edge_agent.store.cases import CaseStore
    from edge_agent.store.consultations import CaseDesk
    from edge_agent.store.database import Database
    from edge_agent.store.vault import ImageVault

EXPIRED = "no consent within the time that the policy allows"
NOBODY = "(device)"  # who the trail names where no person did it


@dataclass(frozen=True, slots=True)
class Tended:
    """What was found: drafts that still cannot be handed over, and how many were destroyed for want of a consent."""

    waiting: tuple[str, ...]
    expired: int


def build_consultation(database: Database, *, cases: CaseStore, vault: ImageVault, policy: Policy) -> ConsultationParts:
    """Build the rooms' parts over the daemon's open store.

    Args:
        database: open, and kept open until the web server has stopped.
        cases: of the daemon.
        vault: the one that ``cases`` uses.
        policy: in force.

    Raises:
        ConfigError: the rule file cannot be read.
    """
    from edge_agent.agents.rules.red_flags import RuleBook
    from edge_agent.consultation.course import Course
    from edge_agent.consultation.permits import PolicyPermits
    from edge_agent.kiosk.consultation_parts import ConsultationParts
    from edge_agent.kiosk.picture_gate import ReleasedGate
    from edge_agent.store.consultations import Consultations
    from edge_agent.store.episodes import Episodes

    episodes = Episodes(database, cases=cases)
    return ConsultationParts(
        consultations=Consultations(database, vault=vault, episodes=episodes),
        episodes=episodes,
        vault=vault,
        course=Course(RuleBook.load("red_flags.toml"), PolicyPermits(policy)),
        gate=ReleasedGate(),
    )


def tend_consultations(room: ConsultationParts, *, desk: CaseDesk, audit: AuditTrail, now: datetime) -> Tended:
    """Finish hand-overs that a power cut or a full disk cut off, and destroy drafts whose time is over (R12).

    Call it at each start and every hour.

    Raises:
        StoreError: the store is busy or full; call it again later.
    """
    waiting = room.consultations.finish_hand_overs(desk=desk, build=room.course.case_of, now=now)
    due = room.consultations.due_drafts(now, hours=room.course.permits.policy.retention_unconsented_draft_hours)
    for case_id in due:
        audit.note(NOBODY, "case_discarded", case_ref=case_id, detail="no_consent_in_time")
        room.consultations.discard(case_id, why=EXPIRED)
    return Tended(tuple(waiting), len(due))
