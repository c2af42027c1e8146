"""The table of docs/faults.md is what the pages say and what the browser tests look for."""

from __future__ import annotations

import pytest

from edge_agent.capture.live_states import Fault
from edge_agent.errors import StoreCorrupt, StoreFull
from edge_agent.kiosk.faults import camera_words, fault_words
from edge_agent.kiosk.language import load_languages
from edge_agent.kiosk.refusals import NO_ROOM_TO_START, told_of
from tests.simulators.fault_words import sentences
from tests.simulators.kiosk import ROOT

BROWSER_TESTS = [ROOT / "tests" / "e2e" / name for name in ("test_kiosk_faults.py", "test_kiosk_store_faults.py")]
KNOWN = [one for one in sentences() if not str(fault_words([one])[0].what).startswith("The device reports a fault")]


def test_the_table_is_read() -> None:
    """Else every other test here, and every look at a screen, would be empty."""
    assert len(sentences()) >= 16
    assert len(KNOWN) >= 7
    assert all(sentences().values())


@pytest.mark.parametrize("fault", sorted(sentences()))
def test_every_row_is_looked_for_on_a_real_screen(fault: str) -> None:
    """A row that no browser test breaks the device for is a promise that nobody keeps."""
    assert f'"{fault}"' in "".join(path.read_text(encoding="utf-8") for path in BROWSER_TESTS)


@pytest.mark.parametrize("fault", KNOWN)
def test_the_banner_says_what_the_table_says(fault: str) -> None:
    """Word for word: what happened, then what to do."""
    [told] = fault_words([fault])
    assert sentences()[fault] == (f"{told.what} {told.do}",)


def test_the_refusals_say_what_the_table_says() -> None:
    """A full disk and a damaged page of the database."""
    full, damaged = told_of(StoreFull("x"))[1], told_of(StoreCorrupt("x"))[1]
    assert all(one in f"{full.what} {full.do}" for one in sentences()["not_saved"])
    assert sentences()["full_at_start"] == (f"{NO_ROOM_TO_START.what} {NO_ROOM_TO_START.do}",)
    assert sentences()["records_damaged"] == sentences()["records_closed"] == (f"{damaged.what} {damaged.do}",)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_of_the_camera_has_its_own_words_in_every_language(fault: Fault) -> None:
    """None is called by its id, none is left in English."""
    told = camera_words(["disk_low", f"camera_{fault}"])
    assert told is not None
    english = f"{told.what} {told.do}"
    assert "reports a fault" not in english
    for code, language in load_languages(("zh", "ar", "es")).items():
        assert language.gettext(told.what) != str(told.what), code
        assert language.gettext(told.do) != str(told.do), code
