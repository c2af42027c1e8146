"""Where answers lead: consent, minors, intimate sites, capacity, emergencies, safeguarding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.consultation import answers
from edge_agent.consultation.draft import Draft, Person, SiteChoice
from edge_agent.consultation.steps import Step
from edge_agent.contracts.consent_values import PURPOSES
from edge_agent.contracts.intake_parts import WorkerView
from edge_agent.errors import CaseError
from tests.simulators.consultations import (
    ADULT,
    CALM,
    COURSE,
    ELBOW,
    NOW,
    agreed,
    blank,
    choice,
    frames,
    steps,
    taken,
)

CHILD = Person(age_years=9, sex="male", capacity="full", guardian_present="yes", assent="given", can_read="yes")
CHEST = SiteChoice(body_site="chest", chaperone="declined", is_confirmed=True)


def _walk(draft: Draft, answered: list[Any]) -> Draft:
    for answer in answered:
        draft = answer(draft)
    return draft


def test_a_plain_consultation_reaches_the_agents() -> None:
    """Every screen answered, one picture: a case with consent, form and picture comes out."""
    plain = steps()
    draft = _walk(blank(), plain[:5])
    assert draft.step is Step.VIEWS
    draft = _walk(answers.with_view(draft, taken("i1")), plain[5:])
    assert draft.step is Step.RUNNING
    case = COURSE.case_of(draft, frames(draft), None)
    assert [view.body_site for view in case.views] == ["elbow"]
    assert case.intake.worker.tier == "T4_routine" and case.intake.danger_signs == CALM
    assert case.consent is not None and case.consent.given_by == "person" and case.consent.deidentified_result.granted


@pytest.mark.parametrize("purpose", PURPOSES)
def test_refusing_one_consent_changes_nothing_else(purpose: str) -> None:
    """R1: each of the five can be refused alone, and the case still reaches its end."""
    plain = steps(refused=(purpose,))
    draft = _walk(blank(), plain[:5])
    is_without = purpose == "care_pictures"
    assert draft.step is (Step.COMPLAINT if is_without else Step.VIEWS)
    draft = _walk(draft, plain[6:] if is_without else plain[5:])
    case = COURSE.case_of(draft, {}, None)
    assert case.consent is not None
    refused = {name for name in PURPOSES if not getattr(case.consent, name).granted}
    assert refused == {purpose, "training"}  # training is off in the strict policy, whatever was tapped


def test_a_site_without_picture_still_says_where_the_skin_is_affected() -> None:
    """R1: a person without pictures tells the body site all the same."""
    draft = _walk(blank(), steps(refused=("care_pictures",))[:5])
    assert [note.body_site for note in draft.to_intake().views] == ["elbow"]


@pytest.mark.parametrize("site", ["chest", "groin", "genital", "perianal", "buttock"])
def test_no_intimate_picture_of_a_minor_whoever_agrees(site: Any) -> None:
    """R4: guardian, assent, clinician, chaperone and a second yes change nothing."""
    draft = agreed(answers.with_person(blank(), CHILD), given_by="guardian")
    permit = COURSE.camera(draft, SiteChoice(body_site=site, chaperone="N", is_confirmed=True), clinician="dr")
    assert not permit.is_allowed and not permit.needs
    assert COURSE.camera(draft, ELBOW).is_allowed


def test_an_unknown_age_is_a_minors() -> None:
    """Whose age nobody told has no intimate picture taken."""
    draft = agreed(
        answers.with_person(blank(), Person(sex="female", capacity="full", guardian_present="yes")), given_by="guardian"
    )
    assert not COURSE.camera(draft, CHEST, clinician="dr").is_possible


def test_an_adults_intimate_site_needs_three_things_first() -> None:
    """R5: a clinician, a chaperone named or declined, and a second yes; each alone is not enough."""
    draft = agreed(answers.with_person(blank(), ADULT))
    assert COURSE.camera(draft, CHEST, clinician="dr").is_allowed
    assert not COURSE.camera(draft, CHEST).is_allowed
    assert not COURSE.camera(draft, CHEST.model_copy(update={"chaperone": None}), clinician="dr").is_allowed
    assert not COURSE.camera(draft, CHEST.model_copy(update={"is_confirmed": False}), clinician="dr").is_allowed


def test_a_face_is_asked_for_each_time() -> None:
    """R6: a face is pictured only after this picture was asked for."""
    draft = agreed(answers.with_person(blank(), ADULT))
    face = SiteChoice(body_site="face")
    assert not COURSE.camera(draft, face).is_allowed
    assert COURSE.camera(draft, face.model_copy(update={"is_asked": True})).is_allowed


def test_a_child_without_guardian_is_a_text_case() -> None:
    """R3: nobody can consent, so nothing is granted whatever was tapped, and the camera is passed."""
    alone = CHILD.model_copy(update={"guardian_present": "no"})
    draft = _walk(blank(), steps(person=alone)[:2])
    draft = answers.with_all_refused(draft, given_by="nobody", versions=COURSE.permits.versions, by="worker 1", at=NOW)
    draft = _walk(COURSE.onward(draft), steps()[3:5])
    assert draft.step is Step.COMPLAINT
    consent = draft.to_consent()
    assert consent.recorded_by == "worker 1"
    assert not any(getattr(consent, name).granted for name in PURPOSES)


def test_who_cannot_decide_gives_nothing_away() -> None:
    """R10: without capacity there is no secondary use, and no picture by the strict policy."""
    draft = answers.with_person(blank(), ADULT.model_copy(update={"capacity": "unconscious"}))
    permit = COURSE.consent(draft)
    assert permit.who_decides == "nobody"
    assert permit.grantable.isdisjoint({"deidentified_result", "referral_package", "training"})


def test_a_consent_that_somebody_else_has_to_give_is_asked_again() -> None:
    """An adult who turns out to be a child: what the child granted does not stand for the guardian."""
    draft = _walk(blank(), steps()[:3])
    draft = answers.with_person(COURSE.back(COURSE.back(draft)), CHILD)
    draft = COURSE.onward(draft)
    assert draft.step is Step.CONSENT
    assert draft.agreement.unasked == PURPOSES


def test_a_witness_is_named_where_the_person_cannot_read() -> None:
    """R2: the step does not end without one."""
    cannot = ADULT.model_copy(update={"can_read": "no"})
    draft = _walk(blank(), steps()[:1])
    with pytest.raises(CaseError, match="witness"):
        COURSE.onward(answers.with_person(draft, cannot))
    named = cannot.model_copy(update={"witness": "A neighbour"})
    assert COURSE.onward(answers.with_person(draft, named)).step is Step.CONSENT


def test_pictures_go_when_a_later_answer_forbids_them() -> None:
    """Taken back consent, a minor's age after an intimate picture, a site no longer chosen: each lets pictures go."""
    draft = _walk(blank(), [*steps()[:4], steps(site=CHEST)[4]])
    draft = answers.with_view(draft, taken("i1", CHEST, kind="intimate", clinician="dr"))
    assert COURSE.without_forbidden(draft).views
    refused = answers.with_choice(draft, "care_pictures", choice(granted=False))
    assert not COURSE.without_forbidden(refused).views
    assert not COURSE.without_forbidden(answers.with_person(draft, CHILD)).views
    assert not COURSE.without_forbidden(answers.with_sites(draft, [ELBOW])).views


