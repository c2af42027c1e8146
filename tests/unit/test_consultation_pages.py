"""The rules of the consultation's pages: whose draft it is, what is kept, what is refused, what a stream tells."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.consultation.draft import Draft
from edge_agent.consultation.steps import QUESTIONS, Step
from edge_agent.kiosk.consultation_parts import ConsultationParts
from edge_agent.kiosk.pages.consultation.danger import GROUPS
from edge_agent.kiosk.pages.consultation.sites import SITES
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.taps import new_token
from edge_agent.store.accounts import Role
from tests.simulators.consultation_kiosk import DrawnCamera, ScriptedGate, Verdict, consultation_kiosk
from tests.simulators.consultations import PNG, steps
from tests.simulators.kiosk_parts import Browser, HandClock

PERSON = {"age_years": "34", "sex": "female", "capacity": "full", "can_read": "yes"}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def parts(tmp_path: Path, clock: HandClock) -> Iterator[KioskParts]:
    with consultation_kiosk(tmp_path, clock=clock) as built:
        yield built


@pytest.fixture
def browser(parts: KioskParts) -> Browser:
    found = Browser(parts).come_in()
    found.sign_in(found.account())
    return found


def _room(parts: KioskParts) -> ConsultationParts:
    assert parts.consultation is not None
    return parts.consultation


def _gate(parts: KioskParts) -> ScriptedGate:
    gate = _room(parts).gate
    assert isinstance(gate, ScriptedGate)
    return gate


def _begun(browser: Browser, at: Step = Step.DANGER_SIGNS, *, site: str = "elbow") -> Draft:
    """Begin a consultation through the page and answer up to a step."""
    case_id = browser.submit("/consultation").headers["location"].rsplit("/", maxsplit=1)[1]
    room = _room(browser.parts)
    for answer in steps()[: QUESTIONS.index(at)]:
        room.consultations.change(case_id, answer)
    if site != "elbow":
        browser.submit(f"/consultation/{case_id}/back")
        browser.submit(f"/consultation/{case_id}/sites", **{f"site.{site}": "yes"})
    return room.consultations.draft(case_id)


def _draft(browser: Browser, draft: Draft) -> Draft:
    return _room(browser.parts).consultations.draft(draft.case_id)


def test_every_danger_sign_and_every_site_has_its_place(parts: KioskParts) -> None:
    """The screens ask for all that the vocabulary knows, each once."""
    signs = [sign for group in GROUPS for sign in group.signs]
    assert sorted(signs) == sorted(parts.vocabulary.lists["danger_sign"].terms)
    assert sorted(SITES) == sorted(parts.vocabulary.lists["body_site"].terms)


@pytest.mark.parametrize("at", QUESTIONS)
def test_each_step_is_shown_at_the_one_address_of_its_case(browser: Browser, at: Step) -> None:
    """Whatever happened to the browser, the address of the case leads to its present step."""
    draft = _begun(browser, at)
    page = browser.get(f"/consultation/{draft.case_id}")
    assert page.status_code == 200
    assert draft.step is at


def test_looking_at_the_start_begins_nothing(browser: Browser) -> None:
    """A page that is opened, or loaded again, makes no draft; the press does, once."""
    browser.get("/consultation/new")
    assert _room(browser.parts).consultations.open_drafts() == []
    browser.submit("/consultation")
    assert len(_room(browser.parts).consultations.open_drafts()) == 1


def test_a_sign_that_nobody_answered_is_not_a_no(browser: Browser) -> None:
    """Only what was answered is saved."""
    draft = _begun(browser)
    browser.submit(f"/consultation/{draft.case_id}/danger_signs", **{"sign.jaundice": "not_examined"})
    assert _draft(browser, draft).danger_signs == {"jaundice": "not_examined"}


def test_an_answer_that_is_no_answer_is_refused(browser: Browser) -> None:
    """A value outside the list changes nothing and says so."""
    draft = _begun(browser)
    answer = browser.submit(f"/consultation/{draft.case_id}/danger_signs", **{"sign.jaundice": "perhaps"})
    assert answer.status_code == 422
    assert _draft(browser, draft).danger_signs == {}


def test_what_was_entered_stays_where_the_step_cannot_end(browser: Browser) -> None:
    """A missing sex keeps the screen; the age that was entered stays."""
    draft = _begun(browser, Step.AGE)
    answer = browser.submit(f"/consultation/{draft.case_id}/age", age_years="51")
    assert answer.status_code == 422 and 'value="51"' in answer.text
    assert _draft(browser, draft).person.age_years == 51
    assert _draft(browser, draft).step is Step.AGE


def test_an_age_is_told_or_said_to_be_unknown(browser: Browser) -> None:
    """An empty age is no answer; a tick is, and then the rules for children hold."""
    draft = _begun(browser, Step.AGE)
    unknown = {key: value for key, value in PERSON.items() if key != "age_years"}
    assert browser.submit(f"/consultation/{draft.case_id}/age", **unknown).status_code == 422
    assert browser.submit(f"/consultation/{draft.case_id}/age", **unknown, is_age_unknown="yes").status_code == 303
    assert "goes on in words" in browser.get(f"/consultation/{draft.case_id}").text


def test_a_form_of_an_old_page_changes_nothing(browser: Browser) -> None:
    """A page that was left open sends its form to a draft that is further on: it leads there."""
    draft = _begun(browser, Step.SITES)
    answer = browser.submit(f"/consultation/{draft.case_id}/age", **{**PERSON, "age_years": "7"})
    assert answer.headers["location"] == f"/consultation/{draft.case_id}"
    assert _draft(browser, draft) == draft


def test_somebody_elses_consultation_is_closed_to_a_worker_and_open_to_a_clinician(browser: Browser) -> None:
    """Owner or clinician; nobody else sees or changes a draft."""
    draft = _begun(browser, Step.AGE)
    browser.sign_in(browser.account("Nurse Wu"))
    assert browser.get(f"/consultation/{draft.case_id}").status_code == 403
    assert browser.submit(f"/consultation/{draft.case_id}/age", **PERSON).status_code == 403
    browser.sign_in(browser.account("Dr Lin", Role.CLINICIAN))
    assert browser.get(f"/consultation/{draft.case_id}").status_code == 200


def test_a_clinician_finds_everybodys_open_consultations(browser: Browser) -> None:
    """Who has to be there for an intimate picture must be able to find it; another worker is not shown it."""
    draft = _begun(browser, Step.VIEWS)
    browser.sign_in(browser.account("Nurse Wu"))
    assert draft.case_id not in browser.get("/consultation").text
    browser.sign_in(browser.account("Dr Lin", Role.CLINICIAN))
    page = browser.get("/consultation").text
    assert draft.case_id in page and "Nurse Li" in page


def test_emergency_access_helps_a_person_and_is_told_of_nobody(browser: Browser) -> None:
    """It begins a consultation; whether somebody was here before, and earlier reports, stay closed to it."""
    first = _begun(browser, Step.IMPRESSION)
    browser.submit(f"/consultation/{first.case_id}/impression", tier="T4_routine")
    episode = _room(browser.parts).episodes.visit(first.case_id).episode_id
    browser.submit("/sign-out")
    browser.submit("/emergency", reason="danger_to_life")
    draft = _begun(browser, Step.WHO)
    browser.submit(f"/consultation/{draft.case_id}/who", local_reference="bed 4")
    assert (_draft(browser, draft).step, _draft(browser, draft).episode_id) == (Step.SITES, None)
    assert browser.get(f"/consultation/new?episode={episode}").status_code == 403
    assert browser.submit("/consultation", episode=episode).status_code == 403
    assert browser.get(f"/consultation/{first.case_id}").status_code == 403


def test_a_maintainer_sees_no_patient(browser: Browser) -> None:
    """The technician's role opens none of these rooms."""
    draft = _begun(browser)
    browser.sign_in(browser.account("Tech", Role.MAINTAINER))
    for path in ("/consultation", "/consultation/new", f"/consultation/{draft.case_id}", "/events"):
        assert browser.get(path).status_code == 403


