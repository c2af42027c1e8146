"""Read the small files of a bundle that is being checked. Never follows a link, never waits on a pipe, never reads much."""

from __future__ import annotations

import os
import stat

from edge_agent.contracts.bundle import Bundle
from edge_agent.errors import RejectedError

MAX_TEXT_BYTES = 4 * 1024 * 1024  # of a text that people or programs read whole


def read_role(bundle: Bundle, role: str, *, limit: int = MAX_TEXT_BYTES) -> bytes:
    """Return the bytes of the one file with this role.

    Args:
        bundle: its manifest is known, its files need not be sound.
        role: as in the manifest.
        limit: in bytes; nothing longer is read.

    Raises:
        RejectedError: no such role, no plain file, unreadable, or longer than ``limit``.
    """
    path = bundle.path_of(role)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RejectedError(f"{path.name} is not a plain file; build the bundle again")
            data = stream.read(limit + 1)
    except OSError as exc:
        raise RejectedError(f"{path.name} cannot be read ({exc.strerror}); build the bundle again") from exc
    if len(data) > limit:
        raise RejectedError(f"{path.name} is larger than {limit} bytes, too much for a {role}; build the bundle again")
    return data


def read_text(bundle: Bundle, role: str, *, limit: int = MAX_TEXT_BYTES) -> str:
    """Return the text of the one file with this role.

    Raises:
        RejectedError: as ``read_role``, or not UTF-8 text.
    """
    data = read_role(bundle, role, limit=limit)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise RejectedError(f"the {role} is not UTF-8 text; write it again and build the bundle again") from exc
    if "\0" in text:
        raise RejectedError(f"the {role} holds NUL bytes, it is not text; write it again and build the bundle again")
    return text
