"""Every word that a worker or a patient reads exists in four languages, apart from what a bundle signs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.translations import SPOKEN, TRANSLATIONS, load_translations
from edge_agent.errors import ConfigError

# The lists whose words stand on the screens of a visit, on a consent, or on what a person takes home.
FOR_WORKERS = (
    "examined", "known", "sex", "pregnancy", "duration", "course", "symptom", "avpu", "danger_sign", "vital_sign",
    "form_field", "season", "trigger", "new_drug_class", "allergy", "current_treatment", "treatment_response",
    "comorbidity", "family_history", "smoking", "alcohol", "pest", "mood", "worker_examination", "affected_region",
    "capacity", "assent", "guardian_relation", "consent_title", "consent_ask", "consent_refused", "consent_text",
    "consent_refusal", "camera_refusal", "camera_need", "camera_state", "camera_fault", "coach_hint", "triage", "shot",
    "laterality", "body_site", "view_quality", "quality_reason", "second_reading_reason", "withdrawal_action",
    "storage_notice", "tcm_examiner", "tongue_body_colour", "tongue_body_feature", "tongue_coating_colour",
    "tongue_coating_texture", "sublingual_veins", "pulse", "correction_reason",
)  # fmt: skip
TAKEN_HOME = (
    "sn_return", "sn_no_stop", "sn_unlabelled", "sn_contagious_no", "sn_skin_care", "sn_smoke_alcohol", "sn_followup",
    "sn_isolate", "ai_notice",
)  # fmt: skip
URGENT = TIERS[:2]
VOCABULARY = Vocabulary.load()
FOUND = load_translations()
SAME_EVERYWHERE = {"no", "melanoma", "psoriasis", "diabetes", "tuberculosis", "alcohol", "abdomen"}


@pytest.mark.parametrize("code", ["ar", "es"])
@pytest.mark.parametrize("name", FOR_WORKERS)
def test_every_word_for_workers_is_translated(name: str, code: str) -> None:
    """The same ids as the closed list: none left out, none that the list does not know."""
    assert set(FOUND.words[code][name]) == set(VOCABULARY.lists[name].terms)


@pytest.mark.parametrize("code", ["ar", "es"])
def test_what_a_person_takes_home_is_translated(code: str) -> None:
    """Safety-netting and the notice about the program; their blanks are the same."""
    for name in TAKEN_HOME:
        said = FOUND.label(VOCABULARY, name, code, of="text")
        blanks = re.findall(r"{\w+}", VOCABULARY.lists["text"].terms[name].en)
        assert (re.findall(r"{\w+}", said), said != VOCABULARY.label(name, "en", of="text")) == (blanks, True)


def test_no_list_is_translated_that_does_not_exist() -> None:
    """A misspelt list would be words that nobody ever reads."""
    for code, words in FOUND.words.items():
        assert set(words) <= {*FOR_WORKERS, "text"}, code


def test_arabic_words_are_written_in_arabic() -> None:
    """No English was left behind by mistake; only names such as HIV may stand in Latin letters."""
    left = [
        words
        for body in FOUND.words["ar"].values()
        for words in body.values()
        if not re.search(r"[\u0600-\u06ff]", words)
    ]
    assert left == []


def test_spanish_words_are_not_english() -> None:
    """Word by word against the closed list; what both languages share is named."""
    same = {
        said.lower()
        for name, body in FOUND.words["es"].items()
        for term_id, said in body.items()
        if said.lower() == VOCABULARY.label(term_id, "en", of=name).lower()
    }
    assert same <= SAME_EVERYWHERE


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
    """The pseudo-language and a clinicians' list: English words, never an id."""
    assert FOUND.label(VOCABULARY, "elbow", "qps", of="body_site") == "elbow"
    assert FOUND.label(VOCABULARY, "plaque", "ar", of="primary_lesion") == "plaque"
    assert FOUND.instruction("RF-01", "qps") == FOUND.instruction("RF-01", "en")


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


def test_an_instruction_in_three_languages_is_refused(tmp_path: Path) -> None:
    """A sentence that one language lacks would be an order that some workers do not get."""
    path = tmp_path / "danger.toml"
    path.write_text('status = "draft"\n[RF-01]\nen = ["A.", "B."]\nzh = ["A.", "B."]\nar = ["A."]\nes = ["A.", "B."]\n')
    with pytest.raises(ConfigError, match="RF-01"):
        load_translations(instructions=path)
