"""Keep finished stages by the digest of everything that went into them.

    OUT/stages/<kind>-<recipe>-<key>/      a finished stage: its files, and ``stage.json`` with inputs and result
    OUT/stages/.tmp-...                    a stage that a kill cut off; removed at the next start
    OUT/answers/<evaluate-...>/            what a bundle said on labelled cases; goes with its stage's inputs

A stage is finished when its folder has its name: the folder was synced before. So nothing needs to be hashed again, and
what changes an input (a weight, a recipe, a tool, the program itself) changes the name. Does not run anything.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from calibration.package import dump_json
from calibration.sweep import durable
from edge_agent.contracts.manifest import Strict
from edge_agent.errors import CalibrationError

STAGES = "stages"
ANSWERS = "answers"
RECORD_NAME = "stage.json"
_KEY_DIGITS = 16


class Kind(StrEnum):
    """What a stage does, in the order of a sweep."""

    EXPORT = "export"
    BUILD = "build"
    EVALUATE = "evaluate"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a sweep: what it does, for which recipe (empty: for all of them), from what."""

    kind: Kind
    recipe: str
    inputs: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Return the sha256 over kind, recipe's name and inputs."""
        document = {"kind": self.kind.value, "recipe": self.recipe, "inputs": self.inputs}
        return hashlib.sha256(dump_json(document)).hexdigest()

    @property
    def name(self) -> str:
        """Return the folder's name."""
        return "-".join(part for part in (self.kind.value, self.recipe, self.key[:_KEY_DIGITS]) if part)

    @property
    def title(self) -> str:
        """Return what a person calls it."""
        return f"{self.kind.value} {self.recipe}".strip()


class StageRecord(Strict):
    """``stage.json``: what went in, what came out, and how many seconds it took."""

    key: str
    inputs: dict[str, Any]
    result: dict[str, Any]
    seconds: float


class StageStore:
    """The finished stages below a sweep's folder. Only for the process that holds the folder's lock.

    Args:
        out: the sweep's folder.
    """

    def __init__(self, out: Path) -> None:
        self._folder = out / STAGES

    def clean(self) -> list[str]:
        """Make the folder, remove what a killed sweep left half-written, and return the names of that.

        Raises:
            CalibrationError: the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            left = durable.remove_leftovers(self._folder)
            left += durable.remove_leftovers(self._folder.parent / ANSWERS)
            # An export's scratch folder of a build that was killed lies beside the bundle that it was meant for.
            return left + durable.remove_leftovers(self._folder.parent, "derm-export-")
        except OSError as exc:
            raise CalibrationError(f"cannot write to {exc.filename}: {exc.strerror}; choose another --out") from exc

    def folder_of(self, stage: Stage) -> Path:
        """Return where a finished stage lies, or would lie."""
        return self._folder / stage.name

    def find(self, stage: Stage) -> StageRecord | None:
        """Return a finished stage's record; None where it must still be run."""
        path = self.folder_of(stage) / RECORD_NAME
        try:
            record = StageRecord.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError):
            return None
        return record if record.key == stage.key else None

    def begin(self, stage: Stage) -> Path:
        """Return an empty folder in which the stage may write."""
        folder = durable.temporary_of(self.folder_of(stage))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def finish(self, stage: Stage, *, result: Mapping[str, Any], seconds: float) -> StageRecord:
        """Declare what ``begin`` gave to be whole.

        Raises:
            CalibrationError: the disk is full.
        """
        inputs = json.loads(dump_json(dict(stage.inputs)))
        record = StageRecord(key=stage.key, inputs=inputs, result=dict(result), seconds=round(seconds, 1))
        target = self.folder_of(stage)
        temporary = durable.temporary_of(target)
        try:
            (temporary / RECORD_NAME).write_bytes(dump_json(record.model_dump(mode="json")))
            durable.commit_folder(temporary, target)
        except OSError as exc:
            raise CalibrationError(f"cannot keep {target}: {exc.strerror}; free space and start again") from exc
        return record

    def abandon(self, stage: Stage) -> None:
        """Remove what a failed stage wrote."""
        shutil.rmtree(durable.temporary_of(self.folder_of(stage)), ignore_errors=True)

    def drop(self, stage: Stage) -> None:
        """Remove a finished stage that nobody needs any more."""
        durable.discard(self.folder_of(stage))

    def drop_others(self, stage: Stage) -> None:
        """Remove finished stages of the same kind and recipe whose inputs are no longer these, and their answers."""
        prefix = stage.name.removesuffix(stage.key[:_KEY_DIGITS])
        for folder in (self._folder, self._folder.parent / ANSWERS):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.name != stage.name and path.name[:-_KEY_DIGITS] == prefix:
                    durable.discard(path)

    def seconds_of(self, kind: Kind) -> list[float]:
        """Return how long the finished stages of a kind took."""
        found = []
        for path in sorted(self._folder.glob(f"{kind.value}-*/{RECORD_NAME}")):
            try:
                found.append(StageRecord.model_validate(json.loads(path.read_text(encoding="utf-8"))).seconds)
            except (OSError, ValueError, ValidationError):
                continue
        return found
