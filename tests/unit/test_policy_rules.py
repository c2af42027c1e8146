"""Rules R1 to R10 of the policy, each by its number; the camera's and the file's have tests of their own beside it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from edge_agent.contracts.consent_values import PURPOSES, ConsentPurpose
from edge_agent.contracts.intake import Purpose
from edge_agent.contracts.policy import Policy
from edge_agent.policy import rules
from edge_agent.policy.rules import (
    CameraNeed,
    CameraRefusal,
    ConsentFacts,
    ConsentFault,
    ConsentNeed,
    ConsentRefusal,
    Decider,
    PictureKind,
    SharingRefusal,
    camera_rule,
    capabilities,
    consent_faults,
    consent_rule,
    export_rule,
    preview_rule,
    safeguarding_rule,
    secondary_use_rule,
    sync_rule,
    viewing_rule,
)
from tests.simulators.policies import care_only, consent

STRICT = Policy()
CAN_OF_PURPOSE = {
    "care_pictures": "pictures",
    "program_help": "program",
    "deidentified_result": "sync",
    "referral_package": "package",
    "training": "training",
}
CARE = frozenset({"care_pictures", "program_help"})


def camera(**changes: Any) -> rules.CameraRule:
    """Ask for a picture of a grown woman's elbow with everything in order, but for the changes."""
    facts: dict[str, Any] = {
        "site": "elbow",
        "age_years": 40,
        "age_months": None,
        "sex": "female",
        "is_clinician_signed_in": False,
        "chaperone": None,
        "is_second_confirmed": False,
        "asked_each_time": False,
        "has_consent": True,
        "is_stopped": False,
    }
    policy = changes.pop("policy", STRICT)
    return camera_rule(policy, **(facts | changes))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_r01_refusing_one_purpose_takes_away_that_one_alone(purpose: ConsentPurpose) -> None:
    """R1: all others stay as they were, and care in words always does."""
    policy = STRICT.model_copy(update={"training_use": "separate_consent"})
    everything = consent(training=Purpose(granted=True, version="1"))
    before = asdict(capabilities(policy, everything))
    assert all(before.values())
    after = asdict(capabilities(policy, everything.model_copy(update={purpose: Purpose(granted=False, version="1")})))
    assert after == before | {CAN_OF_PURPOSE[purpose]: False}


def test_r01_saying_no_to_everything_needs_no_basis() -> None:
    """R1: nobody has to be of age, able or witnessed to refuse; the case goes on in words."""
    nothing = consent(*PURPOSES, read_aloud=False, can_read=None)
    for facts in (ConsentFacts(age_years=None), ConsentFacts(age_years=5), ConsentFacts(40, capacity="unconscious")):
        assert consent_faults(STRICT, nothing, facts) == ()
    assert capabilities(STRICT, nothing).text_case


def test_r02_an_adult_is_asked_everything_but_training() -> None:
    """R2: training is off by default, so it is not even open to be asked."""
    rule = consent_rule(STRICT, ConsentFacts(age_years=40, can_read=True))
    assert (rule.who_decides, rule.basis, rule.needs, rule.refusal) == (Decider.PERSON, "consent", (), None)
    assert rule.purposes == frozenset(PURPOSES) - {"training"}
    asked = consent(training=Purpose(granted=True, version="1"))
    assert consent_faults(STRICT, asked, ConsentFacts(40, can_read=True)) == (ConsentFault.NOT_OPEN,)


@pytest.mark.parametrize("can_read", [False, None])
def test_r02_a_witness_for_who_cannot_read_and_for_who_was_not_asked(can_read: bool | None) -> None:
    """R2: what nobody asked never counts as "can read"."""
    rule = consent_rule(STRICT, ConsentFacts(age_years=40, can_read=can_read))
    assert rule.needs == (ConsentNeed.WITNESS,)
    assert consent_rule(STRICT, ConsentFacts(40, can_read=can_read, has_witness=True)).needs == ()
    unwitnessed = consent(can_read=None)
    assert consent_faults(STRICT, unwitnessed, ConsentFacts(40)) == (ConsentFault.WITNESS_MISSING,)


