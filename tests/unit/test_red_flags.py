"""Danger signs: rules as data in three-valued logic; an unknown is never a no, and pictures only add."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agents.rules.expressions import names
from edge_agent.agents.rules.facts import KINDS, facts_of
from edge_agent.agents.rules.red_flags import PictureFacts, RuleBook, Verdict, as_report, stops_photography
from edge_agent.agents.rules.rule_file import Rule, RuleCase
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ConfigError
from tests.simulators.cases import case, form
from tests.simulators.clear_form import CLEAR

BOOKS = {
    "danger": RuleBook.load("red_flags.toml"),
    "triage": RuleBook.load("triage_rules.toml"),
    "formula": RuleBook.load("triage_rules.toml", table="formula_rule"),
}
CASES = [(rule, example) for book in BOOKS.values() for rule in book.rules for example in rule.cases]
CLEAN: dict[str, Any] = {"bsa_percent": None, "danger_signs": {}}


def judged(**intake: Any) -> tuple[Verdict, ...]:
    """Judge the danger signs of one form."""
    return BOOKS["danger"].evaluate(facts_of(case(intake=form(**{**CLEAN, **intake}))))


def fired(verdicts: tuple[Verdict, ...]) -> list[str]:
    """List the rules that fire."""
    return [v.rule.id for v in verdicts if v.outcome == "fires"]


def one(verdicts: tuple[Verdict, ...], rule_id: str) -> Verdict:
    """Return one rule's verdict."""
    return next(v for v in verdicts if v.rule.id == rule_id)


@pytest.mark.parametrize(("rule", "example"), CASES, ids=[f"{r.id}-{e.outcome}" for r, e in CASES])
def test_each_shipped_example_has_its_outcome(rule: Rule, example: RuleCase) -> None:
    """Every rule's own positive, negative and unknown examples hold."""
    verdict = RuleBook((rule,), 1).evaluate(example.inputs)[0]
    assert verdict.outcome == example.outcome
    assert example.tier is None or verdict.tier == example.tier
    assert bool(verdict.missing) == (example.outcome == "unknown")
    assert bool(verdict.because) == (example.outcome == "fires")


@pytest.mark.parametrize("rule", [r for b in BOOKS.values() for r in b.rules], ids=lambda rule: rule.id)
def test_each_rule_ships_all_three_kinds_of_example(rule: Rule) -> None:
    """Section 8: at least one positive, one negative, one unknown case per rule."""
    assert {example.outcome for example in rule.cases} == {"fires", "silent", "unknown"}


def test_the_28_rules_have_the_drafts_tiers() -> None:
    """Section 8's table of tiers, copied by hand; a second letter is the stronger tier."""
    told = """01 1, 02 1, 03 2, 04 21, 05 1, 06 1, 07 1, 08 1, 09 1, 10 21, 11 2, 12 1, 13 1, 14 2, 15 2, 16 2, 17 2, 18 3,
    19 3, 20 32, 21 2, 22 2, 23 3, 24 1, 25 2, 26 1, 27 3, 28 2"""
    expected = dict(row.split() for row in told.split(","))
    tiers = {r.id[3:]: "".join(t[1] for t in (r.tier, r.stronger_tier) if t) for r in BOOKS["danger"].rules}
    assert tiers == expected
    assert BOOKS["danger"].is_complete


def test_the_cases_of_the_danger_signs_are_at_least_84() -> None:
    """28 rules with at least one positive, negative and unknown case each."""
    assert sum(len(rule.cases) for rule in BOOKS["danger"].rules) >= 84


def test_a_short_rule_book_never_counts_as_complete() -> None:
    """27 of 28 rules: nobody may print "no danger signs"."""
    assert not RuleBook(BOOKS["danger"].rules[1:], BOOKS["danger"].total).is_complete


def test_a_country_may_choose_only_where_the_draft_says_so() -> None:
    """Sections 8: RF-23, 24 and 26 have two tiers by country; the strict one stands until a policy says otherwise."""
    choices = {r.id: (r.tier, r.tier_choices) for r in BOOKS["danger"].rules if r.tier_choices}
    assert choices == {
        "RF-23": ("T3_urgent", ("T3_urgent", "T4_routine")),
        "RF-24": ("T1_emergency", ("T1_emergency", "T2_same_day")),
        "RF-26": ("T1_emergency", ("T1_emergency", "T2_same_day")),
    }


