"""The inputs of the rules: an answer is yes, no or unknown, and lists answer for what they do not name."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.rules.facts import KINDS, facts_of, with_outcome
from edge_agent.contracts.case import Case
from edge_agent.contracts.intake import Intake
from tests.simulators.cases import CREATED, case, form, view


def facts(**intake: Any) -> dict[str, Fact]:
    """Return the facts of the ordinary form with some changes."""
    return facts_of(case(intake=form(**intake)))


def test_an_empty_form_answers_nothing() -> None:
    """Every rule input is there, and every one is unknown."""
    told = facts_of(Case("c", (), Intake(), None, CREATED))
    assert set(told) == set(KINDS)
    assert set(told.values()) == {None}


@pytest.mark.parametrize(
    ("intake", "name", "expected"),
    [
        ({"comorbidity": ["diabetes"]}, "comorbidity_hiv", False),
        ({"comorbidity": ["diabetes", "unknown"]}, "comorbidity_hiv", None),
        ({"comorbidity": ["none"]}, "comorbidity_liver_disease", False),
        ({"comorbidity": []}, "comorbidity_liver_disease", None),
        ({"current_treatment": []}, "treatment_anticoagulant", None),
        ({"current_treatment": [], "comorbidity": []}, "is_immunosuppressed", None),
        ({"symptoms": []}, "symptom_bleeding", None),
        ({"trigger": []}, "trigger_steroid_stopped", False),
        ({"new_drug_within_8_weeks": "yes", "new_drug_classes": []}, "drug_biologic", None),
        ({"new_drug_within_8_weeks": "no", "new_drug_classes": []}, "drug_biologic", False),
        ({}, "comorbidity_hiv", None),
        ({"trigger": ["stress", "sun"]}, "trigger_steroid_stopped", False),
        ({"trigger": ["stress", "sun", "alcohol", "smoking"]}, "trigger_steroid_stopped", None),
        ({"new_drug_within_8_weeks": "no"}, "drug_unlabelled_cream_or_injection", False),
        ({"new_drug_within_8_weeks": "unknown"}, "drug_unlabelled_cream_or_injection", None),
        ({"new_drug_classes": ["nsaid"]}, "new_drug_within_8_weeks", True),
        ({"new_drug_classes": ["nsaid"], "new_drug_within_8_weeks": "unknown"}, "new_drug_within_8_weeks", True),
        ({"current_treatment": [{"kind": "tcm_oral"}]}, "on_methotrexate", False),
        ({"current_treatment": [{"kind": "unknown"}]}, "on_methotrexate", None),
        ({"current_treatment": [{"kind": "ciclosporin"}]}, "is_immunosuppressed", True),
        ({"comorbidity": ["none"]}, "is_immunosuppressed", None),
        ({"comorbidity": ["none"], "current_treatment": [{"kind": "none"}]}, "is_immunosuppressed", False),
        ({"new_drug_classes": ["biologic"]}, "is_immunosuppressed", True),
        (
            {
                "current_treatment": [{"kind": "systemic_steroid", "response": "stopped_side_effect"}],
                "trigger": ["sun"],
            },
            "steroid_stopped",
            True,
        ),
        ({"current_treatment": [{"kind": "emollient", "response": "stopped_side_effect"}]}, "steroid_stopped", None),
        ({"age_years": None, "age_months": 14}, "age_years", 1),
        ({"age_years": 0}, "is_under_3_months", None),
        ({"age_years": 1}, "is_under_3_months", False),
        ({"age_years": None, "age_months": 2}, "is_under_3_months", True),
        ({"age_years": 0}, "is_under_1_year", True),
        ({"sex": "male", "pregnancy": "unknown"}, "is_pregnant", False),
        ({"sex": "female", "pregnancy": "not_applicable"}, "is_pregnant", False),
        ({"sex": "female", "pregnancy": "possible"}, "is_pregnant", None),
        ({"fitzpatrick": 4, "monk": 7}, "is_dark_tone", True),
        ({"fitzpatrick": 4}, "is_dark_tone", False),
        ({"worker_examination": {"blanching": "yes"}}, "does_not_blanch", False),
        ({"worker_examination": {"blanching": "not_examined"}}, "does_not_blanch", None),
        (
            {"worker_examination": {"blanching": "no"}, "danger_signs": {"does_not_blanch": "no"}},
            "does_not_blanch",
            True,
        ),
        ({"worker_examination": {"sensation_reduced": "no"}}, "numb_patch", None),
        ({"danger_signs": {"genital_lesion": "yes"}}, "has_high_impact_site", True),
        ({"vital_signs": {"temp_c": 38.0}}, "temp_c", 38.0),
        ({"mood": {"self_harm_thoughts": "unknown"}}, "self_harm_thoughts", None),
        ({"pest": {"pest_nail_pits": "not_examined"}}, "pest_nail_pits", None),
    ],
)
def test_one_answer_gives_one_fact(intake: dict[str, Any], name: str, expected: Fact) -> None:
    """From the form's words to yes, no, unknown or a number."""
    assert facts(**intake)[name] == expected and type(facts(**intake)[name]) is type(expected)


@pytest.mark.parametrize(
    ("site", "face", "genital", "high_impact"),
    [
        ("eye_area", True, None, True),
        ("genital", None, True, True),
        ("elbow", None, None, False),
        (None, None, None, None),
    ],
)
def test_the_site_of_a_picture_can_say_yes_but_not_no(
    site: str | None, face: bool | None, genital: bool | None, high_impact: bool | None
) -> None:
    """A picture of the elbow does not say that the face is clear."""
    told = facts_of(Case("c", (view(0, 1, body_site=site),), form(danger_signs={}), None, CREATED))
    assert (told["face_affected"], told["genital_lesion"], told["has_high_impact_site"]) == (face, genital, high_impact)


def test_a_checklist_no_does_not_outweigh_a_picture_of_the_place() -> None:
    """Two answers that disagree count as yes: the stricter one."""
    told = facts_of(
        Case("c", (view(0, 1, body_site="face"),), form(danger_signs={"face_affected": "no"}), None, CREATED)
    )
    assert told["face_affected"] is True


def test_an_outcome_adds_only_its_own_names() -> None:
    """The form's facts stand as they were."""
    before = facts()
    after = with_outcome(
        before, scope="abstained", is_abstained=True, abstain_reasons=["tone_outside_evidence"], severity_band=None
    )
    assert {n for n in after if after[n] != before[n]} == {
        "scope", "is_abstained", "is_tone_outside_evidence", "is_age_outside_evidence",
    }  # fmt: skip
    assert (after["is_tone_outside_evidence"], after["is_age_outside_evidence"], after["stage"]) == (True, False, None)
