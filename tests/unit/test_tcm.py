"""The TCM block: when it stands, what it holds, and who may see which part of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from edge_agent.agents.abstention import Kept
from edge_agent.agents.evidence.signs_table import SignTable
from edge_agent.agents.reasoning import Proposal, propose
from edge_agent.agents.rules.facts import facts_of
from edge_agent.agents.tcm.block import TcmBlock, TcmInput, TcmTable, for_audience, is_coded, tcm_absence, tcm_block
from edge_agent.agents.tcm.herbs import Asked, Change, HerbBook, HerbCheck, HerbVerdict
from edge_agent.contracts.practice import Practice
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.cases import case, form

VOCABULARY = Vocabulary.load()
BOOK = HerbBook.load(VOCABULARY)
TABLE = TcmTable.load(VOCABULARY)
STASIS = {
    "syndrome": "blood_stasis",
    "principle": ["activate_blood_resolve_stasis"],
    "formula": "taohong_siwu_tang",
}
GIVEN = TcmInput(
    scope="in_scope",
    age_years=34,
    practice=Practice(),
    has_prescriber=False,
    has_emergency=False,
    condition="plaque_psoriasis",
    icd11="EA90.0",
)
ANSWERED: dict[str, Any] = {
    "breastfeeding": "no",
    "comorbidity": ["none"],
    "current_treatment": [{"kind": "none"}],
    "new_drug_within_8_weeks": "no",
}


def proposal(values: dict[str, Any] | None = None, *, answers: dict[str, Any] | None = None) -> Proposal:
    """Return what Reason's fields become after the herb check."""
    kept = {name: Kept(value, 0.9, True, False) for name, value in (values or STASIS).items()}
    facts = facts_of(case(intake=form(**{**ANSWERED, **(answers or {})})))
    return propose(kept, rules=BOOK, facts=facts)


def section(
    values: dict[str, Any] | None = None, *, answers: dict[str, Any] | None = None, given: TcmInput = GIVEN
) -> dict[str, Any]:
    """Return the report's section of a case that has one."""
    block = tcm_block(proposal(values, answers=answers), given=given, table=TABLE)
    assert block is not None
    return block.to_report()


def test_the_block_holds_what_section_5_3_lists() -> None:
    """Disease name, syndrome, TM1 code, principle, formula with base herbs, no prescription; in ids only."""
    assert section() == {
        "disease_name": "bai_bi",
        "syndrome": {"primary": "blood_stasis", "secondary": None, "confidence": 0.9, "is_withheld": False},
        "tm1_code": "SF01",
        "principle": ["activate_blood_resolve_stasis"],
        "principle_dropped": [],
        "formula": {
            "id": "taohong_siwu_tang",
            "is_filled": True,
            "base_herbs": ["taoren", "honghua", "danggui", "chuanxiong", "dihuang", "shaoyao"],
            "modification": [],
            "herbs": [
                {"herb": herb, "verdict": "shown", "rules": []}
                for herb in ("taoren", "honghua", "danggui", "chuanxiong", "dihuang", "shaoyao")
            ],
            "warned_by": [],
        },
        "formula_withheld_by": [],
        "formula_unchecked": [],
        "formula_missing": [],
        "incompatible_pairs": [],
        "modification_dropped": [],
        "refer_to_prescriber": False,
        "prescription": None,
        "is_proposal_for": "prescriber",
        "audience": {"differentiation": "clinician", "formula": "clinician", "prescription": "prescriber"},
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"practice": Practice(tcm_block="off")}, "practice_off"),
        ({"scope": "out_of_scope"}, "out_of_scope"),
        ({"scope": "abstained"}, "out_of_scope"),
        ({"has_emergency": True}, "red_flag_active"),
        ({"age_years": 17}, "minor_without_prescriber"),
        ({"age_years": None}, "minor_without_prescriber"),
        ({"condition": "lichen_planus", "icd11": "EA91"}, "other_condition"),
        ({"condition": "cutaneous_lupus_suspected", "icd11": None}, "other_condition"),
        ({}, None),
        ({"age_years": 18}, None),
        ({"age_years": 17, "has_prescriber": True}, None),
        ({"condition": None, "icd11": None}, None),
        ({"condition": "cannot_tell", "icd11": None}, None),
        ({"condition": "psoriatic_arthritis_suspected", "icd11": "FA21"}, None),
        ({"practice": Practice(tcm_block="on")}, None),
    ],
)
def test_the_block_stands_only_where_it_may(changes: dict[str, Any], reason: str | None) -> None:
    """Section 5.3: null unless in scope, adult or prescriber present, and the practice allows; the reason is named."""
    given = replace(GIVEN, **changes)
    assert tcm_absence(proposal(), given=given) == reason
    assert (tcm_block(proposal(), given=given, table=TABLE) is None) == (reason is not None)
    assert reason is None or VOCABULARY.has(reason, of="tcm_absence")