def test_what_must_stay_between_people_is_marked() -> None:
    """RF-24 and RF-25 never reach the person's copy or the wire; RF-25 alone stops the camera (policy R9)."""
    assert [r.id for r in BOOKS["danger"].rules if r.is_private] == ["RF-24", "RF-25"]
    assert [r.id for r in BOOKS["danger"].rules if r.stops_photography] == ["RF-25"]
    verdicts = judged(danger_signs={"disclosure_of_abuse": "yes"})
    assert stops_photography(verdicts) and as_report(verdicts)["stops_photography"] is True
    assert next(row for row in as_report(verdicts)["red_flags"] if row["is_private"])["id"] == "RF-25"
    assert not stops_photography(judged())


@pytest.mark.parametrize("rule", BOOKS["danger"].rules, ids=lambda rule: rule.id)
def test_an_empty_form_makes_no_danger_rule_silent(rule: Rule) -> None:
    """A missing sign is never read as normal."""
    assert RuleBook((rule,), 1).evaluate(dict.fromkeys(KINDS))[0].outcome == "unknown"


@pytest.mark.parametrize(
    ("intake", "rules"),
    [
        ({"danger_signs": {"stridor_or_hoarse": "yes"}}, "01"),
        ({"vital_signs": {"avpu": "P"}}, "02"),
        ({"vital_signs": {"temp_c": 38.0}, "danger_signs": {"stiff_neck": "yes"}}, "02"),
        ({"vital_signs": {"heart_rate": 131}}, "03"),
        ({"vital_signs": {"spo2": 91}}, "03"),
        ({"worker_examination": {"blanching": "no"}}, "04"),
        ({"danger_signs": {"blisters_or_peeling": "yes", "mouth_eye_genital_sores": "yes"}}, "05"),
        (
            {"new_drug_classes": ["allopurinol"], "danger_signs": {"fever_now_or_history": "yes", "jaundice": "yes"}},
            "06",
        ),
        ({"bsa_percent": 90.0}, "07"),
        ({"bsa_percent": 75.0, "danger_signs": {"drowsy_or_confused": "yes"}}, "07"),
        ({"danger_signs": {"widespread_pustules": "yes", "drowsy_or_confused": "yes"}}, "08"),
        ({"danger_signs": {"crackling_under_skin": "yes", "hot_swollen_painful_area": "yes"}}, "09"),
        ({"known_eczema": "yes", "danger_signs": {"clustered_punched_out_sores": "yes"}}, "10"),
        ({"danger_signs": {"nose_tip_or_eye_vesicles": "yes"}}, "11"),
        ({"age_years": 0, "age_months": 2, "danger_signs": {"pustules": "yes"}}, "12"),
        ({"age_years": None, "age_months": 2, "vital_signs": {"temp_c": 38.0}}, "12"),
        (
            {
                "age_years": 5,
                "danger_signs": {"blisters_or_peeling": "yes", "mouth_eye_genital_sores": "no"},
                "worker_examination": {"tenderness": "yes"},
            },
            "13",
        ),
        ({"comorbidity": ["hiv"], "danger_signs": {"hot_swollen_painful_area": "yes"}}, "14"),
        ({"comorbidity": ["transplant"], "danger_signs": {"fever_now_or_history": "yes"}}, "15"),
        ({"current_treatment": [{"kind": "methotrexate"}], "danger_signs": {"bruising": "yes"}}, "15"),
        ({"known_psoriasis": "yes", "trigger": ["steroid_stopped"], "course": "worsening"}, "16"),
        ({"danger_signs": {"hot_joint_with_fever": "yes"}}, "17"),
        ({"danger_signs": {"mole_size_change": "yes", "mole_7mm_or_more": "yes"}}, "18"),
        ({"danger_signs": {"mole_oozing": "yes"}, "worker": {"worried": "yes"}}, "18 28"),
        ({"danger_signs": {"ulcer_over_4_weeks": "yes"}}, "19"),
        ({"worker_examination": {"sensation_reduced": "yes"}}, "20"),
        ({"sex": "female", "pregnancy": "yes", "danger_signs": {"jaundice": "yes"}}, "21"),
        ({"contact_or_travel_risk": "yes", "danger_signs": {"deep_pustules": "yes"}}, "22"),
        ({"pest": {"pest_heel_pain": "yes", "pest_nail_pits": "yes", "pest_swollen_digit": "yes"}}, "23"),
        ({"mood": {"self_harm_thoughts": "yes"}}, "24"),
        ({"age_years": 17, "danger_signs": {"genital_lesion": "yes"}}, "25"),
        ({"danger_signs": {"animal_or_snake_bite": "yes"}}, "26"),
        ({"new_drug_classes": ["unlabelled_cream_or_injection"]}, "27"),
        ({"worker": {"worried": "yes"}}, "28"),
    ],
)
def test_a_form_makes_its_rules_fire_and_no_other(intake: dict[str, Any], rules: str) -> None:
    """From the form's own words to the flag, at the limits of each rule."""
    assert fired(judged(**intake)) == [f"RF-{number}" for number in rules.split()]


