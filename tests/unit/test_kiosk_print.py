"""The rules of paper after a decision: what it tells, who is named on it, to whom a letter goes, and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.contracts.policy import Policy
from edge_agent.contracts.practice import Contact, Contacts, Practice
from edge_agent.interop.exporter import Carrier, Exporter
from edge_agent.interop.stored import stored_case
from edge_agent.kiosk.guard import HEADERS, headers_of
from edge_agent.kiosk.parts import KioskParts
from edge_agent.store.accounts import Role
from edge_agent.store.vault import ImageVault
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.paper_press import PaperPress
from tests.simulators.reported_visits import Told, add_visit, golden

MORNING = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
WITHHELD = "The clinician did not confirm this part."
SHEETS = ("report.pdf?audience=person", "report.pdf?audience=clinician", "letter.pdf?to=dermatology_in_person")


@pytest.fixture
def press() -> PaperPress:
    return PaperPress()


@pytest.fixture
def parts(tmp_path: Path, press: PaperPress) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock(), is_demo=True) as built:
        yield replace(built, press=press)


@pytest.fixture
def clinician(parts: KioskParts) -> Browser:
    """A clinician before a report that waits for decisions."""
    add_visit(parts, "one", created=MORNING)
    return Browser(parts).signed_in("Lin Hua", Role.CLINICIAN)


def _decide(browser: Browser, section: str, verdict: str, reason: str, **values: str) -> None:
    sent = {f"value_{name}": value for name, value in values.items() if name != "note"}
    form = {"section": section, "verdict": verdict, "reason": reason, "note": values.get("note", ""), **sent}
    answer = browser.submit("/cases/one/decide", **form)
    assert "again" not in answer.headers["location"], answer.headers["location"]


def _sign(browser: Browser, follow_up: str = "") -> None:
    assert browser.submit("/cases/one/accept-open").status_code == 303
    assert browser.submit("/cases/one/sign", confirmed="yes", follow_up=follow_up).status_code == 303


def _body(browser: Browser, path: str) -> str:
    answer = browser.get(f"/cases/one/print/{path}&language=en")
    assert answer.headers["content-type"] == "application/pdf", answer.text
    return str(answer.text).split("</head>")[1]


def _chosen(browser: Browser) -> str | None:
    found = re.search(r'<option value="([a-z_]*)" selected>', browser.get("/cases/one/print").text)
    return found[1] if found else None


@pytest.mark.parametrize("path", SHEETS)
def test_a_corrected_and_a_rejected_part_are_printed_as_decided(clinician: Browser, path: str) -> None:
    """Paper is made, and it says the clinician's tier; the refused plan stands struck on the clinician's copy alone."""
    _decide(clinician, "triage", "corrected", "missed_red_flag", tier="T3_urgent")
    _decide(clinician, "plan", "rejected", "unsafe_plan", note="no steroid for this child")
    _sign(clinician)
    body = _body(clinician, path)
    assert "T3 urgent" in body
    assert ("vitamin D" in body) is ("clinician" in path)
    assert (WITHHELD in body) is ("audience=clinician" not in path)
    assert "no steroid for this child" not in body


def test_a_sheet_names_people_as_they_write_their_names(clinician: Browser, press: PaperPress) -> None:
    """At the foot and beside each part; the sign-in name stands nowhere."""
    _sign(clinician)
    bodies = [_body(clinician, path) for path in SHEETS]
    assert all(page.foot.startswith("Signed by Lin Hua, 2026-") for page in press.pages)
    assert "accepted by Lin Hua" in bodies[1]
    assert not any("lin.hua" in page.html + page.foot for page in press.pages)


def test_a_sheet_of_an_unsigned_report_says_so(clinician: Browser, press: PaperPress) -> None:
    """The program's own words, until a clinician has signed; the page warns before."""
    _body(clinician, SHEETS[0])
    assert press.pages[0].foot.startswith("Not signed: the program's own words")
    assert "No clinician has signed this report yet." in clinician.get("/cases/one/print").text


