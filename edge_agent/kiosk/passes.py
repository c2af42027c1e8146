"""Who was here before the page was started again: an open browser is led to the PIN, not to a wall.

A browser comes in by the start token; when the server starts again, its session is gone and the token used up. So the
fingerprints of the open sessions and the port are kept in a private file, for this boot of the computer only. A browser that
brings the cookie of such a session gets a new session with nobody signed in, in the language and look that were chosen there.
Keeps no person, no session id, no token.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from edge_agent.errors import StoreError
from edge_agent.kiosk.sessions import Look
from edge_agent.store.durable import replace_file

PASSES_FILE: Final = "kiosk.browsers"
MOST: Final = 32  # a page that starts again and again must not remember for ever
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")  # proc_sys_kernel(5): a new one at every boot

_LOOKS: Final = TypeAdapter(dict[str, Look])


class Passes:
    """Remember the browsers of the server before this one. Each is let in once.

    Args:
        folder: the state folder.
        boot_id: of this boot; empty: nothing is remembered.
    """

    def __init__(self, folder: Path, *, boot_id: str | None = None) -> None:
        self._path = folder / PASSES_FILE
        self._boot_id = _boot_id() if boot_id is None else boot_id
        self._lock = threading.Lock()
        held = self._read()
        self.port: int | None = held.get("port")
        self._known: dict[str, Look] = dict(list(held.get("sessions", {}).items())[-MOST:])
        self._open: dict[str, Look] = {}

    def note(self, looks: Mapping[str, Look], *, port: int | None = None) -> None:
        """Remember the sessions that are open now, by id, and the port. A full disk costs only this memory."""
        with self._lock:
            self._open = {_fingerprint(one): look for one, look in looks.items()}
            self.port = self.port if port is None else port
            self._write()

    def use(self, session_id: str | None) -> Look | None:
        """Return the look of a session that was open before the start, and forget it; None: it was none."""
        with self._lock:
            look = None if session_id is None else self._known.pop(_fingerprint(session_id), None)
            if look is not None:
                self._write()
            return look

    def _write(self) -> None:
        if not self._boot_id:
            return
        sessions = _LOOKS.dump_python({**self._known, **self._open})
        told = {"boot": self._boot_id, "port": self.port, "sessions": sessions}
        with suppress(StoreError):
            replace_file(self._path, json.dumps(told).encode())

    def _read(self) -> dict[str, Any]:
        try:
            held = json.loads(self._path.read_bytes())
            if not isinstance(held, dict):
                return {}
            held["sessions"] = _LOOKS.validate_python(held.get("sessions"))
        except (OSError, ValueError, ValidationError):
            return {}
        is_ours = bool(self._boot_id) and held.get("boot") == self._boot_id
        return held if is_ours and isinstance(held.get("port"), int | None) else {}


def _fingerprint(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
