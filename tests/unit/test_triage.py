"""Triage: the most urgent of all wins, the program can only raise, and a clinician's own tier keeps what it changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.agents.rules import triage
from edge_agent.agents.rules.facts import facts_of, with_outcome
from edge_agent.agents.rules.red_flags import PictureFacts, RuleBook, Verdict
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.contracts.intake_parts import ClinicianView, WorkerView
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError
from tests.simulators.cases import CREATED, case, form

DANGER = RuleBook.load("red_flags.toml")
RULES = RuleBook.load("triage_rules.toml")
VOCABULARY = Vocabulary.load()
OUTCOME: dict[str, Any] = {
    "scope": "in_scope", "is_abstained": False, "abstain_reasons": (), "severity_band": "mild", "stage": "stationary",
}  # fmt: skip
QUIET: dict[str, Any] = {"fitzpatrick": 2, "impact_nrs": 2, "previous_treatment_periods_without_response": 0}


def decided(
    verdicts: tuple[Verdict, ...] = (),
    *,
    worker: WorkerView | None = None,
    program: str | None = None,
    clinician: ClinicianView | None = None,
) -> triage.Triage:
    """Decide with defaults."""
    return triage.decide(
        verdicts,
        worker=worker or WorkerView(),
        program=program,
        created=CREATED,
        vocabulary=VOCABULARY,
        clinician=clinician or ClinicianView(),
    )


def ruled(outcome: dict[str, Any] | None = None, **intake: Any) -> triage.Triage:
    """Decide by the triage rules alone, for an ordinary form and outcome with some changes."""
    facts = facts_of(case(intake=form(**{**QUIET, **intake})))
    return decided(RULES.evaluate(with_outcome(facts, **{**OUTCOME, **(outcome or {})})))


@pytest.mark.parametrize(
    ("danger_signs", "worker", "program", "final"),
    [
        ({}, WorkerView(), None, "T5_local"),
        ({}, WorkerView(tier="T2_same_day"), None, "T2_same_day"),
        ({}, WorkerView(worried="yes"), "T4_routine", "T2_same_day"),
        ({"breathing_difficulty": "yes"}, WorkerView(tier="T5_local"), "T5_local", "T1_emergency"),
        ({}, WorkerView(tier="T4_routine"), "T3_urgent", "T3_urgent"),
        ({"does_not_blanch": "yes"}, WorkerView(), None, "T2_same_day"),
        ({"does_not_blanch": "yes", "stiff_neck": "yes"}, WorkerView(), None, "T1_emergency"),
    ],
)
def test_the_final_tier_is_the_most_urgent_of_all(
    danger_signs: dict[str, str], worker: WorkerView, program: str | None, final: str
) -> None:
    """Rules (the stronger tier where it holds), worker and program: each can raise, none can lower."""
    verdicts = DANGER.evaluate(facts_of(case(intake=form(danger_signs=danger_signs))))
    assert decided(verdicts, worker=worker, program=program).final == final


@pytest.mark.parametrize(
    ("tier", "after"),
    [
        ("T1_emergency", timedelta(0)),
        ("T2_same_day", timedelta(hours=24)),
        ("T3_urgent", timedelta(days=14)),
        ("T4_routine", timedelta(weeks=12)),
        ("T5_local", None),
    ],
)
def test_each_tier_has_its_deadline(tier: str, after: timedelta | None) -> None:
    """Section 9's deadlines, counted from the case's creation."""
    worker = WorkerView.model_validate({"tier": tier})
    assert decided(worker=worker).deadline == (None if after is None else CREATED + after)


TIER = st.sampled_from([*TIERS, None])
SIGN = st.dictionaries(
    st.sampled_from(["does_not_blanch", "stiff_neck", "wheals", "numb_patch", "mole_oozing", "pustules"]),
    st.sampled_from(["yes", "no", "not_examined"]),
)


@settings(deadline=None, max_examples=50)  # a busy computer is not a wrong rule
@given(SIGN, TIER, TIER, st.integers(0, 3))
def test_the_program_never_lowers(signs: dict[str, str], worker: str | None, program: str | None, regions: int) -> None:
    """Whatever the program proposes or the pictures show, the tier is at least what it was without them."""
    view = WorkerView.model_validate({"tier": worker})
    verdicts = DANGER.evaluate(facts_of(case(intake=form(danger_signs=signs))))
    without = decided(verdicts, worker=view)
    with_it = decided(DANGER.add_pictures(verdicts, PictureFacts(regions)), worker=view, program=program)
    assert TIERS.index(with_it.final) <= TIERS.index(without.final)
    assert set(without.reasons) <= set(with_it.reasons)
    assert with_it.by_rules == without.by_rules


def test_a_flag_from_a_picture_counts_as_the_programs() -> None:
    """RF-08 from two pustular regions makes the case an emergency, and the report says who asked."""
    verdicts = DANGER.add_pictures(DANGER.evaluate(facts_of(case())), PictureFacts(2))
    told = decided(verdicts)
    assert (told.final, told.by_rules, told.by_program) == ("T1_emergency", None, "T1_emergency")
    assert told.reasons == ("RF-08",)


def test_nothing_fires_for_an_ordinary_case() -> None:
    """The baseline of the rules below: every triage rule is assessed and silent."""
    told = ruled()
    assert (told.final, told.reasons, told.not_assessed) == ("T5_local", (), ())
    assert not told.needs_human_reading


@pytest.mark.parametrize(
    ("outcome", "intake", "reasons", "final"),
    [
        ({"severity_band": "severe"}, {}, ["TR-01"], "T4_routine"),
        ({}, {"impact_nrs": 7, "danger_signs": {"face_affected": "yes"}}, ["TR-02"], "T4_routine"),
        ({}, {"age_years": 17}, ["TR-03", "TR-09"], "T4_routine"),
        ({"scope": "out_of_scope"}, {"age_years": 17}, ["TR-04", "TR-09"], "T4_routine"),
        ({"is_abstained": True}, {}, ["TR-04"], "T4_routine"),
        ({"is_abstained": True}, {"symptoms": ["bleeding"]}, ["TR-04", "TR-05"], "T3_urgent"),
        ({}, {"previous_treatment_periods_without_response": 2}, ["TR-06"], "T4_routine"),
        ({"stage": "remission"}, {}, ["TR-07"], "T4_routine"),
        ({"abstain_reasons": ("remission_stage",)}, {}, ["TR-07"], "T4_routine"),
        ({}, {"fitzpatrick": 5}, ["TR-08"], "T4_routine"),
        ({}, {"monk": 7}, ["TR-08"], "T4_routine"),
        ({"abstain_reasons": ("tone_outside_evidence",)}, {}, ["TR-10"], "T4_routine"),
        ({"abstain_reasons": ("age_outside_evidence",)}, {"symptoms": ["increasing_size"]}, ["TR-10", "TR-11"], "T3_urgent"),
    ],
)  # fmt: skip
def test_the_rules_of_section_9(
    outcome: dict[str, Any], intake: dict[str, Any], reasons: list[str], final: str
) -> None:
    """One change to the ordinary case at a time; each is read by a person."""
    told = ruled(outcome, **intake)
    assert (list(told.reasons), told.final, told.needs_human_reading) == (reasons, final, True)


@pytest.mark.parametrize(
    ("outcome", "intake", "rule_id", "missing"),
    [
        ({"severity_band": None}, {}, "TR-01", ["severity_band"]),
        ({"stage": None}, {}, "TR-07", ["stage"]),
        ({"stage": "cannot_tell"}, {}, "TR-07", ["stage"]),
        ({}, {"fitzpatrick": None}, "TR-08", ["is_dark_tone"]),
        ({}, {"previous_treatment_periods_without_response": None}, "TR-06",
         ["previous_treatment_periods_without_response"]),
    ],
)  # fmt: skip
def test_a_triage_rule_without_its_input_is_listed(
    outcome: dict[str, Any], intake: dict[str, Any], rule_id: str, missing: list[str]
) -> None:
    """What nobody entered or could tell is not read as no."""
    assert ruled(outcome, **intake).as_report()["not_assessed"] == [{"id": rule_id, "missing": missing}]


def test_a_clinician_may_lower_with_a_reason_and_the_original_stays() -> None:
    """Section 9: final is the clinician's, what stood before is told, and nothing that fired disappears."""
    verdicts = DANGER.evaluate(facts_of(case(intake=form(danger_signs={"numb_patch": "yes"}))))
    lowered = decided(verdicts, clinician=ClinicianView(tier="T4_routine", reason="wrong_condition")).as_report()
    assert (lowered["final"], lowered["before_clinician"], lowered["is_lowered"]) == ("T4_routine", "T3_urgent", True)
    assert (lowered["by"]["clinician"], lowered["clinician_reason"]) == ("T4_routine", "wrong_condition")
    assert lowered["by"]["rules"] == "T3_urgent" and lowered["reasons"] == ["RF-20"]
    raised = decided(verdicts, clinician=ClinicianView(tier="T1_emergency", reason="missed_red_flag"))
    assert (raised.final, raised.is_lowered) == ("T1_emergency", False)


