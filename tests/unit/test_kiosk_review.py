"""The rules of the rooms of stored cases: the list, who decides and signs, second readings, looks at pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.kiosk.parts import KioskParts
from edge_agent.review.sections import SECTIONS
from edge_agent.store.accounts import Role
from edge_agent.store.reviews import ReviewStore
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.reported_visits import Told, add_visit, golden

MORNING = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock()) as built:
        yield built


@pytest.fixture
def browser(parts: KioskParts) -> Browser:
    return Browser(parts).come_in()


def _as(browser: Browser, name: str, *roles: Role) -> Browser:
    browser.sign_in(browser.account(name, *roles))
    return browser


def _order(page: str) -> list[str]:
    return re.findall(r'href="/cases/([a-z0-9-]+)"><span', page)


def _decide_all(browser: Browser, case_id: str = "one") -> None:
    assert browser.submit(f"/cases/{case_id}/accept-open").status_code == 303


def _trail(parts: KioskParts) -> list[tuple[str, str, str | None, str | None]]:
    rows = parts.database.rows("SELECT who, action, case_ref, detail FROM audit ORDER BY seq")
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _dated(name: str, deadline: str | None, tier: str) -> dict[str, object]:
    found = golden(name)
    found["triage"] = {**found["triage"], "final": tier, "deadline": deadline}
    return found


def test_the_list_shows_what_is_due_first_and_says_overdue_in_words(parts: KioskParts, browser: Browser) -> None:
    """An emergency, then by deadline; a deadline that has passed is said in a word, not in a colour."""
    add_visit(parts, "later", created=MORNING, report=_dated("psoriasis", "2026-12-20T08:00:00+00:00", "T4_routine"))
    add_visit(parts, "late", created=MORNING, report=_dated("psoriasis", "2026-11-21T08:00:00+00:00", "T2_same_day"))
    add_visit(parts, "now", Told("sjs"), created=MORNING)
    page = _as(browser, "Nurse Li").get("/cases").text
    assert _order(page) == ["now", "late", "later"]
    assert page.count("Overdue</span>") == 2  # the emergency is, from its first minute
    assert "2 cases are overdue." in page


def test_the_start_page_leads_to_the_cases(parts: KioskParts, browser: Browser) -> None:
    """A tile says how many reports wait, and that one is overdue."""
    add_visit(parts, "late", created=MORNING, report=_dated("psoriasis", "2026-11-21T08:00:00+00:00", "T2_same_day"))
    page = _as(browser, "Nurse Li").get("/").text
    assert 'href="/cases"' in page
    assert "One case is overdue." in page


def test_whoever_only_maintains_the_device_sees_no_case(parts: KioskParts, browser: Browser) -> None:
    """Records of people are for those who care for them."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Technician", Role.MAINTAINER)
    assert 'href="/cases"' not in browser.get("/").text
    paths = ("", "/one", "/one/pictures/0", "/one/second-reading")
    assert {browser.get(f"/cases{path}").status_code for path in paths} == {403}


@pytest.mark.parametrize("action", ["decide", "accept-open", "sign", "second-reading"])
def test_a_worker_decides_nothing(parts: KioskParts, browser: Browser, action: str) -> None:
    """A worker reads the report; every form that decides is refused."""
    add_visit(parts, "one", created=MORNING)
    page = _as(browser, "Nurse Li").get("/cases/one")
    assert page.status_code == 200
    assert "/decide" not in page.text
    form = {"section": "triage", "verdict": "accepted", "confirmed": "yes", "agrees": "yes"}
    assert browser.submit(f"/cases/one/{action}", **form).status_code == 403
    assert ReviewStore(parts.database).decisions("one") == ()


