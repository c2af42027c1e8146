"""What a report keeps of a model's words, and where the coded places stand in it."""

from __future__ import annotations

import pytest

from edge_agent.agents.text.intake_words import intake_texts
from edge_agent.agents.text.lexicon import Lexicon
from edge_agent.agents.text.shown import TextShower
from edge_agent.contracts.case import Written
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.terms import LANGUAGES, Vocabulary
from tests.simulators.cases import form

VOCABULARY = Vocabulary.load()
SHOWER = TextShower(VOCABULARY, Lexicon.load(VOCABULARY))


def written(text: str) -> Written:
    return Written("assess", text, text, "eos")


@pytest.mark.parametrize(
    ("text", "shown", "hides"),
    [
        ("辨证:血热证。治法:清热凉血。", "辨证:血热证。治法:清热凉血。", ()),
        ("血热证。生地黄、赤芍。清热。", "血热证。[…]。清热。", ("herb",)),
        ("血热证。每日服15克。", "血热证。[…]。", ("dose",)),
        ("方用犀角地黄汤。", "方用犀角地黄汤。", ()),  # the one that was checked; its name holds herbs' names
        ("方用犀角地黄汤合消风散。", "[…]。", ("formula",)),  # another one beside it
        ("处方:\n白鲜皮15g\n血热证", "[…]\n血热证", ("dose",)),
        ("外用轻粉。血热证。", None, ("banned",)),
    ],
)
def test_sentences_that_nobody_may_read_go(text: str, shown: str | None, hides: tuple[str, ...]) -> None:
    """Herbs, doses, unchecked formulas: the sentence; a banned substance: the whole text."""
    [one] = SHOWER.show([written(text)], formula="xijiao_dihuang_tang")
    assert (one.text, one.hides) == (shown, hides)


def test_without_a_checked_formula_no_formula_is_named() -> None:
    """Whatever withheld it."""
    [one] = SHOWER.show([written("血热证。方用犀角地黄汤。")])
    assert (one.text, one.hides) == ("血热证。[…]。", ("formula",))


def test_places_move_with_what_is_hidden() -> None:
    """A span in the shown text holds the same words; a hidden one has none."""
    text = "生地黄30克。辨证:血热证。赤芍15克。治以清热凉血。"
    [one] = SHOWER.show([written(text)])
    assert one.text == "[…]。辨证:血热证。[…]。治以清热凉血。"
    for word in ("血热证", "清热凉血"):
        span = one.span(text.index(word), text.index(word) + len(word))
        assert span is not None and one.text[slice(*span)] == word
    assert one.span(0, 3) is None


def test_the_form_in_words_says_what_nobody_examined() -> None:
    """Every line of both languages; no id, nothing left out, and no age or sex."""
    empty, full = intake_texts(Intake(), VOCABULARY), intake_texts(form(), VOCABULARY)
    for lang in LANGUAGES:
        nothing = VOCABULARY.label("not_examined", lang, of="nothing")
        lines = empty[f"intake_{lang}"].splitlines()
        assert all(line.endswith(nothing) for line in lines)
        assert len(lines) == len(full[f"intake_{lang}"].splitlines()) > 20
        assert "_" not in full[f"intake_{lang}"]
        assert "34" not in full[f"intake_{lang}"]
    assert "舌色:红" in full["intake_zh"].splitlines()