def test_a_consent_names_version_reader_and_time(browser: Browser, clock: HandClock) -> None:
    """R2: who recorded it, when, which text, read aloud; and the trail has the purpose."""
    draft = _begun(browser, Step.CONSENT)
    browser.submit(f"/consultation/{draft.case_id}/consent/program_help", granted="no")
    agreement = _draft(browser, draft).agreement
    choice = agreement.choices["program_help"]
    assert (choice.granted, choice.version, choice.recorded_at) == (False, "1", clock.moment)
    assert choice.recorded_by == "nurse.li" and agreement.read_aloud and agreement.language == "en"
    newest = browser.parts.audit.newest(1)[0]
    assert (newest.action, newest.detail, newest.case_ref) == ("consent_refused", "program_help", draft.case_id)


def test_training_cannot_be_granted_while_the_policy_says_off(browser: Browser) -> None:
    """A crafted form grants nothing that the policy closes."""
    draft = _begun(browser, Step.CONSENT)
    browser.submit(f"/consultation/{draft.case_id}/consent/training", granted="yes")
    assert not _draft(browser, draft).agreement.grants("training")


def test_a_known_reference_asks_whether_it_is_the_same_person(browser: Browser) -> None:
    """Nobody is joined to a record by a number alone."""
    first = _begun(browser, Step.IMPRESSION)
    browser.submit(f"/consultation/{first.case_id}/impression", tier="T4_routine")
    draft = _begun(browser, Step.WHO)
    browser.submit(f"/consultation/{draft.case_id}/who", local_reference="bed 4")
    page = browser.get(f"/consultation/{draft.case_id}").text
    assert "was here before" in page and _draft(browser, draft).step is Step.WHO
    browser.submit(f"/consultation/{draft.case_id}/who", local_reference="bed 4", episode="new")
    assert (_draft(browser, draft).step, _draft(browser, draft).episode_id) == (Step.SITES, None)


