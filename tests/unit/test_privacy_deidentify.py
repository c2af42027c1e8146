"""De-identification: closed values only, nothing without consent, nothing of a safeguarding visit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.messages import canonical_json
from edge_agent.contracts.result import Result
from edge_agent.contracts.terms import Vocabulary
from edge_agent.privacy.deidentify import deidentify
from tests.simulators import cases as scripted
from tests.simulators.engine import ScriptedEngine
from tests.simulators.records import a_consent

RECORD_ID = "0123456789abcdef" * 2


def _field(value: Any, probability: float | None = 0.9) -> dict[str, Any]:
    return {"value": value, "probability": probability, "is_decided": True, "is_withheld": False}


def _report(**changes: Any) -> dict[str, Any]:
    """Return a report as the schema describes it, with some sections changed."""
    report: dict[str, Any] = {
        "schema_version": 2,
        "case_id": "clinic-7-2026-03-05-0001",
        "created": "2026-03-05T08:30:00+00:00",
        "is_test_case": False,
        "notices": ["ref_notice"],
        "red_flags": [{"id": "RF-18", "tier": "T3_urgent", "because": ["mole_size_change"]}, {"id": "RF-02"}],
        "not_assessed": [],
        "triage": {"final": "T3_urgent", "deadline": "2026-03-19T08:30:00+00:00"},
        "worker": {"impression": "Mrs Zhang, plaque", "tier": "T4_routine", "worried": "no"},
        "scope": {"decision": "in_scope", "views": []},
        "recognition": [{"view": 0, "body_site": "elbow", "fields": {"family": _field("papulosquamous")}}],
        "representation": {"fields": {"phenotype": _field("guttate"), "stage": _field("cannot_tell", None)}},
        "severity": {"band": "moderate", "bsa_percent": 6.0, "missing": []},
        "reasoning": {
            "fields": {"syndrome": _field("blood_heat"), "formula": _field("xijiao_dihuang_tang")},
            "verifiability": 0.8571,
        },
        "plan": {"items": [], "is_cut": False, "cut": [], "findings": []},
        "abstentions": [{"reason": "low_confidence"}, {"reason": "image_quality"}, {"reason": "low_confidence"}],
        "provenance": {"bundle": {"name": "reference", "version": "1.0.0"}, "device": "CPU"},
    }
    return {**report, **changes}


def _run(report: dict[str, Any], *, intake: Intake | None = None, **changes: Any) -> Result | None:
    arguments: dict[str, Any] = {
        "intake": intake or Intake(age_years=44, sex="female", fitzpatrick=5),
        "consent": a_consent(),
        "record_id": RECORD_ID,
        "year": 2026,
        "profile_class": "generic",
        "language": "zh",
    }
    return deidentify(report, **{**arguments, **changes})


def _must(result: Result | None) -> Result:
    assert result is not None
    return result


def test_a_full_report_becomes_exactly_this_result() -> None:
    """Every field of the result is the generalised value of section 11, written out by hand."""
    assert _must(_run(_report())).model_dump() == {
        "record_id": RECORD_ID,
        "period": 2026,
        "age_band": "30_44",
        "sex": "female",
        "tone_group": "v_vi",
        "scope": "in_scope",
        "family": "papulosquamous",
        "phenotype": "guttate",
        "stage": "cannot_tell",
        "severity_band": "moderate",
        "syndrome": "blood_heat",
        "triage_final": "T3_urgent",
        "red_flag_ids": ("RF-02", "RF-18"),
        "abstain_reason": ("image_quality", "low_confidence"),
        "bundle_release": "reference@1.0.0",
        "device_profile_class": "generic",
        "language": "zh",
        "condition": None,
        "verifiability_percent": 86,
        "visit_index_band": None,
        "decisions": (),
        "quality_refusals": {},
    }


def test_refused_pictures_leave_as_counts_by_reason() -> None:
    """Section 11: which reasons, how often; nothing of the pictures."""
    refusals = {"blur_focus": 2, "too_dark": 1}
    assert _must(_run(_report(), refusals=refusals)).quality_refusals == refusals


@pytest.mark.parametrize("consent", [None, a_consent(sync=False)], ids=["none", "sync refused"])
def test_without_consent_there_is_no_result(consent: Any) -> None:
    """No consent record, or one that refuses the de-identified result: nothing may leave."""
    assert _run(_report(), consent=consent) is None


@pytest.mark.parametrize("mark", [True, None, "false", 0])
def test_a_test_case_never_leaves(mark: Any) -> None:
    """Only a report that says plainly that it is no test case can leave, whatever the consent."""
    assert _run(_report(is_test_case=mark)) is None


@pytest.mark.parametrize("sign", ["unexplained_injury_pattern", "disclosure_of_abuse"])
def test_a_safeguarding_visit_never_leaves(sign: str) -> None:
    """Nothing of a visit with signs or a disclosure of abuse is in sync (policy R9)."""
    assert _run(_report(), intake=Intake.model_validate({"danger_signs": {sign: "yes"}})) is None
    assert _run(_report(), intake=Intake.model_validate({"danger_signs": {sign: "no"}})) is not None


@pytest.mark.parametrize(("age", "leaves"), [(9, False), (17, False), (None, False), (18, True), (40, True)])
def test_a_genital_lesion_of_a_minor_never_leaves(age: int | None, leaves: bool) -> None:
    """It fires the safeguarding rule; where nobody entered an age the person counts as a minor."""
    intake = Intake.model_validate({"age_years": age, "danger_signs": {"genital_lesion": "yes"}})
    assert (_run(_report(), intake=intake) is not None) is leaves


def test_a_report_with_the_safeguarding_rule_never_leaves() -> None:
    """Whatever form is given with it: the rule fired, so nothing of the visit is in sync."""
    assert _run(_report(red_flags=[{"id": "RF-07"}, {"id": "RF-25"}])) is None


def test_a_visit_whose_sign_of_abuse_was_taken_back_never_leaves() -> None:
    """Form and rules are silent; photography had been stopped, so nothing of the visit is in sync (policy R9)."""
    assert _run(_report(stops_photography=True)) is None
    assert _run(_report(stops_photography=False)) is not None


@pytest.mark.parametrize(
    ("share", "percent"), [(0.0, 0), (0.6667, 67), (1, 100), (None, None), (True, None), (7, None)]
)
def test_verifiability_is_told_in_percent(share: Any, percent: int | None) -> None:
    """A bundle without steps tells none; anything but a share is not told."""
    reasoning = {"fields": {}, "verifiability": share}
    assert _must(_run(_report(reasoning=reasoning))).verifiability_percent == percent


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0, "0_4"), (4, "0_4"), (5, "5_11"), (11, "5_11"), (12, "12_17"), (17, "12_17"), (18, "18_29"), (29, "18_29"),
        (30, "30_44"), (44, "30_44"), (45, "45_59"), (59, "45_59"), (60, "60_74"), (74, "60_74"), (75, "75_89"),
        (89, "75_89"), (90, "90_plus"), (120, "90_plus"), (None, "not_examined"),
    ],
)  # fmt: skip
def test_ages_become_bands(age: int | None, band: str) -> None:
    """Each band's two ends fall into it, ages over 89 into one, and an unknown age is not examined."""
    assert _must(_run(_report(), intake=Intake(age_years=age))).age_band == band