def test_a_clinician_corrects_the_tier_with_a_reason(parts: KioskParts, browser: Browser) -> None:
    """The correction counts, stands with name, reason and note on the page, and in the trail without the note."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    form = {"section": "triage", "verdict": "corrected", "value_tier": "T3_urgent", "note": "spreads quickly"}
    answer = browser.submit("/cases/one/decide", reason="missed_red_flag", **form)
    assert answer.headers["location"] == "/cases/one#section_triage", answer.text
    page = browser.get("/cases/one").text
    assert "corrected" in page
    assert "spreads quickly" in page
    assert ("dr.lin", "part_corrected", "one", "triage:missed_red_flag") in _trail(parts)


def test_a_more_urgent_tier_counts_on_the_screen_before_the_signature(parts: KioskParts, browser: Browser) -> None:
    """List, deadline, overdue and second reading go by it at once, like paper; a less urgent one waits."""
    for name in ("now", "soon", "down"):
        add_visit(parts, name, created=MORNING, report=_dated("psoriasis", "2026-12-20T08:00:00+00:00", "T4_routine"))
    _as(browser, "Dr Lin", Role.CLINICIAN)
    for name, tier in (("now", "T1_emergency"), ("soon", "T3_urgent"), ("down", "T5_local")):
        form = {"section": "triage", "verdict": "corrected", "reason": "missed_red_flag", "value_tier": tier}
        assert browser.submit(f"/cases/{name}/decide", **form).status_code == 303
    page = browser.get("/cases").text
    assert _order(page) == ["now", "soon", "down"]
    assert page.count("Emergency: now</span>") == 1
    assert page.count("Overdue</span>") == 1
    assert "Managed here" not in page
    heading = browser.get("/cases/now").text.split("</h1>")[1][:200]
    assert "Emergency: now" in heading and "until" in heading
    assert _order(browser.get("/cases?show=second").text) == ["soon"]


def test_a_tier_that_only_a_signed_correction_names_counts_after_it(parts: KioskParts, browser: Browser) -> None:
    """The clinician's less urgent tier stands in the list once the report is signed."""
    add_visit(parts, "one", created=MORNING, report=_dated("psoriasis", "2026-12-20T08:00:00+00:00", "T4_routine"))
    _as(browser, "Dr Lin", Role.CLINICIAN)
    form = {"section": "triage", "verdict": "corrected", "reason": "wrong_severity", "value_tier": "T5_local"}
    assert browser.submit("/cases/one/decide", **form).status_code == 303
    _decide_all(browser)
    assert "Routine</span>" in browser.get("/cases").text
    assert browser.submit("/cases/one/sign", confirmed="yes").status_code == 303
    assert "Managed here</span>" in browser.get("/cases?show=all").text


def test_the_page_says_that_a_tier_must_be_named_before_the_signature(parts: KioskParts, browser: Browser) -> None:
    """With the urgency rejected the form to sign is not offered, and a sent one is refused."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    rejection = {"section": "triage", "verdict": "rejected", "reason": "wrong_severity"}
    assert browser.submit("/cases/one/decide", **rejection).status_code == 303
    _decide_all(browser)
    page = browser.get("/cases/one").text
    assert "no other was named" in page
    assert 'action="/cases/one/sign"' not in page
    assert browser.submit("/cases/one/sign", confirmed="yes").status_code == 422
    assert parts.database.rows("SELECT count(*) FROM sign_offs") == [(0,)]
    form = {"section": "triage", "verdict": "corrected", "reason": "wrong_severity", "value_tier": "T3_urgent"}
    assert browser.submit("/cases/one/decide", **form).status_code == 303
    assert 'action="/cases/one/sign"' in browser.get("/cases/one").text


def test_a_correction_without_a_reason_is_refused_in_words(parts: KioskParts, browser: Browser) -> None:
    """Who rejects says why; nothing is stored otherwise."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    answer = browser.submit("/cases/one/decide", section="plan", verdict="rejected")
    assert "Choose a reason" in browser.get(answer.headers["location"]).text
    assert browser.submit("/cases/one/decide", section="nothing", verdict="accepted").status_code == 422
    assert ReviewStore(parts.database).decisions("one") == ()


def test_a_tcm_practitioner_accepts_the_reasoning_alone(parts: KioskParts, browser: Browser) -> None:
    """Of all open parts only the reasoning is theirs, and they do not sign."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Wang", Role.TCM_PRACTITIONER)
    _decide_all(browser)
    assert [one.section for one in ReviewStore(parts.database).decisions("one")] == ["reasoning"]
    assert browser.submit("/cases/one/sign", confirmed="yes").status_code == 403


def test_a_report_is_signed_when_every_part_is_decided(parts: KioskParts, browser: Browser) -> None:
    """Before that it is refused; after it the result leaves, the form is gone, and the next visit has its day."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    assert browser.submit("/cases/one/sign", confirmed="yes").status_code == 422
    assert parts.database.rows("SELECT count(*) FROM outbox")[0][0] == 0
    _decide_all(browser)
    page = browser.get("/cases/one").text
    assert 'value="2026-12-18"' in page  # 28 days after the visit, as the golden plan asks and paper says
    assert browser.submit("/cases/one/sign").status_code == 422
    assert browser.submit("/cases/one/sign", confirmed="yes", follow_up="2026-12-24").status_code == 303
    assert parts.database.rows("SELECT count(*) FROM outbox")[0][0] == 1
    page = browser.get("/cases/one").text
    assert "/decide" not in page
    assert "Signed by" in page
    assert str(parts.consultation.episodes.visit("one").follow_up_due) == "2026-12-24"  # type: ignore[union-attr]
    assert len(ReviewStore(parts.database).decisions("one")) == len(SECTIONS)


