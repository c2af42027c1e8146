"""Intake and consent files: strict, closed, and one line that names the field."""

from __future__ import annotations

import json
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.agents.prompts import render_intake
from edge_agent.contracts import intake_values, result
from edge_agent.contracts.case import Case, View, views_of
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.record_files import load_consent, load_intake, parse_consent, parse_intake
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError
from tests.simulators.cases import CONSENT, CREATED, consent, form

FRAME = np.zeros((64, 64, 3), np.uint8)


def test_an_empty_form_is_allowed_and_says_nothing() -> None:
    """Everything is optional, and what is left out is rendered not_examined, never as normal."""
    rendered = render_intake(parse_intake("{}").model_dump(mode="json"))
    assert {line.split(" ", 1)[1] for line in rendered.splitlines()} == {"not_examined"}


def test_a_full_form_reaches_the_prompt_unchanged() -> None:
    """Tongue, pulse and general signs arrive under the names that the agents were trained on."""
    rendered = render_intake(form().model_dump(mode="json")).splitlines()
    assert rendered[:8] == [
        "duration one_to_four_weeks",
        "new_lesions yes",
        "tongue red",
        "feature not_examined",
        "coating yellow",
        "texture thin",
        "veins not_examined",
        "pulse rapid",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"dangersigns": {}}', r"unknown field dangersigns; did you mean danger_signs\?"),
        ('{"tongue": {"body_color": "red"}}', r"tongue\.body_color; did you mean body_colour\?"),
        ('{"duration": "one_dya"}', r"duration: 'one_dya' is not a known value; did you mean one_day\?"),
        ('{"danger_signs": {"stridor": "yes"}}', r"danger_signs\.stridor: .* did you mean stridor_or_hoarse\?"),
        ('{"age_years": "34"}', r"age_years: .*integer"),
        ('{"age_years": 130}', r"age_years: .*120"),
        ('{"vital_signs": {"temp_c": 50}}', r"vital_signs\.temp_c: .*43"),
        ('{"pulse": ["rapid", "rapid"], "tcm_examiner": "tcm_practitioner"}', "pulse: names a value twice"),
        ('{"symptoms": ["itching", "itching"]}', "symptoms: names a value twice"),
        ('{"temp_c": 39}', r"unknown field temp_c; temp_c belongs under vital_signs"),
        ('{"jaundice": "yes"}', r"unknown field jaundice; jaundice belongs under danger_signs"),
        ('{"vital_signs": {"age_years": 3}}', r"vital_signs\.age_years; age_years belongs at the top"),
        ('{"age_years": 3, "age_years": 40}', "age_years stands twice; keep the right one"),
        ('{"vital_signs": {"temp_c": 39, "temp_c": 36}}', "temp_c stands twice"),
        ('{"comorbidity": ["none", "hiv"]}', "comorbidity: names none beside another value"),
        ('{"symptoms": ["itching", "none"]}', "symptoms: names none beside another value"),
        ('{"current_treatment": [{"kind": "none"}, {"kind": "emollient"}]}', "names none beside another value"),
        ('{"current_treatment": [{"kind": "emollient"}, {"kind": "emollient"}]}', "names a value twice"),
        ('{"current_treatment": [{"kind": "unknown", "response": "better"}]}', "drop response"),
        ('{"current_treatment": [{"kind": "aspirine"}]}', r"current_treatment\.0\.kind: .*use one of"),
        ('{"sex": "male", "pregnancy": "yes"}', "pregnancy yes stands beside sex male"),
        ('{"age_years": 2, "age_months": 20}', "asked only under 2 years"),
        ('{"age_years": 1, "age_months": 3}', "counts all months since birth: 12 to 23"),
        ('{"age_months": 24}', r"age_months: .*23"),
        ('{"new_drug_within_8_weeks": "no", "new_drug_classes": ["nsaid"]}', "mend one of the two"),
        ('{"new_drug_classes": ["nsaid", "lithium", "other", "biologic", "tb_drug"]}', "new_drug_classes: .*4"),
        ('{"mood": {"low_mood": "a bit"}}', r"mood\.low_mood: 'a bit' is not a known value"),
        ('{"mood": {"note": "sad"}}', r"unknown field mood\.note"),
        ('{"pest": {"heel": "yes"}}', r"pest\.heel: .*did you mean pest_heel_pain\?"),
        ('{"heel_pain": "yes"}', "unknown field heel_pain"),
        ('{"weight_kg": 60}', "weight_kg belongs under vital_signs"),
        ('{"region_area_percent": {"trunk": 101}}', r"region_area_percent\.trunk: .*100"),
        ('{"region_area_percent": {"torso": 10}}', r"region_area_percent\.torso: .*use one of: head"),
        ('{"pga": 5}', r"pga: .*4"),
        ('{"clinician": {"tier": "T5_local"}}', "clinician: a clinician's tier and its reason go together"),
        ('{"clinician": {"tier": "T5_local", "reason": "agree"}}', r"clinician\.reason: 'agree' is not a known value"),
        ("{", "not valid JSON"),
        ("[]", "object"),
        ('{"duration": null, "sexx": 1, "agee": 2}', r"\(1 more\)"),
    ],
)
def test_a_mistake_gives_one_line_that_names_the_field(text: str, line: str) -> None:
    """A person can mend the file from the line alone."""
    with pytest.raises(CaseError, match=line) as caught:
        parse_intake(text, source="form.json")
    assert str(caught.value).startswith("form.json: ") and "\n" not in str(caught.value)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Editors on Windows write one before the first character."""
    path = tmp_path / "form.json"
    path.write_text('{"age_years": 5}', encoding="utf-8-sig")
    assert load_intake(path).age_years == 5


@pytest.mark.parametrize("examiner", [None, "trained_worker", "not_examined"])
def test_a_pulse_counts_only_from_a_practitioner(examiner: str | None) -> None:
    """7.8: pulse values are accepted only from a TCM practitioner."""
    with pytest.raises(CaseError, match="tcm_practitioner"):
        parse_intake(json.dumps({"pulse": ["rapid"], "tcm_examiner": examiner}))
    assert parse_intake('{"pulse": ["not_examined"]}').pulse == ("not_examined",)


WHOLE = {
    "age_years": 1, "age_months": 14, "sex": "female", "interpreter_used": "yes", "season": "winter_worse",
    "trigger": ["stress", "sun"], "household_itch": "no", "contact_or_travel_risk": "unknown", "known_psoriasis": "yes",
    "known_eczema": "no", "new_drug_within_8_weeks": "yes", "new_drug_classes": ["herbal_or_unlabelled"],
    "current_treatment": [{"kind": "methotrexate", "response": "same"}, {"kind": "emollient"}],
    "previous_treatment_periods_without_response": 2, "allergy": ["sulfonamide"], "allergy_text": "rash after a pill",
    "comorbidity": ["liver_disease", "raised_liver_tests"], "family_history": ["psoriasis"], "smoking": "former",
    "alcohol": "some", "pest": {"pest_heel_pain": "no"}, "mood": {"low_mood": "no", "self_harm_thoughts": "unknown"},
    "bsa_percent": 4, "region_area_percent": {"head": 12.5, "lower": 0}, "pga": 3,
    "vital_signs": {"weight_kg": 81.0, "height_cm": 180.0}, "worker_examination": {"auspitz_sign": "yes"},
    "clinician": {"tier": "T4_routine", "reason": "wrong_severity"},
}  # fmt: skip


def test_the_whole_form_of_section_7_is_accepted_and_survives_storing() -> None:
    """Every section of the form has a place, and comes back equal."""
    whole = parse_intake(json.dumps(WHOLE))
    assert parse_intake(whole.model_dump_json()) == whole
    assert whole.current_treatment is not None and whole.current_treatment[0].response == "same"


def test_the_body_mass_index_needs_weight_and_height() -> None:
    """81 kg at 1.80 m is 25; one of the two alone is nothing."""
    assert parse_intake(json.dumps(WHOLE)).vital_signs.bmi == pytest.approx(25.0)
    assert parse_intake('{"vital_signs": {"weight_kg": 81}}').vital_signs.bmi is None


@pytest.mark.parametrize(
    ("type_name", "list_name"),
    [
        ("Season", "season"), ("Trigger", "trigger"), ("DrugClass", "new_drug_class"), ("Treatment", "current_treatment"),
        ("Response", "treatment_response"), ("Comorbidity", "comorbidity"), ("FamilyHistory", "family_history"),
        ("Smoking", "smoking"), ("Alcohol", "alcohol"), ("PestItem", "pest"), ("WorkerSign", "worker_examination"),
        ("AffectedRegion", "affected_region"), ("Allergy", "allergy"),
    ],
)  # fmt: skip
def test_history_types_and_files_hold_the_same_ids(type_name: str, list_name: str) -> None:
    """A form value without a label, or a label without a form value, is a mistake."""
    members = [
        m for part in typing.get_args(getattr(intake_values, type_name)) for m in typing.get_args(part) or (part,)
    ]
    assert tuple(Vocabulary.load().lists[list_name].terms) == tuple(members)


def test_a_clinicians_reasons_are_the_decision_reasons_without_agree() -> None:
    """Who agrees sets no other tier; every other reason of section 11 may stand."""
    reasons = set(typing.get_args(result.DecisionReason)) - {"agree"}
    assert set(typing.get_args(intake_values.OwnTierReason)) == reasons


def test_pest_wording_is_our_own() -> None:
    """The published wording is copyrighted; each item says so."""
    for term in Vocabulary.load().lists["pest"].terms.values():
        assert "our own plain words" in term.source


def test_files_are_read_and_bounded(tmp_path: Path) -> None:
    """Missing, not UTF-8 and huge files are one clear line."""
    good, bad, huge = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"
    good.write_text('{"age_years": 5}', encoding="utf-8")
    bad.write_bytes(b"\xff\xfe\x00{")
    huge.write_bytes(b" " * 300_000)
    assert load_intake(good).age_years == 5
    for path, reason in ((bad, "UTF-8"), (huge, "larger"), (tmp_path / "none.json", "No such file")):
        with pytest.raises(CaseError, match=reason):
            load_intake(path)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"recorded_at": "2026-03-04T09:20:00"}, "time zone"),
        ({"given_by": "doctor"}, "given_by"),
        ({"training": {"granted": "yes", "version": "1"}}, "training.granted"),
        ({"deidentified_result": {"granted": True}}, "deidentified_result.version is missing"),
    ],
)
def test_a_consent_that_is_not_exact_is_refused(change: dict[str, Any], line: str) -> None:
    """Who, when, which version and each purpose are stored; a guess is none of them."""
    with pytest.raises(CaseError, match=line):
        parse_consent(json.dumps({**CONSENT, **change}))


@pytest.mark.parametrize(
    "purpose", ["care_pictures", "program_help", "deidentified_result", "referral_package", "training"]
)
def test_each_of_the_five_purposes_must_be_answered(purpose: str, tmp_path: Path) -> None:
    """R2: five separate consents; silence is not consent."""
    path = tmp_path / "consent.json"
    path.write_text(json.dumps({k: v for k, v in CONSENT.items() if k != purpose}), encoding="utf-8")
    with pytest.raises(CaseError, match=f"{purpose} is missing"):
        load_consent(path)


CARE_ALONE = {
    name: {"granted": False, "version": "1"} for name in ("deidentified_result", "referral_package", "training")
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"given_by": "nobody"}, "needs emergency_reason"),
        ({"given_by": "nobody", "emergency_reason": "no breath"}, "deidentified_result needs a person who decides"),
        ({"capacity": "unconscious"}, "an emergency covers care only"),
        ({"capacity": "detained"}, "an emergency covers care only"),
        ({"given_by": "guardian", "assent": "refused"}, "the child said no"),
        ({"can_read": False}, "read_aloud and a witness"),
        ({"can_read": False, "witness": "B", "read_aloud": False}, "read_aloud and a witness"),
        ({"emergency_reason": ""}, "emergency_reason"),
        ({"capacity": "asleep"}, "capacity"),
    ],
)
def test_a_consent_that_its_basis_cannot_carry_is_refused(change: dict[str, Any], line: str) -> None:
    """R2, R3, R10: whatever the page forgot, such a record is never made."""
    with pytest.raises(CaseError, match=line):
        parse_consent(json.dumps({**CONSENT, **change}))


@pytest.mark.parametrize(
    "change",
    [
        {"given_by": "nobody", "emergency_reason": "no breath", **CARE_ALONE},
        {"capacity": "detained", "emergency_reason": "no breath", **CARE_ALONE},
        {"given_by": "guardian", "guardian_name": "A", "guardian_relation": "mother", "assent": "given"},
        {"can_read": False, "witness": "B"},
    ],
)
def test_a_consent_with_its_newer_fields_survives_storing(change: dict[str, Any]) -> None:
    """They are optional: a record from before has none of them and still reads."""
    found = parse_consent(json.dumps({**CONSENT, **change}))
    assert parse_consent(found.model_dump_json()) == found
    before = parse_consent(json.dumps(CONSENT))
    assert (before.capacity, before.assent, before.can_read, before.emergency_reason) == ("full", None, None, None)


def test_sync_needs_its_own_purpose() -> None:
    """Consent to care is not consent to send a result."""
    assert consent().is_sync_allowed
    assert not consent(deidentified_result={"granted": False, "version": "1"}).is_sync_allowed


def test_a_case_without_consent_is_a_test_case() -> None:
    """R14."""
    view = View(0, FRAME)
    assert Case("c", (view,), Intake(), None, CREATED).is_test_case
    assert not Case("c", (view,), Intake(), consent(), CREATED).is_test_case


def test_refused_pictures_are_not_taken_into_a_case() -> None:
    """R1: without consent to pictures the case goes on without them."""
    refused = consent(care_pictures={"granted": False, "version": "1"})
    with pytest.raises(CaseError, match="refuses pictures"):
        Case("c", (View(0, FRAME),), Intake(), refused, CREATED)
    assert Case("c", (), Intake(), refused, CREATED).views == ()


@pytest.mark.parametrize("site", ["chest", "groin", "genital", "perianal", "buttock"])
@pytest.mark.parametrize(("age", "line"), [(17, "never taken of minors"), (None, "age first")])
def test_intimate_pictures_of_minors_are_impossible(site: str, age: int | None, line: str) -> None:
    """R3, R4: imports are refused, with or without a consent; an unknown age is not an adult."""
    for agreed in (None, consent()):
        with pytest.raises(CaseError, match=line):
            Case("c", (View(0, FRAME, body_site=site),), Intake(age_years=age), agreed, CREATED)
    assert Case("c", (View(0, FRAME, body_site=site),), Intake(age_years=18), None, CREATED)


def test_view_notes_follow_the_order_of_the_pictures() -> None:
    """The form, never the model, says where a picture was taken; too many notes are a mistake."""
    intake = parse_intake('{"views": [{"shot": "overview"}, {"body_site": "elbow", "laterality": "left"}]}')
    views = views_of([FRAME, FRAME, FRAME], intake=intake)
    assert [(v.index, v.shot, v.body_site, v.laterality) for v in views] == [
        (0, "overview", None, None),
        (1, None, "elbow", "left"),
        (2, None, None, None),
    ]
    with pytest.raises(CaseError, match="describes 2 views but 1"):
        views_of([FRAME], intake=intake)


def test_a_form_that_describes_pictures_is_readable_without_any() -> None:
    """R1: the pictures were refused or not taken; the form is the same one."""
    assert views_of([], intake=parse_intake('{"views": [{"body_site": "elbow"}]}')) == ()


def test_a_record_survives_storing_and_reading() -> None:
    """The store keeps records as JSON; they come back equal."""
    assert parse_intake(form().model_dump_json()) == form()
    assert parse_consent(consent().model_dump_json()) == consent()
    assert consent().recorded_at == datetime(2026, 3, 4, 9, 20, tzinfo=UTC)
