"""The words of the vocabulary in the kiosk's other languages, and the full sentences of the danger-sign rules.

They stand apart from the closed lists (``vocabulary/translations``, ``vocabulary/instructions``), so that a translation
changes neither the ids nor the Chinese and English words that a model sees and a bundle signs. A language may have several files
(``ar.toml`` for what a worker reads, ``ar.report.toml`` for a report). Does not decide which lists need a translation: what is
not translated is said in English, set apart.

Source: clinical-vocabulary sections 7, 8 and 12; our own translations, read by no clinician.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from edge_agent.contracts.punctuation import full_width
from edge_agent.contracts.speech import Speech
from edge_agent.contracts.terms import FOLDER, Language, Vocabulary, read_toml
from edge_agent.errors import ConfigError

TRANSLATIONS: Final = FOLDER / "translations"
INSTRUCTIONS: Final = FOLDER / "instructions" / "danger.toml"
SPOKEN: Final = ("zh", "en", "ar", "es")  # an instruction has all of them
DraftStatus = Literal["draft", "reviewed"]
BESIDE: Final = ("list_name", "rule", "rule_stronger", "kept")  # tables of a file that are no list of the vocabulary
Sentences = Mapping[str, Mapping[str, tuple[str, ...]]]  # rule → language, or stronger_language → sentences


@dataclass(frozen=True, slots=True)
class Translations:
    """Hold the drafted languages by code, and the sentences of the rules.

    ``reviewed``: the languages whose labels a clinician has read.
    """

    speeches: Mapping[str, Speech]
    sentences: Sentences
    reviewed: frozenset[str] = frozenset()

    def speech(self, code: str) -> Language | Speech:
        """Return in what a page's clinical words are told: a drafted language, else Chinese or English.

        Args:
            code: the page's language, BCP 47.
        """
        return self.speeches.get(code) or closed_language(code)

    def label(self, vocabulary: Vocabulary, term_id: str, code: str, *, of: str) -> str:
        """Return the words of one id in a language of the kiosk; English, set apart, where a drafted one lacks them.

        Args:
            vocabulary: holds the Chinese and English words.
            term_id: an id of the list.
            code: the page's language, BCP 47.
            of: the list.

        Raises:
            KeyError: no such list or id (a programmer's mistake).
        """
        speech = self.speeches.get(code)
        return (
            vocabulary.label(term_id, closed_language(code), of=of)
            if speech is None
            else speech.label(vocabulary, term_id, of=of)
        )

    def name(self, vocabulary: Vocabulary, of: str, code: str) -> str:
        """Return the words for a list itself in a language of the kiosk.

        Args:
            vocabulary: holds the Chinese and English words.
            of: the list.
            code: the page's language.

        Raises:
            KeyError: no such list (a programmer's mistake).
        """
        speech = self.speeches.get(code)
        return vocabulary.name(of, closed_language(code)) if speech is None else speech.name(vocabulary, of)

    def instruction(self, rule_id: str, code: str, *, is_stronger: bool = False) -> tuple[str, ...]:
        """Return a rule's sentences: what it can be, then what to do; empty where the rule is not urgent.

        Args:
            rule_id: e.g. ``RF-04``.
            code: the page's language; one without sentences is answered in English.
            is_stronger: the rule fired in its stronger form; the same sentences where it has no stronger ones.
        """
        told = self.sentences.get(rule_id, {})
        lang = code if code in SPOKEN else closed_language(code)
        found = (told.get(f"stronger_{lang}") if is_stronger else None) or told.get(lang, ())
        return tuple(map(full_width, found))

    def is_reviewed(self, code: str) -> bool:
        """Say whether the labels of a language need no banner on their own account."""
        return code not in self.speeches or code in self.reviewed


def closed_language(code: str) -> Language:
    """Return the language of the closed lists for a page's language: Chinese for Chinese, else English."""
    return "zh" if code.startswith("zh") else "en"


def load_translations(folder: Path = TRANSLATIONS, *, instructions: Path = INSTRUCTIONS) -> Translations:
    """Read every translation of a folder and the sentences of the rules.

    Raises:
        ConfigError: a file is malformed; names it and the place.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}
    drafts = set()
    for path in sorted(folder.glob("*.toml")):
        data = read_toml(path, what="translation")
        code, status = data.pop("language", None), data.pop("status", None)
        if code != path.name.split(".")[0] or status not in get_args(DraftStatus):
            wanted = path.name.split(".")[0]
            raise ConfigError(f'{path.name} needs language = "{wanted}" and status = "draft" or "reviewed"')
        _add(data, to=found.setdefault(code, {}), file=path.name)
        if status != "reviewed":
            drafts.add(code)
    speeches = {code: _speech(code, tables) for code, tables in found.items()}
    return Translations(MappingProxyType(speeches), _sentences(instructions), frozenset(found) - drafts)


def _add(data: Mapping[str, Any], *, to: dict[str, dict[str, str]], file: str) -> None:
    """Add a file's tables to its language's; no id may have words twice."""
    for name, body in data.items():
        if not isinstance(body, dict) or not all(isinstance(one, str) and one.strip() for one in body.values()):
            raise ConfigError(f"{file}: the list {name} needs one line of words for each id")
        known = to.setdefault(name, {})
        if twice := known.keys() & body.keys():
            raise ConfigError(f"{file}: {name}.{min(twice)} has words in another file too; remove one")
        known.update(body)


def _speech(code: str, tables: Mapping[str, Mapping[str, str]]) -> Speech:
    names, rules, stronger, kept = (MappingProxyType(dict(tables.get(name, {}))) for name in BESIDE)
    words = {name: MappingProxyType(dict(body)) for name, body in tables.items() if name not in BESIDE}
    return Speech(code, MappingProxyType(words), names=names, rules=rules, stronger=stronger, kept=kept)


def _sentences(path: Path) -> Sentences:
    data = read_toml(path, what="instructions")
    if data.pop("status", None) not in get_args(DraftStatus):
        raise ConfigError(f'{path.name} needs status = "draft" or "reviewed"')
    told: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for rule, body in data.items():
        for stem in ("", "stronger_"):
            given = [lang for lang in SPOKEN if body.get(f"{stem}{lang}")]
            if given and len({len(body[f"{stem}{lang}"]) for lang in given}) + len(SPOKEN) - len(given) != 1:
                raise ConfigError(f"{path.name}: {rule} needs as many sentences in each of {', '.join(SPOKEN)}")
        told[rule] = MappingProxyType({key: tuple(rows) for key, rows in body.items()})
    return MappingProxyType(told)
