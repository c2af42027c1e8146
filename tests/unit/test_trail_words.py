"""The page of the trail says in words what was done and to what; the ids stay in the trail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.kiosk.pages.audit import ACTION_WORDS
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.trail_words import ROOM_ACTIONS
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.reported_visits import add_visit

PAGES = Path(__file__).parents[2] / "edge_agent" / "kiosk" / "pages"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        add_visit(built, "one", created=datetime(2026, 11, 20, 8, 30, tzinfo=UTC))
        yield built


@pytest.fixture
def clinician(parts: KioskParts) -> Browser:
    return Browser(parts).signed_in("Dr Lin", Role.CLINICIAN)


def _rows(browser: Browser, language: str = "en") -> str:
    assert browser.submit("/settings/language", language=language).status_code == 303
    return str(browser.get("/audit").text).partition("<tbody>")[2].partition("</tbody>")[0]


@pytest.mark.parametrize(
    ("action", "detail", "en", "zh"),
    [
        ("picture_viewed", "view-0", "Picture 1", "照片 1"),
        ("consent_withdrawn", "care_pictures", "Pictures for your care", "为您看病拍照"),
        ("part_corrected", "triage:missed_red_flag", "missed danger sign", "遗漏危险征象"),
        ("picture_taken", "elbow", "elbow", "肘"),
        ("case_discarded", "danger_signs", "Danger signs", "危险征象"),
        ("second_reading", "differs", "does not agree", "不同意"),
        ("report_printed", "pdf_letter", "Referral letter", "转诊信"),
        ("date_confirmed", "2026-11-22", "Nov 22, 2026", "2026年11月22日"),
    ],
)
def test_a_detail_is_said_in_words(
    parts: KioskParts, clinician: Browser, action: str, detail: str, en: str, zh: str
) -> None:
    """A nurse, a clinician or an inspector reads it; none of them knows the program's ids."""
    parts.audit.note("dr.lin", action, case_ref="one", detail=detail)
    assert en in _rows(clinician).partition("</tr>")[0]
    told = _rows(clinician, "zh").partition("</tr>")[0]
    assert zh in told
    assert detail not in re.sub("<[^>]*>", " ", told) and action not in told


def test_what_has_no_words_stands_as_it_was_written(parts: KioskParts, clinician: Browser) -> None:
    """A later version's row, or a picture's own number, is not left out."""
    parts.audit.note("dr.lin", "picture_asked", case_ref="one", detail="0123abcd")
    parts.audit.note("dr.lin", "something_new", case_ref="one", detail="part_of_it")
    page = _rows(clinician)
    assert "0123abcd" in page
    assert "something_new" in page and "part_of_it" in page


def test_every_action_that_a_room_writes_has_words() -> None:
    """A room that writes a new one gives it words, or this fails."""
    source = "\n".join(path.read_text("utf-8") for path in sorted(PAGES.rglob("*.py")))
    written = set(re.findall(r'(?:noting\(|audit\.(?:note|append)\()[^)]*?"([a-z]+_[a-z_]+)"', source))
    written |= {f"part_{verdict}" for verdict in ("accepted", "corrected", "rejected")}
    assert {"case_begun", "report_signed", "picture_taken"} <= written
    known = {*ROOM_ACTIONS, *map(str, ACTION_WORDS)}
    assert written - known == set()