def test_another_persons_episode_cannot_be_chosen(browser: Browser) -> None:
    """An episode id that does not belong to the reference is refused."""
    draft = _begun(browser, Step.WHO)
    answer = browser.submit(f"/consultation/{draft.case_id}/who", local_reference="bed 4", episode="abc")
    assert answer.status_code == 422


def test_a_refused_picture_is_not_kept_unless_the_worker_wants_it(browser: Browser) -> None:
    """R12: nothing of a refused frame stays; wanted all the same, it stays with a warning and its reasons."""
    draft = _begun(browser, Step.VIEWS)
    _gate(browser.parts).says = Verdict("refused", ("blur_focus",))
    path = f"/consultation/{draft.case_id}/capture"
    answer = browser.submit(path, once=new_token(), site="0", shot="overview")
    assert answer.status_code == 422 and "out of focus" in answer.text
    assert not list(_room(browser.parts).vault.files())
    browser.submit(path, once=new_token(), site="0", shot="overview", keep="yes")
    view = _draft(browser, draft).views[0]
    assert (view.quality, view.reasons) == ("accepted_with_warning", ("blur_focus",))


@pytest.mark.parametrize("reason", ["not_skin", "frozen_frame"])
def test_a_picture_of_nobody_is_never_kept(browser: Browser, reason: str) -> None:
    """Whoever wants it: a frozen or foreign picture is no picture of the person."""
    draft = _begun(browser, Step.VIEWS)
    _gate(browser.parts).says = Verdict("refused", (reason,))
    browser.submit(f"/consultation/{draft.case_id}/capture", once=new_token(), site="0", shot="overview", keep="yes")
    assert _draft(browser, draft).views == ()


