"""Danger signs and triage: rules as data in three-valued logic; the program can only raise."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.agents import triage
from edge_agent.agents.expressions import Fact, Kind, evaluate, grounds, names, parse
from edge_agent.agents.facts import KINDS, facts_of
from edge_agent.agents.red_flags import Rule, RuleBook, RuleCase
from edge_agent.contracts.intake import WorkerView
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ConfigError
from tests.simulators.cases import CREATED, case, form

BOOKS = {
    "danger": RuleBook.load("red_flags.toml"),
    "triage": RuleBook.load("triage_rules.toml"),
    "formula": RuleBook.load("triage_rules.toml", table="formula_rule"),
}
CASES = [(rule, example) for book in BOOKS.values() for rule in book.rules for example in rule.cases]
SIGNS: dict[str, Kind] = {"a": "sign", "b": "sign", "c": "sign", "n": "number", "word": "id"}


@pytest.mark.parametrize(("rule", "example"), CASES, ids=[f"{r.id}-{e.outcome}" for r, e in CASES])
def test_each_shipped_example_has_its_outcome(rule: Rule, example: RuleCase) -> None:
    """Every rule's own positive, negative and unknown examples hold."""
    verdict = RuleBook((rule,), 1).evaluate(example.inputs)[0]
    assert verdict.outcome == example.outcome
    assert bool(verdict.missing) == (example.outcome == "unknown")
    assert bool(verdict.because) == (example.outcome == "fires")


@pytest.mark.parametrize("rule", [r for b in BOOKS.values() for r in b.rules], ids=lambda rule: rule.id)
def test_each_rule_ships_all_three_kinds_of_example(rule: Rule) -> None:
    """Section 8: at least one positive, one negative, one unknown case per rule."""
    assert {example.outcome for example in rule.cases} == {"fires", "silent", "unknown"}


def test_the_five_rules_of_this_release_and_their_tiers() -> None:
    """RF-01, 02, 05, 07 are emergencies; RF-18 is urgent (section 8)."""
    tiers = {rule.id: rule.tier for rule in BOOKS["danger"].rules}
    emergency = "T1_emergency"
    assert tiers == {
        "RF-01": emergency,
        "RF-02": emergency,
        "RF-05": emergency,
        "RF-07": emergency,
        "RF-18": "T3_urgent",
    }


def test_a_short_rule_book_never_counts_as_complete() -> None:
    """Five of 28 rules: nobody may print "no danger signs"."""
    assert not BOOKS["danger"].is_complete


@pytest.mark.parametrize("rule", BOOKS["danger"].rules, ids=lambda rule: rule.id)
def test_an_empty_form_makes_no_danger_rule_silent(rule: Rule) -> None:
    """A missing sign is never read as normal."""
    assert RuleBook((rule,), 1).evaluate(dict.fromkeys(KINDS))[0].outcome == "unknown"


@pytest.mark.parametrize(
    ("intake", "rule_id"),
    [
        ({"danger_signs": {"stridor_or_hoarse": "yes"}}, "RF-01"),
        ({"vital_signs": {"avpu": "P"}}, "RF-02"),
        ({"vital_signs": {"temp_c": 38.0}, "danger_signs": {"stiff_neck": "yes"}}, "RF-02"),
        ({"danger_signs": {"blisters_or_peeling": "yes", "mouth_eye_genital_sores": "yes"}}, "RF-05"),
        ({"bsa_percent": 90.0}, "RF-07"),
        ({"bsa_percent": 75.0, "danger_signs": {"drowsy_or_confused": "yes"}}, "RF-07"),
        ({"danger_signs": {"mole_size_change": "yes", "mole_7mm_or_more": "yes"}}, "RF-18"),
        ({"danger_signs": {"mole_oozing": "yes"}, "worker": {"worried": "yes"}}, "RF-18"),
    ],
)
def test_a_form_makes_its_rule_fire(intake: dict[str, object], rule_id: str) -> None:
    """From the form's own words to the flag, at the limits of each rule."""
    verdicts = BOOKS["danger"].evaluate(facts_of(case(intake=form(**{"bsa_percent": None, **intake}))))
    assert [v.rule.id for v in verdicts if v.outcome == "fires"] == [rule_id]


def test_a_new_drug_makes_rf05_stronger() -> None:
    """RF-05 is stronger with a new drug within 8 weeks, and only when it fires."""
    signs = {"blisters_or_peeling": "yes", "skin_pain_severe": "yes"}
    verdicts = [
        next(v for v in BOOKS["danger"].evaluate(facts_of(case(intake=intake))) if v.rule.id == "RF-05")
        for intake in (
            form(danger_signs=signs, new_drug_within_8_weeks="yes"),
            form(danger_signs=signs, new_drug_within_8_weeks="unknown"),
            form(danger_signs={"blisters_or_peeling": "no"}, new_drug_within_8_weeks="yes"),
        )
    ]
    assert [v.is_stronger for v in verdicts] == [True, False, False]


