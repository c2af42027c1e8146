"""Say in one line what is wrong with a TOML file of settings: file, line, key, and what to write instead.

Reads no file and knows no key: the model that the text did not fit is given.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_REASONS = {"path_type": 'write a path in quotes, such as "/var/lib/derm-edge"'}  # in the place of pydantic's own words


def explained(error: Mapping[str, Any], *, model: type[BaseModel], text: str, name: str) -> str:
    """Turn pydantic's first error into one line: file, line, key, and what to write instead.

    Args:
        error: of pydantic.
        model: that the text did not fit.
        text: the TOML.
        name: of the file.
    """
    keys = [str(part) for part in error["loc"]]
    dotted = ".".join(keys)
    place = f"{name}, line {line_of(text, keys)}"
    if error["type"] == "extra_forbidden":
        known = _keys_of(model, keys[:-1])
        close = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"{place}: unknown key {dotted!r}; {hint}"
    return f"{place}: {dotted}: {_REASONS.get(error['type'], str(error['msg']).removeprefix('Value error, '))}"


def _keys_of(model: type[BaseModel], section: list[str]) -> list[str]:
    for key in section:
        annotation = model.model_fields[key].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return sorted(model.model_fields)


def line_of(text: str, keys: list[str]) -> int:
    """Find the line (from 1) of a key in TOML text; the line of its section, or 1, when it has no line of its own."""
    section: list[str] = []
    best = 1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"^\s*\[+\s*([^\]]+?)\s*\]+", line):
            section = [part.strip().strip("\"'") for part in header[1].split(".")]
            if section == keys[: len(section)]:
                best = number
        elif assignment := re.match(r"""^\s*([\w."'-]+)\s*=""", line):
            path = section + [part.strip("\"'") for part in assignment[1].split(".")]
            if path == keys[: len(path)]:
                return number
    return best
