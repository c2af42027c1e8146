"""The lists of cases on a device that has held many: what is left to do is never hidden by what came later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.reported_visits import Told, add_visit, golden

MORNING = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
MANY = 620  # more cases than any page of a list holds


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        yield built


@pytest.fixture
def doctor(parts: KioskParts) -> Browser:
    return Browser(parts).signed_in("Dr Lin", Role.CLINICIAN)


def _order(page: str) -> list[str]:
    return re.findall(r'href="/cases/([a-z0-9-]+)"><span', page)


def _signed_later(parts: KioskParts, count: int = MANY) -> None:
    """Copy the first case so many times, each signed and read by nobody else, of a person of whom nothing asks for that."""
    copied = "created, language, intake, consent, state, attempts, withdrawn, report"
    with parts.database.transaction() as connection:
        for number in range(count):
            connection.execute(
                f"INSERT INTO cases (case_id, record_id, {copied}) SELECT ?, ?, {copied} FROM cases ORDER BY position LIMIT 1",  # noqa: S608  (our own words)
                (f"c{number}", f"r{number}"),
            )
            connection.execute(
                "UPDATE cases SET intake = json_set(intake, '$.age_years', 44),"
                " report = json_set(report, '$.abstentions', json('[]'), '$.triage.final', 'T5_local') WHERE case_id = ?",
                (f"c{number}",),
            )
            connection.execute(
                "INSERT INTO sign_offs (case_id, account, signed, tier) VALUES (?, 'dr.lin', ?, 'T5_local')",
                (f"c{number}", MORNING.isoformat()),
            )


def _forgotten(parts: KioskParts) -> None:
    """Store an old, unsigned, overdue case of a child: it waits for a clinician and for a second reader."""
    report = golden("psoriasis")
    report["triage"] = {**report["triage"], "final": "T2_same_day", "deadline": "2026-11-02T08:00:00+00:00"}
    add_visit(parts, "forgotten", Told(age_years=9), created=MORNING, report=report)


def test_what_is_left_to_do_is_never_hidden_by_what_came_later(parts: KioskParts, doctor: Browser) -> None:
    """However many cases came since: an unsigned one stands in its lists, and the start page says that it is overdue."""
    _forgotten(parts)
    _signed_later(parts)
    assert _order(doctor.get("/cases").text) == ["forgotten"]
    assert _order(doctor.get("/cases?show=second").text) == ["forgotten"]
    assert "One case is overdue." in doctor.get("/cases").text
    assert "One case is overdue." in doctor.get("/").text


def test_a_signed_case_waits_for_its_second_reader_for_as_long_as_it_takes(parts: KioskParts, doctor: Browser) -> None:
    """Signed and old, but a child's: it stays in the list of second readings."""
    _forgotten(parts)
    _signed_later(parts)
    assert doctor.submit("/cases/forgotten/accept-open").status_code == 303
    assert doctor.submit("/cases/forgotten/sign", confirmed="yes").status_code == 303
    assert _order(doctor.get("/cases").text) == []
    assert _order(doctor.get("/cases?show=second").text) == ["forgotten"]


def test_the_list_of_all_cases_is_turned_like_pages(parts: KioskParts, doctor: Browser) -> None:
    """Newest first; page after page shows every case once, the last one says no "Older", and the count is of all."""
    _forgotten(parts)
    _signed_later(parts)
    seen, path, pages = [], "/cases?show=all", 0
    while path:
        page = doctor.get(path).text
        assert f'<span class="count">{MANY + 1}</span>' in page
        seen += _order(page)
        older = re.search(r'href="(/cases\?show=all&amp;before=\d+)"', page)
        path, pages = older[1].replace("&amp;", "&") if older else "", pages + 1
    assert seen == [f"c{number}" for number in reversed(range(MANY))] + ["forgotten"]
    assert pages > 1


@pytest.mark.parametrize(
    ("program", "by_clinician", "waits"),
    [("progressive", None, False), ("progressive", "remission", True), ("remission", "progressive", True)],
)
def test_a_remission_is_read_twice_whoever_said_it(
    parts: KioskParts, doctor: Browser, program: str, by_clinician: str | None, *, waits: bool
) -> None:
    """The program's stage or the clinician's in its place, before the signature and after it."""
    report = golden("psoriasis")
    report["triage"], report["abstentions"] = {**report["triage"], "final": "T4_routine"}, []
    report["representation"]["fields"]["stage"]["value"] = program
    add_visit(parts, "one", created=MORNING, report=report)
    if by_clinician is not None:
        form = {"verdict": "corrected", "reason": "wrong_lesion", "value_stage": by_clinician}
        assert doctor.submit("/cases/one/decide", section="representation", **form).status_code == 303
    assert _order(doctor.get("/cases?show=second").text) == ["one"] * waits
    assert doctor.submit("/cases/one/accept-open").status_code == 303
    assert doctor.submit("/cases/one/sign", confirmed="yes").status_code == 303
    assert _order(doctor.get("/cases?show=second").text) == ["one"] * waits


def test_the_last_word_on_the_stage_counts(parts: KioskParts, doctor: Browser) -> None:
    """A remission that the clinician takes back asks for nothing."""
    report = golden("psoriasis")
    report["triage"], report["abstentions"] = {**report["triage"], "final": "T4_routine"}, []
    report["representation"]["fields"]["stage"]["value"] = "progressive"
    add_visit(parts, "one", created=MORNING, report=report)
    for stage in ("remission", "progressive"):
        form = {"verdict": "corrected", "reason": "wrong_lesion", "value_stage": stage}
        assert doctor.submit("/cases/one/decide", section="representation", **form).status_code == 303
    assert _order(doctor.get("/cases?show=second").text) == []
