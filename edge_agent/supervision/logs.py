"""The daemon's log: one JSON object per line, on stderr and in a set of files that is limited in size and in age.

Never patient data: events name parts, states and classes of errors; of an unexpected exception its class and its
places are written, never its text, which may quote a form. A line that cannot be written is lost: a full disk under
the log stops nobody.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

import structlog

Log = structlog.typing.FilteringBoundLogger
FOLDER: Final = "logs"
FILE_NAME: Final = "derm-edge.log"
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class LogLimits:
    """Bound what the log files keep: bytes of one file, how many files, days after which a file goes."""

    file_bytes: int = 1_000_000
    files: int = 10
    days: int = 30


class _Sink(Protocol):
    def write(self, text: str) -> int: ...

    def flush(self) -> None: ...


class LossyStream:
    """Write text somewhere and lose what cannot be written: a full disk under the log must not stop any case.

    Args:
        stream: usually stderr.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, or lose it; say that it was written."""
        with suppress(OSError, ValueError):  # ValueError: the stream was closed
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()


class LogFiles(logging.handlers.RotatingFileHandler):
    """Keep the log in files, readable for this account only, the oldest deleted first.

    Args:
        folder: made where it is missing.
        limits: of size and age.
        clock: seconds since 1970, for the age of files.

    Raises:
        OSError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, limits: LogLimits, *, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._days = limits.days
        self._clock = clock
        path = folder / FILE_NAME
        super().__init__(path, maxBytes=limits.file_bytes, backupCount=limits.files - 1, encoding="utf-8", delay=True)
        self.setFormatter(logging.Formatter("%(message)s"))
        self.delete_old()

    def write(self, text: str) -> int:
        """Append lines, or lose them; say that they were written."""
        for line in text.splitlines():
            if line:
                self.handle(logging.makeLogRecord({"msg": line}))
        return len(text)

    def delete_old(self) -> None:
        """Delete files that were last written too long ago. A clock that is wrong by years deletes at most the log."""
        oldest_s = self._clock() - self._days * _DAY_S
        for path in self._folder.glob(f"{FILE_NAME}*"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest_s:
                    path.unlink()

    def doRollover(self) -> None:  # noqa: N802  (the handler's own name)
        """Begin a new file; delete what is too many or too old."""
        super().doRollover()
        self.delete_old()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the handler's own name)
        """Lose the line. Does not complain on stderr, whose disk is probably the same one."""

    def _open(self) -> Any:
        return open(self.baseFilename, "a", encoding="utf-8", opener=_privately)


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


class _Tee:
    """Give every line to several sinks."""

    def __init__(self, sinks: Sequence[_Sink]) -> None:
        self._sinks = sinks

    def write(self, text: str) -> int:
        for sink in self._sinks:
            sink.write(text)
        return len(text)

    def flush(self) -> None:
        for sink in self._sinks:
            sink.flush()


def build_log(folder: Path | None = None, *, limits: LogLimits | None = None) -> Log:
    """Build the daemon's log.

    Args:
        folder: of the log files; None, or one that cannot be written: stderr alone.
        limits: of the files.
    """
    sinks: list[_Sink] = [LossyStream(sys.stderr)]
    if folder is not None:
        with suppress(OSError):
            sinks.append(LogFiles(folder, limits or LogLimits()))
    log: Log = structlog.wrap_logger(
        structlog.PrintLogger(_Tee(sinks)),  # type: ignore[arg-type]  # it uses write and flush only
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_its_text,
            structlog.processors.JSONRenderer(default=str),
        ],
    )
    return log


def _without_its_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace an exception by its class and the places it came through: its text may quote a patient's form."""
    if event.pop("exc_info", None):
        kind, error, _ = sys.exc_info()
        if kind is not None and error is not None:
            frames = traceback.extract_tb(error.__traceback__)[-12:]
            event["exception"] = kind.__name__
            event["places"] = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in frames]
    return event
