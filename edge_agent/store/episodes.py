"""Episodes and visits: which cases are one person's at this post, what is due, whose report is ready."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

from edge_agent.agents.report.earlier import earlier_visit
from edge_agent.consultation.draft import Draft
from edge_agent.consultation.steps import Step
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.errors import CaseError, StoreCorrupt
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Connection, Database
from edge_agent.store.rulings import nameless_review
from edge_agent.store.states import CaseState
from edge_agent.store.vault import ImageKind

_STEPS = {
    CaseState.STORED: Step.RUNNING,
    CaseState.RUNNING: Step.RUNNING,
    CaseState.FAILED: Step.FAILED,
    CaseState.REPORTED: Step.REPORT,
}


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """One person's episode at this post: how many visits, and when the last one was handed over."""

    episode_id: str
    local_reference: str
    visits: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class VisitRow:
    """One visit: whose it is, where it stands, and the date of its follow-up."""

    case_id: str
    episode_id: str
    local_reference: str
    owner: str
    handed_over: datetime
    step: Step
    follow_up_due: date | None
    is_opened: bool


@dataclass(frozen=True, slots=True)
class EarlierPicture:
    """A picture of an earlier visit, to frame the new one like it."""

    case_id: str
    image_id: str
    kind: ImageKind
    taken: datetime
    shot: str | None
    laterality: str | None


_VISITS = (
    "SELECT v.case_id, v.episode_id, e.local_reference, v.owner, v.handed_over, c.state, v.closed, v.follow_up_due,"
    " v.opened FROM visits v JOIN episodes e USING (episode_id) JOIN cases c USING (case_id)"
)