def test_the_day_that_the_clinician_set_is_printed(clinician: Browser) -> None:
    """And not the day that the program had counted."""
    _sign(clinician, follow_up="2026-12-24")
    assert "Next visit, set by the clinician: 2026-12-24" in _body(clinician, SHEETS[0])


def test_page_and_command_make_the_same_letter(clinician: Browser, parts: KioskParts, press: PaperPress) -> None:
    """Both read the case through one door: the same decisions, the same names."""
    _decide(clinician, "reasoning", "corrected", "wrong_condition", condition="scabies")
    _sign(clinician)
    by_page = _body(clinician, SHEETS[0])
    stored = stored_case(parts.database, cases=parts.cases, vault=ImageVault(parts.database), case_id="one")
    exporter = Exporter(
        parts.vocabulary,
        press,
        on_export=lambda _: None,
        clock=parts.clock,
        new_id=lambda: "x",
        carrier=Carrier("command-line", Policy(), advice=frozenset({"en"})),
    )
    exporter.report_pdf(stored, language="en", audience="person")
    assert press.pages[-1] == press.pages[0]
    assert "condition: scabies" in by_page


@pytest.mark.parametrize("is_set", [True, False])
def test_paper_names_where_this_post_sends_people(parts: KioskParts, is_set: bool) -> None:
    """Whom to tell who cannot come, and the clinic beside the letter's destination; nothing is said without one."""
    contact = Contact(name="County hospital", phone="0000 111") if is_set else None
    practised = replace(parts, practice=Practice(contacts=Contacts(referral_contact=contact)))
    add_visit(practised, "one", created=MORNING)
    browser = Browser(practised).come_in()
    browser.sign_in(browser.account("Lin Hua", Role.CLINICIAN))
    person, clinicians, letter = (_body(browser, path) for path in SHEETS)
    assert ("If you cannot come: County hospital, 0000 111." in person) is is_set
    assert ("If you cannot come: County hospital, 0000 111." in clinicians) is is_set
    assert ("dermatology, in person · County hospital, 0000 111" in letter) is is_set
    assert ("If you cannot come" in person) is is_set


def test_paper_names_one_day_of_the_next_visit(parts: KioskParts) -> None:
    """The clinician's own, with whom to tell who cannot come then; never a second day beside it."""
    contact = Contact(name="County hospital", phone="0000 111")
    practised = replace(parts, practice=Practice(contacts=Contacts(referral_contact=contact)))
    add_visit(practised, "one", created=MORNING)
    browser = Browser(practised).come_in()
    browser.sign_in(browser.account("Lin Hua", Role.CLINICIAN))
    _decide(browser, "triage", "corrected", "wrong_severity", tier="T4_routine")
    _decide(browser, "plan", "rejected", "unsafe_plan")
    _sign(browser, follow_up="2027-03-01")
    body = _body(browser, SHEETS[0])
    assert "Next visit: 2027-03-01. If you cannot come: County hospital, 0000 111." in body
    assert set(re.findall(r"20\d\d-\d\d-\d\d", body.split("Plan</h2>")[1].split("</section>")[0])) == {"2027-03-01"}


@pytest.mark.parametrize(
    ("tier", "destination"),
    [
        ("T1_emergency", "emergency_transfer"),
        ("T2_same_day", "clinician_today"),
        ("T3_urgent", "dermatology_in_person"),
        ("T4_routine", "dermatology_remote_reading"),
    ],
)
def test_a_letter_goes_where_the_final_tier_sends(clinician: Browser, tier: str, destination: str) -> None:
    """Preselected by the rules of the plan; a routine case never begins with an emergency."""
    _decide(clinician, "triage", "corrected", "missed_red_flag", tier=tier)
    _sign(clinician)
    assert _chosen(clinician) == destination


