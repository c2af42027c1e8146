"""A second engine for text bundles: writes what a script says, records every prompt input. Loads no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_agent.contracts.case import AgentOutput, CodingRequest, Frame, Request
from edge_agent.contracts.manifest import AgentName
from tests.simulators.engine import ScriptedView
from tests.simulators.text_bundle import ASSESSMENT_TEXT, INTEGRATED_TEXT, PATHOGENESIS_TEXT

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What an engine tells while it writes."""

    row: int
    step: str
    field: str
    value: str


class WritingEngine:
    """Write Rec's text by the frame's first pixel, Rep's and Reason's from the script.

    Args:
        views: Rec's text per mark (``frame[0, 0, 0]``).
        representation: Rep's two texts.
        assessment: Reason's text.
        finish: how a step's text ends, by step; ``eos`` where it is not said.
        coded: answers to the coder's questions, in the order of asking; None answers nothing.
    """

    def __init__(
        self,
        views: Mapping[int, str],
        *,
        representation: tuple[str, str] = (INTEGRATED_TEXT, PATHOGENESIS_TEXT),
        assessment: str = ASSESSMENT_TEXT,
        finish: Mapping[str, str] | None = None,
        coded: Callable[[CodingRequest], Answer] | None = None,
    ) -> None:
        self._views, self._finish, self._coded = views, finish or {}, coded
        self._texts = {
            "representation": {"integrate": representation[0], "pathogenesis": representation[1]},
            "reasoning": {"assess": assessment},
        }
        self.asked: list[tuple[AgentName, tuple[Request, ...]]] = []
        self.questions: list[CodingRequest] = []
        self.cached = 0

    def encode(self, frame: Frame) -> ScriptedView:
        """Remember the frame's mark."""
        self.cached += 1
        return ScriptedView(int(frame[0, 0, 0]))

    def run(
        self, agent: AgentName, requests: Sequence[Request], *, on_field: Callable[[Any], None] | None = None
    ) -> list[tuple[AgentOutput, ...]]:
        """Write the script's texts, told character by character."""
        self.asked.append((agent, tuple(requests)))
        out = []
        for row, request in enumerate(requests):
            texts = {"describe": self._views[request.views[0].mark]} if agent == "recognition" else self._texts[agent]
            out.append(tuple(self._write(agent, step, text, row=row, heard=on_field) for step, text in texts.items()))
        return out

    def code(self, requests: Sequence[CodingRequest]) -> list[AgentOutput]:
        """Answer the coder from the script."""
        self.questions += requests
        values = [{} if self._coded is None else dict(self._coded(one)) for one in requests]
        return [AgentOutput("coder", "code", "", value, {}, 1, 1) for value in values]

    def forget(self) -> None:
        """Drop the present case."""
        self.cached = 0

    def texts_of(self, agent: AgentName) -> Mapping[str, str]:
        """Return the texts of the last request to an agent."""
        return next(requests for name, requests in reversed(self.asked) if name == agent)[0].texts

    def _write(self, agent: str, step: str, text: str, *, row: int, heard: Callable[[Any], None] | None) -> AgentOutput:
        for character in text if heard is not None else "":
            if heard is not None:
                heard(Chunk(row, step, "text", character))
        value = {"text": text, "finish": self._finish.get(step, "eos")}
        return AgentOutput(agent, step, text, value, {}, len(text), 0)
