"""Consultations on their way: each answer is on the disk before the next screen, each is handed over exactly once."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from edge_agent.consultation.answers import without_damaged
from edge_agent.consultation.draft import Draft, new_draft
from edge_agent.consultation.steps import Step
from edge_agent.errors import CaseError, EdgeError, StoreCorrupt
from edge_agent.store.audit import Action, AuditTrail
from edge_agent.store.database import Connection, Database
from edge_agent.store.draft_pictures import DEVICE, DraftPictures
from edge_agent.store.episodes import Episodes
from edge_agent.store.hand_over import CaseDesk, Rules
from edge_agent.store.vault import ImageKind, ImageVault

Noted = Callable[[Connection], None]  # writes what was done into the trail, inside the transaction that does it


@dataclass(frozen=True, slots=True)
class DraftRow:
    """One consultation on its way, as the list of open ones shows it."""

    case_id: str
    owner: str
    created: datetime
    step: Step


class Consultations:
    """Keep drafts with their pictures, and hand finished ones over.

    Every method is one durable transaction, but ``hand_over``, which may be cut anywhere and is repeated by
    ``finish_hand_overs``. Does not decide where an answer leads and does not run cases.

    Args:
        database: the encrypted store.
        vault: where the pictures of drafts lie.
        episodes: where a draft that is handed over becomes a visit.
        audit: the trail; each picture that a draft loses has a row there, in the same transaction.
    """

    def __init__(self, database: Database, *, vault: ImageVault, episodes: Episodes, audit: AuditTrail) -> None:
        self._database = database
        self._pictures = DraftPictures(database, vault=vault, audit=audit)
        self._episodes = episodes
        self._handing_over = threading.Lock()

    def begin(
        self,
        *,
        owner: str,
        now: datetime,
        language: Literal["zh", "en"] = "en",
        episode_id: str | None = None,
        noted: Callable[[Connection, str], None] | None = None,
    ) -> Draft:
        """Begin a consultation at the danger signs.

        Args:
            owner: the account that is signed in.
            now: with a time zone.
            language: the report's language.
            episode_id: the episode of a follow-up visit; its local reference is taken over.
            noted: called with the draft's transaction and its id.

        Raises:
            CaseError: no such episode.
            StoreFull: no space; nothing was stored.
        """
        draft = new_draft(secrets.token_hex(12), owner=owner, created=now, language=language)
        if episode_id is not None:
            reference = self._episodes.reference(episode_id)
            draft = draft.changed(episode_id=episode_id, local_reference=reference)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO drafts (case_id, owner, created, created_s, step, is_consented, body)"
                " VALUES (?,?,?,?,?,0,?)",
                (draft.case_id, owner, now.isoformat(), now.timestamp(), draft.step, draft.model_dump_json()),
            )
            if noted is not None:
                noted(connection, draft.case_id)
        return draft

    def draft(self, case_id: str) -> Draft:
        """Return a draft as it was saved last.

        Raises:
            CaseError: no such draft; it may have been handed over.
            StoreCorrupt: it cannot be read by this program.
        """
        found = self._database.rows("SELECT body FROM drafts WHERE case_id = ?", (case_id,))
        return _read(case_id, found[0] if found else None)

    def change(
        self,
        case_id: str,
        answer: Callable[[Draft], Draft],
        *,
        by: str = DEVICE,
        gone_as: Action = Action.PICTURE_FORBIDDEN,
        noted: Noted | None = None,
    ) -> Draft:
        """Change a draft and save it; pictures that it no longer names are shredded with it, each with a row of the trail.

        Args:
            case_id: the draft.
            answer: a pure function; what it raises leaves the draft as it was.
            by: whose answer it is.
            gone_as: what the trail says of a picture that goes.
            noted: called where the answer changes the draft.

        Raises:
            CaseError: no such draft, or the answer was refused.
            StoreFull: no space; the draft stays as it was.
        """
        with self._database.transaction() as connection:
            after = self._change(connection, case_id, answer, by=by, gone_as=gone_as, noted=noted)
        self._pictures.settle()
        return after

    def take(
        self,
        case_id: str,
        png: bytes,
        *,
        kind: ImageKind,
        describe: Callable[[Draft, str], Draft],
        by: str = DEVICE,
        noted: Noted | None = None,
    ) -> Draft:
        """Keep a picture and the draft that names it, both or neither.

        Args:
            case_id: the draft.
            png: the picture as ``store.pictures.encode_png`` writes it.
            kind: the vault's class of the picture.
            describe: puts the picture's id into the draft; if it does not, the picture is not kept.
            by: who takes it.
            noted: called with the picture's transaction.

        Raises:
            CaseError: no such draft, or the picture was refused.
            StoreFull: no space; nothing was kept.
        """
        try:
            with self._database.transaction() as connection:
                before = self._read(connection, case_id)
                image_id = self._pictures.put(connection, png, kind=kind)
                after = describe(before, image_id)
                if image_id not in {view.image_id for view in after.views}:
                    raise CaseError("the picture is not allowed by what was entered: nothing was kept")
                self._pictures.give(connection, case_id, image_id)
                return self._change(connection, case_id, lambda _: after, by=by, noted=noted)
        except EdgeError:
            self._pictures.sweep()  # the file has no row now
            raise

    def picture(self, case_id: str, image_id: str) -> bytes:
        """Return one picture of a draft as PNG bytes.

        Raises:
            CaseError: the draft has no such picture.
        """
        return self._pictures.get(case_id, image_id)

    def damaged(self, draft: Draft) -> frozenset[str]:
        """Return the ids of a draft's pictures that can never be opened again; a person can take such a one again.

        Raises:
            StoreError: a picture cannot be read just now; nothing is known of it.
        """
        return frozenset(view.image_id for view in draft.views if self._pictures.opened(view.image_id) is None)

    def discard(self, case_id: str, *, why: str, noted: Noted | None = None) -> None:
        """Delete a draft and shred its pictures; nothing of it stays.

        Args:
            case_id: the draft.
            why: for the record of deletions.
            noted: called with the deletion's transaction.

        Raises:
            CaseError: no such draft, or it is being handed over.
        """
        with self._database.transaction() as connection:
            if self._read(connection, case_id).step is Step.RUNNING:
                raise CaseError("this case was handed over: it can no longer be thrown away")
            self._delete(connection, case_id, why=why)
            if noted is not None:
                noted(connection)
        self._pictures.settle()

    def open_drafts(self, owner: str | None = None) -> list[DraftRow]:
        """Return the consultations on their way, oldest first; all of them, or one worker's."""
        rows = self._database.rows("SELECT case_id, owner, created, step FROM drafts ORDER BY position")
        return [
            DraftRow(case_id, whose, datetime.fromisoformat(created), Step(step))
            for case_id, whose, created, step in rows
            if owner in {None, whose}
        ]

    def hand_over(self, case_id: str, *, desk: CaseDesk, rules: Rules, now: datetime) -> None:
        """Give a finished draft to the desk; then it is a visit. Cut off anywhere, it may be called again.

        Without a picture that can never be opened again the case goes on, and says so (``Photography.lost``).

        Args:
            case_id: a draft at ``Step.RUNNING``, or one that was handed over already (then nothing happens).
            desk: who takes the case.
            rules: say what the case may hold now.
            now: with a time zone.

        Raises:
            CaseError: no such draft, or it cannot be a case.
            StoreFull: no space; the draft waits.
            RuntimeError: the draft is not finished (a programmer's mistake).
        """
        with self._handing_over:
            if self._episodes.has_visit(case_id):
                return
            draft = self.draft(case_id)
            if draft.step is not Step.RUNNING:
                raise RuntimeError(f"a consultation at {draft.step} is not finished")
            if not self._database.rows("SELECT 1 FROM cases WHERE case_id = ?", (case_id,)):  # the desk has it not yet
                images = {view.image_id: self._pictures.opened(view.image_id) for view in draft.views}
                damaged = [image_id for image_id, frame in images.items() if frame is None]
                if damaged:
                    draft = self.change(
                        case_id, lambda one: without_damaged(one, damaged), gone_as=Action.PICTURE_DAMAGED
                    )
                readable = {image_id: frame for image_id, frame in images.items() if frame is not None}
                previous = self._episodes.previous(draft.episode_id) if draft.episode_id else None
                case = rules.case_of(draft, readable, previous)
                if (allowed := rules.without_forbidden(draft).views) != draft.views:  # a new policy
                    self.change(case_id, lambda one: one.changed(views=allowed))
                desk.submit(case, language=draft.language, awaits_sign_off=True)
            with self._database.transaction() as connection:
                self._episodes.add_visit(connection, draft, now=now)
                self._delete(connection, case_id, why="the case keeps its own copy")
        self._pictures.settle()

    def finish_hand_overs(self, *, desk: CaseDesk, rules: Rules, now: datetime) -> list[str]:
        """Hand over what a power cut or a full disk left behind; return what could not be handed over now."""
        waiting = [row.case_id for row in self.open_drafts() if row.step is Step.RUNNING]
        for case_id in list(waiting):
            with suppress(EdgeError):  # it stays in the list that is returned, and in the store; the others go on
                self.hand_over(case_id, desk=desk, rules=rules, now=now)
                waiting.remove(case_id)
        return waiting

    def _change(
        self,
        connection: Connection,
        case_id: str,
        answer: Callable[[Draft], Draft],
        *,
        by: str,
        gone_as: Action = Action.PICTURE_FORBIDDEN,
        noted: Noted | None,
    ) -> Draft:
        before = self._read(connection, case_id)
        after = answer(before)
        if (after.case_id, after.owner, after.created) != (before.case_id, before.owner, before.created):
            raise RuntimeError("an answer cannot make a draft another one's")
        if noted is not None and after != before:
            noted(connection)
        connection.execute(
            "UPDATE drafts SET step = ?, is_consented = ?, body = ? WHERE case_id = ?",
            (after.step, int(after.is_consent_complete), after.model_dump_json(), case_id),
        )
        named = {view.image_id for view in after.views}
        self._pictures.keep_only(connection, case_id, named, by=by, action=gone_as)
        return after

    def _delete(self, connection: Connection, case_id: str, *, why: str) -> None:
        self._pictures.shred_all(connection, case_id, why=why)
        connection.execute("DELETE FROM drafts WHERE case_id = ?", (case_id,))

    def _read(self, connection: Connection, case_id: str) -> Draft:
        row = connection.execute("SELECT body FROM drafts WHERE case_id = ?", (case_id,)).fetchone()
        return _read(case_id, row)


def _read(case_id: str, row: tuple[str, ...] | None) -> Draft:
    if row is None:
        raise CaseError("there is no such open consultation: it may have been handed over; look at the list of cases")
    try:
        return Draft.model_validate_json(row[0])
    except ValidationError as exc:
        raise StoreCorrupt(f"the consultation {case_id} cannot be read by this program: restore the backup") from exc
