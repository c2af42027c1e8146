"""The closed clinical vocabulary: ids with their labels, read from the data files beside this module.

Ids travel, labels are shown. The same id may stand in several lists with different words (``flexural`` is a place
and a type), so a label is asked for by list and id. Does not judge anything clinical.

Source: clinical-vocabulary draft 0.1; every entry names its own source and review status.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from edge_agent.contracts.manifest import AGENTS, Manifest
from edge_agent.errors import ConfigError, Incompatible

VERSION = "0.1"
Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
FOLDER = Path(__file__).parent / "vocabulary"
RULE_FILES = ("red_flags.toml", "triage_rules.toml")  # read by agents.red_flags


@dataclass(frozen=True, slots=True)
class Term:
    """One entry: id, Chinese and English label, review status, source, first vocabulary schema that has it."""

    id: str
    zh: str
    en: str
    status: Literal["unreviewed", "reviewed"]
    source: str
    since: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TermList:
    """One closed list; ``max`` > 1 means that a record may name several of its ids."""

    name: str
    zh: str
    en: str
    max: int
    terms: Mapping[str, Term]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All lists by name, the version, and a digest over the ids alone (labels may be mended under one version)."""

    lists: Mapping[str, TermList]
    version: str
    sha256: str

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Vocabulary:
        """Read every list of a folder.

        Raises:
            ConfigError: a file or entry is malformed, or a list or id stands twice; names the place.
        """
        lists: dict[str, TermList] = {}
        for path in sorted(folder.glob("*.toml")):
            if path.name in RULE_FILES:
                continue
            for name, body in _toml(path).items():
                if name in lists:
                    raise ConfigError(f"{path.name}: the list {name} stands in two files; remove one")
                lists[name] = _term_list(name, body, path.name)
        rows = "\n".join(f"{name} {' '.join(lists[name].terms)}" for name in sorted(lists))
        return cls(MappingProxyType(lists), VERSION, hashlib.sha256(rows.encode()).hexdigest())

    def label(self, term_id: str, lang: Language, *, of: str) -> str:
        """Return the words for one id of the list ``of``.

        Raises:
            KeyError: no such list or id (a programmer's mistake: ids were checked when they came in).
        """
        term = self.lists[of].terms[term_id]
        return term.zh if lang == "zh" else term.en

    def name(self, of: str, lang: Language) -> str:
        """Return the words for a list itself, e.g. the name of a field."""
        found = self.lists[of]
        return found.zh if lang == "zh" else found.en

    def has(self, term_id: str, *, of: str) -> bool:
        """Say whether the list ``of`` exists and holds the id."""
        return of in self.lists and term_id in self.lists[of].terms

    def is_reviewed(self) -> bool:
        """Say whether a clinician has reviewed every entry."""
        return all(term.status == "reviewed" for found in self.lists.values() for term in found.terms.values())

    def check_manifest(self, manifest: Manifest) -> None:
        """Refuse a bundle that can say an id which this vocabulary does not know.

        Raises:
            Incompatible: names the agent, the field and the id.
        """
        for agent in AGENTS:
            spec = manifest.agents.get(agent)
            for step in spec.steps if spec else ():
                for field, allowed in _declared_ids(step.output_schema or {}):
                    unknown = [i for i in allowed if not self.has(i, of=field)]
                    if unknown:
                        raise Incompatible(
                            f"the bundle's {agent} may answer {field} = {unknown[0]}, which vocabulary"
                            f" {self.version} does not know: update the device or choose another bundle"
                        )


def _declared_ids(schema: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """List (field, string ids) of one output schema; numbers and null are grades, not ids."""
    rows = []
    for field, body in schema.get("properties", {}).items():
        allowed = body.get("enum") or body.get("items", {}).get("enum") or []
        rows.append((field, [value for value in allowed if isinstance(value, str)]))
    return rows


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"cannot read the vocabulary file {path.name}: {exc}") from exc


def _term_list(name: str, body: Any, file: str) -> TermList:
    try:
        terms: dict[str, Term] = {}
        for row in body["values"]:
            facts = {k: v for k, v in row.items() if k not in {"id", "zh", "en", "status", "source", "since"}}
            term = Term(
                row["id"], row["zh"], row["en"], row["status"], row["source"], row["since"], MappingProxyType(facts)
            )
            if term.id in terms:
                raise ConfigError(f"{file}: {name} lists {term.id} twice; remove one")
            terms[term.id] = term
        return TermList(name, body["zh"], body["en"], body["max"], MappingProxyType(terms))
    except (KeyError, TypeError) as exc:
        raise ConfigError(f"{file}: the list {name} lacks {exc}; compare it with the other lists") from exc
