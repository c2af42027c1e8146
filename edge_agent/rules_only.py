"""Give a person what the rules alone can say, when the engine cannot: danger signs and triage need no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.contracts.case import AgentOutput, Case, CodingRequest, Frame
from edge_agent.contracts.manifest import AgentName, Manifest
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import InferenceError


class _NoEngine:
    """Stand where an engine would, and refuse: the rules must never ask it."""

    def encode(self, frame: Frame) -> Any:
        """Refuse."""
        raise InferenceError(f"no engine runs; a picture of {frame.shape[0]} rows was not read")

    def run(
        self, agent: AgentName, requests: Sequence[Any], *, on_field: Callable[[Any], None] | None = None
    ) -> Sequence[Sequence[AgentOutput]]:
        """Refuse."""
        heard = "" if on_field is None else " to a listener"
        raise InferenceError(f"no engine runs; {agent} did not answer {len(requests)} requests{heard}")

    def code(self, requests: Sequence[CodingRequest]) -> Sequence[AgentOutput]:
        """Refuse."""
        raise InferenceError(f"no engine runs; {len(requests)} texts were not coded")

    def forget(self) -> None:
        """Do nothing: it never knew anything."""


def rules_only_report(case: Case, *, manifest: Manifest | None, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """Report danger signs and triage, with one abstention ``engine_failure``. Stores nothing, loads no OpenVINO.

    Args:
        case: the case that the engine could not finish; it stays stored as it is.
        manifest: the verified bundle's manifest, named in the provenance; None where no bundle can be trusted.
        vocabulary: the device's, with the country's deadlines; None: as it stands in the package.
    """
    return CasePipeline(_NoEngine(), manifest, vocabulary or Vocabulary.load()).run_without_model(case)
