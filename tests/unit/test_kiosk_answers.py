"""R13, the person can correct the record: a wrong answer is put right beside the form, and the rules are asked at once."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge_agent.kiosk.parts import KioskParts
from edge_agent.review.corrections import CorrectedAnswer, Correction, CorrectionReason, corrected
from edge_agent.store.accounts import Role
from edge_agent.store.corrections import Corrections
from edge_agent.store.reviews import ReviewStore
from tests.simulators.consultation_kiosk import consultation_kiosk
from tests.simulators.kiosk_parts import Browser, HandClock
from tests.simulators.paper_press import PaperPress
from tests.simulators.records import a_case, a_consent
from tests.simulators.reported_visits import add_visit, golden

MORNING = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@pytest.fixture
def press() -> PaperPress:
    return PaperPress()


@pytest.fixture
def parts(tmp_path: Path, press: PaperPress) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=HandClock(), is_demo=True) as built:
        yield replace(built, press=press)


@pytest.fixture
def browser(parts: KioskParts) -> Browser:
    browser = Browser(parts).come_in()
    report = golden("psoriasis")
    report["triage"] = {**report["triage"], "final": "T4_routine", "deadline": "2026-12-20T08:00:00+00:00"}
    add_visit(parts, "one", created=MORNING, report=report)
    return browser


def _as(browser: Browser, name: str, *roles: Role) -> Browser:
    browser.sign_in(browser.account(name, *roles))
    return browser


def _correct(
    browser: Browser, screen: str = "danger", reason: str = "slip", *, case: str = "one", **answers: Any
) -> Any:
    """Send a screen as a browser does: every answer that stands, with some of them changed."""
    page = browser.get(f"/cases/{case}/answers?screen={screen}").text
    form: dict[str, Any] = {"screen": screen, "reason": reason}
    for name, value in re.findall(r'<input type="(?:radio|checkbox)" name="([^"]+)" value="([^"]*)" checked', page):
        form.setdefault(name, []).append(value)
    return browser.submit(f"/cases/{case}/answers", **form | answers)


def _sign(browser: Browser) -> None:
    assert browser.submit("/cases/one/accept-open").status_code == 303
    assert browser.submit("/cases/one/sign", confirmed="yes").status_code == 303


BREATH = {"danger_signs.breathing_difficulty": "yes"}  # RF-01, an emergency by itself


def test_what_was_answered_stays_and_what_is_right_stands_beside_it(parts: KioskParts, browser: Browser) -> None:
    """The form and the report in the store are as they were; the page says what was, what is, who, when and why."""
    before = parts.database.rows("SELECT intake, report FROM cases WHERE case_id = 'one'")
    _as(browser, "Nurse Li")
    assert _correct(browser, "complaint", "person_asked", duration="one_to_four_weeks").status_code == 303
    assert parts.database.rows("SELECT intake, report FROM cases WHERE case_id = 'one'") == before
    report = browser.get("/cases/one").text
    line = "was “not examined”, is “one to four weeks”; Nurse Li, Nov 22, 2026; reason: the person asked for it"
    assert line in report, re.findall(r"Corrected:[^<]*", report)
    (one,) = Corrections(parts.database).of("one")
    assert (one.account, one.tier, one.answers) == (
        "nurse.li",
        None,
        (CorrectedAnswer(question="duration", of="duration", was=None, now="one_to_four_weeks"),),
    )
    rows = parts.database.rows("SELECT who, case_ref, detail FROM audit WHERE action = 'answer_corrected'")
    assert rows == [("nurse.li", "one", "person_asked:1")]


def test_a_danger_sign_that_was_missed_counts_at_once(parts: KioskParts, browser: Browser) -> None:
    """The rules fire, list, deadline and report are more urgent without a clinician, and the instruction is shown."""
    _as(browser, "Nurse Li")
    assert "Emergency: now" not in browser.get("/cases").text
    answer = _correct(browser, **BREATH)
    assert answer.status_code == 303, answer.text
    page = browser.get("/cases/one/answers").text
    assert 'role="alert"' in page and "Emergency: now" in page
    assert "Emergency: now" in browser.get("/cases").text
    told = parts.cases.report("one")
    assert told is not None
    assert told["triage"]["final"] == "T1_emergency"
    assert told["triage"]["made_for"] == "T4_routine"
    assert any(row["tier"] == "T1_emergency" for row in told["red_flags"])


def test_plan_and_letter_go_with_the_more_urgent_tier(parts: KioskParts, browser: Browser, press: PaperPress) -> None:
    """Before any clinician: the letter asks for what the corrected answer asks for, and the plan is an emergency's."""
    _as(browser, "Nurse Li")
    browser.get("/cases/one/print/letter.pdf?to=dermatology_in_person")
    assert "T1 emergency" not in press.pages[-1].html
    _correct(browser, **BREATH)
    browser.get("/cases/one/print/letter.pdf?to=dermatology_in_person")
    assert "T1 emergency" in press.pages[-1].html
    plan = browser.get("/cases/one").text.split('id="section_plan"')[1].split("</section>")[0]
    wanted = parts.vocabulary.label("emergency_transfer", "en", of="plan_object")
    assert wanted in plan


