"""Build the JSON schemas of the agents' answers from the vocabulary: the one source for bundles, grammars and tests.

An answer holds ids, grades and short local texts; there is no place for a dose or for a confidence that a model writes
about itself (the engine measures that). Key order is the order of generation. A bundle may declare less: fewer
optional keys, fewer ids, shorter lists; ``contracts.schema_subset`` says whether it stays inside.

Source: clinical-vocabulary draft 0.1, sections 2, 3, 5 and 10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge_agent.contracts.manifest import AgentName
from edge_agent.contracts.term_lists import ModelField, TermList

Schema = dict[str, Any]
Lists = Mapping[str, TermList]

MIN_STEPS, MAX_STEPS = 3, 8  # section 5.1
MAX_EVIDENCE = 4
MAX_MODIFICATIONS = 6  # section 5.3
MAX_PLAN_ITEMS = 12  # section 10
MAX_INTERVAL_DAYS = 365
_PATH = r"[a-z][a-z0-9_]*"


def agent_fields(lists: Lists, agent: AgentName, *, step: str | None = None) -> list[tuple[TermList, ModelField]]:
    """Return the lists that an agent fills, in key order; all its steps one after the other where ``step`` is None.

    Raises:
        KeyError: the vocabulary knows no such agent or step (a programmer's mistake).
    """
    rows = [(found, found.model) for found in lists.values() if found.model is not None]
    mine = [(found, model) for found, model in rows if model.agent == agent and step in {None, model.step}]
    if not mine:
        raise KeyError(f"{agent}.{step}")
    return sorted(mine, key=lambda pair: pair[1].order)


def agent_steps(lists: Lists, agent: AgentName) -> tuple[str, ...]:
    """Return the names of an agent's steps, in order."""
    return tuple(dict.fromkeys(model.step for _, model in agent_fields(lists, agent)))


def agent_schema(lists: Lists, agent: AgentName, step: str | None = None) -> Schema:
    """Return the schema of one step's answer, or of all steps' keys together where ``step`` is None.

    Reason has two forms, joined by ``anyOf``: the blocks of section 5, and a short one without nesting.
    """
    rows = agent_fields(lists, agent, step=step)
    if agent == "reasoning":
        return {"anyOf": [_blocks(lists), _short(lists)]}
    required = [model.key for _, model in rows if not model.is_optional]
    return _object({model.key: field_schema(found) for found, model in rows}, required=required)


def field_schema(found: TermList) -> Schema:
    """Return the schema of one field: a grade or null, a short text, one id, or a list of ids.

    Raises:
        ValueError: no agent fills the list.
    """
    if found.model is None:
        raise ValueError(f"no agent fills {found.name}")
    if found.model.grades is not None:
        low, high = found.model.grades
        return {"enum": [*range(low, high + 1), None]}
    if found.model.max_characters is not None:
        return {"type": "string", "maxLength": found.model.max_characters}
    ids = list(found.terms)
    return _ids(ids, most=found.max) if found.is_list else {"enum": ids}


def pointer_pattern(lists: Lists) -> str:
    """Return the regular expression of an evidence pointer (section 5.1).

    It says which pointers can be written; whether one exists in a record is checked against the record.
    """
    seen = "|".join(model.key for _, model in agent_fields(lists, "recognition") if model.max_characters is None)
    told = "|".join(model.key for _, model in agent_fields(lists, "representation") if model.max_characters is None)
    return rf"^(view:[1-9][0-9]?\.({seen})|representation\.({told})|intake\.{_PATH}(\.{_PATH})?|previous\.{_PATH})$"


def first_token_clashes(ids: Sequence[str], encode: Callable[[str], Sequence[int]]) -> list[tuple[str, str]]:
    """List the pairs of ids that a model cannot tell apart by their first token.

    An engine reads a decision at the first token of a value, so two values of one list must not share it.

    Args:
        ids: the values of one list.
        encode: a tokenizer; it is given one id as the bundle spells it (with its quotation mark, if so) and returns
            token ids. An id without any token clashes with every other one.
    """
    first = {one: next(iter(encode(one)), None) for one in ids}
    pairs = [(a, b) for number, a in enumerate(ids) for b in ids[number + 1 :]]
    return [(a, b) for a, b in pairs if first[a] == first[b] or None in (first[a], first[b])]


def _blocks(lists: Lists) -> Schema:
    """Section 5 as it stands: the TCM fields in a block of their own, syndromes as primary and secondary."""
    syndromes = list(lists["syndrome"].terms)
    tcm: dict[str, Schema] = {
        "disease_name": {"enum": list(lists["tcm_disease"].terms)},
        "syndrome": _object(
            {"primary": {"enum": syndromes}, "secondary": {"enum": ["none", *syndromes]}}, required=["primary"]
        ),
        **_treatment(lists),
        "prescription": {"type": "null"},
    }
    block = {**_object(tcm, required=["syndrome"]), "type": ["object", "null"]}
    return _object({**_opening(lists), "tcm": block, **_ending(lists)}, required=["tcm"])


def _short(lists: Lists) -> Schema:
    """The same with the TCM fields unwrapped, for bundles that decide little."""
    syndromes = list(lists["syndrome"].terms)
    fields: dict[str, Schema] = {
        **_opening(lists),
        "syndrome": {"enum": syndromes},
        "secondary_syndrome": {"enum": ["none", *syndromes]},
        **_treatment(lists),
        **_ending(lists),
    }
    return _object(fields, required=["syndrome"])


def _opening(lists: Lists) -> dict[str, Schema]:
    """Reasoning steps, conditions (an id alone, or with the pointers that the bundle names itself), then the trend."""
    conditions = list(lists["biomedical_condition"].terms)
    pointers = {"type": "array", "items": _pointer(lists), "maxItems": MAX_EVIDENCE, "uniqueItems": True}
    told: dict[str, Schema] = {
        "condition": {"enum": conditions},
        "supported_by": pointers,
        "less_supported_by": pointers,
    }
    proposed = {"anyOf": [{"enum": conditions}, _object(told, required=["condition"])]}
    differential = {"type": "array", "items": proposed, "maxItems": lists["biomedical_condition"].max}
    biomedical = _object({"working": proposed, "differential": differential}, required=["working"])
    return {"reasoning_steps": _steps(lists), "biomedical": biomedical, "trend": field_schema(lists["trend"])}


def _treatment(lists: Lists) -> dict[str, Schema]:
    """Principle, formula id and its modifications: ids only, never a dose; no herb that is known for checking only."""
    herbs = [term.id for term in lists["herb"].terms.values() if term.facts.get("use") != "check_only"]
    change: dict[str, Schema] = {"action": {"enum": list(lists["modification_action"].terms)}, "herb": {"enum": herbs}}
    changes = {"type": "array", "items": _object(change, required=list(change)), "maxItems": MAX_MODIFICATIONS}
    return {**{name: field_schema(lists[name]) for name in ("principle", "formula")}, "modification": changes}


def _steps(lists: Lists) -> Schema:
    claims = [*lists["syndrome"].terms, *lists["biomedical_condition"].terms]
    evidence: Schema = {
        "type": "array", "items": _pointer(lists), "minItems": 1, "maxItems": MAX_EVIDENCE, "uniqueItems": True
    }  # fmt: skip
    step: dict[str, Schema] = {
        "claim": {"enum": claims},
        "stance": {"enum": list(lists["stance"].terms)},
        "evidence": evidence,
    }
    return {
        "type": "array",
        "items": _object(step, required=list(step)),
        "minItems": MIN_STEPS,
        "maxItems": MAX_STEPS,
    }


def _ending(lists: Lists) -> dict[str, Schema]:
    """Plan proposal and limitations. Order, role, origin and status of an item are code's, not a model's."""
    objects = [term.id for term in lists["plan_object"].terms.values() if term.facts.get("model", True)]
    item: dict[str, Schema] = {
        "action": {"enum": list(lists["action"].terms)},
        "object": {"enum": objects},
        "condition": {"enum": [*lists["condition"].terms, None]},
        "interval_days": {"type": ["integer", "null"], "minimum": 0, "maximum": MAX_INTERVAL_DAYS},
    }
    plan = {"type": "array", "items": _object(item, required=["action", "object"]), "maxItems": MAX_PLAN_ITEMS}
    return {"plan_proposal": plan, "limitations": field_schema(lists["limitation"])}


def _pointer(lists: Lists) -> Schema:
    return {"type": "string", "pattern": pointer_pattern(lists)}


def _ids(ids: Sequence[str], *, most: int) -> Schema:
    return {"type": "array", "items": {"enum": list(ids)}, "minItems": 1, "maxItems": most, "uniqueItems": True}


def _object(properties: Mapping[str, Schema], *, required: Sequence[str]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }
