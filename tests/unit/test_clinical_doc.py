"""docs/clinical.md: its tables are what the rule files give, and a changed rule is a changed page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edge_agent.agents.rules.expressions import parse
from edge_agent.agents.rules.facts import KINDS
from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.contracts.terms import Vocabulary
from scripts.clinical_doc_main import PAGE, filled
from scripts.clinical_doc_tables import RuleWords, _row, blocks

VOCABULARY = Vocabulary.load()
TABLES = blocks(VOCABULARY)
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_committed_page_is_the_generated_one() -> None:
    """Whoever changes a rule runs scripts/clinical_doc."""
    assert filled(TEXT, TABLES) == TEXT


@pytest.mark.parametrize("name", sorted(TABLES))
def test_damage_in_a_block_is_seen(name: str) -> None:
    """A word changed by hand inside a generated block makes the page differ."""
    start = TEXT.index(f"<!-- generated: {name} -->") + len(f"<!-- generated: {name} -->\n\n")
    damaged = TEXT[:start] + "!" + TEXT[start:]
    assert filled(damaged, TABLES) == TEXT != damaged


def test_a_page_without_a_block_is_refused() -> None:
    """A chapter cannot lose its table in silence."""
    with pytest.raises(RuntimeError, match="blocks"):
        filled(TEXT.replace("<!-- generated: triage -->", ""), TABLES)


def test_every_rule_stands_on_the_page_with_its_status() -> None:
    """28 danger signs and the triage rules, each unreviewed."""
    rows = re.findall(r"^\| ((?:RF|TR)-\d\d) \|.*\| unreviewed \|$", TEXT, re.MULTILINE)
    assert [r for r in rows if r.startswith("RF")] == [f"RF-{n:02d}" for n in range(1, 29)]
    assert [r for r in rows if r.startswith("TR")] == [rule.id for rule in RuleBook.load("triage_rules.toml").rules]


def test_the_first_paragraph_says_that_nobody_has_reviewed_it() -> None:
    """The reader learns it before anything else."""
    assert TEXT.split("\n\n")[1].startswith("**Nobody licensed to practise has reviewed any of this.**")


def test_every_numbered_source_is_listed_once() -> None:
    """[S 1] to [S 46], and no table cites one that is not listed."""
    listed = [int(n) for n in re.findall(r"^- \*\*\[S (\d+)\]\*\*", TEXT, re.MULTILINE)]
    assert listed == list(range(1, 47))
    cited = {int(n) for group in re.findall(r"\[S ([\d, ]+)\]", TEXT) for n in group.split(",")}
    assert cited <= set(listed)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("jaundice and (wheals or bsa_percent >= 75)", "yellow skin or eyes AND (wheals OR body surface (%) ≥ 75)"),
        ("course == 'worsening'", "course is worsening"),
        ("avpu != 'A'", "consciousness (AVPU) is not A"),
        ("not jaundice", "NOT yellow skin or eyes"),
        ("2 * wheals + jaundice >= 3", "2 × wheals + yellow skin or eyes ≥ 3"),
    ],
)
def test_a_condition_is_put_into_words(expression: str, words: str) -> None:
    """The words follow the tree that the device evaluates."""
    assert RuleWords(VOCABULARY, {}).condition(parse(expression, kinds=KINDS)) == words


def test_a_private_rule_and_a_second_tier_are_told() -> None:
    """What a country may choose, what stays private and what is stronger stands in the row."""
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in TABLES["danger_signs"].splitlines()}
    assert "private" in rows["RF-24"] and "a country may choose T1 or T2" in rows["RF-24"]
    assert "stops photography" in rows["RF-25"]
    assert "T2; **T1** if *fever* OR" in rows["RF-04"] and "Meningococcal" in rows["RF-04"]
    assert "from the pictures, unconfirmed" in rows["RF-08"]


def test_the_draft_page_leaves_a_place_for_each_chapter() -> None:
    """One page for all clinical content, in a fixed order."""
    chapters = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert chapters == ["Danger signs", "Triage", "Severity", "Reasoning", "TCM", "Plan", "Scope", "Sources"]


def test_a_bar_in_a_text_does_not_break_the_table() -> None:
    """A cell keeps its place whatever its words hold."""
    rule = replace(RuleBook.load("red_flags.toml").rules[0], source="a | b")
    assert "a \\| b" in _row(rule, RuleWords.of("red_flags.toml", VOCABULARY))
