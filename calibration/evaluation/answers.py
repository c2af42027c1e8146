"""What one bundle said on the cases, as plain data that survives an interruption: one JSON line per case."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from edge_agent.contracts.manifest import Manifest, Strict
from edge_agent.errors import CalibrationError

FORMAT = 2


class Said(Strict):
    """One decided field.

    ``view`` counts from 0, None for the visit; ``field`` is ``<agent>.<field>``, with the agent ``cascade`` where Reason
    read the bundle's own findings and not the true ones. ``confidence`` is None where the grammar or a coder decided.
    ``is_shown``: at or above the bundle's least confidence.
    """

    view: int | None
    field: str
    value: Any
    confidence: float | None
    is_shown: bool


class Turn(Strict):
    """One request and its answers by step: what teacher forcing repeats. ``views`` are the pictures it saw."""

    agent: Literal["recognition", "representation", "reasoning"]
    views: list[int]
    texts: dict[str, str]
    answers: list[str]


class Reading(Strict):
    """One teacher-forced step, comparable with another bundle's reading of the same tokens.

    ``best`` is the likeliest token of the whole vocabulary per position; ``decisions`` hold, per decision, token ids,
    their logits, the log-sum of all other allowed tokens (None where there is none) and the likeliest allowed one.
    """

    tokens: list[int]
    best: list[int]
    decisions: list[tuple[list[int], list[float], float | None, int]]


class CaseAnswer(Strict):
    """Everything that one bundle said on one case; ``readings`` per turn and step, empty where nothing was forced.

    ``words_open``: whether words open the case in a bundle that lets them; None where no words decide (``text_scope``).
    """

    case_id: str
    decision: Literal["in_scope", "out_of_scope", "abstained"]
    said: list[Said]
    words_open: bool | None = None
    texts: dict[str, str] = Field(default_factory=dict)
    turns: list[Turn] = Field(default_factory=list)
    readings: list[list[Reading]] = Field(default_factory=list)


def bundle_digest(folder: Path, manifest: Manifest) -> str:
    """Return the sha256 over the manifest and the bundle's files as they lie there, not as somebody signed them."""
    digest = hashlib.sha256(manifest.model_dump_json().encode())
    for entry in sorted(manifest.files, key=lambda one: one.path):
        with (folder / entry.path).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


class AnswerFile:
    """A file of finished answers, appended chunk by chunk, so that hours of work survive a kill.

    A file of another bundle, other cases or another format is started anew; a line that was cut off is dropped.

    Args:
        path: the file; its folder is made.
        key: digests of bundle, cases and options.

    Raises:
        CalibrationError: the file cannot be written.
    """

    def __init__(self, path: Path, *, key: str) -> None:
        self._path = path
        header = json.dumps({"format": FORMAT, "key": key})
        self.found: tuple[CaseAnswer, ...] = tuple(_finished(path, header))
        temporary = path.with_name(f"{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [header, *(one.model_dump_json() for one in self.found)]
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            temporary.replace(path)
        except OSError as exc:
            raise CalibrationError(f"cannot write {path}: {exc.strerror}; choose another --out") from exc

    def append(self, answers: Sequence[CaseAnswer]) -> None:
        """Write answers durably behind those that are there.

        Raises:
            CalibrationError: the disk is full.
        """
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.writelines(f"{one.model_dump_json()}\n" for one in answers)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as exc:
            raise CalibrationError(f"cannot write {self._path}: {exc.strerror}; free space and run again") from exc


def _finished(path: Path, header: str) -> Iterator[CaseAnswer]:
    """Yield the whole answers of a file that begins with the header; stops at the first line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError):
        return
    if not lines or lines[0] != f"{header}\n":
        return
    for line in lines[1:]:
        if not line.endswith("\n"):
            return
        try:
            yield CaseAnswer.model_validate_json(line)
        except ValidationError:
            return
