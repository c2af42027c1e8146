"""Rules of the check: a step is supported only by evidence that is on the record and says so."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.agents.evidence.check import (
    FINDINGS,
    VERDICTS,
    check,
    conclusion_follows,
    differential,
    examine,
    verifiability,
)
from edge_agent.agents.evidence.record import REASON_FIELDS, Record, field_of, record_of
from edge_agent.agents.evidence.signs_table import SignTable
from edge_agent.agents.representation import Lead
from edge_agent.contracts.terms import Vocabulary

TABLE = SignTable.load()
INTAKE: dict[str, Any] = {
    "fitzpatrick": 2,
    "duration": "more_than_one_year",
    "new_lesions_two_weeks": "no",
    "tongue": {"body_colour": "purple", "body_feature": ["ecchymosis"], "coating_texture": []},
    "pulse": ["rough", "thready"],
    "general": {"thirst": "no", "dry_throat": "yes"},
}
LEADS = {
    "family": Lead(0, "papulosquamous"),
    "colour": Lead(1, ["dark_red"]),
    "scale_type": Lead(1, "silvery_lamellar"),
    "induration": Lead(1, 3),
    "border": Lead(0, "well_defined"),
    "shape": Lead(0, ["cannot_tell"]),
}
REPRESENTATION = {"distribution": ["extensor"], "symmetry": "symmetric", "mechanism": ["insufficient_information"]}


def record(**changed: Any) -> Record:
    parts: dict[str, Any] = {"representation": REPRESENTATION, "intake": INTAKE, **changed}
    return record_of(parts.pop("leads", LEADS), **parts)


def step(claim: Any, stance: Any, *evidence: Any) -> dict[str, Any]:
    return {"claim": claim, "stance": stance, "evidence": list(evidence)}


def verdicts(*steps: Any, **changed: Any) -> list[str]:
    return [row.verdict for row in check(list(steps), record(**changed), TABLE)]


STASIS = step("blood_stasis", "supports", "view:2.colour", "intake.tongue.body_colour")


def test_a_step_on_recorded_evidence_is_supported() -> None:
    """Both stances; several pointers; the value recorded there is reported beside each."""
    steps = [STASIS, step("blood_heat", "against", "intake.new_lesions_two_weeks")]
    first, second = check(steps, record(), TABLE)
    assert (first.verdict, second.verdict) == ("supported", "supported")
    assert first.to_report() == {
        "claim": "blood_stasis",
        "stance": "supports",
        "evidence": [
            {"pointer": "view:2.colour", "value": ["dark_red"], "verdict": "supported"},
            {"pointer": "intake.tongue.body_colour", "value": "purple", "verdict": "supported"},
        ],
        "verdict": "supported",
    }


@pytest.mark.parametrize(
    "pointer",
    ["view:1.colour", "view:3.colour", "view:02.colour", "intake.tongue", "previous.stage", "colour", "", 7, None],
)
def test_a_pointer_that_is_not_on_the_record(pointer: Any) -> None:
    """Another view than the one that was read, a part of a pointer, no pointer at all: no_such_pointer."""
    assert verdicts(step("blood_stasis", "supports", pointer)) == ["no_such_pointer"]


def test_a_pointer_in_a_models_own_words_is_not_repeated() -> None:
    """It may have a pointer's shape; a field that no record has could be a sentence or a dose."""
    for pointer in ("intake.take.five_grams_daily", "previous.rhinoceros_horn", "view:1.colour.take_5_g"):
        (checked,) = check([step("blood_stasis", "supports", pointer)], record(), TABLE)
        assert [row.pointer for row in checked.evidence] == [None]
        assert checked.verdict == "no_such_pointer"


def test_a_pointer_to_nothing() -> None:
    """Not examined, cannot tell and an empty list support no syndrome."""
    for pointer in ("intake.tongue.coating_colour", "view:1.shape", "intake.tongue.coating_texture"):
        assert verdicts(step("blood_heat", "supports", pointer)) == ["nothing_there"]


def test_missing_information_is_supported_by_nothing_only() -> None:
    """The one claim that rests on what is not there; a known value does not support it."""
    assert verdicts(step("insufficient_information", "supports", "intake.tongue.coating_colour")) == ["supported"]
    assert verdicts(step("insufficient_information", "supports", "view:2.colour")) == ["value_does_not_support"]


def test_a_value_that_does_not_say_so() -> None:
    """A known value outside the table's row supports nothing."""
    assert verdicts(step("blood_stasis", "supports", "view:2.scale_type")) == ["value_does_not_support"]
    assert verdicts(step("blood_heat", "against", "intake.general.thirst")) == ["value_does_not_support"]