def test_an_answered_symptom_list_says_no_to_what_it_does_not_name() -> None:
    """The list is one question; an unanswered list stays unknown."""
    assert facts_of(case(intake=form(symptoms=["itching"])))["symptom_bleeding"] is False
    assert facts_of(case(intake=form(symptoms=None)))["symptom_bleeding"] is None


@given(st.fixed_dictionaries({name: st.sampled_from([True, False, None]) for name in "abc"}))
def test_connectives_follow_the_truth_tables_of_kleene(facts: dict[str, Fact]) -> None:
    """and = least, or = greatest, not = reverse over no < unknown < yes."""
    rank: dict[Fact, int] = {False: 0, None: 1, True: 2}
    back = {0: False, 1: None, 2: True}
    expected = back[max(min(rank[facts["a"]], 2 - rank[facts["b"]]), rank[facts["c"]])]
    node = parse("a and not b or c", kinds=SIGNS)
    assert evaluate(node, facts, kinds=SIGNS) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"a": True, "b": True}, True),
        ({"a": True, "b": False}, False),
        ({"a": True, "b": None}, None),
        ({"a": False, "b": None}, False),
        ({}, None),
    ],
)
def test_a_score_is_known_once_unknown_signs_cannot_change_it(facts: dict[str, Fact], expected: bool | None) -> None:
    """2a + b >= 3 with an unknown b: open while b decides, known when it cannot."""
    assert evaluate(parse("2 * a + b >= 3", kinds=SIGNS), facts, kinds=SIGNS) is expected


@pytest.mark.parametrize(("value", "expected"), [(None, None), (49, True), (50, False), (150, False), (151, True)])
def test_limits_of_numbers_are_exact(value: float | None, expected: bool | None) -> None:
    """A number at the limit does not fire a strict comparison."""
    assert evaluate(parse("n < 50 or n > 150", kinds=SIGNS), {"n": value}, kinds=SIGNS) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a and",
        "a b",
        "(a",
        "nobody",
        "word == a",
        "a == 'yes'",
        "'x'",
        "a ; b",
        "__import__('os')",
        "a.b",
        "n + ",
        "n",
        "a + b",
        "a and 1",
    ],
)
def test_anything_outside_the_language_is_refused(text: str) -> None:
    """A rule file cannot run code, and a typing mistake is an error, not a silent rule."""
    with pytest.raises(ConfigError, match="rule expression"):
        parse(text, kinds=SIGNS)


def test_grounds_name_only_what_made_the_rule_true() -> None:
    """A normal value beside a firing one is not a reason."""
    node = parse("word != 'A' or n > 150 or a", kinds=SIGNS)
    assert grounds(node, {"word": "A", "n": 160.0, "a": None}, kinds=SIGNS) == ("n",)
    assert names(node) == ("word", "n", "a")


def test_a_rule_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    """A misspelt key (tir) would make a rule weaker in silence."""
    rule = (
        '[[rule]]\nid = "RF-99"\nwhen = "jaundice"\ntir = "T1_emergency"\nzh = "x"\nen = "x"\nstatus = "u"\ncases = []'
    )
    (tmp_path / "r.toml").write_text(rule, encoding="utf-8")
    with pytest.raises(ConfigError, match="tir"):
        RuleBook.load("r.toml", folder=tmp_path)


@pytest.mark.parametrize(
    ("danger_signs", "worker", "program", "final"),
    [
        ({}, WorkerView(), None, "T5_local"),
        ({}, WorkerView(tier="T2_same_day"), None, "T2_same_day"),
        ({}, WorkerView(worried="yes"), "T4_routine", "T2_same_day"),
        ({"breathing_difficulty": "yes"}, WorkerView(tier="T5_local"), "T5_local", "T1_emergency"),
        ({}, WorkerView(tier="T4_routine"), "T3_urgent", "T3_urgent"),
    ],
)
def test_the_final_tier_is_the_most_urgent_of_all(
    danger_signs: dict[str, str], worker: WorkerView, program: str | None, final: str
) -> None:
    """Rules, worker and program: each can raise, none can lower."""
    verdicts = BOOKS["danger"].evaluate(facts_of(case(intake=form(danger_signs=danger_signs))))
    decided = triage.decide(verdicts, worker=worker, program=program, created=CREATED, vocabulary=Vocabulary.load())
    assert decided.final == final


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
    decided = triage.decide([], worker=worker, program=None, created=CREATED, vocabulary=Vocabulary.load())
    assert decided.deadline == (None if after is None else CREATED + after)