def test_nobody_waits_for_the_program_to_put_an_answer_right(parts: KioskParts, browser: Browser) -> None:
    """While it works the list is as urgent as the corrected form; the report that comes later is read with it."""
    _as(browser, "Nurse Li")
    parts.cases.add(a_case("two", consent=a_consent()), language="en")
    assert 'href="/cases/two/answers"' in browser.get("/cases/two").text
    assert _correct(browser, case="two", **BREATH).status_code == 303
    assert "Emergency: now" in browser.get("/cases/two").text
    assert "Emergency: now" in browser.get("/cases").text
    report = golden("psoriasis") | {"case_id": "two"}
    assert report["triage"]["final"] != "T1_emergency"
    parts.cases.finish("two", report, None)
    told = parts.cases.report("two")
    assert told is not None
    assert (told["triage"]["final"], [row["id"] for row in told["red_flags"]]) == ("T1_emergency", ["RF-01"])
    assert "Emergency: now" in browser.get("/cases/two").text.split("</h1>")[1][:200]


def test_a_sign_that_is_taken_back_makes_nobody_wait_longer(browser: Browser) -> None:
    """The rule no longer fires and the page says so; the tier stays until a clinician decides."""
    _as(browser, "Nurse Li")
    _correct(browser, **BREATH)
    answer = _correct(browser, **dict.fromkeys(BREATH, "no"))
    assert answer.status_code == 303, answer.text
    assert "Emergency: now" in browser.get("/cases").text
    assert "No longer fires with the corrected answers: RF-" in browser.get("/cases/one").text
    _as(browser, "Dr Lin", Role.CLINICIAN)
    form = {"section": "triage", "verdict": "corrected", "reason": "not_applicable_here", "value_tier": "T4_routine"}
    assert browser.submit("/cases/one/decide", **form).status_code == 303
    _sign(browser)
    assert "Routine</span>" in browser.get("/cases?show=all").text


def test_a_decision_from_before_the_correction_signs_nothing(parts: KioskParts, browser: Browser) -> None:
    """Whoever lowered the tier did not know of the sign: that part is open again, the others stay decided."""
    _as(browser, "Dr Lin", Role.CLINICIAN)
    form = {"section": "triage", "verdict": "corrected", "reason": "wrong_severity", "value_tier": "T5_local"}
    assert browser.submit("/cases/one/decide", **form).status_code == 303
    assert browser.submit("/cases/one/accept-open").status_code == 303
    _correct(browser, **BREATH)
    assert browser.submit("/cases/one/sign", confirmed="yes").status_code == 422
    assert "triage" not in {one.section for one in ReviewStore(parts.database).decisions("one")}
    _sign(browser)
    signed = ReviewStore(parts.database).sign_off("one")
    assert signed is not None and signed.tier == "T1_emergency"