def test_a_signed_report_reads_as_the_clinicians(parts: KioskParts, browser: Browser) -> None:
    """The clinician's values and tier stand and what fell is struck, as on their copy; who decided is said once a part."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    findings = {"section": "findings", "verdict": "corrected", "reason": "wrong_lesion", "value_family": "eczematous"}
    triage = {"section": "triage", "verdict": "corrected", "reason": "missed_red_flag", "value_tier": "T3_urgent"}
    assert "report-table struck" not in browser.get("/cases/one").text
    for form in (findings, triage):
        assert browser.submit("/cases/one/decide", **form).status_code == 303
    _decide_all(browser)
    assert browser.submit("/cases/one/sign", confirmed="yes", follow_up="2026-12-24").status_code == 303
    page = browser.get("/cases/one").text
    part = dict(re.findall(r'<section class="card report-part[^>]*id="(\w+)"(.*?)</section>', page, re.DOTALL))
    assert "report-table struck" in part["section_findings"]
    assert "The clinician decided: family: eczema-like" in part["section_findings"]
    assert "T3 urgent" in part["section_triage"].split("</p>")[0]
    assert "clinician T3" in part["section_triage"]
    assert "Dec 24, 2026" in part["section_plan"]
    assert "accepted" in part["section_plan"] and part["section_plan"].count("Dr Lin") == 1


def _booked(*items: Mapping[str, object]) -> dict[str, object]:
    """Return a report whose plan books these visits beside the words on the next one."""
    found = golden("psoriasis")
    plain = next(row for row in found["plan"]["items"] if row["action"] == "follow_up")
    words = {**plain, "action": "advise", "object": "sn_followup", "interval_days": None, "condition": None}
    rows = [words, *({**plain, **item} for item in items)]
    return {**found, "plan": {**found["plan"], "items": rows}}


def _say(page: str) -> str:
    """Return what the page asks to be said to the person; nothing where it asks for nothing."""
    return page.partition('id="say-title"')[2].partition("</section>")[0]


def test_the_day_that_is_said_is_the_one_on_paper(parts: KioskParts, browser: Browser) -> None:
    """A visit only if it gets worse is no booked one; a refused plan books none; the clinician's day goes first."""
    weeks = {"interval_days": 28, "condition": None}
    add_visit(parts, "one", created=MORNING, report=_booked(weeks, {"interval_days": 3, "condition": "if_worse"}))
    _as(browser, "Dr Lin", Role.CLINICIAN)
    assert browser.submit("/settings/language", language="es").status_code == 303
    assert "Próxima visita: 18 dic 2026" in browser.get("/cases/one").text
    refusal = {"section": "plan", "verdict": "rejected", "reason": "unreadable"}
    assert browser.submit("/cases/one/decide", **refusal).status_code == 303
    assert "18 dic" not in _say(browser.get("/cases/one").text)
    assert browser.submit("/cases/one/decide", section="plan", verdict="accepted").status_code == 303
    _decide_all(browser)
    assert browser.submit("/cases/one/sign", confirmed="yes", follow_up="2026-12-24").status_code == 303
    assert "Próxima visita: 24 dic 2026" in browser.get("/cases/one").text


def test_the_form_proposes_no_day_that_has_gone_by(parts: KioskParts, browser: Browser) -> None:
    """Who signs late is offered today, not a day of last month."""
    add_visit(parts, "one", created=MORNING, report=_booked({"interval_days": 1, "condition": None}))
    _as(browser, "Dr Lin", Role.CLINICIAN)
    _decide_all(browser)
    assert f'value="{parts.clock().date()}"' in browser.get("/cases/one").text