def test_a_dead_camera_is_said_in_words(browser: Browser) -> None:
    """No picture, no error: what to do next."""
    draft = _begun(browser, Step.VIEWS)
    assert isinstance(browser.parts.camera, DrawnCamera)
    browser.parts.camera.is_on = False
    answer = browser.submit(f"/consultation/{draft.case_id}/capture", once=new_token(), site="0", shot="overview")
    assert answer.status_code == 422 and "gave no new picture" in answer.text


@pytest.mark.parametrize("fault", ["disk_tight", "disk_full"])
def test_a_disk_without_room_takes_no_picture_and_the_case_goes_on(parts: KioskParts, fault: str) -> None:
    """The reason is said in words, nothing is kept, and the next step opens all the same."""
    browser = Browser(replace(parts, faults=lambda: (fault,))).come_in()
    browser.sign_in(browser.account())
    draft = _begun(browser, Step.VIEWS)
    answer = browser.submit(f"/consultation/{draft.case_id}/capture", once=new_token(), site="0", shot="overview")
    assert "no new pictures" in answer.text
    assert _draft(browser, draft).views == ()
    browser.submit(f"/consultation/{draft.case_id}/views")
    assert _draft(browser, draft).step is Step.COMPLAINT


def _file(width: int = 300) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((200, width, 3), 120, np.uint8)).save(stream, format="JPEG")
    return stream.getvalue()


def _import(browser: Browser, draft: Draft, data: bytes, **fields: str) -> int:
    answer = browser.post(
        f"/consultation/{draft.case_id}/import",
        data={"csrf": browser.csrf(), "once": new_token(), "site": "0", "shot": "overview", **fields},
        files={"picture": ("a.jpg", data, "image/jpeg")},
    )
    return int(answer.status_code)


def test_a_file_comes_in_by_the_same_rules(browser: Browser) -> None:
    """A picture file is judged and kept like one of the camera, and marked as a file."""
    draft = _begun(browser, Step.VIEWS)
    assert _import(browser, draft, _file()) == 303
    assert _draft(browser, draft).views[0].source == "file"


def test_a_file_that_is_no_picture_is_refused(browser: Browser) -> None:
    """Anything else is told in words and kept nowhere."""
    draft = _begun(browser, Step.VIEWS)
    assert _import(browser, draft, b"%PDF-1.7 nothing") == 422
    assert _draft(browser, draft).views == ()


def test_a_childs_intimate_site_takes_no_file_either(browser: Browser) -> None:
    """R4: the import is refused, and so are preview and shutter, whatever a crafted form says."""
    draft = _begun(browser, Step.AGE)
    child = {**PERSON, "age_years": "9", "guardian_present": "yes", "guardian_name": "A", "assent": "given"}
    base = f"/consultation/{draft.case_id}"
    browser.submit(f"{base}/age", **child)
    for purpose in ("care_pictures", "program_help", "deidentified_result", "referral_package", "training"):
        browser.submit(f"{base}/consent/{purpose}", granted="yes")
    browser.submit(f"{base}/who", local_reference="bed 4")
    browser.submit(f"{base}/sites", **{"site.buttock": "left", "site.elbow": "left"})
    assert _draft(browser, draft).step is Step.VIEWS
    place = [site.body_site for site in _draft(browser, draft).sites].index("buttock")
    assert browser.get(f"{base}/preview/{place}.mjpeg").status_code == 403
    browser.submit(f"{base}/capture", once=new_token(), site=str(place), shot="overview", keep="yes")
    assert _import(browser, draft, _file(), site=str(place)) == 422
    assert _draft(browser, draft).views == ()


def test_a_preview_needs_an_open_camera_rule(browser: Browser) -> None:
    """R6, R7: a face shows no live picture before the person was asked; another step shows none at all."""
    draft = _begun(browser, Step.VIEWS, site="face")
    path = f"/consultation/{draft.case_id}/preview/0.mjpeg"
    assert browser.get(path).status_code == 403
    browser.submit(f"/consultation/{draft.case_id}/asked", site="0", asked_now="yes")
    assert browser.get(f"/consultation/{draft.case_id}/hint/0/overview").json()["words"].startswith("Ready")
    browser.submit(f"/consultation/{draft.case_id}/views")
    assert browser.get(path).status_code == 403


