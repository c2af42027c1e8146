"""Facts beside the ids: what is known of a body site and of a condition, and what the reference model must cover."""

from __future__ import annotations

import re

import pytest

from edge_agent.contracts import intake_values
from edge_agent.contracts.terms import Vocabulary


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """The shipped vocabulary."""
    return Vocabulary.load()


def test_intimate_sites_are_those_of_the_policy(vocabulary: Vocabulary) -> None:
    """The sites of which a minor gives no picture are flagged in the data."""
    sites = vocabulary.lists["body_site"].terms.values()
    assert {site.id for site in sites if "intimate" in site.facts["flags"]} == intake_values.INTIMATE_SITES


@pytest.mark.parametrize(
    ("site", "scin", "region", "flags"),
    [
        ("scalp", "HEAD_OR_NECK", "head", ["hair"]),
        ("lips_mouth", "HEAD_OR_NECK", "head", ["face", "mucosa"]),
        ("axilla", "ARM", "trunk", ["flexure"]),
        ("groin", "GENITALIA_OR_GROIN", "trunk", ["intimate", "flexure"]),
        ("buttock", "BUTTOCKS", "lower", ["intimate"]),
        ("elbow", "ARM", "upper", []),
        ("palm", "PALM", "upper", ["acral"]),
        ("toenail", "FOOT_TOP_OR_SIDE", None, ["nail"]),
        ("other", "OTHER", None, []),
    ],
)
def test_a_body_site_has_the_facts_of_the_draft(
    vocabulary: Vocabulary, site: str, scin: str, region: str | None, flags: list[str]
) -> None:
    """Section 1: armpit and groin count to the trunk, buttocks to the legs, nails to no region."""
    facts = vocabulary.lists["body_site"].terms[site].facts
    assert (facts["scin_part"], facts.get("pasi_region"), facts["flags"]) == (scin, region, flags)


def test_the_facts_of_sites_and_conditions_are_known_ids(vocabulary: Vocabulary) -> None:
    """A fact that names an id names one that exists."""
    for site in vocabulary.lists["body_site"].terms.values():
        assert set(site.facts["flags"]) <= set(vocabulary.lists["site_flag"].terms)
        assert site.facts.get("pasi_region") in {None, "head", "upper", "trunk", "lower"}
    for condition in vocabulary.lists["biomedical_condition"].terms.values():
        role, test = condition.facts.get("role"), condition.facts.get("first_test")
        assert role is None or vocabulary.has(role, of="condition_role"), condition.id
        assert test is None or vocabulary.has(test, of="plan_object"), condition.id


@pytest.mark.parametrize(
    ("condition", "code", "seen", "role"),
    [
        ("plaque_psoriasis", "EA90.0", "[S 19 weak]", "in_scope"),
        ("generalised_pustular_psoriasis", "EA90.40", "[S 20]", "emergency"),
        ("eczema_unspecified", "EA89", "[S 20]", "differential"),
        ("secondary_syphilis", "1A61", "[K]", "must_not_miss"),
        ("drug_eruption", None, None, "red_flag_path"),
        ("urticaria", "EB05", "[S 20]", None),
        ("melanoma_suspected", "2C30", "[K]", "urgent"),
        ("other_or_unknown", None, None, "human_reading"),
    ],
)
def test_a_condition_has_the_facts_of_the_draft(
    vocabulary: Vocabulary, condition: str, code: str | None, seen: str | None, role: str | None
) -> None:
    """Section 6: a missing code is a missing key, and every code says where it was seen."""
    facts = vocabulary.lists["biomedical_condition"].terms[condition].facts
    assert (facts.get("icd11"), facts.get("icd11_source"), facts.get("role")) == (code, seen, role)


def test_every_condition_is_shown_as_suspected(vocabulary: Vocabulary) -> None:
    """Section 6: never a diagnosis until a clinician confirms; two rows are no conditions at all."""
    terms = vocabulary.lists["biomedical_condition"].terms
    plain = {term.id for term in terms.values() if not term.facts["shown_as_suspected"]}
    assert plain == {"other_or_unknown", "cannot_tell"}
    assert {i for i, term in terms.items() if term.facts.get("is_must_not_miss")} >= {
        "secondary_syphilis", "cutaneous_t_cell_lymphoma_suspected"
    }  # fmt: skip


def test_codes_have_the_form_of_their_system(vocabulary: Vocabulary) -> None:
    """ICD-11 stem codes by their pattern; SNOMED CT ids by their check digit (Verhoeff, SNOMED CT identifiers)."""
    codes = {"icd11": 0, "snomed": 0}
    for term in vocabulary.lists["biomedical_condition"].terms.values():
        if code := term.facts.get("icd11"):
            assert re.fullmatch(r"[0-9A-HJ-NP-Z][A-HJ-NP-Z][0-9][0-9A-HJ-NP-Z](\.[0-9A-HJ-NP-Z]{1,2})?", code), term.id
            codes["icd11"] += 1
        if number := term.facts.get("snomed"):
            assert term.facts["snomed_source"] and _verhoeff_is_zero(number), term.id
            codes["snomed"] += 1
    assert codes == {"icd11": 32, "snomed": 12}
    assert not _verhoeff_is_zero("24079010")


def _verhoeff_is_zero(number: str) -> bool:
    """Check a number's last digit in the dihedral group of order ten."""
    check = 0
    turns = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    for place, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(place % 8):
            value = turns[value]
        check = _turn(check, value)
    return check == 0


def _turn(a: int, b: int) -> int:
    if a < 5:
        return (a + b) % 5 if b < 5 else (a + b - 5) % 5 + 5
    return (a - 5 - b) % 5 + 5 if b < 5 else (a - b) % 5


def test_what_the_reference_model_must_cover_is_marked(vocabulary: Vocabulary) -> None:
    """Mark [R] of the draft: whole fields of Rec, single values of phenotype, mechanism and syndrome."""
    lists = vocabulary.lists
    for name in [name for name, found in lists.items() if found.model and found.model.agent == "recognition"]:
        if name in {"special", "view_narrative"}:
            continue
        assert lists[name].reference_ids() == tuple(lists[name].terms), name
    assert lists["special"].reference_ids() == ()
    assert lists["phenotype"].reference_ids() == (
        "chronic_plaque", "guttate", "flexural", "not_psoriasis_like", "cannot_tell"
    )  # fmt: skip
    assert lists["mechanism"].reference_ids() == (
        "blood_heat_internal", "heat_toxin", "blood_dryness_wind", "blood_stasis", "qi_stagnation",
        "insufficient_information",
    )  # fmt: skip
    assert lists["syndrome"].reference_ids() == (
        "blood_heat", "blood_dryness", "blood_stasis", "insufficient_information"
    )  # fmt: skip
