"""The device's state folder: private, and used by one process at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from edge_agent.errors import ConfigError, DaemonError
from edge_agent.store.durable import make_folder

_POLL_S = 0.1


def prepare_state_dir(path: Path) -> None:
    """Create the state folder durably and for this account only. Does not change the mode of one that exists.

    Raises:
        ConfigError: it cannot be created or written.
    """
    try:
        make_folder(path)
        is_folder = path.is_dir()
    except OSError as exc:
        raise ConfigError(
            f"cannot create the state folder {path}: {exc.strerror}; set state_dir to another one"
        ) from exc
    if not is_folder:
        raise ConfigError(f"the state folder {path} is a file; set state_dir to another one")
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write the state folder {path}; set state_dir, or run as its owner")


class StateLock:
    """Hold the state folder while a process works with it, so that two never run the same case.

    Taken at construction and given back by ``close`` or the process's death, however it dies.

    Args:
        state_dir: the prepared state folder.
        wait_s: patience in seconds while another process holds it.
        on_wait: called once when it has to wait.

    Raises:
        DaemonError: another process holds it still.
        ConfigError: the folder cannot be locked.
    """

    def __init__(self, state_dir: Path, *, wait_s: float, on_wait: Callable[[], None] | None = None) -> None:
        self._path = state_dir / "lock"
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise self._unusable(exc) from exc
        deadline = time.monotonic() + wait_s
        while not self._try():
            if on_wait is not None:
                on_wait()
                on_wait = None
            if time.monotonic() >= deadline:
                os.close(self._file)
                raise DaemonError(f"another derm-edge uses {state_dir}; wait until it has ended, then try again")
            time.sleep(_POLL_S)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as exc:  # a network file system without locks
            os.close(self._file)
            raise self._unusable(exc) from exc
        return True

    def _unusable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"cannot lock {self._path}: {error.strerror}; mend its owner, or set state_dir to a local disk"
        )

    def close(self) -> None:
        """Give the folder back. The file stays: removing it would let two processes lock two files."""
        os.close(self._file)

    def __enter__(self) -> StateLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
