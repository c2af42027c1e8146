"""Rules R11 to R16 of the policy, each by its number, and when a second person reads."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.contracts.consent_values import PURPOSES
from edge_agent.contracts.policy import ConsentVersions, Policy
from edge_agent.contracts.terms import Vocabulary
from edge_agent.policy import rules
from edge_agent.policy.rules import (
    ConsentFacts,
    ConsentFault,
    Kept,
    PictureKind,
    ReadingReason,
    RetentionClass,
    RetentionWait,
    SharingRefusal,
    WithdrawalAction,
    asked_with_another_text,
    capabilities,
    consent_faults,
    counts,
    program_notices,
    retention,
    second_reading_reasons,
    secondary_use_rule,
    sync_rule,
    viewing_rule,
    withdrawal_plan,
)
from tests.simulators.policies import VISIT, consent

STRICT = Policy()


def test_r11_each_purpose_has_its_own_withdrawal() -> None:
    """R11: a tombstone for the result, shredded keys for pictures, whose record is then locked and never deleted."""
    actions = {one: [step.action.value for step in withdrawal_plan([one], was_transferred=True)] for one in PURPOSES}
    assert actions == {
        "care_pictures": [
            "stop_package",
            "shred_pictures",
            "leave_out_of_training",
            "ask_receiver_to_delete",
            "lock_record",
        ],
        "program_help": ["stop_program"],
        "deidentified_result": ["tombstone", "leave_out_of_exports"],
        "referral_package": ["stop_package", "ask_receiver_to_delete"],
        "training": ["leave_out_of_training"],
    }


def test_r11_what_others_must_confirm_stays_open() -> None:
    """R11: the hub acknowledges the tombstone, the receiver answers; nothing else waits for anybody."""
    steps = withdrawal_plan(PURPOSES, was_transferred=True)
    assert {step.action for step in steps if step.is_done_when_confirmed} == {
        WithdrawalAction.TOMBSTONE,
        WithdrawalAction.ASK_RECEIVER_TO_DELETE,
    }


def test_r11_everything_at_once_is_every_action_once() -> None:
    """R11: no action twice, whatever the order in which a person names the purposes."""
    steps = withdrawal_plan(tuple(reversed(PURPOSES)), was_transferred=True)
    assert {step.action for step in steps} == set(WithdrawalAction)
    assert len(steps) == len(WithdrawalAction)
    assert steps[-1].action is WithdrawalAction.LOCK_RECORD
    assert withdrawal_plan([]) == ()
    assert withdrawal_plan(["referral_package"], was_packaged=False) == ()


def kept(kind: RetentionClass, **changes: Any) -> Kept:
    """Return something that was stored at the visit."""
    return Kept("x", kind, VISIT, **changes)


@pytest.mark.parametrize(
    ("thing", "due"),
    [
        (kept(RetentionClass.DRAFT), datetime(2026, 3, 6, 9, 0, tzinfo=UTC)),
        (kept(RetentionClass.REFUSED_FRAME), VISIT),
        (kept(RetentionClass.PICTURE, signed_off=VISIT), datetime(2027, 3, 5, 9, 0, tzinfo=UTC)),
        (kept(RetentionClass.AUDIT), datetime(2026, 9, 5, 9, 0, tzinfo=UTC)),
        (kept(RetentionClass.RECORD, age_years=40), datetime(2041, 3, 5, 9, 0, tzinfo=UTC)),
        (kept(RetentionClass.RECORD, age_years=10), datetime(2042, 3, 5, 9, 0, tzinfo=UTC)),
        (kept(RetentionClass.RECORD, age_years=2), datetime(2050, 3, 5, 9, 0, tzinfo=UTC)),
        (kept(RetentionClass.RECORD), datetime(2052, 3, 5, 9, 0, tzinfo=UTC)),
    ],
)
def test_r12_each_class_has_its_date(thing: Kept, due: datetime) -> None:
    """R12: 24 h, nothing, 365 days, 6 months, 15 years; a child's record until 25, and a birthday in doubt counts late."""
    assert retention(STRICT, thing).due == due