def test_an_infant_known_by_months_only() -> None:
    """An age in months without years is the youngest band."""
    assert _must(_run(_report(), intake=Intake(age_months=7))).age_band == "0_4"


@pytest.mark.parametrize(("type_", "group"), [(1, "i_ii"), (2, "i_ii"), (3, "iii_iv"), (4, "iii_iv"), (6, "v_vi")])
def test_tones_become_three_groups(type_: int, group: str) -> None:
    """Fitzpatrick types are told in pairs; an unknown one is not examined, never guessed."""
    assert _must(_run(_report(), intake=Intake(fitzpatrick=type_))).tone_group == group
    assert _must(_run(_report(), intake=Intake(monk=5))).tone_group == "not_examined"


def test_a_visit_with_thoughts_of_self_harm_never_leaves() -> None:
    """Without its id the result would tell it still: an emergency, a reason red_flag_active, and no danger sign."""
    told = _report(red_flags=[{"id": "RF-24"}, {"id": "RF-07"}], abstentions=[{"reason": "red_flag_active"}])
    assert _run(told) is None
    assert _run(_report(), intake=Intake.model_validate({"mood": {"self_harm_thoughts": "yes"}})) is None
    assert _run(_report(), intake=Intake.model_validate({"mood": {"self_harm_thoughts": "no"}})) is not None


@pytest.mark.parametrize("rule", ["RF-99", "TR-01", "RF-18 Mrs Zhang", 18, None])
def test_private_and_unknown_rules_stay(rule: Any) -> None:
    """Local rules and anything unknown never leave; the other flags do."""
    assert _must(_run(_report(red_flags=[{"id": rule}, {"id": "RF-07"}]))).red_flag_ids == ("RF-07",)