def test_dark_skin_and_minors_ask_for_another_reader(parts: KioskParts, browser: Browser) -> None:
    """The queue of second readings holds them with the reasons; one reading by another person takes a case off it."""
    add_visit(parts, "dark", Told(fitzpatrick=6), created=MORNING)
    add_visit(parts, "child", Told(age_years=9), created=MORNING)
    add_visit(parts, "plain", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    assert sorted(_order(browser.get("/cases?show=second").text)) == ["child", "dark"]
    assert "dark skin" in browser.get("/cases/dark").text
    _decide_all(browser, "dark")
    assert browser.get("/cases/dark/second-reading").status_code == 422
    assert browser.submit("/cases/dark/second-reading", agrees="yes").status_code == 422
    _as(browser, "Dr Wang", Role.CLINICIAN)
    answer = browser.submit("/cases/dark/second-reading", agrees="yes", lesion_description="9", accuracy="4")
    assert answer.status_code == 303
    assert _order(browser.get("/cases?show=second").text) == ["child"]
    assert ("dr.wang", "second_reading", "dark", "agrees") in _trail(parts)


def test_one_person_cannot_give_both_readings(parts: KioskParts, browser: Browser) -> None:
    """A reading by somebody who decided later counts as no second one: the case stays in the queue."""
    add_visit(parts, "dark", Told(fitzpatrick=6), created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    assert browser.submit("/cases/dark/second-reading", agrees="yes").status_code == 303
    assert _order(browser.get("/cases?show=second").text) == []
    _decide_all(browser, "dark")
    assert _order(browser.get("/cases?show=second").text) == ["dark"]


def test_a_reader_who_does_not_agree_says_why(parts: KioskParts, browser: Browser) -> None:
    """A no without words, and a score off the scale, are refused."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Wang", Role.CLINICIAN)
    assert browser.submit("/cases/one/second-reading", agrees="no").status_code == 422
    assert browser.submit("/cases/one/second-reading", agrees="yes", accuracy="6").status_code == 422
    assert ReviewStore(parts.database).second_readings("one") == ()


def test_every_look_at_a_picture_is_logged_by_name(parts: KioskParts, browser: Browser) -> None:
    """One picture, one row: who, which case, which view (R13)."""
    add_visit(parts, "one", created=MORNING)
    answer = _as(browser, "Nurse Li").get("/cases/one/pictures/1")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert [row for row in _trail(parts) if row[1] == "picture_viewed"] == [
        ("nurse.li", "picture_viewed", "one", "view-1")
    ]
    assert browser.get("/cases/one/pictures/7").status_code == 404
    assert browser.get("/cases/nobody/pictures/0").status_code == 404


def test_intimate_pictures_are_hidden_and_for_clinicians(parts: KioskParts, browser: Browser) -> None:
    """A worker finds no way to them; a clinician opens each by hand (R5)."""
    add_visit(parts, "one", Told(sites=("genital", "elbow", "knee")), created=MORNING)
    page = _as(browser, "Nurse Li").get("/cases/one").text
    assert "/cases/one/pictures/0" not in page
    assert "/cases/one/pictures/1" in page
    assert browser.get("/cases/one/pictures/0").status_code == 403
    page = _as(browser, "Dr Lin", Role.CLINICIAN).get("/cases/one").text
    assert re.search(r'<details class="hidden-picture">.{0,200}/cases/one/pictures/0', page, re.DOTALL)
    assert browser.get("/cases/one/pictures/0").status_code == 200


def test_a_read_report_is_told_of_no_more(parts: KioskParts, browser: Browser) -> None:
    """Opening it takes the notice away, and Done takes the person off the list of people on their way."""
    add_visit(parts, "one", created=MORNING)
    episodes = parts.consultation.episodes  # type: ignore[union-attr]
    _as(browser, "Nurse Li")
    assert len(episodes.ready("nurse.li")) == 1
    browser.get("/cases/one")
    assert episodes.ready("nurse.li") == []
    assert browser.submit("/cases/one/done").status_code == 303
    assert episodes.queue() == []


def test_a_visit_is_closed_by_its_worker_or_a_clinician(parts: KioskParts, browser: Browser) -> None:
    """Another worker has no button for it, is refused, and the person stays on the list."""
    add_visit(parts, "one", created=MORNING)
    episodes = parts.consultation.episodes  # type: ignore[union-attr]
    assert "/cases/one/done" not in _as(browser, "Nurse Wu").get("/cases/one").text
    assert browser.submit("/cases/one/done").status_code == 403
    assert [visit.case_id for visit in episodes.queue()] == ["one"]
    assert not any(action == "visit_closed" for _who, action, _case, _detail in _trail(parts))
    assert "/cases/one/done" in _as(browser, "Dr Lin", Role.CLINICIAN).get("/cases/one").text
    for _twice in range(2):
        assert browser.submit("/cases/one/done").status_code == 303
    assert episodes.queue() == []
    closed = [(who, case) for who, action, case, _detail in _trail(parts) if action == "visit_closed"]
    assert closed == [("dr.lin", "one")]
    assert "closed a visit" in browser.get("/audit").text


def test_the_report_says_that_a_program_was_used(parts: KioskParts, browser: Browser) -> None:
    """R16: that one was used, what it cannot do, and how to ask for a person."""
    add_visit(parts, "one", created=MORNING)
    told = _as(browser, "Nurse Li").get("/cases/one").text
    for words in (
        "A computer program was used today",
        "cannot make a diagnosis",
        "You may ask for a person to look instead",
    ):
        assert words in told


def test_due_follow_ups_are_listed(parts: KioskParts, browser: Browser) -> None:
    """Who should have come back stands in the list, with the way to begin."""
    episode = add_visit(parts, "one", created=MORNING)
    parts.consultation.episodes.set_follow_up("one", MORNING.date())  # type: ignore[union-attr]
    _as(browser, "Nurse Li")
    assert 'href="/cases?show=due"' in browser.get("/").text
    assert f"/consultation/new?episode={episode}" in browser.get("/cases?show=due").text


def test_what_fell_is_not_said_to_the_person_either(parts: KioskParts, browser: Browser) -> None:
    """A rejected suspicion takes its advice along, in the words that the worker reads out, as on paper."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    assert browser.submit("/settings/language", language="es").status_code == 303
    page = browser.get("/cases/one").text
    assert "La psoriasis no es contagiosa." in page
    rejection = {"section": "reasoning", "verdict": "rejected", "reason": "wrong_condition"}
    assert browser.submit("/cases/one/decide", **rejection).status_code == 303
    page = browser.get("/cases/one").text
    assert "La psoriasis no es contagiosa." not in page
    assert "Vuelva o llame" in page


@pytest.mark.parametrize(
    ("action", "row", "form"),
    [
        ("decide", "part_corrected", {"section": "triage", "verdict": "corrected", "reason": "missed_red_flag",
                                      "value_tier": "T3_urgent"}),
        ("second-reading", "second_reading", {"agrees": "yes"}),
        ("sign", "report_signed", {"confirmed": "yes", "follow_up": "2026-12-24"}),
    ],
)  # fmt: skip
def test_a_deed_and_its_row_stand_or_fall_together(
    parts: KioskParts, browser: Browser, action: str, row: str, form: dict[str, str]
) -> None:
    """Where the row of the trail cannot be kept nothing is, so "not saved" is true; afterwards the same form works."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    if action == "sign":
        _decide_all(browser)
    before = _kept(parts)
    with _refusing(parts, f"INSERT ON audit WHEN NEW.action = '{row}'"):
        assert browser.submit(f"/cases/one/{action}", **form).status_code >= 400
    assert _kept(parts) == before
    assert browser.submit(f"/cases/one/{action}", **form).status_code == 303
    assert row in [one[1] for one in _trail(parts)]


def test_a_signature_and_the_next_visit_stand_or_fall_together(parts: KioskParts, browser: Browser) -> None:
    """A signature without its day would lose the day: nobody can sign a second time."""
    add_visit(parts, "one", created=MORNING)
    _as(browser, "Dr Lin", Role.CLINICIAN)
    _decide_all(browser)
    before = _kept(parts)
    with _refusing(parts, "UPDATE OF follow_up_due ON visits"):
        assert browser.submit("/cases/one/sign", confirmed="yes", follow_up="2026-12-24").status_code >= 400
    assert _kept(parts) == before


@contextmanager
def _refusing(parts: KioskParts, change: str) -> Iterator[None]:
    """Let the store refuse one kind of change, as a full disk would."""
    with parts.database.transaction() as connection:
        connection.execute(f"CREATE TRIGGER full AFTER {change} BEGIN SELECT RAISE(ABORT, 'full'); END")
    yield
    with parts.database.transaction() as connection:
        connection.execute("DROP TRIGGER full")


def _kept(parts: KioskParts) -> list[tuple[object, ...]]:
    """Return everything that a decision, a reading or a signature writes."""
    return [
        row
        for query in (
            "SELECT section, body FROM decisions ORDER BY number",
            "SELECT body FROM second_readings ORDER BY number",
            "SELECT account, tier FROM sign_offs",
            "SELECT follow_up_due FROM visits",
            "SELECT pending_result FROM cases",
            "SELECT seq FROM outbox",
            "SELECT action FROM audit WHERE action NOT IN ('signed_in', 'pin_refused') ORDER BY seq",
        )
        for row in parts.database.rows(query)
    ]