def test_r12_a_picture_goes_by_its_confirmed_state() -> None:
    """R12: never before the sign-off; then as soon as the receiver has confirmed it."""
    arrived, signed = VISIT + timedelta(days=3), VISIT + timedelta(days=5)
    waiting = retention(STRICT, kept(RetentionClass.PICTURE, transferred=arrived))
    assert (waiting.due, waiting.waits_for) == (None, RetentionWait.SIGN_OFF)
    assert retention(STRICT, kept(RetentionClass.PICTURE, signed_off=signed, transferred=arrived)).due == signed
    late = VISIT + timedelta(days=900)
    assert retention(STRICT, kept(RetentionClass.PICTURE, signed_off=signed, transferred=late)).due == (
        signed + timedelta(days=365)
    )


def test_r12_a_month_without_the_day_ends_on_its_last() -> None:
    """R12: from 31 August six months are 28 February."""
    start = Kept("x", RetentionClass.AUDIT, datetime(2026, 8, 31, tzinfo=UTC))
    assert retention(STRICT, start).due == datetime(2027, 2, 28, tzinfo=UTC)


def test_r12_a_time_without_a_zone_is_a_mistake() -> None:
    """R12: a date that means two moments deletes at the wrong one."""
    with pytest.raises(RuntimeError, match="zone"):
        retention(STRICT, Kept("x", RetentionClass.DRAFT, VISIT.replace(tzinfo=None)))


@pytest.mark.parametrize("kind", list(PictureKind))
def test_r13_nobody_looks_without_a_name_and_every_look_is_logged(kind: PictureKind) -> None:
    """R13: a page without an account shows no picture."""
    for viewer in (None, "", "  "):
        rule = viewing_rule(kind=kind, viewer=viewer, is_clinician=True)
        assert (rule.is_allowed, rule.shows_thumbnail) == (False, False)
    assert viewing_rule(kind=kind, viewer="clinician-1", is_clinician=True).must_log


def test_r14_without_a_consent_record_it_is_a_test_case() -> None:
    """R14: never synced, never counted, never packed, never used; the demo's fictitious consent counts."""
    assert sync_rule(STRICT, None).reason is SharingRefusal.TEST_CASE
    assert not counts(None)
    can = capabilities(STRICT, None)
    assert (can.sync, can.package, can.training, can.text_case, can.program) == (False, False, False, True, True)
    demo = consent(fictitious=True)
    assert counts(demo)
    assert sync_rule(STRICT, demo).is_allowed
    opened = Policy(training_use="separate_consent")
    used = secondary_use_rule(opened, demo, kind=PictureKind.ORDINARY, use="training")
    assert used.reason is SharingRefusal.FICTITIOUS


@pytest.mark.parametrize(
    ("policy", "told", "reason"),
    [
        (STRICT, {}, None),
        (Policy(sync_results="off"), {}, SharingRefusal.OFF_BY_POLICY),
        (STRICT, {"is_withdrawn": True}, SharingRefusal.WITHDRAWN),
    ],
)
def test_r14_a_result_leaves_only_as_policy_and_person_allow(
    policy: Policy, told: dict[str, Any], reason: SharingRefusal | None
) -> None:
    """R2, R11, R14: granted, not taken back, not switched off."""
    assert sync_rule(policy, consent(), **told).reason is reason
    assert not sync_rule(policy, consent("deidentified_result"), **told).is_allowed


def test_r15_a_changed_text_is_asked_again_before_anything_new_is_done() -> None:
    """R15: under a new version the old answer opens nothing, for this purpose alone."""
    policy = Policy(consent_versions=ConsentVersions(referral_package="2"))
    assert asked_with_another_text(policy, consent()) == ("referral_package",)
    can = capabilities(policy, consent())
    assert (can.package, can.pictures, can.sync) == (False, True, True)
    assert consent_faults(policy, consent(), ConsentFacts(40, can_read=True)) == (ConsentFault.OLD_TEXT,)
    assert asked_with_another_text(policy, consent("referral_package")) == ()
    assert asked_with_another_text(policy, consent(fictitious=True)) == ()


