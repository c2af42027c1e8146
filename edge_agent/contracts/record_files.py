"""Read intake, consent and earlier reports: one clear line about what is wrong, with a likely spelling.

Does not store anything and does not decide whether a case may be processed (``contracts.case.Case`` does).
"""

from __future__ import annotations

import difflib
import json
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.errors import CaseError

MAX_RECORD_BYTES = 256 * 1024
MAX_REPORT_BYTES = 4 * 1024 * 1024
R = TypeVar("R", bound=BaseModel)


def load_intake(path: Path) -> Intake:
    """Read an intake file (JSON, UTF-8).

    Raises:
        CaseError: the file cannot be read or does not fit; the line names the field and suggests a spelling.
    """
    return parse_intake(_read(path), source=path.name)


def load_consent(path: Path) -> Consent:
    """Read a consent file (JSON, UTF-8).

    Raises:
        CaseError: as for ``load_intake``.
    """
    return parse_consent(_read(path), source=path.name)


def load_previous(path: Path) -> PreviousVisit:
    """Read an earlier visit from its report file (what ``derm-edge case --json`` printed).

    Raises:
        CaseError: the file cannot be read, is no report, or is one that this program cannot read.
    """
    try:
        report = json.loads(_read(path, limit=MAX_REPORT_BYTES))
    except (ValueError, RecursionError) as exc:
        raise CaseError(f"{path.name}: not JSON; name the file that derm-edge case --json wrote") from exc
    return PreviousVisit.from_report(report)


def parse_intake(text: str, *, source: str = "intake") -> Intake:
    """Parse an intake record; ``source`` names it in the error line.

    Raises:
        CaseError: not JSON, or a field that does not fit.
    """
    return _parse(Intake, text, source)


def parse_consent(text: str, *, source: str = "consent") -> Consent:
    """Parse a consent record; ``source`` names it in the error line.

    Raises:
        CaseError: not JSON, or a field that does not fit.
    """
    return _parse(Consent, text, source)


def _read(path: Path, *, limit: int = MAX_RECORD_BYTES) -> str:
    try:
        if path.stat().st_size > limit:
            raise CaseError(f"{path.name}: larger than {limit // 1024} KiB; this is not a record file")
        return path.read_text(encoding="utf-8-sig")  # editors on Windows write a mark before the first character
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise CaseError(f"cannot read {path}: {reason}") from exc


def _parse(model: type[R], text: str, source: str) -> R:
    try:
        record = model.model_validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=True)[0]
        more = exc.error_count() - 1
        tail = f" ({more} more)" if more else ""
        raise CaseError(f"{source}: {_explain(model, first)}{tail}", errors=exc.error_count()) from exc
    json.loads(text, object_pairs_hook=lambda pairs: _refuse_twice(pairs, source))
    return record


def _refuse_twice(pairs: list[tuple[str, Any]], source: str) -> dict[str, Any]:
    """Refuse a field that stands twice in one object: JSON readers keep the last one and say nothing."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise CaseError(f"{source}: {name} stands twice; keep the right one")
        found[name] = value
    return found


def _explain(model: type[BaseModel], error: Any) -> str:
    place = [str(part) for part in error["loc"] if part != "[key]"]
    where = ".".join(place)
    kind, context = error["type"], error.get("ctx", {})
    if kind == "json_invalid":
        return f"not valid JSON: {context.get('error', error['msg'])}"
    if kind == "extra_forbidden":
        return f"unknown field {where}{_home(place, model) or _suggest(place[-1], _field_names(model))}"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']+)'", str(context.get("expected", "")))
        given = str(error["input"])
        hint = _suggest(given, allowed) or f"; use one of: {', '.join(allowed[:12])}"
        return f"{where}: {given!r} is not a known value{hint}"
    if kind == "missing":
        return f"{where} is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _home(place: list[str], model: type[BaseModel]) -> str:
    """Say where a field belongs that stands in the wrong part of the record; nothing when no part has it."""
    name = place[-1]
    homes = [part for part, names in _parts(model).items() if name in names]
    if not homes:
        return ""
    return f"; {name} belongs under {homes[0]}" if homes[0] else f"; {name} belongs at the top"


def _parts(model: type[BaseModel]) -> dict[str, list[str]]:
    """List the names that may stand in each part of a record: its own under "", then those of each section."""
    parts = {"": list(model.model_fields)}
    for section, field in model.model_fields.items():
        parts[section] = [name for inner in _models_in(field.annotation) for name in inner.model_fields]
        if typing.get_origin(field.annotation) is dict:
            parts[section] += [str(key) for key in typing.get_args(typing.get_args(field.annotation)[0])]
    return parts


def _suggest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6) or [name for name in known if word and word in name]
    return f"; did you mean {near[0]}?" if near else ""


def _field_names(model: type[BaseModel]) -> list[str]:
    """List the field names of a record and of the records inside it."""
    names = list(model.model_fields)
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            names += _field_names(inner)
    return names


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)