@pytest.mark.parametrize("fields", [None, {}, {"syndrome": Kept("blood_heat", None, False, False)}])
def test_a_bundle_that_decides_no_syndrome_has_no_block(fields: dict[str, Kept] | None) -> None:
    """Reason was not asked, or its grammar fixed the syndrome."""
    said = None if fields is None else Proposal(fields, (), (), ())
    assert tcm_absence(said, given=GIVEN) == "not_proposed"
    assert tcm_block(said, given=GIVEN, table=TABLE) is None


@pytest.mark.parametrize(
    ("syndrome", "icd11", "code"),
    [
        ("blood_heat", "EA90.0", "SF02"),
        ("blood_dryness", "EA90", "SF04"),
        ("blood_stasis", "EA90.52", "SF01"),
        ("damp_heat", "EA90.0", None),
        ("mixed_or_other", "EA90.0", None),
        ("blood_heat", None, None),
        ("blood_heat", "FA21", None),
    ],
)
def test_a_tm1_code_stands_only_beside_a_biomedical_code(syndrome: str, icd11: str | None, code: str | None) -> None:
    """Chapter 26 codes are supplementary; where no exact code was seen there is none."""
    condition = None if icd11 is None else "plaque_psoriasis"
    told = section({"syndrome": syndrome}, given=replace(GIVEN, icd11=icd11, condition=condition))
    assert told["tm1_code"] == code


def test_a_code_that_only_begins_alike_is_not_psoriasis() -> None:
    """EA900 is no EA90."""
    assert is_coded("EA90.41", "EA90")
    assert not is_coded("EA900", "EA90")


@pytest.mark.parametrize("syndrome", ["fire_toxin", "mixed_or_other"])
def test_some_syndromes_never_get_a_formula(syndrome: str) -> None:
    """Whatever formula the model names beside them."""
    for formula in BOOK.base:
        told = section({"syndrome": syndrome, "principle": ["cannot_tell"], "formula": formula})
        assert told["formula"] is None
        assert told["formula_withheld_by"]


def test_a_withheld_formula_leaves_no_herb_in_the_section() -> None:
    """Blocked is not shown: the id of the formula and its herbs stand nowhere, the rule does."""
    told = section(answers={"current_treatment": [{"kind": "anticoagulant"}]})
    assert told["formula_withheld_by"] == ["FB-05"]
    assert told["refer_to_prescriber"] is True
    assert "taohong" not in json.dumps(told) and "danggui" not in json.dumps(told)


def test_an_incompatible_pair_is_named() -> None:
    """Section 5.4: block, and name the pair."""
    values = {
        "syndrome": "blood_dryness",
        "formula": "danggui_yinzi",
        "modification": [{"action": "add", "herb": "haizao"}],
    }
    told = section(values)
    assert (told["formula"], told["incompatible_pairs"]) == (None, ["gancao_haizao"])


def test_only_changes_that_were_taken_over_are_shown() -> None:
    """A dropped change stands with its reason and without a word of the model's own."""
    changes = [{"action": "add", "herb": "fuling"}, {"action": "add", "herb": "my own herb 9 g"}]
    told = section({**STASIS, "modification": changes})
    assert told["formula"]["modification"] == [{"action": "add", "herb": "fuling"}]
    assert told["modification_dropped"] == [{"action": "add", "herb": None, "reason": "unknown_herb"}]
    assert "9 g" not in json.dumps(told)