def test_r02_the_witness_is_somebody_else_and_the_text_was_read_aloud() -> None:
    """R2: nobody witnesses the own record."""
    alone = consent(can_read=None, witness="worker-1")
    assert consent_faults(STRICT, alone, ConsentFacts(40)) == (ConsentFault.WITNESS_RECORDS,)
    silent = consent(read_aloud=False)
    assert consent_faults(STRICT, silent, ConsentFacts(40, can_read=True)) == (ConsentFault.NOT_READ_ALOUD,)
    assert consent_faults(STRICT, consent(), ConsentFacts(40, can_read=True)) == ()


def test_r03_age_comes_first() -> None:
    """R3: without an age there is neither consent nor picture."""
    rule = consent_rule(STRICT, ConsentFacts(age_years=None, can_read=True))
    assert rule.refusal is ConsentRefusal.AGE_FIRST
    assert rule.is_text_case_only
    assert camera(age_years=None).reason is CameraRefusal.AGE_FIRST


@pytest.mark.parametrize(
    ("age", "assent", "data_by", "needs"),
    [
        (17, "given", Decider.GUARDIAN_AND_PERSON, ()),
        (14, "given", Decider.GUARDIAN_AND_PERSON, ()),
        (13, "given", Decider.GUARDIAN, ()),
        (13, None, Decider.GUARDIAN, (ConsentNeed.ASSENT,)),
        (7, "too_young", Decider.GUARDIAN, (ConsentNeed.ASSENT,)),
        (6, None, Decider.GUARDIAN, ()),
    ],
)
def test_r03_a_guardian_decides_and_the_child_is_asked(
    age: int, assent: Any, data_by: Decider, needs: tuple[ConsentNeed, ...]
) -> None:
    """R3: below 14 the guardian decides on data; from 7 on the child's own answer is needed."""
    rule = consent_rule(STRICT, ConsentFacts(age, has_guardian=True, assent=assent, can_read=True))
    assert (rule.who_decides, rule.data_decided_by, rule.needs) == (Decider.GUARDIAN, data_by, needs)
    assert "care_pictures" in rule.purposes


def test_r03_a_child_that_says_no_is_not_photographed() -> None:
    """R3: neither the guardian nor an emergency overrules it; words go on."""
    for has_emergency in (False, True):
        facts = ConsentFacts(
            9, has_guardian=True, assent="refused", has_emergency=has_emergency, emergency_reason="blisters"
        )
        rule = consent_rule(STRICT, facts)
        assert (rule.refusal, rule.purposes) == (ConsentRefusal.CHILD_REFUSES, frozenset())
    with pytest.raises(ValueError, match="the child said no"):
        consent(given_by="guardian", assent="refused")


def test_r03_without_a_guardian_words_only() -> None:
    """R3: a minor who came alone has a text case."""
    rule = consent_rule(STRICT, ConsentFacts(16, assent="given", can_read=True))
    assert (rule.refusal, rule.is_text_case_only) == (ConsentRefusal.NO_GUARDIAN, True)


def test_r03_a_red_flag_emergency_of_a_minor_has_its_own_basis_and_reason() -> None:
    """R3: care alone, and why it could not wait is written down."""
    facts = ConsentFacts(9, assent="given", has_emergency=True)
    rule = consent_rule(STRICT, facts)
    assert (rule.basis, rule.purposes, rule.needs) == ("emergency", CARE, (ConsentNeed.EMERGENCY_REASON,))
    written = ConsentFacts(9, has_emergency=True, emergency_reason="widespread blisters, guardian called")
    assert consent_rule(STRICT, written).needs == ()
    assert consent_faults(STRICT, care_only(given_by="nobody"), written) == ()
    assert consent_faults(STRICT, consent(), written) == (
        ConsentFault.NOT_OPEN,
        ConsentFault.WRONG_GIVER,
        ConsentFault.REASON_MISSING,
    )


def test_r03_only_who_may_decide_gives_the_consent() -> None:
    """R3: a child's own signature and a guardian's for an adult are both refused."""
    child = ConsentFacts(12, has_guardian=True, assent="given", can_read=True)
    assert consent_faults(STRICT, consent(assent="given"), child) == (ConsentFault.WRONG_GIVER,)
    assert consent_faults(STRICT, consent(given_by="guardian"), child) == (ConsentFault.ASSENT_MISSING,)
    assert consent_faults(STRICT, consent(given_by="guardian", assent="given"), child) == ()
    adult = ConsentFacts(40, can_read=True)
    assert consent_faults(STRICT, consent(given_by="guardian"), adult) == (ConsentFault.WRONG_GIVER,)