def test_r16_what_a_program_did_and_how_to_ask_for_a_person_is_said() -> None:
    """R16: three texts, in both languages, wherever a program was used; none where it was not."""
    texts = Vocabulary.load().lists["consent_text"].terms
    notices = program_notices(was_program_used=True)
    assert len(notices) == 3
    assert all(texts[name].zh and texts[name].en for name in notices)
    assert program_notices(was_program_used=False) == ()


def reading(**changes: Any) -> tuple[ReadingReason, ...]:
    """Ask about a grown person of light skin with a clear answer, but for the changes."""
    facts: dict[str, Any] = {
        "age_years": 40,
        "fitzpatrick": 2,
        "monk": None,
        "has_abstained": False,
        "tier": "T4_routine",
        "stage": "progressive",
    }
    policy = changes.pop("policy", STRICT)
    return second_reading_reasons(policy, **(facts | changes))


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({}, []),
        ({"fitzpatrick": 5}, ["dark_tone"]),
        ({"fitzpatrick": 4}, []),
        ({"fitzpatrick": 2, "monk": 7}, ["dark_tone"]),
        ({"fitzpatrick": None, "monk": 6}, []),
        ({"age_years": 17}, ["minor"]),
        ({"age_years": None, "age_months": 5}, ["minor"]),
        ({"has_abstained": True}, ["abstained"]),
        ({"tier": "T3_urgent"}, ["T3"]),
        ({"stage": "remission"}, ["remission"]),
        ({"fitzpatrick": None}, ["tone_not_recorded"]),
        ({"age_years": None}, ["age_not_recorded"]),
        ({"age_years": 3, "fitzpatrick": 6, "tier": "T3_urgent"}, ["dark_tone", "minor", "T3"]),
        ({"policy": Policy(second_reader_required=("T3",)), "fitzpatrick": 6, "age_years": 3}, []),
    ],
)
def test_a_second_person_reads_what_section_14_names(change: dict[str, Any], reasons: list[str]) -> None:
    """Dark tones, minors, abstentions, T3, remission; what nobody entered is never read as harmless."""
    assert [one.value for one in reading(**change)] == reasons


@pytest.mark.parametrize(
    ("weeks", "tier", "standard", "hours"),
    [
        (12, "T4_routine", 2016, 2016),
        (8, "T4_routine", 2016, 1344),
        (30, "T4_routine", 2016, 2016),
        (1, "T3_urgent", 336, 336),
        (1, "T1_emergency", 0, 0),
        (1, "T5_local", None, None),
    ],
)
def test_a_country_shortens_the_routine_deadline_alone(
    weeks: int, tier: str, standard: int | None, hours: int | None
) -> None:
    """Section 9: T4 is at most 12 weeks, set by the country; the other tiers are nobody's to change."""
    policy = Policy(t4_deadline_weeks=weeks)
    assert rules.deadline_hours(policy, tier=tier, standard_hours=standard) == hours


# Asked by nobody here, and why: the deed itself does not exist on this device.
NO_DEED = {
    "secondary_use_rule",  # no command hands a stored picture to training, golden cases, console or documentation
    "counts",  # the store counts by the column that says the same (test_store_cases)
}


def test_every_rule_is_asked_by_what_acts() -> None:
    """A rule that only its own tests call protects nobody: each is named outside of edge_agent/policy, or asked by one that is."""
    package = Path(rules.__file__).parents[1]
    acting = " ".join(path.read_text("utf-8") for path in package.rglob("*.py") if path.parent.name != "policy")
    inside = " ".join(path.read_text("utf-8") for path in package.glob("policy/*.py") if path.name != "rules.py")
    for name in {name for names in rules.RULES.values() for name in names} - NO_DEED:
        is_asked = re.search(rf"\b{name}\(", acting)
        assert is_asked or len(re.findall(rf"(?<!def )\b{name}\(", inside)), name


def test_every_rule_has_its_functions() -> None:
    """R1 to R16: none is left out, none names a function that is not there; docs/policy.md names their tests."""
    assert list(rules.RULES) == [f"R{number}" for number in range(1, 17)]
    for rule, names in rules.RULES.items():
        assert all(callable(getattr(rules, name)) for name in names), rule
