"""Build what the rooms of a consultation work with, and look after drafts at each start. Starts nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_agent.contracts.policy import Policy
    from edge_agent.kiosk.consultation_parts import ConsultationParts
    from edge_agent.store.audit import AuditTrail
    from edge_agent.store.cases import CaseStore
    from edge_agent.store.database import Database
    from edge_agent.store.hand_over import CaseDesk
    from edge_agent.store.vault import ImageVault


def build_consultation(
    database: Database,
    *,
    cases: CaseStore,
    vault: ImageVault,
    audit: AuditTrail,
    policy: Policy,
    on_refused: Callable[[str], None] = lambda _reason: None,
) -> ConsultationParts:
    """Build the rooms' parts over the daemon's open store.

    Args:
        database: open, and kept open until the web server has stopped.
        cases: of the daemon.
        vault: the one that ``cases`` uses.
        audit: the device's trail.
        policy: in force.
        on_refused: counts the reasons for which pictures are refused.

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
        consultations=Consultations(database, vault=vault, episodes=episodes, audit=audit),
        episodes=episodes,
        vault=vault,
        course=Course(RuleBook.load("red_flags.toml"), PolicyPermits(policy)),
        gate=ReleasedGate(),
        on_refused=on_refused,
    )


def tend_consultations(room: ConsultationParts, *, desk: CaseDesk, now: datetime) -> tuple[str, ...]:
    """Finish hand-overs that a power cut or a full disk cut off.

    Call it at each start and every hour. Drafts whose time is over are the store's to destroy (``store.retention``): it alone
    asks whether the clock can be believed.

    Returns:
        The ids of cases that still cannot be handed over.

    Raises:
        StoreError: the store cannot be read; call it again later.
    """
    return tuple(room.consultations.finish_hand_overs(desk=desk, rules=room.course, now=now))
