"""DERM-Rec: describe every view on its own, all views in one batch. It sees one picture and nothing else.

Source: clinical-vocabulary section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

from edge_agent.agents.abstention import Abstention, Kept, keep
from edge_agent.contracts.case import AgentOutput, CodingRequest, Finding, Frame, Request, View
from edge_agent.contracts.manifest import AgentName, Thresholds
from edge_agent.errors import ContractError

OnEvent = Callable[[Any], None]
THICKNESS = "induration"
TOO_FAR_FOR_THICKNESS = frozenset({"overview", "tongue"})  # field 9: only from a close-up or an oblique regional view


class AgentEngine(Protocol):
    """What the agents need from an engine; ``edge_agent.inference.engine.Engine`` is the real one.

    An encoded view is the engine's own value: the agents pass it on and never look inside.
    """

    def encode(self, frame: Frame) -> Any:
        """Run the vision tower once for one frame (uint8[H, W, 3], BGR)."""
        ...

    def run(
        self, agent: AgentName, requests: Sequence[Any], *, on_field: Callable[[Any], None] | None = None
    ) -> Sequence[Sequence[AgentOutput]]:
        """Run one agent on a batch; one output per declared step for each request.

        ``on_field`` is told of every field and chunk of text as soon as it is written; it must return quickly.
        """
        ...

    def code(self, requests: Sequence[CodingRequest]) -> Sequence[AgentOutput]:
        """Ask the bare backbone, without adapter or picture, one question each; asked only where texts are coded."""
        ...

    def forget(self) -> None:
        """Drop what is cached of the present case; the next one starts with nothing of it."""
        ...


def recognise(
    engine: AgentEngine, encoded: Sequence[Any], *, views: Sequence[View], on_field: OnEvent | None = None
) -> tuple[Finding, ...]:
    """Return one finding per view, in order.

    Args:
        engine: the engine that holds the recognition adapter.
        encoded: the encoded views, in the order of ``views``.
        views: the accepted pictures.
        on_field: told of every field as it is written; None for nobody.

    Raises:
        ContractError: the engine answered fewer or more views than it was given.
    """
    outputs = describe(engine, encoded, on_field=on_field)
    return tuple(Finding(view.index, output) for view, output in zip(views, outputs, strict=True))


def describe(
    engine: AgentEngine, encoded: Sequence[Any], *, on_field: OnEvent | None = None
) -> tuple[AgentOutput, ...]:
    """Ask Rec about every encoded picture on its own, in one batch.

    Raises:
        ContractError: the engine answered fewer or more pictures than it was given.
    """
    requests = [Request(views=(one,), texts={}) for one in encoded]
    answers = listened(engine, "recognition", requests, on_field=on_field)
    if len(answers) != len(encoded):
        raise ContractError(f"recognition answered {len(answers)} of {len(encoded)} views; run the case again")
    return tuple(steps[0] for steps in answers)


def listened(
    engine: AgentEngine, agent: AgentName, requests: Sequence[Request], *, on_field: OnEvent | None
) -> Sequence[Sequence[AgentOutput]]:
    """Run one agent, and have the engine tell of its fields only where somebody listens."""
    return engine.run(agent, requests) if on_field is None else engine.run(agent, requests, on_field=on_field)


def keep_view(
    view: View, output: AgentOutput, thresholds: Thresholds, *, uncalibrated: Collection[str] = ()
) -> tuple[dict[str, Kept], list[Abstention]]:
    """Apply thresholds and the rule of distance to what Rec said of one view.

    Thickness cannot be seen from afar, whatever the model answers: there it is "cannot tell". That is a property of the
    picture and no doubt of the model's, so nothing counts as withheld and there is no abstention.

    Args:
        view: the view; one whose distance nobody entered counts as near.
        output: Rec's first look at it.
        thresholds: the bundle's.
        uncalibrated: see ``abstention.keep``.
    """
    kept, withheld = keep(output, thresholds, view=view.index, uncalibrated=uncalibrated)
    row = kept.get(THICKNESS)
    if row is not None and row.is_decided and view.shot in TOO_FAR_FOR_THICKNESS:
        kept[THICKNESS] = replace(row, value=None, probability=None, is_withheld=False)
        withheld = [one for one in withheld if one.field != THICKNESS]
    return kept, withheld
