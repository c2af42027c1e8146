"""The closed clinical vocabulary: ids with their labels, read from the data files beside this module.

Ids travel, labels are shown. The same id may stand in several lists with different words (``flexural`` is a place
and a type), so a label is asked for by list and id. Does not judge anything clinical.

Source: clinical-vocabulary draft 0.1; every entry names its own source and review status.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from edge_agent.contracts.agent_schemas import agent_schema, agent_steps
from edge_agent.contracts.manifest import AGENTS, AgentName, Manifest, Step
from edge_agent.contracts.punctuation import full_width
from edge_agent.contracts.schema_subset import problems
from edge_agent.contracts.term_lists import TermList, term_list
from edge_agent.errors import ConfigError, Incompatible

VERSION = "0.1"
Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
FOLDER = Path(__file__).parent / "vocabulary"
TIERS_LIST = "triage"
ROUTINE_TIER = "T4_routine"  # the one whose deadline a country may set
RULE_FILES = ("red_flags.toml", "triage_rules.toml")  # read by agents.red_flags


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
            for name, body in read_toml(path, what="vocabulary file").items():
                if name in lists:
                    raise ConfigError(f"{path.name}: the list {name} stands in two files; remove one")
                lists[name] = term_list(name, body, file=path.name)
        _check_order(lists)
        rows = "\n".join(f"{name} {' '.join(lists[name].terms)}" for name in sorted(lists))
        return cls(MappingProxyType(lists), VERSION, hashlib.sha256(rows.encode()).hexdigest())

    def label(self, term_id: str, lang: Language, *, of: str) -> str:
        """Return the words for one id of the list ``of``, to be read by people; a model reads them as the file has them.

        Raises:
            KeyError: no such list or id (a programmer's mistake: ids were checked when they came in).
        """
        term = self.lists[of].terms[term_id]
        return full_width(term.zh) if lang == "zh" else term.en

    def name(self, of: str, lang: Language) -> str:
        """Return the words for a list itself, e.g. the name of a field."""
        found = self.lists[of]
        return full_width(found.zh) if lang == "zh" else found.en

    def has(self, term_id: str, *, of: str) -> bool:
        """Say whether the list ``of`` exists and holds the id."""
        return of in self.lists and term_id in self.lists[of].terms

    def deadline_hours(self, tier: str) -> int | None:
        """Return by when a person has seen or read a case, in hours from the visit; None: the next visit decides.

        Raises:
            KeyError: no such tier (a programmer's mistake).
        """
        hours: int | None = self.lists[TIERS_LIST].terms[tier].facts.get("deadline_hours")
        return hours

    def with_deadline(self, tier: str, hours: int) -> Vocabulary:
        """Return this vocabulary with a tier's deadline so many hours after the visit; never later than it is here.

        The ids, and so the digest, are the same.
        """
        found, standard = self.lists[TIERS_LIST], self.deadline_hours(tier)
        if standard is None or hours >= standard:
            return self
        term = replace(found.terms[tier], facts=MappingProxyType({**found.terms[tier].facts, "deadline_hours": hours}))
        shorter = replace(found, terms=MappingProxyType({**found.terms, tier: term}))
        return replace(self, lists=MappingProxyType({**self.lists, TIERS_LIST: shorter}))

    def is_reviewed(self) -> bool:
        """Say whether a clinician has reviewed every entry."""
        return all(term.status == "reviewed" for found in self.lists.values() for term in found.terms.values())

    def agent_schema(self, agent: AgentName, step: str | None = None) -> dict[str, Any]:
        """Return the published JSON schema of an agent's answer: one step, or all its steps' keys together.

        Raises:
            KeyError: no such agent or step (a programmer's mistake).
        """
        return agent_schema(self.lists, agent, step)

    def agent_steps(self, agent: AgentName) -> tuple[str, ...]:
        """Return the names of an agent's steps, in order."""
        return agent_steps(self.lists, agent)

    def check_manifest(self, manifest: Manifest) -> None:
        """Refuse a bundle that can write what this vocabulary does not know: a key, an id, a grade, a longer list.

        Does not ask a bundle to decide everything; a bundle may declare less than is published.

        Raises:
            Incompatible: names the agent, the field and the id.
        """
        found = self.unknown_in({name: spec.steps for name, spec in manifest.agents.items()})
        if found is not None:
            raise Incompatible(
                f"the bundle's {found}, which vocabulary {self.version} does not know: update the device or choose"
                " another bundle"
            )

    def unknown_in(self, steps: Mapping[AgentName, Sequence[Step]]) -> str | None:
        """Return the first thing that an agent's steps can write and this vocabulary does not know; None without any.

        Args:
            steps: by agent; free texts have no schema and are left out.
        """
        for agent in AGENTS:
            published = self.agent_schema(agent)
            for step in steps.get(agent, ()):
                found = problems(step.output_schema, published, is_whole=False) if step.output_schema else []
                if found:
                    return f"{agent} {found[0]}"
        return None


def _check_order(lists: Mapping[str, TermList]) -> None:
    """Refuse two fields at one place of an agent's answer."""
    places: dict[tuple[str, int], str] = {}
    for found in lists.values():
        if found.model is None:
            continue
        place = (found.model.agent, found.model.order)
        if place in places:
            raise ConfigError(f"the lists {places[place]} and {found.name} have one order; number them differently")
        places[place] = found.name


def read_toml(path: Path, *, what: str) -> dict[str, Any]:
    """Read one data file of the package.

    Args:
        path: the file.
        what: what it is, for the message: ``vocabulary file``, ``rule file``, ``sign table``.

    Raises:
        ConfigError: it cannot be read or is not TOML; names the file.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"cannot read the {what} {path.name}: {exc}") from exc
