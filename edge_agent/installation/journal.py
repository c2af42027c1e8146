"""What is under way, durably: one small file that a power cut leaves old or new, never half."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_agent.errors import UpdateError
from edge_agent.installation.steps import Stage
from edge_agent.installation.writing import write_file

SlotName = Literal["a", "b"]


class Kind(StrEnum):
    """What a person asked for."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    ROLLBACK = "rollback"
    FACTORY_RESET = "factory-reset"


class WayBack(BaseModel):
    """The program before this one: its slot, its version, and the backup that it can read (None: there was no store)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: SlotName
    version: str
    backup: str | None
    left: datetime


class Entry(BaseModel):
    """One state of the journal.

    ``slot`` is the one that is being filled or went into use, ``version`` what is in it; ``was`` the slot in use before.
    ``has_run`` says that the new program may have changed the store; ``fault`` why it goes back.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: Stage = Stage.IDLE
    kind: Kind | None = None
    package: Path | None = None
    profile: str | None = None
    slot: SlotName | None = None
    version: str | None = None
    was: SlotName | None = None
    was_version: str | None = None
    backup: str | None = None
    has_run: bool = False
    fault: str | None = None
    way_back: WayBack | None = None


class Journal:
    """Keep the entry of one prefix.

    Args:
        path: the file; its folder is made when it is first written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Entry:
        """Return what is under way; an idle entry where nothing ever was.

        Raises:
            UpdateError: the file cannot be read, or another program's version wrote it.
        """
        try:
            return Entry.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Entry()
        except (OSError, ValidationError) as exc:
            raise UpdateError(f"cannot read {self._path}; restore it from a copy, or install anew") from exc

    def write(self, entry: Entry) -> None:
        """Put an entry in the place of the last one, durably.

        Raises:
            UpdateError: it cannot be written; the last one stays.
        """
        try:
            write_file(self._path, entry.model_dump_json(indent=1).encode() + b"\n")
        except OSError as exc:
            raise UpdateError(f"cannot write {self._path}: {exc.strerror}; run as root, check the disk") from exc
