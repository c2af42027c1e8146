"""What a sweep's process and its worker say to each other, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from edge_agent.contracts.manifest import AgentName, Strict


class ExportTask(Strict):
    """Write the FP32 parts of a checkpoint into ``target``."""

    kind: Literal["export"] = "export"
    base: Path
    target: Path


class BuildTask(Strict):
    """Build an unsigned bundle as ``target``/bundle from exported parts. ``recipe``: the keys that it wrote down."""

    kind: Literal["build"] = "build"
    base: Path
    adapters: dict[AgentName, Path]
    recipe: dict[str, Any]
    exported: Path
    calibration_cases: Path | None = None
    target: Path


class EvaluateTask(Strict):
    """Measure a bundle, beside its FP32 twin where there is one, and write the report into ``target``.

    ``answers`` keeps finished cases over a kill; ``twin_answers`` are those of the twin measured alone.
    """

    kind: Literal["evaluate"] = "evaluate"
    bundle: Path
    against: Path | None = None
    cases: Path
    per_tone: int | None = None
    forced_per_tone: int = 200
    answers: Path
    twin_answers: Path | None = None
    target: Path


class Say(Strict):
    """A step has begun."""

    is_: Literal["say"] = "say"
    line: str


class At(Strict):
    """A step is so far."""

    is_: Literal["at"] = "at"
    step: str
    done: int
    total: int


class Done(Strict):
    """The task is done."""

    is_: Literal["done"] = "done"
    result: dict[str, Any]


class Refused(Strict):
    """The task ended with one of ``edge_agent.errors``."""

    is_: Literal["refused"] = "refused"
    error: str
    message: str


Task = Annotated[ExportTask | BuildTask | EvaluateTask, Field(discriminator="kind")]
Message = Annotated[Say | At | Done | Refused, Field(discriminator="is_")]
TASK: TypeAdapter[ExportTask | BuildTask | EvaluateTask] = TypeAdapter(Task)
MESSAGE: TypeAdapter[Say | At | Done | Refused] = TypeAdapter(Message)