def test_a_blank_screen_gives_no_preview(browser: Browser, clock: HandClock) -> None:
    """R7: after a minute without a touch the camera shows nothing to a page that was left open."""
    draft = _begun(browser, Step.VIEWS)
    path = f"/consultation/{draft.case_id}/hint/0/overview"
    elsewhere = {"sec-fetch-dest": "empty"}
    assert browser.get(path, headers=elsewhere).status_code == 200
    clock.pass_s(90)
    assert browser.get(path, headers=elsewhere).status_code == 423


def test_every_look_at_a_picture_is_logged_by_name(browser: Browser) -> None:
    """R13."""
    draft = _begun(browser, Step.VIEWS)
    browser.submit(f"/consultation/{draft.case_id}/capture", once=new_token(), site="0", shot="overview")
    image_id = _draft(browser, draft).views[0].image_id
    assert browser.get(f"/consultation/{draft.case_id}/pictures/{image_id}.png").content[:4] == PNG[:4]
    newest = browser.parts.audit.newest(1)[0]
    assert (newest.who, newest.action, newest.case_ref) == ("nurse.li", "picture_viewed", draft.case_id)


def test_an_intimate_picture_is_for_clinicians_also_in_a_workers_own_visit(browser: Browser) -> None:
    """R5: whoever began the visit cannot open it by its address; nothing is logged as seen."""
    draft = _begun(browser, Step.VIEWS)
    browser.submit(f"/consultation/{draft.case_id}/capture", once=new_token(), site="0", shot="overview")
    view = _draft(browser, draft).views[0].model_copy(update={"kind": "intimate"})
    _room(browser.parts).consultations.change(draft.case_id, lambda now: now.model_copy(update={"views": (view,)}))
    assert browser.get(f"/consultation/{draft.case_id}/pictures/{view.image_id}.png").status_code == 403
    assert browser.parts.audit.newest(1)[0].action != "picture_viewed"


def test_a_slip_in_one_answer_does_not_cost_the_others(browser: Browser) -> None:
    """A temperature of 400 is marked; the heart rate beside it is kept; the screen stays."""
    draft = _begun(browser, Step.EXAMINATION)
    sent = {"vital_signs.temp_c": "400", "vital_signs.heart_rate": "88", "bsa_percent": "4.5"}
    answer = browser.submit(f"/consultation/{draft.case_id}/examination", **sent)
    assert answer.status_code == 422 and "Look at this answer again" in answer.text
    history = _draft(browser, draft).history
    assert (history.vital_signs.temp_c, history.vital_signs.heart_rate, history.bsa_percent) == (None, 88, 4.5)


def test_a_measured_emergency_interrupts_the_examination(browser: Browser) -> None:
    """A heart rate of 170 is an emergency whenever it is measured."""
    draft = _begun(browser, Step.EXAMINATION)
    browser.submit(f"/consultation/{draft.case_id}/examination", **{"vital_signs.heart_rate": "170"})
    assert (_draft(browser, draft).step, _draft(browser, draft).resume_at) == (Step.EMERGENCY, Step.IMPRESSION)


def test_a_pulse_is_asked_only_of_a_tcm_practitioner(browser: Browser) -> None:
    """Section 7.8: nobody else is shown the question, and a crafted form does not answer it."""
    draft = _begun(browser, Step.EXAMINATION)
    assert 'name="pulse"' not in browser.get(f"/consultation/{draft.case_id}").text
    sent = {"tcm_examiner": "trained_worker", "pulse": "rapid", "tongue.body_colour": "red"}
    browser.submit(f"/consultation/{draft.case_id}/examination", **sent)
    assert (_draft(browser, draft).history.pulse, _draft(browser, draft).history.tongue.body_colour) == ((), "red")