@pytest.mark.parametrize(
    ("secondary", "told"),
    [
        ("damp_heat", "damp_heat"),
        ("blood_stasis", None),
        ("none", None),
        ("insufficient_information", None),
        ("cannot_tell", None),
    ],
)
def test_a_second_syndrome_is_another_one(secondary: str, told: str | None) -> None:
    """The first again, or nothing, is no second syndrome."""
    assert section({**STASIS, "secondary_syndrome": secondary})["syndrome"]["secondary"] == told


def test_a_principle_of_another_syndrome_is_dropped_by_name() -> None:
    """A second syndrome brings its own principles."""
    values = {**STASIS, "principle": ["move_qi", "clear_heat_drain_damp", "move_qi"]}
    assert section(values)["principle"] == ["move_qi"]
    assert section(values)["principle_dropped"] == ["clear_heat_drain_damp"]
    both = section({**values, "secondary_syndrome": "damp_heat"})
    assert both["principle"] == ["move_qi", "clear_heat_drain_damp"]


def test_without_a_syndrome_there_is_neither_principle_nor_formula() -> None:
    """Not enough information: the block says so and stops there."""
    told = section(
        {**STASIS, "syndrome": "insufficient_information", "modification": [{"action": "add", "herb": "fuling"}]}
    )
    assert told["syndrome"]["primary"] == "insufficient_information"
    assert (told["principle"], told["formula"], told["tm1_code"]) == ([], None, None)


@pytest.mark.parametrize(
    ("practice", "audience", "keys"),
    [
        (Practice(), "person", None),
        (Practice(tcm_block="on"), "person", {"disease_name", "syndrome", "principle"}),
        (Practice(), "clinician", {"syndrome", "formula", "formula_withheld_by"}),
        (Practice(), "prescriber", {"syndrome", "formula", "prescription"}),
    ],
)
def test_each_audience_sees_its_parts(practice: Practice, audience: Any, keys: set[str] | None) -> None:
    """The person's print never holds a formula; only a prescriber has a prescription's place."""
    seen = for_audience(section(given=replace(GIVEN, practice=practice)), audience)
    if keys is None:
        assert seen is None
        return
    assert seen is not None and keys <= set(seen)
    assert ("formula" in seen) == (audience != "person")
    assert ("prescription" in seen) == (audience == "prescriber")
    assert audience != "person" or "taohong" not in json.dumps(seen)


def test_without_prescribing_nobody_has_a_place_to_prescribe() -> None:
    """``prescription_block = off``: not even a prescriber sees one."""
    told = section(given=replace(GIVEN, practice=Practice(prescription_block="off")))
    seen = for_audience(told, "prescriber")
    assert seen is not None and "prescription" not in seen
    assert for_audience(None, "prescriber") is None


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [value]


def test_the_only_number_of_the_section_is_the_confidence() -> None:
    """There is no place for a dose, whatever a checkpoint puts into its fields."""
    hostile = [{"action": "add", "herb": "fuling", "grams": 15}, {"action": "add", "herb": 12}]
    told = section({**STASIS, "modification": hostile})
    numbers = [leaf for leaf in _leaves(told) if isinstance(leaf, int | float) and not isinstance(leaf, bool)]
    assert numbers == [0.9]


def test_a_bundle_that_decides_only_the_syndrome_still_has_a_block() -> None:
    """Fewer fields: the others are empty, not an error."""
    told = section({"syndrome": "blood_heat"})
    assert (told["principle"], told["formula"], told["formula_withheld_by"]) == ([], None, [])


@pytest.mark.parametrize("syndrome", sorted(name for name, formulas in BOOK.formulas.items() if formulas))
def test_every_syndrome_with_a_formula_has_signs_that_can_support_it(syndrome: str) -> None:
    """A formula hangs on a syndrome, and a syndrome on recorded signs of the sign table."""
    assert SignTable.load().claims[syndrome].supports


@pytest.mark.parametrize("value", [Change, Asked, HerbVerdict, HerbCheck, TcmBlock, Practice])
def test_no_value_of_the_block_can_carry_a_dose(value: type) -> None:
    """No field of any value on the way is a number, but the confidence of the syndrome."""
    numeric = {name for name, hint in get_type_hints(value).items() if re.search(r"\b(int|float|Decimal)\b", str(hint))}
    assert numeric == ({"confidence"} if value is TcmBlock else set())