def test_a_value_for_the_opposite_stance_contradicts() -> None:
    """A sign that speaks against a claim cannot be named for it, nor the other way round."""
    assert verdicts(step("blood_heat", "supports", "view:2.colour")) == ["contradictory"]
    assert verdicts(step("blood_stasis", "against", "view:2.colour")) == ["contradictory"]


def test_one_pointer_for_and_against_contradicts_both_steps() -> None:
    """The same evidence on both sides of one claim strikes both steps; another claim is untouched."""
    steps = (
        step("blood_stasis", "supports", "view:2.colour"),
        step("blood_heat", "against", "view:2.colour"),
        step("blood_stasis", "against", "view:2.colour"),
    )
    assert verdicts(*steps) == ["contradictory", "supported", "contradictory"]


def test_a_sign_on_which_the_views_disagree_contradicts() -> None:
    """A view in conflict with another view supports nothing until a person has looked."""
    assert verdicts(STASIS, conflicts=[("colour", 0, 1)]) == ["contradictory"]
    assert verdicts(STASIS, conflicts=[("border", 0, 1)]) == ["supported"]


def test_evidence_counts_once_per_claim_and_stance() -> None:
    """Repeating a pointer in the same or another step does not add support."""
    one = step("blood_stasis", "supports", "view:2.colour")
    assert verdicts(one, STASIS) == ["supported", "duplicate"]
    twice = check([step("blood_stasis", "supports", "view:2.colour", "view:2.colour")], record(), TABLE)[0]
    assert [pointer.verdict for pointer in twice.evidence] == ["supported", "duplicate"]
    assert twice.verdict == "duplicate"


def test_a_step_without_evidence() -> None:
    """A bare claim, or evidence that is no list, is no_evidence."""
    shapes: tuple[Any, ...] = ([], None, "view:2.colour", {"view:2.colour": 1})
    for evidence in shapes:
        assert verdicts({"claim": "blood_stasis", "stance": "supports", "evidence": evidence}) == ["no_evidence"]


def test_an_unknown_claim_or_stance() -> None:
    """What the table does not know is not repeated in the report."""
    for claim, stance in (
        ("gout", "supports"),
        ("blood_heat", "proves"),
        (None, None),
        ({}, []),
        ("blood_heat ", "supports"),
    ):
        row = check([step(claim, stance, "view:2.colour")], record(), TABLE)[0]
        assert row.verdict == "unknown_claim"
        assert None in (row.claim, row.stance)
    assert verdicts(step("gout", "supports")) == ["unknown_claim"]


def test_a_step_is_as_good_as_its_worst_pointer() -> None:
    """One unsupported pointer strikes the whole step."""
    assert verdicts(step("blood_stasis", "supports", "view:2.colour", "intake.tongue.coating_colour")) == [
        "nothing_there"
    ]


@pytest.mark.parametrize(
    ("tone", "colour", "verdict"),
    [
        ({"fitzpatrick": 2}, ["violaceous"], "supported"),
        ({"monk": 3}, ["dark_red"], "supported"),
        ({}, ["dark_red"], "supported"),
        ({}, ["violaceous"], "value_does_not_support"),
        ({"fitzpatrick": 5}, ["dark_red"], "value_does_not_support"),
        ({"monk": 7}, ["violaceous"], "value_does_not_support"),
        ({"fitzpatrick": 2, "monk": 8}, ["violaceous"], "value_does_not_support"),
    ],
)
def test_a_colour_that_may_be_the_tone_supports_nothing(tone: dict[str, int], colour: list[str], verdict: str) -> None:
    """Section 16: colour counts nothing on dark skin, and violaceous nothing until the tone is known."""
    intake = {**{k: v for k, v in INTAKE.items() if k != "fitzpatrick"}, **tone}
    found = verdicts(
        step("blood_stasis", "supports", "view:2.colour"), leads={**LEADS, "colour": Lead(1, colour)}, intake=intake
    )
    assert found == [verdict]


def test_verifiability_is_the_share_of_supported_steps() -> None:
    """Two of three steps; None without any step."""
    steps = [STASIS, step("gout", "supports", "view:2.colour"), step("blood_stasis", "supports", "intake.duration")]
    assert verifiability(check(steps, record(), TABLE)) == 0.6667
    assert verifiability(()) is None


def test_a_conclusion_needs_one_supported_step_for_it() -> None:
    """A step against it, a struck step or another syndrome's step does not carry a conclusion."""
    checked = check([STASIS, step("blood_heat", "against", "view:2.colour")], record(), TABLE)
    assert conclusion_follows(checked, "blood_stasis") is True
    assert conclusion_follows(checked, "blood_heat") is False
    assert conclusion_follows(checked, "insufficient_information") is None
    assert conclusion_follows(checked, None) is None
    struck = check([step("blood_stasis", "supports", "view:1.colour")], record(), TABLE)
    assert conclusion_follows(struck, "blood_stasis") is False


