"""Photograph the course of one person over three visits, weeks apart.

The page, its words and its store are the real ones; the visits are played, for nobody waits fourteen weeks to draw a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser

from edge_agent.kiosk.server import KioskServer
from edge_agent.store.accounts import Role
from scripts.kiosk_pictures_album import Album, opened
from scripts.kiosk_pictures_finger import go, sign_in
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import PIN, RealClock
from tests.simulators.reported_visits import Told, add_visit, golden

DOCTOR: Final = "Dr Lin"


@dataclass(frozen=True, slots=True)
class Played:
    """One visit: its id, weeks ago, surface in %, PASI, PGA, the treatments of its plan."""

    case_id: str
    weeks_ago: int
    bsa: float
    pasi: float
    pga: int
    treatments: tuple[str, ...]


VISITS: Final = (
    Played("first", 15, 6.0, 8.4, 3, ("emollient", "vitamin_d_topical", "steroid_topical_moderate")),
    Played("second", 9, 6.0, 4.8, 2, ("emollient", "vitamin_d_topical")),
    Played("third", 1, 3.0, 1.2, 1, ("emollient", "steroid_topical_moderate")),
)  # invented


def course(folder: Path, browser: Browser, album: Album) -> None:
    """Draw the page of an episode: measures that are known at each visit, and what was planned.

    Args:
        folder: empty; holds the store.
        browser: draws.
        album: keeps the picture.
    """
    clock = RealClock()
    with consultation_kiosk(folder, clock=clock, is_demo=True) as parts:
        episode, before = None, None
        for visit in VISITS:
            created = clock.now() - timedelta(weeks=visit.weeks_ago)
            told = Told(reference="bed 4", episode_id=episode)
            episode = add_visit(parts, visit.case_id, told, created=created, report=_report(visit, before))
            before = (visit, created)
        parts.accounts.add(DOCTOR, roles={Role.CLINICIAN}, pin=PIN, by="(pictures)")
        server = KioskServer(parts)
        server.start()
        try:
            page = opened(browser, folder)
            sign_in(page, DOCTOR)
            go(page, f"/cases/{VISITS[-1].case_id}/episode")
            words = "Earlier visits of the same person: severity and planned treatment over the weeks."
            album.keep(page, "episode", words, at="#course")
            album.keep(page, "episode-pictures", "The same place then and now, side by side.", at=".then-now")
        finally:
            server.stop()


def _report(visit: Played, before: tuple[Played, datetime] | None) -> dict[str, Any]:
    """Return an invented report with the numbers and the plan of one visit."""
    report = golden("psoriasis")
    severity = report["severity"]
    report["severity"] = {
        **severity,
        "bsa_percent": visit.bsa,
        "pga": visit.pga,
        "pasi": {**severity["pasi"], "value": visit.pasi},
    }
    rows = {row["object"]: row for row in report["plan"]["items"]}
    others = [row for row in report["plan"]["items"] if row["action"] != "treat"]
    report["plan"] = {**report["plan"], "items": [*(rows[name] for name in visit.treatments), *others]}
    if before is not None:
        report["change"] = _change(visit, *before, lineage=report["provenance"]["bundle"]["lineage"])
    return report


def _change(visit: Played, then: Played, created: datetime, *, lineage: str) -> dict[str, Any]:
    """Return what changed, as the program writes it; the numbers of ``VISITS`` are far enough apart to name a direction."""
    pasi = _compared(then.pasi, visit.pasi)
    return {
        "previous": {"created": created.isoformat(), "lineage": lineage, "release": "1.0"},
        "days": (then.weeks_ago - visit.weeks_ago) * 7,
        "pasi": pasi | {"regions": [], "response": None, "response_reason": None},
        "bsa": _compared(then.bsa, visit.bsa),
        "pga": _compared(then.pga, visit.pga),
    }


def _compared(before: float, now: float) -> dict[str, Any]:
    direction = "same" if now == before else "better"
    return {
        "direction": direction,
        "reason": None,
        "before": before,
        "now": now,
        "difference": round(now - before, 1),
    }