@pytest.mark.parametrize(
    ("intake", "rule_id"),
    [
        ({"vital_signs": {"heart_rate": 60, "resp_rate": 30, "temp_c": 39.0, "spo2": 92}}, "RF-03"),
        ({"age_years": 1, "age_months": 12, "danger_signs": {"pustules": "yes"}}, "RF-12"),
        ({"age_years": 0, "age_months": 3, "danger_signs": {"pustules": "yes"}}, "RF-12"),
        ({"age_years": 6, "danger_signs": {"blisters_or_peeling": "yes"}}, "RF-13"),
        ({"sex": "male", "danger_signs": {"jaundice": "yes"}}, "RF-21"),
        ({"pest": dict.fromkeys(("pest_heel_pain", "pest_nail_pits", "pest_swollen_digit"), "no")}, "RF-23"),
        ({"age_years": 18, "danger_signs": dict.fromkeys(
            ("genital_lesion", "unexplained_injury_pattern", "disclosure_of_abuse"), "no")}, "RF-25"),
        ({"new_drug_within_8_weeks": "no"}, "RF-27"),
    ],
)  # fmt: skip
def test_a_form_keeps_its_rule_silent(intake: dict[str, Any], rule_id: str) -> None:
    """The other side of the limits: answered, and not there."""
    assert one(judged(**intake), rule_id).outcome == "silent"


def test_vital_signs_of_a_child_are_not_assessed() -> None:
    """RF-03's numbers are for adults; for a child the national chart is what is missing."""
    verdict = one(judged(age_years=7, vital_signs={"heart_rate": 135, "temp_c": 36.9}), "RF-03")
    assert (verdict.outcome, verdict.missing) == ("unknown", ("child_vital_chart",))


@pytest.mark.parametrize("answer", ["possible", "unknown", None])
def test_a_pregnancy_that_nobody_excluded_is_unknown(answer: str | None) -> None:
    """RF-21: possible and unknown are not no."""
    verdict = one(judged(sex="female", pregnancy=answer, danger_signs={"jaundice": "yes"}), "RF-21")
    assert (verdict.outcome, verdict.missing) == ("unknown", ("is_pregnant",))


def test_a_new_drug_makes_rf05_stronger() -> None:
    """RF-05 is stronger with a new drug within 8 weeks, and only when it fires; the tier is the same."""
    signs = {"blisters_or_peeling": "yes", "skin_pain_severe": "yes"}
    verdicts = [
        one(judged(danger_signs=signs, new_drug_within_8_weeks="yes"), "RF-05"),
        one(judged(danger_signs=signs, new_drug_within_8_weeks="unknown"), "RF-05"),
        one(judged(danger_signs={"blisters_or_peeling": "no"}, new_drug_within_8_weeks="yes"), "RF-05"),
    ]
    assert [v.is_stronger for v in verdicts] == [True, False, False]
    assert [v.missing_for_stronger for v in verdicts] == [(), ("new_drug_within_8_weeks",), ()]
    assert {v.tier for v in verdicts} == {"T1_emergency"}


def test_a_rule_with_two_tiers_says_what_could_raise_it() -> None:
    """RF-04: alone T2, with fever T1; an unanswered fever is named and is not a no."""
    alone = one(judged(danger_signs={"does_not_blanch": "yes", "stiff_neck": "no"}), "RF-04")
    assert (alone.tier, alone.is_stronger) == ("T2_same_day", False)
    assert alone.missing_for_stronger == ("fever_now_or_history", "temp_c", "drowsy_or_confused")
    worse = one(judged(danger_signs={"does_not_blanch": "yes", "stiff_neck": "yes"}), "RF-04")
    assert (worse.tier, worse.because) == ("T1_emergency", ("does_not_blanch", "stiff_neck"))
    assert worse.rule.words("en", is_stronger=True) != worse.rule.words("en")


@pytest.mark.parametrize(
    ("found", "count"),
    [
        ([("face", "pustular"), ("elbow", "pustular")], 2),
        ([("elbow", "pustular"), ("forearm", "pustular")], 1),
        ([("elbow", "pustular"), (None, "pustular"), ("fingernail", "pustular")], 1),
        ([("elbow", "papulosquamous"), ("knee", None)], 0),
    ],
)
def test_pustular_regions_are_counted_from_sites_that_people_named(
    found: list[tuple[str | None, str | None]], count: int
) -> None:
    """RF-08: two arms are one region; a place nobody named, or that is in no region, counts in none."""
    assert PictureFacts.of(found, Vocabulary.load()).pustular_regions == count