def test_r03_a_country_with_a_lower_age_of_consent_keeps_r4() -> None:
    """R3 and R4: at 16 a person may decide alone and is still a minor for the camera."""
    country = Policy(age_of_consent_years=16)
    assert consent_rule(country, ConsentFacts(16, can_read=True)).who_decides is Decider.PERSON
    assert consent_rule(country, ConsentFacts(15, can_read=True)).refusal is ConsentRefusal.NO_GUARDIAN
    assert camera(policy=country, site="buttock", age_years=17).reason is CameraRefusal.MINOR_INTIMATE


@pytest.mark.parametrize("site", ["genital", "perianal", "groin", "buttock", "chest"])
@pytest.mark.parametrize("sex", ["female", "male", "intersex", "not_stated", None])
def test_r04_a_minors_intimate_place_is_impossible(site: str, sex: str | None) -> None:
    """R4: with consent, clinician, chaperone and confirmation, and for every sex, the breast included."""
    rule = camera(
        site=site, age_years=17, sex=sex, is_clinician_signed_in=True, chaperone="A", is_second_confirmed=True,
        asked_each_time=True,
    )  # fmt: skip
    assert (rule.is_allowed, rule.reason, rule.needs) == (False, CameraRefusal.MINOR_INTIMATE, ())
    assert rule.kind is PictureKind.INTIMATE


def test_r04_an_unnamed_place_of_a_minor_is_asked_for_its_name() -> None:
    """R4: "other" would be a door around the rule; a grown person's is an ordinary place."""
    assert camera(site="other", age_years=10).reason is CameraRefusal.SITE_FIRST
    assert camera(site="other").is_allowed
    assert camera(site=None).reason is CameraRefusal.SITE_FIRST
    assert camera(site="elbow", age_years=10).is_allowed


def test_r05_an_adults_intimate_place_needs_every_step() -> None:
    """R5: clinician, chaperone named or declined, second confirmation; then it is of the intimate kind."""
    steps: dict[str, Any] = {"is_clinician_signed_in": True, "chaperone": "declined", "is_second_confirmed": True}
    wanted = (CameraNeed.CLINICIAN, CameraNeed.CHAPERONE, CameraNeed.SECOND_CONFIRMATION)
    rule = camera(site="groin")
    assert (rule.is_allowed, rule.reason, rule.needs) == (False, CameraRefusal.NEEDS_STEPS, wanted)
    for name, need in zip(steps, wanted, strict=True):
        assert camera(site="groin", **(steps | {name: None})).needs == (need,)
    assert camera(site="groin", **(steps | {"chaperone": "  "})).needs == (CameraNeed.CHAPERONE,)
    done = camera(site="groin", **steps)
    assert (done.is_allowed, done.reason, done.kind) == (True, None, PictureKind.INTIMATE)


def test_r05_a_ministry_can_switch_it_off() -> None:
    """R5: ``never`` is stricter, and no step cures it."""
    rule = camera(policy=Policy(intimate_photo_adult="never"), site="groin", is_clinician_signed_in=True)
    assert rule.reason is CameraRefusal.INTIMATE_OFF


def test_r05_a_breast_is_intimate_unless_it_is_a_grown_mans_chest() -> None:
    """R5: clinical vocabulary section 1; an answer that nobody gave counts as a breast."""
    kinds = {sex: camera(site="chest", sex=sex).kind for sex in ("female", "male", "intersex", "not_stated", None)}
    assert [sex for sex, kind in kinds.items() if kind is not PictureKind.INTIMATE] == ["male"]


def test_r05_an_intimate_picture_has_no_thumbnail_and_stays_out_of_packages() -> None:
    """R5: hidden in lists, for clinicians only, and in a package only where a clinician chose this very picture."""
    ordinary = viewing_rule(kind=PictureKind.ORDINARY, viewer="worker-1", is_clinician=False)
    assert (ordinary.is_allowed, ordinary.shows_thumbnail) == (True, True)
    for is_clinician in (False, True):
        rule = viewing_rule(kind=PictureKind.INTIMATE, viewer="somebody", is_clinician=is_clinician)
        assert (rule.is_allowed, rule.shows_thumbnail) == (is_clinician, False)
    told: dict[str, Any] = {"kind": PictureKind.INTIMATE, "receiver_key": "hospital"}
    assert export_rule(STRICT, consent(), **told).reason is SharingRefusal.INTIMATE
    assert export_rule(STRICT, consent(), **told, is_intimate_chosen=True).is_allowed


