"""Messages between the processes of one device: command line and supervisor, supervisor and inference child.

One message is a line of JSON, ``{"body": {...}, "blobs": [n, ...]}``, followed by the blobs' bytes. Pictures
travel as blobs (PNG), so the reader needs no permission on the sender's files. Nothing here leaves the device.
"""

from __future__ import annotations

import json
import queue
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from edge_agent import errors
from edge_agent.errors import DaemonError, EdgeError, InferenceError

MAX_HEADER_BYTES = 8_000_000
MAX_BLOB_BYTES = 256_000_000
MAX_BLOBS = 64
SOCKET_NAME = "daemon.sock"
# How the status line (``systemctl status``) of a daemon begins whose records cannot be opened: it only says so on the screen.
CLOSED = "closed:"


class Kind(StrEnum):
    """Name what a message is; it stands in the body as ``kind``."""

    CASE = "case"  # command line -> supervisor -> child: run this case
    STATUS = "status"  # both ways: ask for, and give, the counts
    SYNC = "sync"  # both ways: bring everything queued to the hub
    STORED = "stored"  # supervisor -> command line: the case survives a power cut from here on
    READY = "ready"  # child -> supervisor: the bundle is loaded
    PROGRESS = "progress"  # child -> supervisor -> whoever follows the case; the supervisor adds ``remaining_s``
    FIELD = "field"  # the same way: one sign that may be shown now (``contracts.shown_field``)
    PING = "ping"  # supervisor -> child: do you still answer?
    PONG = "pong"  # child -> supervisor: yes
    REPORT = "report"  # child -> supervisor -> command line: the end of a case
    LOGITS = "logits"  # soak test -> child and back: the canary's logits
    CANARY = "canary"  # soak test -> child and back: what the canary and the golden cases miss
    ROUND = "round"  # soak test -> child and back: one golden case, its decisions and seconds
    ERROR = "error"  # either way: the end of a request


@dataclass(frozen=True, slots=True)
class Message:
    """Hold one message: a JSON object and the pictures that belong to it."""

    body: Mapping[str, Any]
    blobs: tuple[bytes, ...] = ()

    @property
    def kind(self) -> str:
        """Return what the message says it is; an empty text when it says nothing."""
        return str(self.body.get("kind", ""))


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write one message and flush it. Does not wait for an answer.

    Raises:
        DaemonError: the other side is gone.
    """
    header = json.dumps({"body": message.body, "blobs": [len(blob) for blob in message.blobs]}, ensure_ascii=False)
    try:
        stream.write(header.encode() + b"\n")
        stream.writelines(message.blobs)
        stream.flush()
    except (OSError, ValueError) as exc:
        raise DaemonError("the other process closed the connection; look at the daemon's log and try again") from exc


def read_message(stream: BinaryIO) -> Message | None:
    """Read one message; None when the other side closed between two messages.

    Raises:
        DaemonError: the bytes are not a message, a limit is exceeded, or the other side closed inside a message.
    """
    try:
        line = stream.readline(MAX_HEADER_BYTES + 1)
        if not line:
            return None
        if not line.endswith(b"\n"):
            raise DaemonError("the connection ended inside a message, or its header is too long; try again")
        body, sizes = _parse_header(line)
        return Message(body=body, blobs=tuple(_read_exactly(stream, size) for size in sizes))
    except OSError as exc:
        raise DaemonError("the connection broke; look at the daemon's log and try again") from exc


def _parse_header(line: bytes) -> tuple[dict[str, Any], list[int]]:
    try:
        header = json.loads(line)
        body, sizes = header["body"], header["blobs"]
    except (ValueError, KeyError, TypeError) as exc:
        raise DaemonError("the other process does not speak this protocol; is it the same version?") from exc
    sound = isinstance(body, dict) and isinstance(sizes, list) and len(sizes) <= MAX_BLOBS
    if not sound or not all(type(size) is int and 0 <= size <= MAX_BLOB_BYTES for size in sizes):
        raise DaemonError("a message is out of its limits; send fewer or smaller pictures")
    return body, sizes


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise DaemonError("the connection ended inside a picture; try again")
    return data


def connect(state_dir: Path, *, timeout_s: float | None = None) -> socket.socket | None:
    """Connect to the running supervisor; None when none runs.

    A socket file that nobody listens on (left by a power cut) counts as none; it is not removed here.

    Args:
        state_dir: the device's state folder.
        timeout_s: patience of every later read, in seconds; None waits for ever.
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.connect(str(state_dir / SOCKET_NAME))
    except OSError:
        channel.close()
        return None
    channel.settimeout(timeout_s)
    return channel


def read_all(stream: BinaryIO, inbox: queue.Queue[Message | None]) -> None:
    """Put every message into a queue until the other side ends, then None. For a thread of its own."""
    try:
        while True:
            message = read_message(stream)
            if message is None:
                break
            inbox.put(message)
            del message  # else this report would stay in memory until the next one
    except (DaemonError, ValueError):  # cut off inside a message, or closed by us: both are the end
        pass
    inbox.put(None)


def error_from(message: Message) -> EdgeError:
    """Rebuild the error that another process of this device reported; an unknown class becomes InferenceError."""
    kind = getattr(errors, str(message.body.get("error")), InferenceError)
    if not (isinstance(kind, type) and issubclass(kind, EdgeError)):
        kind = InferenceError
    return kind(str(message.body.get("message", "the inference child reported an error")))


def error_message(error: EdgeError) -> Message:
    """Describe an error to another process of this device."""
    return Message(body={"kind": Kind.ERROR, "error": type(error).__name__, "message": str(error)})
