"""Every word that a worker or a patient reads exists in four languages, apart from what a bundle signs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.agents.tcm.herb_rules import load_herb_rules
from edge_agent.contracts.speech import Speech
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.translations import SPOKEN, TRANSLATIONS, load_translations
from edge_agent.errors import ConfigError

TAKEN_HOME = (
    "sn_return", "sn_no_stop", "sn_unlabelled", "sn_contagious_no", "sn_skin_care", "sn_smoke_alcohol", "sn_followup",
    "sn_isolate", "ai_notice",
)  # fmt: skip
URGENT = TIERS[:2]
VOCABULARY = Vocabulary.load()
FOUND = load_translations()
SAME_EVERYWHERE = {"no", "melanoma", "psoriasis", "diabetes", "tuberculosis", "alcohol", "abdomen"}
DRAFTED = ("ar", "es")
RULES = {
    rule.id: rule
    for rules in (
        RuleBook.load("red_flags.toml").rules,
        RuleBook.load("triage_rules.toml").rules,
        load_herb_rules(herbs=frozenset(VOCABULARY.lists["herb"].terms)),
    )
    for rule in rules
}
# Answers and kinds that no reason keeps English: they are no names.
PLAIN = ("cannot_tell", "insufficient_information", "mixed_or_other", "joints", "none", "other")


def _lacking(speech: Speech) -> list[str]:
    """Return every id, list and rule that a language has no words for and no reason to lack."""
    lists = VOCABULARY.lists
    ids = [
        f"{name}.{one}"
        for name, found in lists.items()
        for one in found.terms
        if one not in speech.words.get(name, {})
        and (name not in speech.kept or (one in PLAIN and name != "syndrome_profile"))
    ]
    names = [name for name in lists if name not in speech.names]
    rules = [rule for rule in RULES if rule not in speech.rules]
    stronger = [
        one for one, rule in RULES.items() if getattr(rule, "stronger_words", None) and one not in speech.stronger
    ]
    return [*ids, *names, *rules, *stronger]


@pytest.mark.parametrize("code", DRAFTED)
def test_every_word_that_a_page_can_show_is_drafted(code: str) -> None:
    """Every id of every list, the lists' own names, the rules' fixed words: drafted, or English on purpose with a reason."""
    assert _lacking(FOUND.speeches[code]) == []


@pytest.mark.parametrize(
    ("part", "without", "lacking"),
    [
        ("words", {"primary_lesion": {"macule": "mácula"}}, "primary_lesion.plaque"),
        ("names", {"stage": "fase"}, "biomedical_condition"),
        ("rules", {"RF-01": "Traslado."}, "RF-02"),
        ("stronger", {"RF-04": "Traslado."}, "RF-10"),
        ("kept", {"formula": "pinyin"}, "herb.danggui"),
    ],
)
def test_a_word_that_is_missing_is_found(part: str, without: dict[str, Any], lacking: str) -> None:
    """The rule above can fail, for each kind of words."""
    assert lacking in _lacking(replace(FOUND.speeches["es"], **{part: without}))  # type: ignore[arg-type]


@pytest.mark.parametrize("code", DRAFTED)
def test_nothing_is_drafted_that_does_not_exist(code: str) -> None:
    """A misspelt list, id or rule would be words that nobody ever reads; a reason for a drafted list none that holds."""
    speech, lists = FOUND.speeches[code], VOCABULARY.lists
    assert {f"{name}.{one}" for name, body in speech.words.items() for one in body} <= {
        f"{name}.{one}" for name, found in lists.items() for one in found.terms
    }
    assert set(speech.names) <= set(lists) and {*speech.rules, *speech.stronger} <= set(RULES)
    assert [name for name in speech.kept if set(speech.words.get(name, {})) == set(lists[name].terms)] == []


@pytest.mark.parametrize("code", DRAFTED)
def test_drafted_words_have_the_blanks_of_the_list(code: str) -> None:
    """A blank that is lost would lose a number; one too many would stop the page."""
    for name, body in FOUND.speeches[code].words.items():
        for term_id, said in body.items():
            blanks = re.findall(r"{\w*}", VOCABULARY.label(term_id, "en", of=name))
            assert sorted(re.findall(r"{\w*}", said)) == sorted(blanks), f"{name}.{term_id}"


@pytest.mark.parametrize("code", ["ar", "es"])
def test_what_a_person_takes_home_is_translated(code: str) -> None:
    """Safety-netting and the notice about the program; their blanks are the same."""
    for name in TAKEN_HOME:
        said = FOUND.label(VOCABULARY, name, code, of="text")
        blanks = re.findall(r"{\w+}", VOCABULARY.lists["text"].terms[name].en)
        assert (re.findall(r"{\w+}", said), said != VOCABULARY.label(name, "en", of="text")) == (blanks, True)


def _said(code: str) -> list[tuple[str, str]]:
    """Return everything that is drafted in a language beside its English words."""
    speech = FOUND.speeches[code]
    pairs = [
        (said, VOCABULARY.label(one, "en", of=name))
        for name, body in speech.words.items()
        for one, said in body.items()
    ]
    pairs += [(said, VOCABULARY.name(name, "en")) for name, said in speech.names.items()]
    return pairs + [(said, RULES[one].en) for one, said in [*speech.rules.items(), *speech.stronger.items()]]


def test_arabic_words_are_written_in_arabic() -> None:
    """No English was left behind by mistake; only names such as HIV may stand in Latin letters, inside Arabic words."""
    assert [said for said, _ in _said("ar") if not re.search(r"[\u0600-\u06ff]", said)] == []


def test_spanish_words_are_not_english() -> None:
    """Word by word against the closed list; what both languages share is named."""
    assert {said.lower() for said, english in _said("es") if said.lower() == english.lower()} <= SAME_EVERYWHERE


@pytest.mark.parametrize("code", SPOKEN)
def test_every_urgent_rule_speaks_in_sentences(code: str) -> None:
    """Whatever can interrupt a visit says what it can be and what to do, with a full stop, in all four languages."""
    for rule in RuleBook.load("red_flags.toml").rules:
        tiers = {rule.tier, rule.stronger_tier, *rule.tier_choices}
        if not tiers & set(URGENT):
            continue
        told = FOUND.instruction(rule.id, code)
        assert len(told) >= 2, rule.id
        assert all(one.endswith((".", "。")) for one in told), rule.id


def test_a_rule_with_stronger_words_has_stronger_sentences() -> None:
    """A transfer is never told in the words of a lesser urgency."""
    for rule in RuleBook.load("red_flags.toml").rules:
        if rule.stronger_words is None:
            continue
        for code in SPOKEN:
            stronger = FOUND.instruction(rule.id, code, is_stronger=True)
            assert stronger != FOUND.instruction(rule.id, code), rule.id


def test_a_rule_that_asks_for_a_transfer_says_so_in_every_language() -> None:
    """The fixed words have the source; the sentences may leave nothing of their order out."""
    words = {"zh": "转运", "en": "transfer", "ar": "النقل", "es": "traslado"}
    for rule in RuleBook.load("red_flags.toml").rules:
        for is_stronger in (False, True):
            if "transfer" not in rule.words("en", is_stronger=is_stronger):
                continue
            for code, word in words.items():
                assert word in " ".join(FOUND.instruction(rule.id, code, is_stronger=is_stronger)), (rule.id, code)


def test_a_language_without_a_translation_is_answered_in_english() -> None:
    """The pseudo-language: English words, never an id."""
    assert FOUND.label(VOCABULARY, "elbow", "qps", of="body_site") == "elbow"
    assert FOUND.name(VOCABULARY, "body_site", "qps") == "body site"
    assert FOUND.speech("qps") == "en"
    assert FOUND.instruction("RF-01", "qps") == FOUND.instruction("RF-01", "en")


def test_what_a_drafted_language_keeps_english_is_set_apart() -> None:
    """The name of a herb: its order holds inside Arabic, and a page can mark it as English."""
    assert FOUND.label(VOCABULARY, "danggui", "ar", of="herb") == "\u2066Chinese angelica root\u2069"
    assert FOUND.label(VOCABULARY, "cannot_tell", "ar", of="formula") == "لا يمكن الحكم"


def test_drafts_keep_the_banner() -> None:
    """No named reviewer has read them."""
    assert (FOUND.is_reviewed("ar"), FOUND.is_reviewed("es")) == (False, False)


def test_translations_leave_the_signed_vocabulary_alone(tmp_path: Path) -> None:
    """The digest over the ids is the same with the folders and without."""
    for path in TRANSLATIONS.parent.glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert Vocabulary.load(tmp_path).sha256 == VOCABULARY.sha256


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('language = "fr"\nstatus = "draft"\n', 'language = "pt"'),
        ('language = "pt"\n', "status"),
        ('language = "pt"\nstatus = "draft"\n[sex]\nmale = 1\n', "list sex"),
    ],
)
def test_a_malformed_translation_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    """One line with the file and the place."""
    (tmp_path / "pt.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=wanted):
        load_translations(tmp_path)


def test_a_language_of_two_files_is_reviewed_when_both_are(tmp_path: Path) -> None:
    """A draft beside reviewed words keeps the banner."""
    (tmp_path / "pt.toml").write_text('language = "pt"\nstatus = "reviewed"\n[sex]\nmale = "homem"\n')
    assert load_translations(tmp_path).is_reviewed("pt")
    (tmp_path / "pt.report.toml").write_text('language = "pt"\nstatus = "draft"\n[sex]\nfemale = "mulher"\n')
    found = load_translations(tmp_path)
    assert not found.is_reviewed("pt")
    assert found.speeches["pt"].words["sex"] == {"male": "homem", "female": "mulher"}


def test_an_id_with_words_in_two_files_is_refused(tmp_path: Path) -> None:
    """Nobody could say which of them is read."""
    for name in ("pt.toml", "pt.report.toml"):
        (tmp_path / name).write_text('language = "pt"\nstatus = "draft"\n[sex]\nmale = "homem"\n')
    with pytest.raises(ConfigError, match=r"sex\.male"):
        load_translations(tmp_path)


def test_an_instruction_in_three_languages_is_refused(tmp_path: Path) -> None:
    """A sentence that one language lacks would be an order that some workers do not get."""
    path = tmp_path / "danger.toml"
    path.write_text('status = "draft"\n[RF-01]\nen = ["A.", "B."]\nzh = ["A.", "B."]\nar = ["A."]\nes = ["A.", "B."]\n')
    with pytest.raises(ConfigError, match="RF-01"):
        load_translations(instructions=path)
