"""Photograph what a post sees seldom: the first page of all, a device in trouble.

The page, its words and its store are the real ones; the trouble itself is told to the page by hand, for nobody fills a
disk to draw a picture.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser

from edge_agent.kiosk.server import KioskServer
from edge_agent.store.accounts import Role
from scripts.kiosk_pictures_album import Album, opened
from scripts.kiosk_pictures_finger import go, sign_in
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import PIN, QuietDesk, RealClock

NAME: Final = "Wang Fang"
TROUBLES: Final = (
    ("safe-mode", ("safe_mode",), "/", "Safe mode: visits go on, the program's help is off."),
    ("degraded", ("inference_down", "restarting_often"), "/", "A part stops again and again."),
    ("disk-full", ("disk_full",), "/", "The storage is full: visits go on in words."),
    ("wrong-clock", ("clock_wrong", "uplink_degraded"), "/", "The clock is wrong, and nothing can be sent."),
    ("status-safe-mode", ("safe_mode",), "/status", "What the technician has to mend, with its line."),
)


def troubles(folder: Path, browser: Browser, album: Album) -> None:
    """Draw the first set-up, then the banners of a device in trouble.

    Args:
        folder: empty; holds the store.
        browser: draws.
        album: keeps the pictures.
    """
    now: list[str] = []
    desk = QuietDesk()
    with consultation_kiosk(folder, clock=RealClock(), is_demo=True) as parts:
        server = KioskServer(replace(parts, desk=desk, camera=None, faults=lambda: tuple(now)))
        server.start()
        try:
            page = opened(browser, folder)
            go(page, "/set-up")
            album.keep(page, "set-up", "The first page of all: who looks after this kiosk.")
            parts.accounts.add(NAME, roles={Role.MAINTAINER, Role.WORKER}, pin=PIN, by="(pictures)")
            sign_in(page, NAME)
            for name, faults, path, words in TROUBLES:
                now[:] = faults
                desk.told |= _told(faults)
                go(page, path)
                album.keep(page, name, words)
        finally:
            server.stop()


def _told(faults: tuple[str, ...]) -> dict[str, Any]:
    """Return what the daemon's status says beside the banners."""
    state = "held" if {"safe_mode", "inference_down"} & set(faults) else "idle"
    daemon = {"pid": 100, "child_pid": 101, "child_state": state}
    line = 'config.toml, line 7: unknown key "sorce" in [capture]; did you mean "source"?'
    return {"daemon": daemon, "faults": (line,) if "safe_mode" in faults else ()}
