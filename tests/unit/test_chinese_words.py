"""What a Chinese reader reads: full-width punctuation in every sentence and label, and the tier that says what to do."""

from __future__ import annotations

import re

import pytest

from edge_agent.agents.report.terms import Terms
from edge_agent.agents.report.text import render_text
from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.agents.tcm.herbs import HerbBook
from edge_agent.agents.text.intake_words import intake_texts
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.punctuation import full_width
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.translations import load_translations
from edge_agent.kiosk.language import load_languages
from tests.simulators.reported_visits import golden

VOCABULARY = Vocabulary.load()
HALF = re.compile(r"[\u3000-\u9fff][,;:?!(]|[,;:?!)][\u4e00-\u9fff]")


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("疑 SJS/TEN:转运;保暖,补液。", "疑 SJS/TEN\uff1a转运\uff1b保暖\uff0c补液。"),
        ("体温(°C)", "体温\uff08°C\uff09"),
        ("签署:{name},{date}", "签署\uff1a{name}\uff0c{date}"),
        ("9 条:T1:3", "9 条\uff1aT1:3"),
        ("化验 KOH, HIV", "化验 KOH, HIV"),
        ("HIV (ELISA), page 1: x", "HIV (ELISA), page 1: x"),
    ],
)
def test_only_the_marks_of_chinese_become_wide(raw: str, read: str) -> None:
    """Blanks, codes and Latin words keep what is theirs."""
    assert full_width(raw) == read


def test_no_label_of_the_vocabulary_mixes_the_two() -> None:
    """Every list, also those that come later."""
    labels = [VOCABULARY.label(one, "zh", of=name) for name, found in VOCABULARY.lists.items() for one in found.terms]
    names = [VOCABULARY.name(name, "zh") for name in VOCABULARY.lists]
    assert len(labels) > 1000
    assert [words for words in (*labels, *names) if HALF.search(words)] == []


def test_no_rule_and_no_instruction_mixes_the_two() -> None:
    """What stands on the screen of an emergency most of all."""
    books = (RuleBook.load("red_flags.toml").rules, RuleBook.load("triage_rules.toml").rules)
    words = [rule.words("zh", is_stronger=strong) for rules in books for rule in rules for strong in (False, True)]
    words += [Terms(VOCABULARY, "zh").rule_words(rule.id) for rule in HerbBook.load(VOCABULARY).rules]
    translations = load_translations()
    words += [line for rule in translations.sentences for line in translations.instruction(rule, "zh")]
    assert len(words) > 90
    assert [one for one in words if HALF.search(one)] == []


@pytest.mark.parametrize("name", ["psoriasis", "sjs", "pigmented"])
def test_a_whole_report_has_one_kind_of_marks(name: str) -> None:
    """The marks that the program sets between the words too."""
    assert HALF.findall(render_text(golden(name), VOCABULARY, "zh")) == []


def test_a_model_is_asked_as_it_was_trained() -> None:
    """Its own marks are half-width; what it is asked with does not change with the typography of pages."""
    asked = intake_texts(Intake(), VOCABULARY)["intake_zh"]
    assert ":" in asked and "\uff1a" not in asked and "\uff08" not in asked


def test_an_emergency_says_what_to_do_in_chinese_too() -> None:
    """Not only what it is: English and Arabic say "transfer now"."""
    assert "立即转运" in VOCABULARY.label("T1_emergency", "zh", of="triage")


def test_no_sentence_of_the_pages_mixes_the_two() -> None:
    """As a Chinese page says them, also where the catalogue was typed with half-width marks."""
    chinese = load_languages(["zh"])["zh"]
    told = [form for entry in chinese._entries.values() for form in entry.forms]
    assert len(told) > 500
    assert [words for words in told if HALF.search(words)] == []
    assert chinese.colon == "\uff1a"
