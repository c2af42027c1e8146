"""The pictures of a stored case: rows in the database, sealed files in the vault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from edge_agent.contracts.case import View
from edge_agent.contracts.intake import ViewNote
from edge_agent.contracts.intake_values import INTIMATE_SITES
from edge_agent.errors import ImageGone, StoreCorrupt, StoreError
from edge_agent.store.database import Connection, Database
from edge_agent.store.pictures import decode_png
from edge_agent.store.vault import ImageKind, ImageVault

IDENTIFYING_SITES = frozenset({"face", "eye_area", "lips_mouth", "ear"})  # a part of a face tells who it is
_BY_VIEW = (
    "SELECT view_index, png, p.image_id, shot, body_site, laterality, kind FROM pictures p"
    " LEFT JOIN images USING (image_id) WHERE position = ? ORDER BY view_index"
)


@dataclass(frozen=True, slots=True)
class StoredView:
    """Where one picture of a case stands, without the picture; ``is_gone``: it was shredded."""

    index: int
    image_id: str | None
    kind: ImageKind
    shot: str | None
    body_site: str | None
    laterality: str | None
    is_gone: bool


def kind_of(*, body_site: str | None, shot: str | None, has_mark: bool = False) -> ImageKind:
    """Return the vault class of a picture (policy R5, R6).

    Args:
        body_site: id of ``body_site``.
        shot: id of ``shot``.
        has_mark: somebody said that it shows a tattoo, a birthmark or anything else by which people know the person.
    """
    if body_site in INTIMATE_SITES:
        return ImageKind.INTIMATE
    if body_site in IDENTIFYING_SITES or shot == "tongue" or has_mark:
        return ImageKind.IDENTIFYING
    return ImageKind.ORDINARY


def keep_views(
    connection: Connection, vault: ImageVault, position: int, *, pictures: Sequence[tuple[View, bytes]]
) -> None:
    """Put a case's pictures, with their PNG bytes, into the vault and their rows into the caller's transaction.

    Raises:
        StoreFull: no space; the caller's transaction must be undone.
    """
    for view, png in pictures:
        kind = kind_of(body_site=view.body_site, shot=view.shot, has_mark=view.has_mark)
        image_id = vault.put(connection, png, kind=kind)
        connection.execute(
            "INSERT INTO pictures (position, view_index, png, image_id, shot, body_site, laterality)"
            " VALUES (?,?,x'',?,?,?,?)",
            (position, view.index, image_id, view.shot, view.body_site, view.laterality),
        )


def load_views(
    database: Database, vault: ImageVault, position: int, *, on_damaged: Callable[[ViewNote], None] | None = None
) -> tuple[View, ...]:
    """Return a case's pictures in order, bit-equal to those kept; shredded ones are left out.

    Args:
        database: the open store.
        vault: of the pictures.
        position: of the case.
        on_damaged: told of every picture that can never be opened again, which is then left out; None stops at the first.

    Raises:
        StoreCorrupt: a picture is damaged, and nobody is told.
        StoreError: a picture cannot be opened just now.
    """
    views = []
    for index, png, image_id, shot, body_site, laterality, kind in database.rows(_BY_VIEW, (position,)):
        try:
            frame = decode_png(png if image_id is None else vault.get(image_id))
        except ImageGone:
            continue  # care goes on without a picture that was withdrawn or whose time had come
        except StoreCorrupt:
            if on_damaged is None:
                raise
            on_damaged(ViewNote(shot=shot, body_site=body_site, laterality=laterality))
            continue
        is_plain = kind_of(body_site=body_site, shot=shot) is ImageKind.ORDINARY
        has_mark = kind == ImageKind.IDENTIFYING and is_plain  # nothing else makes such a picture identifying
        views.append(View(index, frame, shot, body_site, laterality, has_mark))
    return tuple(views)


def list_views(database: Database, position: int) -> tuple[StoredView, ...]:
    """Return where a case's pictures stand, in order, without opening any."""
    rows = database.rows(
        "SELECT view_index, p.image_id, kind, shot, body_site, laterality, state FROM pictures p"
        " LEFT JOIN images USING (image_id) WHERE position = ? ORDER BY view_index",
        (position,),
    )
    return tuple(
        StoredView(
            index=index,
            image_id=image_id,
            kind=ImageKind(kind) if kind else kind_of(body_site=body_site, shot=shot),
            shot=shot,
            body_site=body_site,
            laterality=laterality,
            is_gone=state is not None and state != "kept",
        )
        for index, image_id, kind, shot, body_site, laterality, state in rows
    )


def move_pictures(database: Database, vault: ImageVault) -> int:
    """Move pictures from before the vault out of the database, one in each transaction; return how many.

    A power cut leaves each picture in one place: in the database with an empty ``image_id``, or in the vault. A file
    whose transaction was undone is swept. Afterwards the file of the database is as small as its texts.

    Raises:
        StoreFull: no space; what was moved stays moved, and every picture can be read.
    """
    waiting = database.rows("SELECT position, view_index FROM pictures WHERE image_id IS NULL ORDER BY position")
    for position, index in waiting:
        with database.transaction() as connection:
            found = connection.execute(
                "SELECT png, body_site, shot FROM pictures WHERE position = ? AND view_index = ? AND image_id IS NULL",
                (position, index),
            ).fetchone()
            if found is None:  # another process was faster
                continue
            image_id = vault.put(connection, found[0], kind=kind_of(body_site=found[1], shot=found[2]))
            connection.execute(
                "UPDATE pictures SET png = x'', image_id = ? WHERE position = ? AND view_index = ?",
                (image_id, position, index),
            )
    if waiting:
        with suppress(StoreError):  # without room for it the space stays in the file and is used again
            database.shrink()
    return len(waiting)
