"""The texts read aloud: five purposes in two languages, each version one text for ever; every answer has words."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import get_args

import pytest

from edge_agent.contracts.consent_values import PURPOSES, Assent, Capacity, GuardianRelation
from edge_agent.contracts.policy import Policy
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.translations import load_translations
from edge_agent.policy import camera, consent, reading, retention, sharing, withdrawal
from edge_agent.policy.consent_texts import PARTS, shipped_texts, words_of
from edge_agent.policy.strictness import OPENED_BY, STRICT_TO_LAX

# SHA-256 of what is read aloud. A text that is changed gets a new version and a new line; no line is ever changed:
# people gave their consent to these very words.
DIGESTS = {
    ("care_pictures", "1"): "55d5cb8d4e4f07c5",
    ("program_help", "1"): "0b48134c97bef4aa",
    ("deidentified_result", "1"): "e182532a80bb7dfd",
    ("referral_package", "1"): "1f9a207de964ed1a",
    ("training", "1"): "365ceb2cea1204fc",
}
# The same for the drafted translations: who hears Arabic or Spanish consents to these words.
TRANSLATED = {
    ("ar", "care_pictures", "1"): "212ed66f32ef7cb3",
    ("ar", "program_help", "1"): "df3a4d29ac09aed1",
    ("ar", "deidentified_result", "1"): "f5687fd08c4b133f",
    ("ar", "referral_package", "1"): "7bf897be7e3126af",
    ("ar", "training", "1"): "4c02f15c36016e80",
    ("es", "care_pictures", "1"): "3b2626e4c7c2a480",
    ("es", "program_help", "1"): "271881195c28e2bf",
    ("es", "deidentified_result", "1"): "ae53da7b635527c8",
    ("es", "referral_package", "1"): "6f5aef2c2da84d95",
    ("es", "training", "1"): "5a8e05f714ef2c59",
}
LISTS: dict[str, type[StrEnum]] = {
    "picture_kind": camera.PictureKind,
    "camera_need": camera.CameraNeed,
    "camera_refusal": camera.CameraRefusal,
    "consent_decider": consent.Decider,
    "consent_need": consent.ConsentNeed,
    "consent_refusal": consent.ConsentRefusal,
    "consent_fault": consent.ConsentFault,
    "sharing_refusal": sharing.SharingRefusal,
    "withdrawal_action": withdrawal.WithdrawalAction,
    "retention_class": retention.RetentionClass,
    "retention_wait": retention.RetentionWait,
    "second_reading_reason": reading.ReadingReason,
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.load()


@pytest.mark.parametrize("name", LISTS)
def test_every_answer_of_a_rule_has_its_words(vocabulary: Vocabulary, name: str) -> None:
    """A page never shows an id."""
    assert set(vocabulary.lists[name].terms) == {one.value for one in LISTS[name]}


def test_every_value_of_a_consent_record_has_its_words(vocabulary: Vocabulary) -> None:
    """The form's choices, in the order in which they are shown."""
    for name, kind in (("capacity", Capacity), ("assent", Assent), ("guardian_relation", GuardianRelation)):
        assert tuple(vocabulary.lists[name].terms) == get_args(kind)
    for part in PARTS:
        assert tuple(vocabulary.lists[part].terms) == PURPOSES


def test_the_built_in_policy_reads_the_shipped_texts() -> None:
    """Without a file the versions are those that are here."""
    assert {text.purpose: text.version for text in shipped_texts()} == Policy().consent_versions.model_dump()


def test_every_purpose_that_a_key_opens_says_how_far_its_text_goes() -> None:
    """R15: and the defaults stay within it."""
    covered = {text.purpose: text.covers for text in shipped_texts() if text.covers is not None}
    assert set(covered) == set(OPENED_BY)
    for purpose, key in OPENED_BY.items():
        order = STRICT_TO_LAX[key]
        assert order.index(getattr(Policy(), key)) <= order.index(covered[purpose])


def test_a_version_is_one_text_for_ever(vocabulary: Vocabulary) -> None:
    """R15: who changes a word counts the version up."""
    found = {}
    for text in shipped_texts():
        spoken = "\n".join(f"{zh}\n{en}" for zh, en in words_of(vocabulary, text.purpose))
        found[text.purpose, text.version] = hashlib.sha256(spoken.encode()).hexdigest()[:16]
    assert {key: DIGESTS[key] for key in found} == found


def test_a_translated_text_has_the_digest_of_its_version(vocabulary: Vocabulary) -> None:
    """R15: the words that are read aloud in Arabic and Spanish belong to a version as the others do."""
    translations = load_translations()
    found = {
        (code, text.purpose, text.version): hashlib.sha256(
            "\n".join(translations.label(vocabulary, text.purpose, code, of=part) for part in PARTS).encode()
        ).hexdigest()[:16]
        for code in ("ar", "es")
        for text in shipped_texts()
    }
    assert found == TRANSLATED


def test_every_refusal_says_that_nothing_else_changes(vocabulary: Vocabulary) -> None:
    """R1: the person hears it before answering; the purpose that is off says that care stays the same."""
    for term in vocabulary.lists["consent_refused"].terms.values():
        assert "Nothing else changes." in term.en or term.id == "training"
        assert "其他一切不变" in term.zh or term.id == "training"


@pytest.mark.parametrize(
    "name",
    ["assent_child", "guardian", "witness", "emergency_basis", "withdrawal", "safeguarding", "emergency_instruction"],
)
def test_the_texts_around_a_consent_are_there_and_unreviewed(vocabulary: Vocabulary, name: str) -> None:
    """Nobody licensed has read them yet; a text that says otherwise would be printed without the banner."""
    assert vocabulary.lists["consent_text"].terms[name].status == "unreviewed"


def test_a_question_read_aloud_is_short(vocabulary: Vocabulary) -> None:
    """Two to four sentences and the question."""
    for term in vocabulary.lists["consent_ask"].terms.values():
        assert 2 <= sum(term.en.count(mark) for mark in ".?") <= 5
        assert len(term.en) < 300
