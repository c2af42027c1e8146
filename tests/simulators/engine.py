"""A second engine: says what a script says, records who was asked what. Loads no model and no OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.contracts.case import AgentOutput, CodingRequest, FieldValue, Frame, Request
from edge_agent.contracts.manifest import AgentName
from edge_agent.errors import InferenceError

Said = Mapping[str, tuple[Any, float | None]]  # field -> (value, probability; None where the grammar fixed it)


@dataclass(frozen=True, slots=True)
class FieldEvent:
    """What the engine tells while it writes; same names as ``inference.decoding.FieldEvent``, without OpenVINO."""

    row: int
    step: str
    field: str
    value: FieldValue | str


@dataclass(frozen=True, slots=True)
class ScriptedView:
    """An encoded view: only the frame's first pixel, which picks the script's answer."""

    mark: int


class ScriptedEngine:
    """Answer Rec by the frame's first pixel value, Rep and Reason from one script each.

    Args:
        views: Rec's answer per mark (``frame[0, 0, 0]``).
        integrated: Rep's first step.
        pathogenesis: Rep's second step.
        assessment: Reason's step.
        failing: an agent that raises InferenceError instead of answering.
    """

    def __init__(
        self,
        views: Mapping[int, Said],
        *,
        integrated: Said | None = None,
        pathogenesis: Said | None = None,
        assessment: Said | None = None,
        failing: AgentName | None = None,
    ) -> None:
        self._views, self._failing = views, failing
        self._steps = {
            "representation": [("integrate", integrated or {}), ("pathogenesis", pathogenesis or {})],
            "reasoning": [("assess", assessment or {})],
        }
        self.asked: list[tuple[AgentName, tuple[Request, ...]]] = []
        self.cached = 0  # views and conversations kept since the last ``forget``

    def encode(self, frame: Frame) -> ScriptedView:
        """Remember the frame's mark."""
        self.cached += 1
        return ScriptedView(int(frame[0, 0, 0]))

    def run(
        self, agent: AgentName, requests: Sequence[Request], *, on_field: Any = None
    ) -> list[tuple[AgentOutput, ...]]:
        """Answer from the script, one tuple per request; every decided field is told on the way, lists by their first item."""
        self.asked.append((agent, tuple(requests)))
        self.cached += len(requests)
        if agent == self._failing:
            raise InferenceError("the scripted engine fails here")
        if agent == "recognition":
            rows: list[tuple[AgentOutput, ...]] = [
                (_output(agent, "describe", self._views[r.views[0].mark]),) for r in requests
            ]
        else:
            rows = [tuple(_output(agent, step, said) for step, said in self._steps[agent]) for _ in requests]
        if on_field is not None:
            self._tell(rows, on_field)
        return rows

    def _tell(self, rows: Sequence[tuple[AgentOutput, ...]], on_field: Callable[[Any], None]) -> None:
        for number, steps in enumerate(rows):
            for output in steps:
                for name, row in output.fields.items():
                    first = row.value[:1] if isinstance(row.value, list) else row.value
                    on_field(FieldEvent(number, output.step, name, replace(row, value=first)))

    def code(self, requests: Sequence[CodingRequest]) -> list[AgentOutput]:
        """Refuse: who answers under schemas is never asked to code."""
        raise InferenceError(f"the scripted engine codes no text; {len(requests)} were asked")

    def forget(self) -> None:
        """Drop the present case."""
        self.cached = 0

    def texts_of(self, agent: AgentName) -> Mapping[str, str]:
        """Return the texts of the last request to an agent."""
        return next(requests for name, requests in reversed(self.asked) if name == agent)[0].texts


def _output(agent: str, step: str, said: Said) -> AgentOutput:
    fields = {name: FieldValue(value, p, _alternatives(value, p)) for name, (value, p) in said.items() if p is not None}
    return AgentOutput(
        agent=agent,
        step=step,
        text="",
        value={name: value for name, (value, _) in said.items()},
        fields=fields,
        tokens_sampled=len(fields),
        tokens_forced=3 * len(said),
    )


def _alternatives(value: Any, probability: float | None) -> dict[str, float]:
    """Give the rest of the probability to ``cannot_tell``."""
    name = value[0] if isinstance(value, list) else value
    if probability is None or not isinstance(name, str):
        return {}
    return {name: probability, "cannot_tell": 1 - probability} if name != "cannot_tell" else {name: 1.0}