def test_steps_that_did_not_run_are_not_applicable() -> None:
    """Out of scope there is no representation and no syndrome, and the result says so instead of guessing."""
    mole = [{"fields": {"family": _field("pigmented_lesion", 0.8)}}, {"fields": {"family": _field("other", 0.4)}}]
    result = _must(
        _run(_report(scope={"decision": "out_of_scope"}, recognition=mole, representation=None, reasoning=None))
    )
    assert (result.family, result.phenotype, result.stage) == ("pigmented_lesion", "not_applicable", "not_applicable")
    assert result.syndrome == "not_applicable"
    assert _must(_run(_report(scope={"decision": "abstained"}, recognition=[]))).family == "not_applicable"


@pytest.mark.parametrize(("year", "period"), [(1970, 2020), (2031, 2031), (9999, 2199)])
def test_a_wrong_clock_does_not_stop_the_result(year: int, period: int) -> None:
    """A kiosk whose clock was never set sends the earliest period instead of losing the result."""
    assert _must(_run(_report(), year=year)).period == period


def test_a_report_without_triage_is_a_mistake() -> None:
    """A report that lacks what every report has is refused, and the message names the place, not the value."""
    with pytest.raises(RuntimeError, match="triage_final") as caught:
        _run(_report(triage={"final": "Mrs Zhang"}))
    assert "Zhang" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_real_pipelines_report_fits() -> None:
    """A report of the real pipeline becomes a result that names what its agents decided."""
    engine = ScriptedEngine(
        {1: scripted.PLAQUE},
        integrated=scripted.INTEGRATED,
        pathogenesis=scripted.HEAT,
        assessment=scripted.BLOOD_HEAT,
    )
    case = scripted.case(agreed=scripted.consent())
    report = CasePipeline(engine, scripted.manifest(), Vocabulary.load()).run(case)
    result = _must(_run(report, intake=case.intake, consent=case.consent))
    assert (result.scope, result.syndrome, result.age_band) == ("in_scope", "blood_heat", "30_44")
    assert result.bundle_release == "scripted@1.0"


# Text with a blank and an umlaut, which no id has: wherever it is put, it must not come out.
_foreign = st.text(max_size=20).map(lambda text: "Ä " + text)
_anything = st.recursive(
    st.one_of(_foreign, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_foreign, inner, max_size=3)),
    max_leaves=8,
)
_SECTIONS = (
    "case_id", "created", "notices", "red_flags", "not_assessed", "worker", "recognition", "representation",
    "severity", "reasoning", "plan", "abstentions",
)  # fmt: skip


def _plant(value: Any, text: str) -> Any:
    """Replace every string inside a value."""
    if isinstance(value, str):
        return text
    if isinstance(value, dict):
        return {key: _plant(inner, text) for key, inner in value.items()}
    return [_plant(inner, text) for inner in value] if isinstance(value, list) else value


@settings(max_examples=150)
@given(data=st.data(), names=st.sets(st.sampled_from(_SECTIONS), min_size=1))
def test_no_foreign_text_ever_leaves(data: st.DataObject, names: set[str]) -> None:
    """Whatever text stands in a report, in its right shape or any other, none of it is in the encoded result."""
    text = data.draw(_foreign)
    report = _report()
    for name in names:
        report[name] = _plant(report[name], text) if data.draw(st.booleans()) else data.draw(_anything)
    report["triage"] = {**report["triage"], "deadline": text, "reasons": [text]}
    intake = Intake(age_years=data.draw(st.integers(0, 120)), local_reference=text)
    encoded = canonical_json(_must(_run(report, intake=intake)).model_dump(mode="json")).decode()
    assert "Ä" not in encoded
    assert "\\u" not in encoded
    known = {"reference@1.0.0", RECORD_ID, "generic", "zh"}
    for value in _strings(json.loads(encoded)):
        assert value in known or value.replace("_", "").replace("-", "").isalnum()


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for inner in value.values() for text in _strings(inner))]
    return [text for inner in value for text in _strings(inner)] if isinstance(value, list) else []


@settings(max_examples=50)
@given(number=st.integers(0, 120), minute=st.integers(0, 59))
def test_exact_age_and_time_do_not_leave(number: int, minute: int) -> None:
    """Two visits that differ in exact age inside a band, time and case number give the same result."""
    first = _run(_report(), intake=Intake(age_years=90 + number // 4))
    second = _run(
        _report(case_id=f"case {number}", created=f"2026-11-30T23:{minute:02}:00+00:00"), intake=Intake(age_years=95)
    )
    assert first == second
