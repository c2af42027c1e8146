"""The device's page and its banner tell the same stage of the one disk-full ladder, in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.kiosk.faults import fault_words
from edge_agent.kiosk.language import load_languages
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import PatientDesk, consultation_kiosk
from tests.simulators.kiosk_parts import Browser


@pytest.mark.parametrize("stage", ["ok", "low", "tight", "full"])
def test_the_page_says_what_the_ladder_found(tmp_path: Path, stage: str) -> None:
    """What to do is the banner's own sentence; with room there is nothing to do."""
    english = load_languages(["en"])["en"]
    with consultation_kiosk(tmp_path) as parts:
        assert isinstance(parts.desk, PatientDesk)
        parts.desk.storage = stage
        browser = Browser(parts).come_in()
        browser.sign_in(browser.account("Tech", Role.MAINTAINER))
        told = browser.get("/status").text
    for one in ("low", "tight", "full"):
        assert (english.gettext(fault_words([f"disk_{one}"])[0].do) in told) == (one == stage)
    assert ("Enough for now." in told) == (stage == "ok")
