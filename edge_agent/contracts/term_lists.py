"""One closed list of the vocabulary, as its data file states it, and how an agent fills it.

Reads nothing from disk; ``contracts.terms`` does, and joins the lists to a vocabulary.

Source: clinical-vocabulary draft 0.1, sections 0 to 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.errors import ConfigError

Status = Literal["unreviewed", "reviewed"]
_ROW_KEYS = frozenset({"id", "zh", "en", "status", "source", "since"})
_LIST_KEYS = frozenset({"zh", "en", "max", "model", "values"})
_MODEL_KEYS = frozenset(
    {"agent", "step", "order", "key", "grades", "max_characters", "is_optional", "is_reference"},
)


@dataclass(frozen=True, slots=True)
class Term:
    """One entry: id, Chinese and English label, review status, source, first vocabulary schema that has it."""

    id: str
    zh: str
    en: str
    status: Status
    source: str
    since: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelField:
    """How an agent fills a list.

    ``key`` is the JSON key, ``order`` its place among the agent's keys. ``grades`` are the least and the largest
    whole number of a graded field (null is its "cannot tell"), ``max_characters`` the limit of a free text; a field
    has one of these or the list's ids. ``is_optional``: an answer without the key is complete. ``is_reference``: the
    reference model must cover every value (mark [R] of the draft).
    """

    agent: AgentName
    step: str
    order: int
    key: str
    grades: tuple[int, int] | None = None
    max_characters: int | None = None
    is_optional: bool = False
    is_reference: bool = False


@dataclass(frozen=True, slots=True)
class TermList:
    """One closed list; ``max`` > 1 means that a record may name several of its ids.

    ``model`` says how an agent fills it; None where only people or code do.
    """

    name: str
    zh: str
    en: str
    max: int
    terms: Mapping[str, Term]
    model: ModelField | None = None

    @property
    def is_list(self) -> bool:
        """Say whether a record holds several of its ids."""
        return self.max > 1

    def reference_ids(self) -> tuple[str, ...]:
        """Return the ids that the reference model must cover (mark [R])."""
        is_whole = self.model is not None and self.model.is_reference
        return tuple(term.id for term in self.terms.values() if is_whole or term.facts.get("is_reference") is True)


def term_list(name: str, body: Any, *, file: str) -> TermList:
    """Read one list of a parsed data file.

    Raises:
        ConfigError: a key is missing, unknown or of the wrong type, or an id stands twice; names file, list and id.
    """
    try:
        _refuse_unknown(body, _LIST_KEYS, where=f"{file}: the list {name}")
        model = _model(name, body["model"], file=file) if "model" in body else None
        terms = _terms(name, body["values"], file=file)
        if not isinstance(body["max"], int) or body["max"] < 1:
            raise ConfigError(f"{file}: the list {name} needs max = 1 or more")
        return TermList(name, body["zh"], body["en"], body["max"], MappingProxyType(terms), model)
    except (KeyError, TypeError) as exc:
        raise ConfigError(f"{file}: the list {name} lacks {exc}; compare it with the other lists") from exc


def _terms(name: str, rows: Any, *, file: str) -> dict[str, Term]:
    terms: dict[str, Term] = {}
    for row in rows:
        facts = {key: value for key, value in row.items() if key not in _ROW_KEYS}
        term = Term(
            row["id"], row["zh"], row["en"], row["status"], row["source"], row["since"], MappingProxyType(facts)
        )
        if term.status not in get_args(Status):
            raise ConfigError(f"{file}: {name}.{term.id} has status {term.status!r}; write unreviewed or reviewed")
        if term.id in terms:
            raise ConfigError(f"{file}: {name} lists {term.id} twice; remove one")
        terms[term.id] = term
    return terms


def _model(name: str, body: Mapping[str, Any], *, file: str) -> ModelField:
    where = f"{file}: {name}.model"
    _refuse_unknown(body, _MODEL_KEYS, where=where)
    if body["agent"] not in AGENTS:
        raise ConfigError(f"{where} names the agent {body['agent']!r}; write one of {', '.join(AGENTS)}")
    grades = body.get("grades")
    if grades is not None and (len(grades) != 2 or grades[0] >= grades[1]):
        raise ConfigError(f"{where}.grades needs the least and the largest number, e.g. [0, 4]")
    return ModelField(
        agent=body["agent"],
        step=body["step"],
        order=body["order"],
        key=body.get("key", name),
        grades=(grades[0], grades[1]) if grades is not None else None,
        max_characters=body.get("max_characters"),
        is_optional=body.get("is_optional", False),
        is_reference=body.get("is_reference", False),
    )


def _refuse_unknown(body: Mapping[str, Any], known: frozenset[str], *, where: str) -> None:
    unknown = sorted(set(body) - known)
    if unknown:
        raise ConfigError(f"{where} has the unknown key {unknown[0]}; allowed: {', '.join(sorted(known))}")