def test_the_case_is_handed_over_only_after_the_own_view(browser: Browser) -> None:
    """The worker's urgency comes first; the program cannot have spoken before."""
    draft = _begun(browser, Step.IMPRESSION)
    assert browser.submit(f"/consultation/{draft.case_id}/impression").status_code == 422
    assert browser.parts.cases.pending() == []
    browser.submit(f"/consultation/{draft.case_id}/impression", tier="T3_urgent", impression="new mole")
    worker = browser.parts.cases.load(draft.case_id).intake.worker
    assert (worker.tier, worker.impression) == ("T3_urgent", "new mole")


def test_a_report_is_announced_without_saying_whose(browser: Browser) -> None:
    """Others may look on: the list of cases has the reference, the notice has a number."""
    draft = _begun(browser, Step.IMPRESSION)
    browser.submit(f"/consultation/{draft.case_id}/impression", tier="T4_routine")
    assert "program is working" in browser.get(f"/consultation/{draft.case_id}").text
    browser.parts.cases.mark_running(draft.case_id)
    browser.parts.cases.finish(draft.case_id, {"secret": "the answer"}, None)
    page = browser.get(f"/consultation/{draft.case_id}").text
    assert "The report is ready" in page and "the answer" not in page
    assert "One report is ready." in browser.get("/").text


def test_throwing_away_needs_a_second_yes(browser: Browser) -> None:
    """One press asks, the second destroys."""
    draft = _begun(browser, Step.VIEWS)
    assert browser.submit(f"/consultation/{draft.case_id}/discard").status_code == 200
    assert _draft(browser, draft) == draft
    browser.submit(f"/consultation/{draft.case_id}/discard", is_sure="yes")
    assert _room(browser.parts).consultations.open_drafts() == []


def test_safeguarding_names_no_sign_on_the_screen(browser: Browser) -> None:
    """R9: whoever looks over a shoulder reads no accusation."""
    draft = _begun(browser)
    browser.submit(f"/consultation/{draft.case_id}/danger_signs", **{"sign.disclosure_of_abuse": "yes"})
    page = browser.get(f"/consultation/{draft.case_id}").text
    assert "Stop photography" in page
    assert "abused" not in page


def _in_emergency(browser: Browser) -> Browser:
    assert browser.submit("/emergency", reason="danger_to_life").status_code == 303
    return browser


def test_two_uses_of_emergency_access_see_nothing_of_each_other(browser: Browser) -> None:
    """Whoever comes in without a name sees what this very entry began, and nobody else's person."""
    browser.submit("/sign-out")
    first = _begun(_in_emergency(browser), Step.AGE)
    assert f"/consultation/{first.case_id}" in browser.get("/consultation").text
    browser.submit("/sign-out")
    _in_emergency(browser)
    assert f"/consultation/{first.case_id}" not in browser.get("/consultation").text
    assert browser.get(f"/consultation/{first.case_id}").status_code == 403
    assert browser.submit(f"/consultation/{first.case_id}/discard", is_sure="yes").status_code == 403


def test_a_clinician_takes_over_what_emergency_access_began(browser: Browser) -> None:
    """The list says when the entry was, and an account by its display name; the trail says the same of each step."""
    draft = _begun(browser, Step.AGE)
    browser.submit("/sign-out")
    emergency = _begun(_in_emergency(browser), Step.AGE)
    browser.submit("/sign-out")
    browser.sign_in(browser.account("Dr Lin", Role.CLINICIAN))
    page = browser.get("/consultation").text
    assert "Emergency access, Nov 22, 2026" in page and "Nurse Li" in page
    assert draft.owner == "nurse.li" and "nurse.li" not in page
    assert browser.get(f"/consultation/{emergency.case_id}").status_code == 200
    assert "Emergency access, Nov 22, 2026" in browser.get("/audit").text
