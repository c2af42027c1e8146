"""Whether a store is whole: every page of the database, and every picture that should open."""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.errors import StoreCorrupt
from edge_agent.store.database import Database
from edge_agent.store.vault import ImageVault


@dataclass(frozen=True, slots=True)
class Condition:
    """What a check found; ``pictures_unreadable`` are ids from the vault, which say nothing about a person.

    ``without_row`` counts files in the vault that no row names: the next start sweeps them.
    """

    cases: int
    pictures: int
    pictures_unreadable: tuple[str, ...]
    pictures_shredded: int
    pictures_lost: int
    without_row: int

    @property
    def is_whole(self) -> bool:
        """Say whether everything that should open does."""
        return not self.pictures_unreadable


def inspect(database: Database, vault: ImageVault) -> Condition:
    """Read every page and open every picture; slow with many pictures. Changes nothing.

    Raises:
        StoreCorrupt: a page of the database is damaged.
        StoreError: the store is busy.
    """
    database.check()
    counts = dict(database.rows("SELECT state, count(*) FROM images GROUP BY state"))
    unreadable = []
    for (image_id,) in database.rows("SELECT image_id FROM images WHERE state = 'kept' ORDER BY rowid"):
        try:
            vault.get(image_id)
        except StoreCorrupt:
            unreadable.append(image_id)
    known = {row[0] for row in database.rows("SELECT image_id FROM images")}
    inside = database.rows("SELECT count(*) FROM pictures WHERE image_id IS NULL")[0][0]
    return Condition(
        cases=int(database.rows("SELECT count(*) FROM cases")[0][0]),
        pictures=int(counts.get("kept", 0)) + int(inside),
        pictures_unreadable=tuple(unreadable),
        pictures_shredded=int(counts.get("shredded", 0)) + int(counts.get("shredding", 0)),
        pictures_lost=int(counts.get("lost", 0)),
        without_row=sum(path.stem not in known for path in vault.files()),
    )
