"""The key of the encrypted store: 32 random bytes, in a file that only this account can read or among systemd's credentials."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.errors import ConfigError, StoreCorrupt, StoreError
from edge_agent.store.durable import log_of, publish_once

KEY_NAME = "store.key"  # of the file, and of the credential
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), Credentials
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
    return _read(path, forbidden=0o077)


def _read(path: Path, *, forbidden: int) -> StoreKey:
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read(200)
    except OSError as exc:
        raise StoreError(f"cannot read the key file {path}: {exc.strerror}") from exc
    if mode & forbidden:
        raise StoreError(f"other accounts may read the key file {path}: run chmod 600 on it")
    return StoreKey(text.decode("ascii", errors="replace").strip())


def load_store_key(
    provider: str, *, state_dir: Path, database: Path, environment: Mapping[str, str] | None = None
) -> StoreKey:
    """Return the store's key from the configured provider.

    Args:
        provider: ``file`` (``store.key`` in the state folder, made at the first start) or ``systemd-creds``.
        state_dir: the state folder.
        database: the database that the key opens; it need not exist yet.
        environment: where systemd says the credentials are; None means the process environment.

    Raises:
        ConfigError: there is no such credential for this process.
        StoreCorrupt: the key is damaged, or missing beside an existing database.
        StoreError: it cannot be read.
    """
    if provider == "file":
        return load_or_create_key(state_dir / KEY_NAME, database=database)
    variables = os.environ if environment is None else environment
    folder = variables.get(CREDENTIALS_VARIABLE)
    mend = (
        'add LoadCredentialEncrypted=store.key to the service (docs/store.md, Keys), or set key = "file" under [store]'
    )
    if not folder:
        raise ConfigError(f"systemd gave this process no credentials: {mend}")
    path = Path(folder) / KEY_NAME
    if not path.exists():
        raise ConfigError(f"the credential {KEY_NAME} is not in {folder}: {mend}")
    return load_credential(path)


def load_credential(path: Path) -> StoreKey:
    """Read a key that systemd has decrypted for this service; its folder keeps other accounts out.

    Does not look at the group's bits: with access lists they show the mask, not a group (acl(5)).

    Raises:
        StoreCorrupt: the content is not a key.
        StoreError: it cannot be read, or everybody may read it.
    """
    return _read(path, forbidden=0o007)