def test_too_few_and_too_many_steps_are_named() -> None:
    """Fewer than three or more than eight steps are checked and named, never refused."""
    few = examine({"reasoning_steps": [STASIS]}, syndrome="blood_stasis", record=record(), table=TABLE)
    assert few.findings == ("too_few_steps",)
    many = examine({"reasoning_steps": [STASIS] * 9}, syndrome="blood_heat", record=record(), table=TABLE)
    assert many.findings == ("too_many_steps", "conclusion_without_support")
    assert len(many.steps) == 9


def test_a_bundle_without_steps_is_undecided_not_wrong() -> None:
    """What nobody was asked is no finding, and nothing is said about the conclusion."""
    told = examine({}, syndrome="blood_heat", record=record(), table=TABLE).to_report()
    assert told == {
        "is_decided": False,
        "steps": [],
        "verifiability": None,
        "conclusion_follows": None,
        "findings": [],
        "working": None,
        "differential": [],
    }


def test_code_fills_the_signs_of_a_condition() -> None:
    """Only the record's signs, and only those that the table names, for and against; a disputed sign is left out."""
    (row,) = differential(["plaque_psoriasis"], record(conflicts=[("border", 0, 1)]), TABLE)
    assert not row.is_named_by_bundle
    assert [p.pointer for p in row.supported_by] == [
        "view:1.family",
        "view:2.scale_type",
        "representation.distribution",
        "representation.symmetry",
        "intake.duration",
    ]
    (eczema,) = differential(["eczema_unspecified"], record(), TABLE)
    assert [p.pointer for p in eczema.supported_by] == []
    assert [p.pointer for p in eczema.less_supported_by] == ["view:2.scale_type", "view:1.border"]


def test_a_bundles_own_pointers_are_checked() -> None:
    """A named pointer keeps its verdict in the row."""
    named = {
        "condition": "dermatophytosis",
        "confidence": 0.25,
        "supported_by": ["view:1.border"],
        "less_supported_by": ["view:2.scale_type"],
    }
    (row,) = differential([named], record(), TABLE)
    assert row.to_report() == {
        "condition": "dermatophytosis",
        "confidence": 0.25,
        "supported_by": [{"pointer": "view:1.border", "value": "well_defined", "verdict": "value_does_not_support"}],
        "less_supported_by": [{"pointer": "view:2.scale_type", "value": "silvery_lamellar", "verdict": "supported"}],
        "named_by_bundle": True,
    }


def test_the_differential_is_bounded_and_closed() -> None:
    """Unknown and repeated conditions and a fifth one are left out, and that is said; a syndrome is no condition."""
    names = [
        "urticaria",
        "scabies",
        "scabies",
        "gout",
        "blood_heat",
        "lichen_planus",
        "drug_eruption",
        "atopic_eczema",
        "dermatophytosis",
    ]
    answer = {"biomedical": {"working": {"condition": "urticaria", "confidence": 2}, "differential": names}}
    found = examine(answer, syndrome=None, record=record(), table=TABLE)
    assert found.working is not None
    assert (found.working.condition, found.working.confidence) == ("urticaria", None)
    assert [row.condition for row in found.differential] == [
        "scabies",
        "lichen_planus",
        "drug_eruption",
        "atopic_eczema",
    ]
    assert found.findings == ("conditions_left_out",)


def test_conditions_may_stand_beside_the_steps() -> None:
    """A bundle that has no biomedical block writes the same two fields into its object."""
    found = examine({"working": "urticaria", "differential": ["scabies"]}, syndrome=None, record=record(), table=TABLE)
    assert found.working is not None
    assert (found.working.condition, [row.condition for row in found.differential]) == ("urticaria", ["scabies"])


def test_cannot_tell_proposes_nothing() -> None:
    """A model that names no condition has left none out."""
    answer = {"biomedical": {"working": "cannot_tell", "differential": [{"condition": "cannot_tell"}]}}
    found = examine(answer, syndrome=None, record=record(), table=TABLE)
    assert (found.working, found.differential, found.findings) == (None, (), ())


def test_every_id_of_the_check_has_its_words() -> None:
    """Verdicts, findings and every part of a pointer stand in the vocabulary."""
    lists = Vocabulary.load().lists
    assert set(lists["evidence_verdict"].terms) == set(VERDICTS)
    assert set(lists["reasoning_finding"].terms) == set(FINDINGS)
    parts = {part for pointer in record(previous={}).values for part in field_of(pointer).split(".")}
    parts |= {part for field in REASON_FIELDS for part in field.split(".")}
    assert parts == set(lists["pointer_part"].terms)