class Episodes:
    """Keep episodes with their visits. The local reference never leaves the device.

    Does not say that two references are one person: whoever begins a follow-up chooses the episode.

    Args:
        database: the encrypted store.
        cases: holds the cases, reports and pictures of the visits.
    """

    def __init__(self, database: Database, *, cases: CaseStore) -> None:
        self._database = database
        self._cases = cases

    def add_visit(self, connection: Connection, draft: Draft, *, now: datetime) -> None:
        """Make a draft that was handed over a visit, with a new episode unless it belongs to one."""
        episode_id = draft.episode_id
        if episode_id is None:
            episode_id = secrets.token_hex(16)
            connection.execute(
                "INSERT INTO episodes (episode_id, local_reference, created) VALUES (?,?,?)",
                (episode_id, draft.local_reference or "", now.isoformat()),
            )
        connection.execute(
            "INSERT INTO visits (case_id, episode_id, owner, handed_over) VALUES (?,?,?,?)",
            (draft.case_id, episode_id, draft.owner, now.isoformat()),
        )

    def has_visit(self, case_id: str) -> bool:
        """Say whether a case was handed over as a visit."""
        return bool(self._database.rows("SELECT 1 FROM visits WHERE case_id = ?", (case_id,)))

    def reference(self, episode_id: str) -> str:
        """Return this post's own name for the person.

        Raises:
            CaseError: no such episode.
        """
        rows = self._database.rows("SELECT local_reference FROM episodes WHERE episode_id = ?", (episode_id,))
        if not rows:
            raise CaseError("there is no such episode at this post")
        return str(rows[0][0])

    def find(self, local_reference: str) -> list[EpisodeRow]:
        """Return the episodes with exactly this reference, the latest first; it is no search for names."""
        rows = self._database.rows(
            "SELECT e.episode_id, e.local_reference, count(v.case_id), max(v.handed_over) FROM episodes e"
            " LEFT JOIN visits v USING (episode_id) WHERE e.local_reference = ?"
            " GROUP BY e.episode_id ORDER BY max(v.position) DESC",
            (local_reference,),
        )
        return [
            EpisodeRow(one, reference, count, None if last is None else datetime.fromisoformat(last))
            for one, reference, count, last in rows
        ]

    def visits(self, episode_id: str) -> list[VisitRow]:
        """Return the visits of an episode, oldest first."""
        rows = self._database.rows(f"{_VISITS} WHERE v.episode_id = ? ORDER BY v.position", (episode_id,))
        return [_visit(row) for row in rows]

    def visit(self, case_id: str) -> VisitRow:
        """Return one visit.

        Raises:
            CaseError: no such visit.
        """
        rows = self._database.rows(f"{_VISITS} WHERE v.case_id = ?", (case_id,))
        if not rows:
            raise CaseError("there is no such visit at this post")
        return _visit(rows[0])

    def queue(self, owner: str | None = None) -> list[VisitRow]:
        """Return the visits that are not closed, oldest first; all of them, or one worker's."""
        rows = self._database.rows(f"{_VISITS} WHERE v.closed IS NULL ORDER BY v.position")
        return [visit for visit in map(_visit, rows) if owner in {None, visit.owner}]

    def ready(self, owner: str) -> list[VisitRow]:
        """Return the reports that a worker has not opened yet; they are announced, never opened by themselves."""
        return [
            visit for visit in self.queue(owner) if visit.step in {Step.REPORT, Step.FAILED} and not visit.is_opened
        ]

    def mark_opened(self, case_id: str, *, now: datetime) -> None:
        """Note that a report was opened; the first time counts."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE visits SET opened = coalesce(opened, ?) WHERE case_id = ?", (now.isoformat(), case_id)
            )

    def close(self, case_id: str, *, now: datetime, noted: Callable[[Connection], None]) -> None:
        """Take a visit out of the queue: the consultation is done. Twice is once, and is noted once.

        Args:
            case_id: the visit.
            now: with a time zone.
            noted: writes it into the trail, in the transaction that closes the visit.

        Raises:
            CaseError: no such visit, or its report is not there yet.
        """
        if self.visit(case_id).step not in {Step.REPORT, Step.DONE}:
            raise CaseError("the report is not there yet: the case cannot be closed")
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE visits SET closed = ? WHERE case_id = ? AND closed IS NULL", (now.isoformat(), case_id)
            ).rowcount
            if changed:
                noted(connection)

    def set_follow_up(self, case_id: str, due: date | None) -> None:
        """Set when the person should come back; None takes the date away.

        Raises:
            CaseError: no such visit.
        """
        with self._database.transaction() as connection:
            self.put_follow_up(connection, case_id, due)

    def put_follow_up(self, connection: Connection, case_id: str, due: date | None) -> None:
        """Set when the person should come back, inside the caller's transaction.

        Raises:
            CaseError: no such visit.
        """
        changed = connection.execute(
            "UPDATE visits SET follow_up_due = ? WHERE case_id = ?",
            (None if due is None else due.isoformat(), case_id),
        ).rowcount
        if not changed:
            raise CaseError("there is no such visit at this post")

    def due_follow_ups(self, today: date) -> list[VisitRow]:
        """Return the visits whose follow-up is due and did not take place, the longest overdue first."""
        rows = self._database.rows(
            f"{_VISITS} WHERE v.follow_up_due <= ? ORDER BY v.follow_up_due, v.position", (today.isoformat(),)
        )
        newest = self._database.rows("SELECT case_id, max(position) FROM visits GROUP BY episode_id")
        last = {row[0] for row in newest}  # who came since is not due any more
        return [visit for visit in map(_visit, rows) if visit.case_id in last]

    def previous(self, episode_id: str) -> PreviousVisit | None:
        """Return the last reported visit of an episode as the new one may read it; None without a readable one.

        What a clinician found wrong in it is not told; where their decisions cannot be read, nothing of it is.
        """
        for visit in reversed(self.visits(episode_id)):
            report = self._cases.report(visit.case_id)
            if report is not None:
                with suppress(CaseError, StoreCorrupt):  # an older program's report: the one before may be readable
                    return earlier_visit(report, nameless_review(self._database, visit.case_id))
        return None

    def earlier_picture(self, episode_id: str, *, body_site: str, shot: str | None) -> EarlierPicture | None:
        """Return where the last picture of the same site lies, of the same kind of shot where there is one.

        Opens none. None too where each was shredded since: the new one is then framed without it.
        """
        for visit in reversed(self.visits(episode_id)):
            same = [
                view
                for view in self._cases.views(visit.case_id)
                if view.body_site == body_site and view.image_id is not None and not view.is_gone
            ]
            best = [view for view in same if view.shot == shot] or same
            if best:
                found = best[-1]
                return EarlierPicture(
                    visit.case_id,
                    found.image_id or "",
                    found.kind,
                    visit.handed_over,
                    found.shot,
                    found.laterality,
                )
        return None


def _visit(row: tuple[str, ...]) -> VisitRow:
    case_id, episode_id, reference, owner, handed_over, state, closed, due, opened = row
    return VisitRow(
        case_id=case_id,
        episode_id=episode_id,
        local_reference=reference,
        owner=owner,
        handed_over=datetime.fromisoformat(handed_over),
        step=_STEPS[CaseState(state)] if closed is None else Step.DONE,
        follow_up_due=None if due is None else date.fromisoformat(due),
        is_opened=opened is not None,
    )
