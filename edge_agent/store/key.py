"""The key of the encrypted store: 32 random bytes in a file that only this account can read."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.errors import StoreCorrupt, StoreError
from edge_agent.store.durable import log_of, publish_once

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoreKey:
    """Hold a raw 256-bit key; never shows it in a repr, a log line or a traceback."""

    hex: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            raise StoreCorrupt("the store key is not 64 hexadecimal digits: restore the key file from its backup")


def load_or_create_key(path: Path, *, database: Path) -> StoreKey:
    """Read the key file, or write a new one at the very first start.

    Does not replace a key: where the database exists without its key file, nothing is written,
    because a new key would hide the old cases for ever.

    Args:
        path: the key file, one line of 64 hexadecimal digits, mode 0600.
        database: the database that the key opens; it need not exist yet.

    Raises:
        StoreCorrupt: the key file is damaged, or it is missing beside an existing database.
        StoreError: the file cannot be read or written, or others may read it.
    """
    if not path.exists():
        has_store = database.exists() or log_of(database).exists()
        if has_store and not path.exists():  # looked at again: another first start may just have made both, key first
            raise StoreCorrupt(f"the key file {path} is missing: restore it from its backup, the store stays as it is")
        publish_once(path, secrets.token_hex(32).encode("ascii") + b"\n")
    return load_key(path)


def load_key(path: Path) -> StoreKey:
    """Read the key file.

    Raises:
        StoreCorrupt: the content is not a key.
        StoreError: the file cannot be read, or its mode lets other accounts read it.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read(200)
    except OSError as exc:
        raise StoreError(f"cannot read the key file {path}: {exc.strerror}") from exc
    if mode & 0o077:
        raise StoreError(f"other accounts may read the key file {path}: run chmod 600 on it")
    return StoreKey(text.decode("ascii", errors="replace").strip())