def test_a_signed_case_asks_for_a_new_look(parts: KioskParts, browser: Browser) -> None:
    """It stands among the open ones until a clinician has looked; the report says that it was corrected since."""
    _as(browser, "Dr Lin", Role.CLINICIAN)
    _sign(browser)
    assert 'href="/cases/one"' not in browser.get("/cases").text
    _correct(browser, "complaint", duration="one_to_four_weeks")
    page = browser.get("/cases").text
    assert 'href="/cases/one"' in page and "an answer was corrected: look again" in page
    assert "An answer was corrected after the signature." in browser.get("/cases/one").text
    assert browser.submit("/cases/one/answers/look", tier="T4_routine", reason="agree").status_code == 303
    assert 'href="/cases/one"' not in browser.get("/cases").text
    rows = parts.database.rows("SELECT who, detail FROM audit WHERE action = 'correction_seen'")
    assert rows == [("dr.lin", "T4_routine:agree")]


def test_a_signed_tier_rises_at_once_and_falls_by_a_clinicians_word_alone(parts: KioskParts, browser: Browser) -> None:
    """The signature's tier counts no more; a look with a reason sets another, a look by a worker is refused."""
    _as(browser, "Dr Lin", Role.CLINICIAN)
    _sign(browser)
    _as(browser, "Nurse Li")
    _correct(browser, **BREATH)
    assert "Emergency: now" in browser.get("/cases").text
    wish = {"tier": "T3_urgent", "reason": "not_applicable_here"}
    assert browser.submit("/cases/one/answers/look", **wish).status_code == 403
    browser.sign_in(next(one for one in parts.accounts.all() if one.name == "dr.lin"))
    for reason in ("agree", "other_local_text", ""):
        assert browser.submit("/cases/one/answers/look", tier="T3_urgent", reason=reason).status_code == 422
    assert browser.submit("/cases/one/answers/look", **wish).status_code == 303
    assert "Within 14 days" in browser.get("/cases?show=all").text
    report = browser.get("/cases/one").text
    assert "Within 14 days" in report.split("</h1>")[1][:200]
    assert "does not apply here" in report


def test_paper_letter_and_file_tell_the_right_answer(browser: Browser, press: PaperPress) -> None:
    """The history has the corrected answer; each says what it was, who put it right and when."""
    _as(browser, "Dr Lin", Role.CLINICIAN)
    _correct(browser, "complaint", duration="one_to_four_weeks")
    line = "was “not examined”, is “one to four weeks”; Dr Lin, 2026-11-22"
    for path in ("report.pdf?audience=clinician", "report.pdf?audience=person", "letter.pdf?to=dermatology_in_person"):
        assert browser.get(f"/cases/one/print/{path}").status_code == 200
        assert line in html.unescape(press.pages[-1].html), path
    told = browser.get("/cases/one/print/case.fhir.json").json()
    (composition,) = [one["resource"] for one in told["entry"] if one["resource"]["resourceType"] == "Composition"]
    assert any(line in html.unescape(part.get("text", {}).get("div", "")) for part in composition["section"])


def test_paper_from_before_has_the_old_answer_and_the_page_says_so(browser: Browser) -> None:
    """Nobody keeps a wrong sheet without being told; paper that was made since is right."""
    _as(browser, "Dr Lin", Role.CLINICIAN)
    words = "What was printed or saved before has the old answer."
    _correct(browser, "complaint", duration="one_to_four_weeks")
    browser.get("/cases/one/print/report.pdf?audience=clinician")
    assert words not in browser.get("/cases/one/answers").text
    _correct(browser, "complaint", duration="one_day")
    assert words in browser.get("/cases/one/answers").text


def test_a_private_answer_is_corrected_in_private(parts: KioskParts, browser: Browser, press: PaperPress) -> None:
    """Neither the person's copy nor the letter to a dermatologist names the question; the clinician's copy does."""
    _as(browser, "Dr Lin", Role.CLINICIAN)
    assert _correct(browser, **{"danger_signs.disclosure_of_abuse": "yes"}).status_code == 303
    words = parts.vocabulary.label("disclosure_of_abuse", "en", of="danger_sign")
    found = {}
    for name, path in {
        "clinician": "report.pdf?audience=clinician",
        "person": "report.pdf?audience=person",
        "letter": "letter.pdf?to=dermatology_in_person",
    }.items():
        browser.get(f"/cases/one/print/{path}")
        found[name] = f"Corrected: {words}" in press.pages[-1].html
    assert found == {"clinician": True, "person": False, "letter": False}
    assert words not in browser.get("/cases/one/print/case.fhir.json").text
    told = parts.cases.report("one")
    assert told is not None and told["stops_photography"]


