"""Let the device's own engine decide reference cases on a built bundle, as it is shipped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from calibration.reference.exercises import record_text
from calibration.reference.pool import PoolCase
from edge_agent.agents.evidence.record import Record
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import AgentOutput
from edge_agent.contracts.manifest import AgentName
from edge_agent.inference.engine import EncodedView, Engine, EngineSettings, Request

BATCH = 16
Tell = Callable[[int, int], None]
Row = dict[str, tuple[Any, dict[str, float]]]  # field -> (value, logit per candidate of its leading item)


def with_adapters(bundle: Bundle, adapters: Mapping[str, str | None]) -> Bundle:
    """Return the bundle with other adapters per agent; evaluation only, since its signature covers the real ones."""
    agents = {
        name: spec.model_copy(update={"adapter": adapters[name]}) for name, spec in bundle.manifest.agents.items()
    }
    return Bundle(bundle.path, bundle.manifest.model_copy(update={"agents": agents}), bundle.signed_by)


def row_of(outputs: Sequence[AgentOutput]) -> Row:
    """Return the decided fields of all steps; probabilities become logits up to a constant."""
    row: Row = {}
    for output in outputs:
        for name, decided in output.fields.items():
            if decided.probability is not None:
                row[name] = (decided.value, {k: math.log(max(p, 1e-12)) for k, p in decided.alternatives.items()})
    return row


class EngineDecider:
    """Decide with a bundle in production settings.

    Args:
        bundle: verified; adapters may be swapped by ``with_adapters``.
        settings: switches of the engine.
    """

    def __init__(self, bundle: Bundle, *, settings: EngineSettings | None = None) -> None:
        self._engine = Engine(bundle, settings=settings)
        self._encoded: dict[str, list[EncodedView]] = {}

    def close(self) -> None:
        """Release the engine."""
        self._engine.close()

    def recognition(self, cases: Sequence[PoolCase], tell: Tell) -> list[list[AgentOutput]]:
        """Return Rec's answer per case and view."""
        rows: list[list[AgentOutput]] = []
        for first in range(0, len(cases), BATCH):
            part = cases[first : first + BATCH]
            requests = [Request(views=(view,), texts={}) for case in part for view in self._views(case)]
            answers = iter(self._run("recognition", requests, _untold))
            rows += [[next(answers)[0] for _ in case.views] for case in part]
            tell(len(rows), len(cases))
        return rows

    def representation(self, cases: Sequence[PoolCase], tell: Tell) -> list[tuple[AgentOutput, ...]]:
        """Return Rep's two answers per case."""
        rows: list[tuple[AgentOutput, ...]] = []
        for first in range(0, len(cases), BATCH):
            requests = [Request(views=tuple(self._views(case)), texts={}) for case in cases[first : first + BATCH]]
            rows += self._run("representation", requests, _untold)
            tell(len(rows), len(cases))
        return rows

    def reasoning(self, records: Sequence[Record], tell: Tell) -> list[AgentOutput]:
        """Return Reason's answer per record."""
        requests = [Request(views=(), texts={"record": record_text(one)}) for one in records]
        return [outputs[0] for outputs in self._run("reasoning", requests, tell)]

    def _run(self, agent: AgentName, requests: Sequence[Request], tell: Tell) -> list[tuple[AgentOutput, ...]]:
        outputs: list[tuple[AgentOutput, ...]] = []
        for first in range(0, len(requests), BATCH):
            outputs += self._engine.run(agent, requests[first : first + BATCH])
            tell(len(outputs), len(requests))
        return outputs

    def _views(self, case: PoolCase) -> list[EncodedView]:
        """Encode a case's pictures once; Rec and Rep use the same tokens, as on the device."""
        known = self._encoded.get(case.case_id)
        if known is None:
            known = [self._engine.encode(np.ascontiguousarray(view.pixels[:, :, ::-1])) for view in case.views]
            self._encoded[case.case_id] = known
        return known


def _untold(_done: int, _total: int) -> None:
    """Tell nobody: the caller counts cases, not requests."""