def test_pictures_add_rf08_unconfirmed() -> None:
    """Two pustular regions raise RF-08 from the pictures; one does not, and a flag of the form is not doubled."""
    verdicts = judged()
    added = BOOKS["danger"].add_pictures(verdicts, PictureFacts(2))
    assert added[:-1] == verdicts
    assert (added[-1].rule.id, added[-1].origin, added[-1].is_confirmed) == ("RF-08", "picture", False)
    assert as_report(added)["red_flags"][0]["origin"] == "picture"
    assert BOOKS["danger"].add_pictures(verdicts, PictureFacts(1)) == verdicts
    form_said = judged(danger_signs={"widespread_pustules": "yes", "fever_now_or_history": "yes"})
    assert BOOKS["danger"].add_pictures(form_said, PictureFacts(3)) == form_said


def test_every_input_of_every_rule_has_words() -> None:
    """A missing or firing input is printed in both languages, never as an id."""
    lists = Vocabulary.load().lists
    words = {i for name in ("danger_sign", "vital_sign", "form_field", "severity_input") for i in lists[name].terms}
    for book in (BOOKS["danger"], BOOKS["triage"]):
        for rule in book.rules:
            nodes = [node for node in (rule.when, rule.stronger_when, rule.picture_when) if node is not None]
            assert {name for node in nodes for name in names(node)} <= words, rule.id


@pytest.mark.parametrize("rule", BOOKS["danger"].rules, ids=lambda rule: rule.id)
def test_every_danger_rule_names_a_source_and_is_unreviewed(rule: Rule) -> None:
    """Nobody licensed has looked at any of them, and each says where it comes from."""
    assert rule.status == "unreviewed"
    assert re.search(r"\[S \d+|\[K\]|policy", rule.source)


def test_an_answered_symptom_list_says_no_to_what_it_does_not_name() -> None:
    """The list is one question; an unanswered list stays unknown."""
    assert facts_of(case(intake=form(symptoms=["itching"])))["symptom_bleeding"] is False
    assert facts_of(case(intake=form(symptoms=None)))["symptom_bleeding"] is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('tir = "T1_emergency"', "tir"),
        ('tier = "T0"', "T0 is no tier"),
        ('tier = "T2_same_day"\nstronger_tier = "T1_emergency"', "stronger_when"),
        ('tier = "T1_emergency"\nstronger_when = "wheals"\nstronger_tier = "T2_same_day"', "more urgent"),
        ('tier = "T2_same_day"\ntier_choices = ["T1_emergency", "T2_same_day"]', "strictest"),
        ('tier = "T2_same_day"\nis_private = "yes"', "is_private must be true or false"),
        ('tier = "T2_same_day"\nstronger_zh = "x"', "both"),
        ('tier = "T2_same_day"\npicture_when = "wheals"', "wheals is not an input"),
    ],
)
def test_a_rule_that_does_not_fit_together_is_refused(tmp_path: Path, line: str, reason: str) -> None:
    """A misspelt key or tier would make a rule weaker in silence."""
    rule = (
        f'[[rule]]\nid = "RF-99"\nwhen = "jaundice"\n{line}\nzh = "x"\nen = "x"\nstatus = "u"\nsource = "s"\n'
        "since = 1\ncases = []"
    )
    (tmp_path / "r.toml").write_text(rule, encoding="utf-8")
    with pytest.raises(ConfigError, match=reason):
        RuleBook.load("r.toml", folder=tmp_path)


def test_a_fully_answered_form_assesses_all_28_rules() -> None:
    """Only then may a report say that there is no danger sign; one question left out and it may not."""
    assert {v.outcome for v in judged(**CLEAR)} == {"silent"}
    left_out = {**CLEAR["danger_signs"], "jaundice": "not_examined"}
    open_rules = [v.rule.id for v in judged(**{**CLEAR, "danger_signs": left_out}) if v.outcome == "unknown"]
    assert open_rules == []  # no new drug and no pregnancy: jaundice alone decides no rule
    left_out = {**CLEAR["danger_signs"], "numb_patch": "not_examined"}
    open_rules = [v.rule.id for v in judged(**{**CLEAR, "danger_signs": left_out}) if v.outcome == "unknown"]
    assert open_rules == ["RF-20"]
