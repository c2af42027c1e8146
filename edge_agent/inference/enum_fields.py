"""Find the enumerated fields of an output schema, and which of their values a list may still take.

Pure functions of a schema and of the text written so far; knows neither tokens nor probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.errors import RejectedError
from edge_agent.inference.json_position import Position
from edge_agent.inference.spelling import Json, dump

# Values that stand alone in a list: nothing can be added to "none" or to "cannot tell" (clinical vocabulary, 0.2).
ALONE = frozenset({"none", "cannot_tell", "insufficient_information", "not_examined"})


@dataclass(frozen=True, slots=True)
class EnumField:
    """One enumerated property, or list of enumerated items, with its values in the schema's order.

    ``name`` is the dotted path of keys. ``is_repeated``: it stands in the objects of a list, so that one answer decides
    it several times.
    """

    name: str
    values: tuple[Json, ...]
    is_list: bool
    is_repeated: bool = False

    def label(self, value: Json) -> str:
        """Return the name of a candidate in ``FieldValue.alternatives``: the id itself, or JSON for the rest."""
        return value if isinstance(value, str) else json.dumps(value)


def enum_fields(schema: Mapping[str, Any], *, above: str = "", is_repeated: bool = False) -> list[EnumField]:
    """List the properties, at any depth, whose value, or whose only item, is an enum of at least two values."""
    out = []
    for name, rule in dict(schema.get("properties", {})).items():
        path = f"{above}{name}"
        is_list = rule.get("type") == "array" and rule.get("minItems", 0) > 0
        inner = rule.get("items", {}) if is_list else rule
        values = inner.get("enum", [])
        if len(values) > 1:
            out.append(EnumField(path, tuple(values), is_list, is_repeated))
        out += enum_fields(inner, above=f"{path}.", is_repeated=is_repeated or rule.get("type") == "array")
    return out


def _listed(full: bytes, *, position: Position) -> list[Json]:
    """Return the items that the open list holds already; an item that is being written does not count."""
    if position.items_start < 0:
        return []
    end = position.start if position.kind == "more" else position.start - 1  # without the comma
    inside = full[position.items_start : max(end, position.items_start)]
    try:
        items = json.loads(b"[" + inside + b"]")
    except ValueError:
        return []
    return list(items)


def open_values(found: EnumField, *, full: bytes, position: Position) -> list[Json]:
    """Return the values that may still be written: none twice in a list, none that stands alone behind another."""
    listed = _listed(full, position=position)
    if not listed:
        return list(found.values)
    return [value for value in found.values if value not in listed and value not in ALONE]


def can_grow(found: EnumField, *, full: bytes, position: Position) -> bool:
    """Say whether anything can be added to the open list: it holds no value that stands alone, and some are left."""
    listed = _listed(full, position=position)
    if any(isinstance(item, str) and item in ALONE for item in listed):
        return False
    return not listed or bool(open_values(found, full=full, position=position))


def check_ends(enum: EnumField, *, where: str) -> None:
    """Refuse a number or word that begins another: nothing but what follows would tell that it has ended."""
    bare = [dump(value) for value in enum.values if not isinstance(value, str)]
    for one in bare:
        for other in bare:
            if one != other and other.startswith(one):
                raise RejectedError(f"{where}: the value {one.decode()} begins {other.decode()}; use text ids")
