"""Consultations for tests: every person in them is invented, every answer a plain one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.consultation import answers
from edge_agent.consultation.course import Course
from edge_agent.consultation.draft import Choice, Draft, Person, new_draft
from edge_agent.consultation.permits import PolicyPermits
from edge_agent.consultation.pictures import SiteChoice, TakenView
from edge_agent.contracts.case import Case, Frame
from edge_agent.contracts.consent_values import PURPOSES
from edge_agent.contracts.intake_parts import WorkerView
from edge_agent.contracts.policy import Policy
from edge_agent.store.audit import AuditTrail
from edge_agent.store.cases import CaseStore
from edge_agent.store.consultations import Consultations
from edge_agent.store.database import Database
from edge_agent.store.episodes import Episodes
from edge_agent.store.key import load_or_create_key
from edge_agent.store.pictures import encode_png
from edge_agent.store.vault import ImageVault

NOW = datetime(2026, 5, 6, 7, 8, tzinfo=UTC)
COURSE = Course(RuleBook.load("red_flags.toml"), PolicyPermits(Policy()))
VERSIONS = dict.fromkeys(PURPOSES, "1")
CALM: dict[Any, Any] = {"fever_now_or_history": "no", "blisters_or_peeling": "no"}
ADULT = Person(age_years=34, sex="female", capacity="full", can_read="yes")
ELBOW = SiteChoice(body_site="elbow", laterality="left", has_mark=False)
PNG = encode_png(np.full((64, 64, 3), 90, np.uint8))


class PlainDesk:
    """A desk that stores cases and never runs them."""

    def __init__(self, cases: CaseStore) -> None:
        self._cases = cases

    def submit(self, case: Case, *, language: Literal["zh", "en"], awaits_sign_off: bool = False) -> None:
        """Store the case."""
        self._cases.add(case, language=language, awaits_sign_off=awaits_sign_off)


class Post:
    """One post's store with everything that consultations need.

    Args:
        folder: where the database lies or is made.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "store.db"
        self.database = Database(path, load_or_create_key(folder / "store.key", database=path))
        self.vault = ImageVault(self.database)
        self.cases = CaseStore(self.database, vault=self.vault)
        self.episodes = Episodes(self.database, cases=self.cases)
        self.audit = AuditTrail(self.database, clock=lambda: NOW, is_synchronised=lambda: False)
        self.consultations = Consultations(self.database, vault=self.vault, episodes=self.episodes, audit=self.audit)
        self.desk = PlainDesk(self.cases)

    def hand_over(self, case_id: str) -> None:
        """Hand a finished draft over to the plain desk."""
        self.consultations.hand_over(case_id, desk=self.desk, rules=COURSE, now=NOW)

    def finish(self, case_id: str, report: dict[str, Any]) -> None:
        """Give a case a report, as the daemon does."""
        self.cases.mark_running(case_id)
        self.cases.finish(case_id, report, None)


def blank(case_id: str = "case-0001") -> Draft:
    """Return a consultation that has just begun."""
    return new_draft(case_id, owner="worker 1", created=NOW)


def choice(*, granted: bool, given_by: Literal["person", "guardian", "nobody"] = "person") -> Choice:
    """Return one consent or refusal."""
    return Choice(granted=granted, given_by=given_by, version="1", recorded_by="worker 1", recorded_at=NOW)


def agreed(draft: Draft, *, refused: tuple[str, ...] = (), given_by: Literal["person", "guardian"] = "person") -> Draft:
    """Ask for the five consents."""
    draft = draft.changed(agreement=draft.agreement.model_copy(update={"read_aloud": True}))
    for purpose in PURPOSES:
        draft = answers.with_choice(draft, purpose, choice(granted=purpose not in refused, given_by=given_by))
    return draft


def taken(image_id: str, site: SiteChoice = ELBOW, **changes: Any) -> TakenView:
    """Return an accepted picture."""
    told = {"shot": "close_up", "quality": "accepted", **site.model_dump(), "has_mark": bool(site.has_mark)}
    return TakenView(image_id=image_id, **(told | changes))


def steps(*, refused: tuple[str, ...] = (), person: Person = ADULT, site: SiteChoice = ELBOW) -> list[Any]:
    """Return the plain answers of a whole consultation, each of them what one screen sends; pictures are left out."""
    worker = WorkerView(impression="scaly plaques", tier="T4_routine", worried="no")
    return [
        lambda draft: COURSE.onward(draft.changed(danger_signs=CALM)),
        lambda draft: COURSE.onward(answers.with_person(draft, person)),
        lambda draft: COURSE.onward(agreed(draft, refused=refused)),
        lambda draft: COURSE.onward(draft.changed(local_reference="bed 4")),
        lambda draft: COURSE.onward(answers.with_sites(draft, [site])),
        COURSE.onward,  # the views, whatever was taken; without pictures the machine is already past them
        lambda draft: COURSE.onward(answers.with_history(draft, {"duration": "unknown", "pregnancy": "unknown"})),
        COURSE.onward,
        COURSE.onward,
        lambda draft: COURSE.onward(draft.changed(worker=worker)),
    ]


def frames(draft: Draft) -> dict[str, Frame]:
    """Return a grey picture for every view of a draft."""
    return {view.image_id: np.full((64, 64, 3), 90, np.uint8) for view in draft.views}