def _left(parts: KioskParts) -> list[tuple[str, dict[str, Any]]]:
    rows = parts.database.rows("SELECT kind, body FROM outbox ORDER BY seq")
    return [(kind, json.loads(body)) for kind, body in rows]


def test_what_a_corrected_form_tells_of_abuse_or_self_harm_never_leaves(parts: KioskParts, browser: Browser) -> None:
    """R9: before the signature nothing is queued any more; after it the hub is asked to delete what it has."""
    _as(browser, "Dr Lin", Role.CLINICIAN)
    _correct(browser, **{"danger_signs.disclosure_of_abuse": "yes"})
    _sign(browser)
    assert _left(parts) == []
    add_visit(parts, "two", created=MORNING)
    assert browser.submit("/cases/two/accept-open").status_code == 303
    assert browser.submit("/cases/two/sign", confirmed="yes").status_code == 303
    assert [kind for kind, _body in _left(parts)] == ["result"]
    _correct(browser, "history", case="two", **{"mood.self_harm_thoughts": "yes"})
    assert [kind for kind, _body in _left(parts)] == ["tombstone"]
    _correct(browser, "history", case="two", **{"mood.self_harm_thoughts": "no"})
    assert [kind for kind, _body in _left(parts)] == ["tombstone"]


def test_what_leaves_has_the_sign_that_was_missed(parts: KioskParts, browser: Browser) -> None:
    """The tier and the sign behind it go together; no answer and no name goes with them."""
    _as(browser, "Dr Lin", Role.CLINICIAN)
    _correct(browser, **BREATH)
    _sign(browser)
    ((kind, body),) = _left(parts)
    assert (kind, body["triage_final"], body["red_flag_ids"]) == ("result", "T1_emergency", ["RF-01"])
    assert "dr.lin" not in json.dumps(body)


def test_nothing_is_corrected_without_a_reason_a_difference_or_a_name(parts: KioskParts, browser: Browser) -> None:
    """Each is refused with words, and nothing is kept; nor is anything once the record is locked."""
    _as(browser, "Nurse Li")
    assert _correct(browser, reason="", **BREATH).status_code == 422
    assert _correct(browser, reason="because", **BREATH).status_code == 422
    assert _correct(browser).status_code == 422
    assert _correct(browser, **{"danger_signs.breathing_difficulty": "perhaps"}).status_code == 422
    assert browser.submit("/cases/one/withdraw", purpose="care_pictures", is_sure="yes").status_code == 303
    assert _correct(browser, **BREATH).status_code == 422
    assert Corrections(parts.database).of("one") == ()
    _as(browser, "Technician", Role.MAINTAINER)
    assert browser.get("/cases/one/answers").status_code == 403


def test_what_pictures_and_consent_rest_on_is_not_put_right_here(parts: KioskParts) -> None:
    """An age is no answer like another: with it the rules of consent and camera would change behind a picture."""
    from edge_agent.contracts.intake import Intake
    from edge_agent.errors import CaseError

    for question in ("age_years", "sex", "bsa_percent", "views", "worker.tier", "nothing"):
        one = CorrectedAnswer(question=question, of="", was=None, now=17)
        with pytest.raises(CaseError, match="new visit"):
            corrected(Intake(age_years=44), [one])
    assert parts.vocabulary.has(CorrectionReason.SLIP, of="correction_reason")
    assert set(CorrectionReason) == set(parts.vocabulary.lists["correction_reason"].terms)


def test_two_people_do_not_correct_over_each_other(parts: KioskParts, browser: Browser) -> None:
    """The rules were asked about what stood then; whoever comes second looks again."""
    from edge_agent.errors import CaseError

    kept = Corrections(parts.database)
    answer = CorrectedAnswer(question="duration", of="duration", was=None, now="one_to_four_weeks")
    one = Correction(answers=(answer,), reason=CorrectionReason.SLIP, account="nurse.li", at=MORNING)
    kept.record("one", one, known=0)
    with pytest.raises(CaseError, match="somebody else"):
        kept.record("one", one, known=0)
    assert browser is not None and len(kept.of("one")) == 1