def test_an_emergency_interrupts_once_and_the_case_goes_on() -> None:
    """The instruction stands between danger signs and age; read once it does not come again."""
    urgent = blank().changed(danger_signs={"breathing_difficulty": "yes"})
    shown = COURSE.onward(urgent)
    assert (shown.step, shown.resume_at) == (Step.EMERGENCY, Step.AGE)
    gone_on = COURSE.read(shown)
    assert gone_on.step is Step.AGE
    assert COURSE.onward(COURSE.back(gone_on)).step is Step.AGE


def test_a_stronger_sign_interrupts_again() -> None:
    """A rule that becomes an emergency only now is a new instruction."""
    today = COURSE.onward(blank().changed(danger_signs={"does_not_blanch": "yes"}))
    assert today.step is Step.EMERGENCY
    again = COURSE.back(COURSE.read(today))
    worse = {"does_not_blanch": "yes", "fever_now_or_history": "yes"}
    assert COURSE.onward(again.changed(danger_signs=worse)).step is Step.EMERGENCY


def test_the_age_can_make_an_emergency() -> None:
    """A fever of an infant is none of an adult: the interruption comes after the age."""
    draft = COURSE.onward(blank().changed(danger_signs={"fever_now_or_history": "yes"}))
    assert draft.step is Step.AGE
    infant = Person(age_years=0, age_months=1, sex="female", capacity="full", guardian_present="yes")
    assert COURSE.onward(answers.with_person(draft, infant)).step is Step.EMERGENCY