def test_a_lower_tier_without_a_reason_is_an_error() -> None:
    """Not on the form and not past it."""
    with pytest.raises(CaseError, match="reason"):
        decided(clinician=ClinicianView.model_construct(tier="T5_local", reason=None))


def test_a_tier_is_provisional_only_while_an_answer_could_raise_it() -> None:
    """An unanswered emergency sign leaves T2 open; at T1 nothing can be more urgent."""
    open_t2 = decided(DANGER.evaluate(facts_of(case(intake=form(worker={"worried": "yes"})))))
    assert (open_t2.final, open_t2.is_provisional) == ("T2_same_day", True)
    t1 = decided(DANGER.evaluate(facts_of(case(intake=form(danger_signs={"breathing_difficulty": "yes"})))))
    assert (t1.final, t1.is_provisional) == ("T1_emergency", False)
    blanch = next(r for r in DANGER.rules if r.id == "RF-04")
    facts = {"does_not_blanch": True, "fever_now_or_history": False, "stiff_neck": False, "drowsy_or_confused": False}
    assert decided(RuleBook((blanch,), 1).evaluate(facts)).is_provisional
    assert not decided(RuleBook((blanch,), 1).evaluate({**facts, "temp_c": 36.5})).is_provisional


def test_private_rules_are_named_apart() -> None:
    """Who prints for the person or sends must be able to leave them out."""
    verdicts = DANGER.evaluate(
        facts_of(case(intake=form(danger_signs={"disclosure_of_abuse": "yes", "wheals": "yes"})))
    )
    assert decided(verdicts).as_report()["private_reasons"] == ["RF-25"]
