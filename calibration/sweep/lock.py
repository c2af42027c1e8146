"""Let one sweep at a time work in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from edge_agent.errors import ConfigError

LOCK_NAME = "sweep.lock"
_POLL_S = 0.05


@contextlib.contextmanager
def locked(folder: Path, *, wait_s: float = 5.0) -> Iterator[int]:
    """Hold the folder's lock and yield its file descriptor; the folder is made.

    The system frees the lock when the last process that holds the descriptor is dead, however it died. Workers inherit it,
    so that no new sweep starts while the worker of a killed one still runs.

    Args:
        folder: of the sweep.
        wait_s: how long the worker of a killed sweep may take to end.

    Raises:
        ConfigError: another sweep runs there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        raise ConfigError(f"cannot write to {folder}: {exc.strerror}; choose another --out") from exc
    try:
        until = time.monotonic() + wait_s
        while not _taken(descriptor):
            if time.monotonic() > until:
                raise ConfigError(f"another sweep runs in {folder}; wait for its end or choose another --out")
            time.sleep(_POLL_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