def test_abuse_stops_photography_after_an_emergency_was_told() -> None:
    """R9: both instructions are read, the emergency first; then no site can be pictured."""
    signs: Any = {"breathing_difficulty": "yes", "disclosure_of_abuse": "yes"}
    draft = COURSE.onward(blank().changed(danger_signs=signs))
    assert draft.step is Step.EMERGENCY
    draft = COURSE.read(draft)
    assert draft.step is Step.SAFEGUARDING
    draft = COURSE.read(draft)
    assert draft.step is Step.AGE
    draft = _walk(draft, steps()[1:5])
    assert draft.step is Step.COMPLAINT
    assert not COURSE.camera(draft, ELBOW).is_possible


def test_unticking_the_sign_of_abuse_opens_no_camera() -> None:
    """R9: the stop holds for the rest of the case, whoever takes the answer back and why."""
    draft = COURSE.onward(blank().changed(danger_signs={"disclosure_of_abuse": "yes"}))
    assert draft.step is Step.SAFEGUARDING
    draft = COURSE.read(draft).changed(danger_signs={"disclosure_of_abuse": "no"})
    draft = _walk(draft, steps()[1:5])
    assert draft.step is Step.COMPLAINT  # past the camera
    assert COURSE.camera(draft, ELBOW).reason == "stopped"


def test_the_worry_of_the_last_screen_is_answered_before_the_case_goes() -> None:
    """RF-28 interrupts the last question too, and the case is handed over by a second press."""
    draft = _walk(blank(), [*steps()[:5], *steps()[5:9]])
    worried = draft.changed(worker=WorkerView(tier="T4_routine", worried="yes"))
    shown = COURSE.onward(worried)
    assert shown.step is Step.EMERGENCY
    assert COURSE.onward(COURSE.read(shown)).step is Step.RUNNING


def test_going_back_keeps_every_answer() -> None:
    """All the way back and forth again: nothing is lost."""
    draft = _walk(blank(), steps()[:9])
    answered = draft.model_dump(exclude={"step"})
    while draft.step is not Step.DANGER_SIGNS:
        draft = COURSE.back(draft)
    for _ in range(9):
        draft = COURSE.onward(draft)
    assert draft.step is Step.IMPRESSION
    assert draft.model_dump(exclude={"step"}) == answered


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4, 6, 9])
def test_what_is_required_holds_the_step(place: int) -> None:
    """Danger signs, sex, consents, reference, site, duration and own urgency cannot be skipped."""
    draft = _walk(blank(), steps()[:place])
    with pytest.raises(CaseError):
        COURSE.onward(draft)


def test_a_contradiction_is_refused_and_nothing_changes() -> None:
    """Two answers of different screens that cannot both be true stop the second one."""
    draft = answers.with_history(answers.with_person(blank(), ADULT), {"pregnancy": "yes"})
    with pytest.raises(CaseError, match="age_months"):
        draft.changed(person=ADULT.model_copy(update={"age_months": 3}))
    as_male = answers.with_person(draft, ADULT.model_copy(update={"sex": "male"}))
    assert as_male.history.pregnancy is None  # asked again, never "no"


def test_a_pregnancy_is_asked_of_those_who_can_be_pregnant() -> None:
    """The star holds the step for a woman of 34; a man and a child of five are not asked."""
    place = {"duration": "unknown"}
    for person, is_held in (
        (ADULT, True),
        (ADULT.model_copy(update={"sex": "male"}), False),
        (ADULT.model_copy(update={"age_years": 5, "guardian_present": "yes"}), False),
    ):
        draft = answers.with_history(answers.with_person(blank(), person).changed(step=Step.COMPLAINT), place)
        if is_held:
            with pytest.raises(CaseError):
                COURSE.onward(draft)
        else:
            assert COURSE.onward(draft).step is Step.HISTORY


