"""What the rules make of a corrected answer: only what is new counts, at once; nothing becomes less urgent by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from edge_agent.contracts.case import Case
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError
from edge_agent.review.corrections import (
    CorrectedAnswer,
    Correction,
    CorrectionReason,
    Rules,
    corrected,
    reassessed,
    with_corrections,
)
from tests.simulators.reported_visits import golden

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RULES, VOCABULARY = Rules.load(), Vocabulary.load()


def _report(tier: str = "T4_routine") -> dict[str, Any]:
    report = golden("psoriasis")
    return {**report, "triage": {**report["triage"], "final": tier}, "red_flags": [], "not_assessed": []}


def _asked(
    now: dict[str, Any], *, before: Intake | None = None, tier: str = "T4_routine", by_program: str | None = None
) -> Correction:
    form = before or Intake(age_years=40, sex="female")
    rows = tuple(CorrectedAnswer(question=name, of="examined", was=None, now=value) for name, value in now.items())
    told = Correction(answers=rows, reason=CorrectionReason.SLIP, account="nurse.li", at=NOON)
    case = Case("one", (), form, None, NOON)
    report = _report(by_program or tier)
    return reassessed(told, before=case, report=report, tier=tier, rules=RULES, vocabulary=VOCABULARY)


def test_what_did_not_change_adds_nothing() -> None:
    """A sign that fired before fires for nobody anew: like is compared with like."""
    form = Intake(age_years=40, sex="female", danger_signs={"breathing_difficulty": "yes"})
    told = _asked({"danger_signs.hot_swollen_painful_area": "no"}, before=form)
    assert (told.tier, told.flags, told.reasons, told.fallen) == (None, (), (), ())


def test_a_new_sign_asks_for_its_tier_and_deadline() -> None:
    """RF-01: an emergency now; the sign stands in the report as the form's, with the input behind it."""
    told = _asked({"danger_signs.breathing_difficulty": "yes"})
    assert told.tier == "T1_emergency"
    assert [(row["id"], row["origin"], row["because"]) for row in told.flags] == [
        ("RF-01", "form", ["breathing_difficulty"])
    ]
    read = with_corrections(_report(), [told])
    assert (read["triage"]["final"], read["triage"]["made_for"]) == ("T1_emergency", "T4_routine")
    assert read["triage"]["by"]["rules"] == "T1_emergency"
    assert [row["id"] for row in read["red_flags"]] == ["RF-01"]


def test_a_sign_that_a_clinician_overruled_the_tier_of_still_raises() -> None:
    """The clinician had lowered T3 to T5; a new sign for T1 counts beside that, and never less than the program's own."""
    told = _asked({"danger_signs.breathing_difficulty": "yes"}, tier="T5_local", by_program="T3_urgent")
    assert told.tier == "T1_emergency"
    slight = _asked({"previous_treatment_periods_without_response": 2}, tier="T5_local", by_program="T3_urgent")
    assert (slight.reasons, slight.tier) == (("TR-06",), "T3_urgent")


def test_what_no_longer_fires_is_named_and_stays() -> None:
    """The rule falls, the tier does not; the flag stays in the report until a clinician decides."""
    form = Intake(age_years=40, sex="female", danger_signs={"breathing_difficulty": "yes"})
    told = _asked({"danger_signs.breathing_difficulty": "no"}, before=form, tier="T1_emergency")
    assert (told.fallen, told.tier, told.flags) == (("RF-01",), None, ())
    report = _report("T1_emergency") | {"red_flags": [{"id": "RF-01", "tier": "T1_emergency"}]}
    read = with_corrections(report, [told])
    assert read["triage"]["final"] == "T1_emergency" and [row["id"] for row in read["red_flags"]] == ["RF-01"]


def test_an_answer_that_becomes_unknown_is_no_answer() -> None:
    """A rule that could be judged and cannot be any more is listed as not assessed, never as silent."""
    form = Intake(age_years=40, sex="female", danger_signs={"does_not_blanch": "no"})
    assert "RF-04" not in {row["id"] for row in _asked({"danger_signs.jaundice": "no"}, before=form).not_assessed}
    told = _asked({"danger_signs.does_not_blanch": "not_examined"}, before=form)
    assert "RF-04" in {row["id"] for row in told.not_assessed}
    assert "RF-04" in {row["id"] for row in with_corrections(_report(), [told])["not_assessed"]}


def test_a_rule_in_its_stronger_form_is_new() -> None:
    """RF-04 fired already; with fever it asks for more, or says more: that is told."""
    form = Intake(age_years=40, sex="female", danger_signs={"does_not_blanch": "yes", "stiff_neck": "no"})
    told = _asked({"danger_signs.stiff_neck": "yes"}, before=form, tier="T2_same_day")
    stronger = [row for row in told.flags if row["id"] == "RF-04"]
    assert [row["is_stronger"] for row in stronger] == [True]
    assert told.tier == "T1_emergency"


def test_signs_of_abuse_stop_pictures() -> None:
    """R9: no picture leaves from then on, also where another correction takes the sign back."""
    told = _asked({"danger_signs.disclosure_of_abuse": "yes"})
    form = Intake(age_years=40, sex="female", danger_signs={"disclosure_of_abuse": "yes"})
    back = _asked({"danger_signs.disclosure_of_abuse": "no"}, before=form)
    assert with_corrections(_report(), [told, back])["stops_photography"]
    assert with_corrections(_report(), [told])["triage"]["private_reasons"]


def test_a_form_without_corrections_reads_as_it_is() -> None:
    """The report of a case that nobody corrected is not touched."""
    report = _report()
    assert with_corrections(report, []) == report


def test_answers_go_to_their_place_in_the_form() -> None:
    """A whole question, one sign of a list, one value of a record, and an answer that is taken out."""
    form = Intake(age_years=40, sex="female", danger_signs={"jaundice": "yes"}, itch_nrs=3)
    rows = [("duration", "one_day"), ("danger_signs.jaundice", None), ("vital_signs.temp_c", 38.5), ("itch_nrs", None)]
    told = corrected(form, [CorrectedAnswer(question=name, of="", was=None, now=now) for name, now in rows])
    assert (told.duration, told.danger_signs, told.vital_signs.temp_c, told.itch_nrs) == ("one_day", {}, 38.5, None)
    assert form.danger_signs == {"jaundice": "yes"}


@pytest.mark.parametrize(
    ("question", "now", "more"),
    [
        ("duration", "soon", {}),
        ("itch_nrs", 11, {}),
        ("new_drug_within_8_weeks", "no", {"new_drug_classes": ("nsaid",), "new_drug_within_8_weeks": "yes"}),
    ],
)
def test_an_answer_that_is_none_of_the_choices_is_refused(question: str, now: Any, more: dict[str, Any]) -> None:
    """The same limits as when the form was filled in; a contradiction is one too."""
    form = Intake(age_years=40, sex="female", **more)
    with pytest.raises(CaseError, match="look at both"):
        corrected(form, [CorrectedAnswer(question=question, of="", was=None, now=now)])
