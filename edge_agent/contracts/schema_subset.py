"""Say whether one answer schema stays inside another: what a bundle may write against what the vocabulary publishes.

Knows the part of JSON Schema that answer schemas are made of: objects, arrays, enums, constants, strings, numbers,
null; ``anyOf`` on the publishing side. Anything else on the declaring side is a problem, never a pass.
``uniqueItems`` is not asked of a bundle: the engine never offers a value twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]
# What a declared schema may be made of; a word that nothing here compares could allow anything.
_KEYWORDS = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "uniqueItems", "enum",
        "const", "minLength", "maxLength", "pattern", "minimum", "maximum", "title", "description", "$schema", "$id",
    }
)  # fmt: skip


def problems(declared: Schema, published: Schema, *, is_whole: bool = True) -> list[str]:
    """List what ``declared`` allows and ``published`` does not; empty means subset.

    Args:
        declared: a bundle's output schema.
        published: the vocabulary's schema.
        is_whole: also ask for the keys that a complete answer needs, for closed objects and for the published key
            order. False judges only the ids, grades, texts and list lengths that are there.

    Returns:
        Phrases that continue "the bundle", e.g. ``may answer colour = ultraviolet``.
    """
    try:
        return _value(declared, published, where="", is_whole=is_whole)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        # A bundle's schema is any JSON: what does not even have the shape of a schema is refused, not walked through.
        return ["may answer anything: its output schema is malformed"]


def _value(declared: Schema, published: Schema, *, where: str, is_whole: bool) -> list[str]:
    if unknown := sorted(set(declared) - _KEYWORDS):
        return [f"may answer {where or 'anything'}: its output schema uses {unknown[0]}"]
    values = [declared["const"]] if "const" in declared else declared.get("enum")
    if values is not None:
        if not isinstance(values, list) or not values:
            raise ValueError(where)  # allows nothing at all: no schema that anybody meant
        return [f"may answer {where} = {_told(v)}" for v in values if not _accepts(published, v)]
    if "anyOf" in published:
        return _any(declared, published["anyOf"], where=where, is_whole=is_whole)
    kind = declared.get("type", "object" if "properties" in declared else "array" if "items" in declared else None)
    kinds = kind if isinstance(kind, list) and kind else [kind]
    surplus = [one for one in kinds if one not in _kinds(published)]
    if surplus:
        return [f"may answer {where or 'the whole'} with a {surplus[0] or 'value without a type'}"]
    out: list[str] = []
    if "object" in kinds:
        out += _object(declared, published, where=where, is_whole=is_whole)
    if "array" in kinds:
        out += _array(declared, published, where=where, is_whole=is_whole)
    if "string" in kinds:
        out += _text(declared, published, where=where)
    if "integer" in kinds:
        out += _number(declared, published, where=where)
    return out


def _any(declared: Schema, forms: Sequence[Schema], *, where: str, is_whole: bool) -> list[str]:
    """Compare with several published forms; the one that it resembles most names what is wrong."""
    keys = set(declared.get("properties", {}))
    nearest = sorted(forms, key=lambda form: -len(keys & set(form.get("properties", {}))))
    found = [_value(declared, form, where=where, is_whole=is_whole) for form in nearest]
    return found[0] if all(found) else []


def _object(declared: Schema, published: Schema, *, where: str, is_whole: bool) -> list[str]:
    allowed: Schema = published.get("properties", {})
    out: list[str] = []
    for key, rule in declared.get("properties", {}).items():
        path = f"{where}.{key}" if where else key
        if key in allowed:
            out += _value(rule, allowed[key], where=path, is_whole=is_whole)
        else:
            out += [f"may answer {path} = {_told(value)}" for value in _first_id(rule)] or [f"may write the key {path}"]
    if not is_whole:
        return out
    if declared.get("additionalProperties") is not False:
        out.append(f"may write any other key in {where or 'its answer'}")
    always = declared.get("required", [])
    out += [f"may leave out the key {key}" for key in published.get("required", []) if key not in always]
    known = [key for key in declared.get("properties", {}) if key in allowed]
    if known != [key for key in allowed if key in known]:
        out.append(f"writes the keys of {where or 'its answer'} in another order")
    return out


def _array(declared: Schema, published: Schema, *, where: str, is_whole: bool) -> list[str]:
    out = _value(declared.get("items", {}), published.get("items", {}), where=where, is_whole=is_whole)
    most, least = published.get("maxItems"), published.get("minItems", 0)
    if most is not None and declared.get("maxItems", most + 1) > most:
        out.append(f"may name {declared.get('maxItems', 'any number of')} values of {where} (at most {most})")
    if is_whole and declared.get("minItems", 0) < least:
        out.append(f"may name {declared.get('minItems', 0)} values of {where} (at least {least})")
    return out


def _text(declared: Schema, published: Schema, *, where: str) -> list[str]:
    longest = published.get("maxLength")
    if longest is not None and declared.get("maxLength", longest + 1) > longest:
        return [f"may write {where} longer than {longest} characters"]
    if "pattern" in published and declared.get("pattern") != published["pattern"]:
        return [f"may write any text as {where}"]
    return []


def _number(declared: Schema, published: Schema, *, where: str) -> list[str]:
    low, high = published.get("minimum"), published.get("maximum")
    is_inside = (low is None or declared.get("minimum", low - 1) >= low) and (
        high is None or declared.get("maximum", high + 1) <= high
    )
    return [] if is_inside else [f"may answer {where} outside {low} to {high}"]


def _kinds(published: Schema) -> list[str]:
    """List the types that a published schema without an enum allows; an enum allows single values only."""
    kind = published.get("type")
    if "enum" in published or kind is None:
        return []
    return list(kind) if isinstance(kind, list) else [kind]


def _accepts(published: Schema, value: Any) -> bool:
    """Say whether the published schema allows one scalar value."""
    if "anyOf" in published:
        return any(_accepts(form, value) for form in published["anyOf"])
    if "enum" in published:
        return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in published["enum"])
    kinds = _kinds(published)
    if value is None:
        return "null" in kinds
    if isinstance(value, str):
        is_short = len(value) <= published.get("maxLength", len(value))
        return "string" in kinds and is_short and re.search(published.get("pattern", ""), value) is not None
    if isinstance(value, int) and not isinstance(value, bool):
        return "integer" in kinds and published.get("minimum", value) <= value <= published.get("maximum", value)
    return False


def _first_id(rule: Any) -> list[str]:
    """Return the first id that an unknown key may hold, to name it."""
    values = rule.get("enum") or rule.get("items", {}).get("enum") or []
    return [value for value in values if isinstance(value, str)][:1]


def _told(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