@pytest.mark.parametrize("site", ["face", "ear", "lips_mouth", "eye_area"])
def test_r06_a_face_is_asked_for_each_time(site: str) -> None:
    """R6: also with the consent; then it is marked as identifying."""
    rule = camera(site=site)
    assert (rule.is_allowed, rule.needs, rule.kind) == (False, (CameraNeed.ASK_EACH_TIME,), PictureKind.IDENTIFYING)
    assert camera(site=site, asked_each_time=True).is_allowed
    assert camera(policy=Policy(face_photo="off"), site=site, asked_each_time=True).reason is CameraRefusal.FACE_OFF


def test_r06_a_tattoo_is_asked_for_and_the_tongue_is_off_by_default() -> None:
    """R6: both are identifying; a ministry may let the tongue be asked for."""
    assert camera(has_mark=True).needs == (CameraNeed.ASK_EACH_TIME,)
    assert camera(has_mark=True, asked_each_time=True).kind is PictureKind.IDENTIFYING
    tongue: dict[str, Any] = {"site": "lips_mouth", "shot": "tongue"}
    assert camera(**tongue, asked_each_time=True).reason is CameraRefusal.TONGUE_OFF
    country = Policy(tongue_photo="ask_each_time")
    assert camera(policy=country, **tongue).needs == (CameraNeed.ASK_EACH_TIME,)
    assert camera(policy=country, **tongue, asked_each_time=True).is_allowed


@pytest.mark.parametrize("use", ["golden", "training", "console", "documentation"])
@pytest.mark.parametrize("kind", [PictureKind.IDENTIFYING, PictureKind.INTIMATE])
def test_r06_an_identifying_picture_serves_nothing_else(use: Any, kind: PictureKind) -> None:
    """R5, R6: with every consent and every switch open."""
    policy = Policy(training_use="separate_consent")
    granted = consent(training=Purpose(granted=True, version="1"))
    assert secondary_use_rule(policy, granted, kind=kind, use=use).reason is SharingRefusal(kind.value)


def test_r06_an_ordinary_picture_serves_training_alone_and_only_where_it_is_open() -> None:
    """R2, R6: off by default; never a golden, console or documentation picture."""
    granted = consent(training=Purpose(granted=True, version="1"))
    told: dict[str, Any] = {"kind": PictureKind.ORDINARY}
    assert secondary_use_rule(STRICT, granted, use="training", **told).reason is SharingRefusal.OFF_BY_POLICY
    open_policy = Policy(training_use="separate_consent")
    assert secondary_use_rule(open_policy, granted, use="training", **told).is_allowed
    assert not secondary_use_rule(open_policy, consent(), use="training", **told).is_allowed
    for use in ("golden", "console", "documentation"):
        assert not secondary_use_rule(open_policy, granted, use=use, **told).is_allowed


def test_r07_the_preview_is_live_and_nothing_else() -> None:
    """R7: not recorded, not reachable, with a sign; dark after 60 s, or sooner."""
    rule = preview_rule(STRICT)
    assert (rule.is_recorded, rule.is_reachable_from_elsewhere, rule.shows_sign_while_live) == (False, False, True)
    assert rule.blanks_after_s == 60
    assert preview_rule(Policy(screen_blank_s=20)).blanks_after_s == 20


def test_r08_a_picture_leaves_only_consented_and_to_a_named_key() -> None:
    """R8: whatever the medium is; every missing piece keeps it here, each for its own reason."""
    told: dict[str, Any] = {"kind": PictureKind.ORDINARY, "receiver_key": "hospital"}
    assert export_rule(STRICT, consent(), **told).is_allowed
    assert export_rule(STRICT, consent(), **(told | {"receiver_key": None})).reason is SharingRefusal.NO_KEY
    assert export_rule(STRICT, consent(), **(told | {"receiver_key": " "})).reason is SharingRefusal.NO_KEY
    assert export_rule(STRICT, None, **told).reason is SharingRefusal.TEST_CASE
    assert export_rule(STRICT, consent("referral_package"), **told).reason is SharingRefusal.NOT_CONSENTED
    assert export_rule(STRICT, consent("care_pictures"), **told).reason is SharingRefusal.NOT_CONSENTED
    assert export_rule(STRICT, consent(), **told, is_withdrawn=True).reason is SharingRefusal.WITHDRAWN
    assert export_rule(Policy(share_images="off"), consent(), **told).reason is SharingRefusal.OFF_BY_POLICY


def test_r09_a_sign_of_abuse_stops_the_camera_and_keeps_everything_here() -> None:
    """R9: no step cures it, nothing is printed for the person, nothing is sent."""
    policy = Policy(safeguarding_contact="Child protection, 12345")
    rule = safeguarding_rule(policy, is_suspected=True)
    assert (rule.stops_camera, rule.shows_screen, rule.contact) == (True, True, "Child protection, 12345")
    assert (rule.is_on_persons_print, rule.is_in_sync) == (False, False)
    assert camera(is_stopped=True).reason is CameraRefusal.STOPPED
    assert camera(is_stopped=True, age_years=None, site=None).reason is CameraRefusal.STOPPED
    told: dict[str, Any] = {"kind": PictureKind.ORDINARY, "receiver_key": "hospital"}
    assert export_rule(STRICT, consent(), **told, is_stopped=True).reason is SharingRefusal.STOPPED
    calm = safeguarding_rule(policy, is_suspected=False)
    assert (calm.stops_camera, calm.shows_screen, calm.contact) == (False, False, None)


@pytest.mark.parametrize("capacity", ["unconscious", "lacks_capacity", "detained"])
def test_r10_without_a_free_decision_emergency_care_only(capacity: Any) -> None:
    """R10: words without an emergency; with one care alone, whoever the guardian is."""
    plain = consent_rule(STRICT, ConsentFacts(40, capacity=capacity, has_guardian=True, can_read=True))
    assert (plain.refusal, plain.purposes) == (ConsentRefusal.CANNOT_DECIDE, frozenset())
    urgent = ConsentFacts(40, capacity=capacity, has_emergency=True, emergency_reason="airway", can_read=True)
    rule = consent_rule(STRICT, urgent)
    assert (rule.basis, rule.purposes) == ("emergency", CARE)
    giver = "person" if capacity == "detained" else "nobody"
    assert consent_faults(STRICT, care_only(given_by=giver, capacity=capacity), urgent) == ()


def test_r10_who_is_held_but_awake_is_asked_even_in_an_emergency() -> None:
    """R10: custody takes away the second uses, not the right to say no."""
    rule = consent_rule(STRICT, ConsentFacts(40, capacity="detained", has_emergency=True, can_read=True))
    assert rule.who_decides is Decider.PERSON
    assert rule.needs == (ConsentNeed.EMERGENCY_REASON, ConsentNeed.AGREEMENT)


def test_r10_a_held_child_that_says_no_is_not_photographed() -> None:
    """R3, R10: the child's no holds in custody and in an emergency too."""
    facts = ConsentFacts(15, capacity="detained", assent="refused", has_emergency=True, emergency_reason="airway")
    assert consent_rule(STRICT, facts).is_text_case_only


@pytest.mark.parametrize("purpose", ["deidentified_result", "referral_package", "training"])
def test_r10_no_second_use_can_be_written_down(purpose: str) -> None:
    """R10: the record itself refuses it, and what slipped in does not leave."""
    yes = Purpose(granted=True, version="1")
    with pytest.raises(ValueError, match="an emergency covers care only"):
        care_only(**{purpose: yes})
    with pytest.raises(ValueError, match="an emergency covers care only"):
        care_only(capacity="detained", emergency_reason=None, **{purpose: yes})
    slipped = care_only().model_copy(update={purpose: yes})
    told: dict[str, Any] = {"kind": PictureKind.ORDINARY}
    assert sync_rule(STRICT, slipped).reason is SharingRefusal.EMERGENCY_BASIS
    assert export_rule(STRICT, slipped, receiver_key="h", **told).reason is SharingRefusal.EMERGENCY_BASIS
    opened = Policy(training_use="separate_consent")
    assert secondary_use_rule(opened, slipped, use="training", **told).reason is SharingRefusal.EMERGENCY_BASIS