def test_an_answer_taken_back_is_unanswered() -> None:
    """None makes a question not examined again."""
    draft = answers.with_history(blank(), {"itch_nrs": 4, "symptoms": ("itching",), "pest": {"pest_heel_pain": "no"}})
    draft = answers.with_history(draft, {"itch_nrs": None, "symptoms": None, "pest": None})
    assert draft.to_intake().itch_nrs is None
    assert draft.to_intake().symptoms is None and draft.to_intake().pest == {}


_PERSONS = st.builds(
    Person,
    age_years=st.one_of(st.none(), st.integers(2, 100)),
    sex=st.sampled_from(["female", "male", "intersex", "not_stated"]),
    capacity=st.sampled_from([None, "full", "unconscious", "detained"]),
    guardian_present=st.sampled_from([None, "yes", "no", "unknown"]),
    can_read=st.sampled_from([None, "yes"]),
)
_SITES = st.builds(
    SiteChoice,
    body_site=st.sampled_from(["elbow", "face", "chest", "groin", "genital", "perianal", "buttock"]),
    chaperone=st.sampled_from([None, "declined", "N"]),
    is_confirmed=st.booleans(),
    is_asked=st.booleans(),
)
_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("person"), _PERSONS),
        st.tuples(st.just("site"), _SITES),
        st.tuples(st.just("consent"), st.sets(st.sampled_from(PURPOSES))),
        st.tuples(st.just("abuse"), st.booleans()),
        st.tuples(st.just("picture"), st.sampled_from([None, "dr"])),
        st.tuples(st.just("onward"), st.none()),
        st.tuples(st.just("back"), st.none()),
    ),
    max_size=25,
)


@given(_MOVES)
def test_no_walk_ends_with_a_picture_that_the_policy_forbids(moves: list[tuple[str, Any]]) -> None:
    """Whatever is answered in whatever order, a kept picture has consent, no minor's intimate site, and its three needs."""
    draft = blank()
    for name, value in moves:
        draft = _moved(draft, name, value)
        for view in draft.views:
            assert draft.agreement.grants("care_pictures")
            assert draft.person.capacity == "full"
            is_child = draft.person.age_years is None or draft.person.age_years < 18
            if is_child:
                assert draft.person.guardian_present == "yes"
            if view.body_site in {"chest", "groin", "genital", "perianal", "buttock"}:
                assert not is_child
                assert view.clinician is not None


def _moved(draft: Draft, name: str, value: Any) -> Draft:
    moves: dict[str, Any] = {
        "person": lambda: COURSE.kept(answers.with_person(draft, value)),
        "site": lambda: COURSE.kept(answers.with_sites(draft, [value])),
        "consent": lambda: COURSE.kept(_asked(draft, value)),
        "abuse": lambda: COURSE.kept(draft.changed(danger_signs={"disclosure_of_abuse": "yes" if value else "no"})),
        "picture": lambda: _pictured(draft, value),
        "back": lambda: COURSE.back(draft),
        "onward": lambda: _onward(draft),
    }
    try:
        moved: Draft = moves[name]()
    except CaseError:
        return draft
    return moved


def _asked(draft: Draft, granted: set[str]) -> Draft:
    by = COURSE.consent(draft).who_decides
    for purpose in PURPOSES:
        draft = answers.with_choice(draft, purpose, choice(granted=purpose in granted, given_by=by))
    return draft


def _onward(draft: Draft) -> Draft:
    if draft.step in {Step.EMERGENCY, Step.SAFEGUARDING}:
        return COURSE.read(draft)
    return draft if draft.step is Step.RUNNING else COURSE.onward(draft)


def _pictured(draft: Draft, clinician: str | None) -> Draft:
    for site in draft.sites:
        permit = COURSE.camera(draft, site, clinician=clinician)
        if permit.is_allowed:
            view = taken(f"i{len(draft.views)}", site, kind=permit.kind, clinician=clinician)
            return COURSE.kept(answers.with_view(draft, view))
    return draft
