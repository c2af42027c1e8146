"""R11 after a withdrawal: who has a file is listed until a clinician has written down that it is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from edge_agent.store.sent_files import SentFiles
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.paper_press import PaperPress
from tests.simulators.reported_visits import add_visit

MORNING = datetime(2026, 9, 20, 8, 30, tzinfo=UTC)
DELETED = {"answer": "deleted", "how": "letter", "told_by": "Records office, Wang", "told_on": "2026-11-20"}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        yield replace(built, press=PaperPress())


@pytest.fixture
def browser(parts: KioskParts) -> Browser:
    browser = Browser(parts).come_in()
    add_visit(parts, "one", created=MORNING)
    browser.sign_in(browser.account("Dr Lin", Role.CLINICIAN))
    return browser


def _sent(parts: KioskParts, receiver: str | None) -> None:
    with parts.database.transaction() as connection:
        SentFiles.append(connection, "one", form="fhir", receiver=receiver, account="dr.lin", sent=MORNING)


def _take_back(browser: Browser, purpose: str = "referral_package") -> None:
    assert browser.submit("/cases/one/withdraw", purpose=purpose, is_sure="yes").status_code == 303


def test_every_receiver_is_listed_until_it_has_confirmed(parts: KioskParts, browser: Browser) -> None:
    """One duty for a receiver with a name, one for each file that was saved for nobody by name; an answer closes one."""
    for receiver in ("hospital", "hospital", None, None):
        _sent(parts, receiver)
    assert browser.get("/cases?show=asked").text.count("withdraw#receivers") == 0  # nobody took anything back
    _take_back(browser)
    assert [one.receiver for one in SentFiles(parts.database).open()] == ["hospital", None, None]
    assert browser.get("/cases?show=asked").text.count("withdraw#receivers") == 3
    page = browser.get("/cases/one/withdraw").text
    assert page.count("They have not confirmed it yet.") == 3
    first = SentFiles(parts.database).open()[0]
    answer = browser.submit(f"/cases/one/receivers/{first.number}", **DELETED)
    assert answer.status_code == 303, answer.text
    page = browser.get("/cases/one/withdraw").text
    assert page.count("They have not confirmed it yet.") == 2
    assert "Records office, Wang" in page and "by letter" in page and "Nov 20, 2026" in page
    assert [one.receiver for one in SentFiles(parts.database).open()] == [None, None]


def test_open_deletions_are_counted_like_other_duties(parts: KioskParts, browser: Browser) -> None:
    """On the start page, on the list and on the page about the device; none of them once they are confirmed."""
    _sent(parts, "hospital")
    assert "Deletions to confirm" not in browser.get("/").text + browser.get("/status").text
    _take_back(browser, "care_pictures")
    assert 'href="/cases?show=asked"' in browser.get("/").text
    assert "Deletions to confirm" in browser.get("/status").text
    (one,) = SentFiles(parts.database).open()
    browser.submit(f"/cases/one/receivers/{one.number}", **DELETED)
    assert "Deletions to confirm" not in browser.get("/").text + browser.get("/status").text


def test_the_answer_stands_in_the_trail_without_a_name_from_outside(parts: KioskParts, browser: Browser) -> None:
    """Who of this post wrote what answer down, as ids; the person at the receiver is in the record alone."""
    _sent(parts, "hospital")
    _take_back(browser)
    (one,) = SentFiles(parts.database).open()
    browser.submit(f"/cases/one/receivers/{one.number}", **DELETED | {"answer": "kept_by_law", "how": "e_mail"})
    rows = parts.database.rows("SELECT who, case_ref, detail FROM audit WHERE action = 'receiver_answered'")
    assert rows == [("dr.lin", "one", "kept_by_law:e_mail")]
    assert "Wang" not in "".join(parts.audit.export_lines())


def test_a_worker_reads_and_writes_no_answer(parts: KioskParts, browser: Browser) -> None:
    """A named clinician confirms; a worker sees what is open."""
    _sent(parts, "hospital")
    _take_back(browser)
    (one,) = SentFiles(parts.database).open()
    browser.sign_in(browser.account("Nurse Li"))
    page = browser.get("/cases/one/withdraw").text
    assert "They have not confirmed it yet." in page and "/receivers/" not in page
    assert browser.submit(f"/cases/one/receivers/{one.number}", **DELETED).status_code == 403
    assert len(SentFiles(parts.database).open()) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"answer": "perhaps"}, {"how": ""}, {"told_on": "2026-11-24"}, {"told_on": "soon"}, {"told_by": "  "}],
    ids=lambda wrong: "-".join(f"{name}={value.strip()}" for name, value in wrong.items()),
)
def test_half_an_answer_is_none(parts: KioskParts, browser: Browser, wrong: dict[str, str]) -> None:
    """Code, way, name and a day that has come are all needed."""
    _sent(parts, "hospital")
    _take_back(browser)
    (one,) = SentFiles(parts.database).open()
    assert browser.submit(f"/cases/one/receivers/{one.number}", **DELETED | wrong).status_code == 422
    assert len(SentFiles(parts.database).open()) == 1


def test_nobody_confirms_what_was_not_asked_or_twice(parts: KioskParts, browser: Browser) -> None:
    """Before the withdrawal, for another case's file, and a second time: refused, and the first answer stands."""
    _sent(parts, "hospital")
    (one,) = SentFiles(parts.database).of("one")
    assert browser.submit(f"/cases/one/receivers/{one.number}", **DELETED).status_code == 422
    _take_back(browser)
    add_visit(parts, "two", created=MORNING)
    browser.submit("/cases/two/withdraw", purpose="referral_package", is_sure="yes")
    assert browser.submit(f"/cases/two/receivers/{one.number}", **DELETED).status_code == 422
    assert browser.submit(f"/cases/one/receivers/{one.number}", **DELETED).status_code == 303
    assert (
        browser.submit(f"/cases/one/receivers/{one.number}", **DELETED | {"answer": "kept_by_law"}).status_code == 422
    )
    (told,) = SentFiles(parts.database).of("one")
    assert told.answer is not None and told.answer.answer == "deleted"


def test_a_file_that_is_saved_on_the_page_is_somebodys(parts: KioskParts, browser: Browser) -> None:
    """A FHIR file has a receiver to be asked; paper goes with the person and has none."""
    assert browser.get("/cases/one/print/report.pdf?audience=clinician").status_code == 200
    assert SentFiles(parts.database).of("one") == ()
    assert browser.get("/cases/one/print/case.fhir.json").status_code == 200
    (one,) = SentFiles(parts.database).of("one")
    assert (one.receiver, one.forms, one.account) == (None, ("fhir",), "dr.lin")


def test_the_page_says_how_the_centre_answered(parts: KioskParts, browser: Browser) -> None:
    """Nothing had left; then waiting for the connection; then confirmed, with the day."""
    _take_back(browser, "deidentified_result")
    assert "Nothing waits to be deleted at the centre." in browser.get("/cases/one/withdraw").text
    add_visit(parts, "two", created=MORNING)
    browser.submit("/cases/two/accept-open")
    browser.submit("/cases/two/sign", confirmed="yes")
    browser.submit("/cases/two/withdraw", purpose="deidentified_result", is_sure="yes")
    assert "it waits for the connection" in browser.get("/cases/two/withdraw").text
    with parts.database.transaction() as connection:
        connection.execute(
            "INSERT INTO hub_deletions SELECT record_id, '2026-11-21T09:00:00+00:00' FROM cases WHERE case_id = 'two'"
        )
    assert "The centre confirmed on Nov 21, 2026 that it has deleted it." in browser.get("/cases/two/withdraw").text
