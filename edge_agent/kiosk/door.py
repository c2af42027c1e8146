"""The way in: a random token that opens one browser session once, told only to whoever may read a private file."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge_agent.store.durable import replace_file

URL_FILE: Final = "kiosk.url"


class Door:
    """Hold the present start token. Does not know who comes in: that is what accounts are for.

    A token is good for one browser session. The next one is made at once and told to ``on_token``, so that a
    browser that crashed finds a fresh one; a token seen over somebody's shoulder is worthless.

    Args:
        on_token: told every new token, the first one included.
    """

    def __init__(self, *, on_token: Callable[[str], None] | None = None) -> None:
        self._on_token = on_token
        self._lock = threading.Lock()
        self._token = ""
        self._renew()

    @property
    def token(self) -> str:
        """Return the token that opens the next session."""
        return self._token

    def exchange(self, offered: str) -> bool:
        """Use a token up and say whether it was the present one."""
        with self._lock:
            if not secrets.compare_digest(offered.encode(), self._token.encode()):
                return False
            self._renew()
            return True

    def _renew(self) -> None:
        self._token = secrets.token_urlsafe(32)
        if self._on_token is not None:
            self._on_token(self._token)


def write_url(state_dir: Path, url: str) -> None:
    """Write the start address where the kiosk's own browser session reads it, for this account only (mode 0600)."""
    replace_file(state_dir / URL_FILE, f"{url}\n".encode())
