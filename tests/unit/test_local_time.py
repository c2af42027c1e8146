"""The one rule for time: kept in UTC, told by the clock on the wall of the post, on every page, sheet and line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from edge_agent.agents.report.plan import next_visit
from edge_agent.agents.report.reading import readable
from edge_agent.agents.report.words import page_of
from edge_agent.commands import doctor_checks
from edge_agent.config import Config
from edge_agent.contracts.local_time import PLAIN, day_of, here, zone_name
from edge_agent.kiosk.language import load_languages
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.interop_cases import VOCABULARY
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.reported_visits import add_visit, golden
from tests.simulators.zone import device_in

EAST, WEST = "Asia/Shanghai", "America/Lima"  # neither has summer time: UTC+8 and UTC-5
NIGHT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)  # in Shanghai the same day at ten, in Lima the evening before


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def parts(tmp_path: Path, clock: HandClock) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=clock) as built:
        yield built


def _dated(deadline: str) -> dict[str, object]:
    found = golden("psoriasis")
    triage = {**found["triage"], "final": "T2_same_day", "deadline": deadline}
    return {**found, "created": NIGHT.isoformat(), "triage": triage}


def _main(browser: Browser, path: str) -> str:
    return str(browser.get(path).text).partition("<main")[2]


@pytest.mark.parametrize(
    ("zone", "told"),
    [("UTC", "2026-11-22 02:00 UTC"), (EAST, "2026-11-22 10:00 UTC+08:00"), (WEST, "2026-11-21 21:00 UTC-05:00")],
)
def test_paper_and_terminal_tell_the_local_time_with_its_offset(zone: str, told: str) -> None:
    """A sheet leaves the post, so it says which clock it means."""
    with device_in(zone):
        assert PLAIN.time(NIGHT) == told
        assert PLAIN.date(NIGHT) == told[:10]
        assert f"{day_of(NIGHT)}" == told[:10]


def test_the_offset_is_that_of_the_moment_not_of_today() -> None:
    """Where the clocks change, a summer's visit is told in summer time, in winter too."""
    with device_in("Europe/Madrid"):
        assert PLAIN.time(datetime(2026, 7, 1, 8, 0, tzinfo=UTC)) == "2026-07-01 10:00 UTC+02:00"
        assert PLAIN.time(datetime(2026, 12, 1, 8, 0, tzinfo=UTC)) == "2026-12-01 09:00 UTC+01:00"


def test_a_clock_at_the_end_of_time_still_draws_a_page() -> None:
    """A year that no zone can be counted for is told as it is."""
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    with device_in(EAST):
        assert here(last) == last
        assert PLAIN.time(last) == "9999-12-31 23:59 UTC"


@pytest.mark.parametrize(("zone", "day", "clock"), [(EAST, "Nov 22, 2026", "10:00"), (WEST, "Nov 21, 2026", "9:00")])
def test_a_page_tells_the_local_day_and_time(zone: str, day: str, clock: str) -> None:
    """The clock on the wall beside the screen says the same."""
    english = load_languages(["en"])["en"]
    with device_in(zone):
        assert english.date(NIGHT) == day
        assert english.time(NIGHT).startswith(f"{day}, {clock}")


@pytest.mark.parametrize(("zone", "told"), [(EAST, "2026-11-23 06:00 UTC+08:00"), (WEST, "2026-11-22 17:00 UTC-05:00")])
def test_the_report_on_paper_has_the_local_deadline(zone: str, told: str) -> None:
    """Ten at night in UTC is six in the morning of the next day in Shanghai."""
    with device_in(zone):
        told_page = page_of(_dated("2026-11-22T22:00:00+00:00"), VOCABULARY, "en")
        assert told in str(told_page)
        assert PLAIN.time(NIGHT) in told_page.meta


@pytest.mark.parametrize(("zone", "day"), [(EAST, date(2026, 12, 20)), (WEST, date(2026, 12, 19))])
def test_the_next_visit_counts_from_the_local_day_of_this_one(zone: str, day: date) -> None:
    """Four weeks after the day on which the person was here, as people count."""
    with device_in(zone):
        assert next_visit(readable({**golden("psoriasis"), "created": NIGHT.isoformat()})) == day


@pytest.mark.parametrize(
    ("zone", "seen", "until"), [(EAST, "10:00", "Nov 23, 2026, 6:00"), (WEST, "9:00", "Nov 22, 2026, 5:00")]
)
def test_one_page_has_one_clock_and_one_form(parts: KioskParts, zone: str, seen: str, until: str) -> None:
    """Heading, deadline and the report's own lines: the same zone, written in the same way."""
    add_visit(parts, "one", created=NIGHT, report=_dated("2026-11-22T22:00:00+00:00"))
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account("Nurse Li"))
    with device_in(zone):
        page = _main(browser, "/cases/one")
    assert seen in page.partition("</h1>")[0]
    assert f"until {until}" in page.partition("</h1>")[2][:300]
    assert f"by: {until}" in page
    assert "UTC" not in page and "2026-11-2" not in page


@pytest.mark.parametrize(("zone", "is_due"), [(EAST, True), (WEST, False)])
def test_who_comes_back_today_is_due_on_the_local_day(
    parts: KioskParts, clock: HandClock, zone: str, is_due: bool
) -> None:
    """At 23:00 UTC it is already tomorrow in Shanghai: whoever comes back on that day stands in the list."""
    add_visit(parts, "one", created=NIGHT)
    parts.consultation.episodes.set_follow_up("one", date(2026, 11, 23))  # type: ignore[union-attr]
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account("Nurse Li"))
    clock.moment = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
    with device_in(zone):
        assert ("/cases?show=due" in _main(browser, "/")) is is_due
        assert ("/consultation/new?episode=" in _main(browser, "/cases?show=due")) is is_due
        assert ("/consultation/new?episode=" in _main(browser, "/consultation")) is is_due


@pytest.mark.parametrize(("zone", "asked", "day"), [(EAST, "Nov 23", "23"), (WEST, "Nov 22", "22")])
def test_the_day_that_is_confirmed_is_the_day_on_the_wall(
    parts: KioskParts, clock: HandClock, zone: str, asked: str, day: str
) -> None:
    """A maintainer compares it with a calendar there; nobody's calendar is in UTC."""
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account("Technician", Role.MAINTAINER))
    clock.moment = datetime(2029, 11, 22, 23, 0, tzinfo=UTC)
    with device_in(zone):
        assert f"Is today {asked}, 2029?" in browser.get("/status").text
        assert browser.submit("/status/day", day=f"2029-11-{day}").status_code == 303
        assert "Is today" not in browser.get("/status").text


def test_the_doctor_says_which_zone_is_in_force(tmp_path: Path) -> None:
    """A device that was never told where it stands is seen at once, with the command that mends it."""
    with device_in(EAST):
        told = doctor_checks.check_clock(Config(state_dir=tmp_path))
    assert "UTC+08:00 (" in told
    assert "timedatectl set-timezone" in told


def test_the_zones_name_is_read_where_the_system_keeps_it(tmp_path: Path) -> None:
    """A link into the zone files; a copy of one has no name."""
    link = tmp_path / "localtime"
    assert zone_name(link=link) is None
    link.symlink_to("/usr/share/zoneinfo/America/Argentina/Salta")
    assert zone_name(link=link) == "America/Argentina/Salta"
