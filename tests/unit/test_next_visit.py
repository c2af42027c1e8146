"""The day on which a person comes back: every choice says its day in words, and no form can name two days or one that is gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from starlette.datastructures import FormData

from edge_agent.errors import CaseError
from edge_agent.kiosk.language import load_languages
from edge_agent.kiosk.next_visit import another_day, choices, chosen_day
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from edge_agent.store.reviews import ReviewStore
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.reported_visits import add_visit

TODAY = date(2026, 11, 22)
LANGUAGES = load_languages(["en", "zh", "es"])


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        add_visit(built, "one", created=datetime(2026, 11, 20, 8, 30, tzinfo=UTC))
        yield built


@pytest.fixture
def doctor(parts: KioskParts) -> Browser:
    browser = Browser(parts).signed_in("Dr Lin", Role.CLINICIAN)
    assert browser.submit("/cases/one/accept-open").status_code == 303
    return browser


def _due(parts: KioskParts) -> str:
    return str(parts.consultation.episodes.visit("one").follow_up_due)  # type: ignore[union-attr]


def test_each_choice_says_its_day_with_weekday_and_month_by_name() -> None:
    """12/05 is two days; "Sunday, December 6, 2026" is one."""
    told = [one.words for one in choices(LANGUAGES["en"], today=TODAY, planned=None)]
    assert told[:3] == [
        "In 1 week: Sunday, November 29, 2026",
        "In 2 weeks: Sunday, December 6, 2026",
        "In 4 weeks: Sunday, December 20, 2026",
    ]
    assert "2026年12月6日星期日" in choices(LANGUAGES["zh"], today=TODAY, planned=None)[1].words
    assert "domingo, 6 de diciembre de 2026" in choices(LANGUAGES["es"], today=TODAY, planned=None)[1].words


def test_the_plans_day_stands_first_and_is_pressed() -> None:
    """It is not offered a second time among the weeks."""
    found = choices(LANGUAGES["en"], today=TODAY, planned=date(2026, 12, 6))
    assert [one.value for one in found if one.is_chosen] == ["2026-12-06"]
    assert found[0].words == "As planned: Sunday, December 6, 2026"
    assert sum(one.value == "2026-12-06" for one in found) == 1


def test_without_a_plan_no_day_is_pressed() -> None:
    """The program books nothing that nobody asked for."""
    assert [one.value for one in choices(LANGUAGES["en"], today=TODAY, planned=None) if one.is_chosen] == [""]


def test_another_day_has_its_month_by_name_and_no_year_that_is_gone() -> None:
    """Three lists cannot be read in two orders."""
    lists = another_day(LANGUAGES["en"], today=TODAY)
    assert lists.months[11] == (12, "December")
    assert [year for year, _ in lists.years] == [2026, 2027]


@pytest.mark.parametrize(
    ("pressed", "day", "month", "year", "told"),
    [
        ("2026-12-06", "", "", "", date(2026, 12, 6)),
        ("", "", "", "", None),
        ("other", "5", "12", "2026", date(2026, 12, 5)),
        ("2026-11-22", "", "", "", TODAY),
    ],
)
def test_a_form_names_one_day_or_none(pressed: str, day: str, month: str, year: str, told: date | None) -> None:
    """The fifth of December stays the fifth of December; today is not gone yet."""
    sent = {"follow_up": pressed, "follow_up_day": day, "follow_up_month": month, "follow_up_year": year}
    assert chosen_day(FormData(sent), today=TODAY) == told


@pytest.mark.parametrize(
    ("pressed", "day", "month", "year"),
    [
        ("2026-12-06", "5", "12", "2026"),  # two days
        ("2026-12-06", "5", "", ""),  # begun below and forgotten
        ("", "5", "12", "2026"),  # none, and one
        ("other", "", "", ""),
        ("other", "31", "2", "2027"),
        ("other", "5", "12", ""),
        ("other", "21", "11", "2026"),  # yesterday
        ("06/12/2026", "", "", ""),
    ],
)
def test_what_could_be_two_days_or_none_is_refused(pressed: str, day: str, month: str, year: str) -> None:
    """A guess here sends a person on a long way on the wrong day."""
    sent = {"follow_up": pressed, "follow_up_day": day, "follow_up_month": month, "follow_up_year": year}
    with pytest.raises(CaseError):
        chosen_day(FormData(sent), today=TODAY)


def test_a_refused_day_signs_nothing_and_says_so(parts: KioskParts, doctor: Browser) -> None:
    """The page comes back with a sentence at the choices; the report waits for its signature."""
    answer = doctor.submit("/cases/one/sign", confirmed="yes", follow_up="2026-12-18", follow_up_day="5")
    assert answer.headers["location"] == "/cases/one?again=follow_up#sign"
    assert "Choose one day that is still to come, or none." in doctor.get("/cases/one?again=follow_up").text
    assert ReviewStore(parts.database).sign_off("one") is None


def test_another_day_is_booked_as_it_was_put_together(parts: KioskParts, doctor: Browser) -> None:
    """Day, month and year from the lists."""
    sent = {"follow_up_day": "5", "follow_up_month": "12", "follow_up_year": "2026"}
    assert doctor.submit("/cases/one/sign", confirmed="yes", follow_up="other", **sent).status_code == 303
    assert _due(parts) == "2026-12-05"


def test_the_page_has_no_field_that_the_browser_writes_in_its_own_way(doctor: Browser) -> None:
    """The native field follows the browser's language, not the page's."""
    page = doctor.get("/cases/one").text
    assert 'type="date"' not in page
    assert re.search(r'value="2026-12-18" required checked><span>As planned: Friday, December 18, 2026<', page)
