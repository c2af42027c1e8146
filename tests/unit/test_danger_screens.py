"""What a worker reads when a danger sign stops everything: whom to call, what to do, and no code."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.commands.doctor_checks import check_practice
from edge_agent.config import Config
from edge_agent.contracts.policy import Policy
from edge_agent.contracts.practice import Contact, Contacts, Practice
from edge_agent.kiosk.parts import KioskParts
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, QuietDesk

CALLED = Contacts(
    emergency_number="0571 120",
    safeguarding_contact=Contact(name="Ms Sun", phone="0571 333"),
    crisis_contact=Contact(name="Crisis line", phone="0571 555"),
    referral_contact=Contact(name="County hospital", phone="0571 111"),
)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, policy=Policy(emergency_number="120")) as built:
        yield replace(built, practice=Practice(contacts=CALLED))


def _shown(parts: KioskParts, sign: str, *, language: str = "en") -> str:
    """Answer one danger sign with yes and return the screen that follows, without its details."""
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account())
    browser.submit("/settings/language", language=language)
    address = browser.submit("/consultation").headers["location"]
    browser.submit(f"{address}/danger_signs", **{f"sign.{sign}": "yes"})
    return re.sub(r"<details.*?</details>", "", html.unescape(browser.get(address).text), flags=re.DOTALL)


def test_an_emergency_shows_the_signed_number_and_the_posts_own(parts: KioskParts) -> None:
    """Both, the ministry's first; and where the post refers people."""
    page = _shown(parts, "breathing_difficulty")
    assert page.index(">120<") < page.index(">0571 120<")
    assert "County hospital, 0571 111" in page


def test_the_ministrys_number_stands_alone_where_the_post_has_none(parts: KioskParts) -> None:
    """Never an empty place beside it."""
    page = _shown(replace(parts, practice=Practice()), "animal_or_snake_bite")
    assert ">120<" in page
    assert "0571" not in page


def test_a_device_without_any_number_sends_a_colleague(tmp_path: Path) -> None:
    """The sentence names what the post has: its own list, another person."""
    with consultation_kiosk(tmp_path) as bare:
        assert "send a colleague to get help" in _shown(bare, "breathing_difficulty")


def test_the_orders_are_whole_sentences_without_codes(parts: KioskParts) -> None:
    """What it can be, then what to do, in order; the rule's code is for clinicians."""
    page = _shown(parts, "collapse_or_faint")
    assert page.index("Call for help now.") < page.index("Arrange the transfer at once.")
    assert not re.search(r"\b(RF|TR)-\d", page)


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh", "请立即安排转运。"), ("ar", "رتّب النقل فورًا."), ("es", "Organice el traslado de inmediato.")],
)
def test_every_language_gives_the_orders(parts: KioskParts, language: str, words: str) -> None:
    """Nobody reads an emergency in somebody else's language."""
    assert words in _shown(parts, "collapse_or_faint", language=language)


def test_safeguarding_shows_whom_to_call(parts: KioskParts) -> None:
    """Policy R9; and the emergency number is not on it."""
    page = _shown(parts, "disclosure_of_abuse")
    assert "Ms Sun, 0571 333" in page
    assert ">120<" not in page


def test_safeguarding_without_a_contact_names_who_knows(tmp_path: Path) -> None:
    """A worker who is alone with this is not left alone with it."""
    with consultation_kiosk(tmp_path) as bare:
        assert "Ask the clinician who is responsible for your post." in _shown(bare, "disclosure_of_abuse")


def test_the_status_page_counts_the_missing_numbers(parts: KioskParts) -> None:
    """The maintainer sees it before somebody needs one."""
    quiet = replace(parts, camera=None, desk=QuietDesk())
    browser = Browser(quiet).come_in()
    browser.sign_in(browser.account())
    assert "All are set" in browser.get("/status").text
    bare = Browser(replace(quiet, practice=Practice())).come_in()
    bare.sign_in(bare.account("Other"))
    assert "4 are missing" in bare.get("/status").text


def test_doctor_names_the_missing_numbers(tmp_path: Path) -> None:
    """By the keys to write, and it is no failure of the device."""
    path = tmp_path / "practice.toml"
    path.write_text('[contacts]\nemergency_number = "120"\n', encoding="utf-8")
    line = check_practice(Config(state_dir=tmp_path, practice_file=path))
    assert "not set: safeguarding_contact, crisis_contact, referral_contact" in line
    assert str(path) in line