def test_where_the_tier_sends_nobody_one_must_be_chosen(clinician: Browser) -> None:
    """Managed here: nothing is preselected, and the form asks for a choice."""
    assert _chosen(clinician) == ""
    page = clinician.get("/cases/one/print").text
    assert '<select id="to" name="to" required>' in page and "Choose to whom" in page


def test_a_sheet_is_shown_with_the_way_back(clinician: Browser, press: PaperPress) -> None:
    """The kiosk's browser has no buttons of its own; the page makes no sheet before its frame asks for one."""
    answer = clinician.get("/cases/one/print/paper?sheet=letter&to=rheumatology&language=zh")
    assert 'href="/cases/one/print"' in answer.text and 'id="print-paper"' in answer.text
    assert 'src="/cases/one/print/letter.pdf?to=rheumatology&amp;language=zh#toolbar=0' in answer.text
    assert press.pages == []


def test_a_worker_is_shown_no_clinicians_sheet(parts: KioskParts, clinician: Browser) -> None:
    """Neither the sheet nor the page around it."""
    clinician.sign_in(clinician.account("Nurse Li"))
    assert clinician.get("/cases/one/print/paper?sheet=clinician").status_code == 403
    assert clinician.get("/cases/one/print/paper?sheet=person").status_code == 200
    assert parts.database.rows("SELECT count(*) FROM audit WHERE action = 'report_printed'") == [(0,)]


@pytest.mark.parametrize(
    ("path", "frames", "framed"),
    [
        ("/cases/one/print/paper", True, False),
        ("/cases/one/print/report.pdf", False, True),
        ("/cases/one/print/letter.pdf", False, True),
        ("/cases/one/print", False, False),
        ("/cases/one/print/case.fhir.json", False, False),
        ("/cases/a/b/print/report.pdf", False, False),
        ("/static/other.pdf", False, False),
    ],
)
def test_only_a_sheet_may_stand_in_a_frame(path: str, *, frames: bool, framed: bool) -> None:
    """The page of a sheet frames our own host, a sheet is framed by it, and every other answer does neither."""
    told = headers_of(path)
    policy = told["content-security-policy"]
    assert ("frame-src 'self'" in policy) is frames
    assert ("frame-ancestors 'self'" in policy) is framed
    assert told["x-frame-options"] == ("SAMEORIGIN" if framed else "DENY")
    assert policy.startswith("default-src 'none'") and "object-src" not in policy
    assert {name: told[name] for name in HEADERS if "frame" not in name and "security" not in name} == {
        name: value for name, value in HEADERS.items() if "frame" not in name and "security" not in name
    }


@pytest.mark.parametrize("path", ["/cases/one", "/cases/one/print", "/audit"])
def test_a_page_names_people_as_they_write_their_names(clinician: Browser, path: str) -> None:
    """The report, its print page and the trail; the trail has the sign-in name beside it."""
    _sign(clinician)
    page = clinician.get(path).text.split("<main")[1]
    assert "Lin Hua" in page
    assert ("lin.hua" in page) is (path == "/audit")


def test_the_screen_has_the_deadline_that_paper_has(clinician: Browser) -> None:
    """Of the tier that was signed: a day after the visit, not the date of the program's tier."""
    _decide(clinician, "triage", "corrected", "missed_red_flag", tier="T2_same_day")
    _sign(clinician)
    assert "2026-11-21 08:30" in _body(clinician, SHEETS[0])
    page = clinician.get("/cases/one").text.split("<main")[1]
    assert re.search(r"Today</span> until .{0,30}Nov 21", page), page[:800]


def test_an_urgent_case_of_the_program_preselects_too(parts: KioskParts) -> None:
    """Before any decision the program's tier counts."""
    add_visit(parts, "one", Told("pigmented"), created=MORNING, report=golden("pigmented"))
    browser = Browser(parts).come_in()
    browser.sign_in(browser.account("Nurse Li"))
    assert _chosen(browser) == "dermatology_in_person"
