"""Let the device's own engine decide reference cases on a built bundle, as it is shipped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from calibration.reference.exercises import EncodedCase, reason_texts
from calibration.reference.torch_decider import ReasonInput, Row
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import AgentOutput
from edge_agent.contracts.manifest import AgentName
from edge_agent.inference.engine import EncodedView, Engine, EngineSettings, Request

BATCH = 16


def with_adapters(bundle: Bundle, adapters: Mapping[str, str | None]) -> Bundle:
    """Return the bundle with other adapters per agent; evaluation only, since its signature covers the real ones."""
    agents = {
        name: spec.model_copy(update={"adapter": adapters[name]}) for name, spec in bundle.manifest.agents.items()
    }
    return Bundle(bundle.path, bundle.manifest.model_copy(update={"agents": agents}), bundle.signed_by)


def _untold(_done: int, _total: int) -> None:
    """Tell nobody: the caller counts cases, not requests."""


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

    def _run(
        self, agent: AgentName, requests: Sequence[Request], tell: Callable[[int, int], None]
    ) -> list[tuple[AgentOutput, ...]]:
        outputs: list[tuple[AgentOutput, ...]] = []
        for first in range(0, len(requests), BATCH):
            outputs += self._engine.run(agent, requests[first : first + BATCH])
            tell(len(outputs), len(requests))
        return outputs

    def _views(self, case: EncodedCase) -> list[EncodedView]:
        """Encode a case's pictures once; Rec and Rep use the same tokens, as on the device."""
        known = self._encoded.get(case.case.case_id)
        if known is None:
            known = [self._engine.encode(np.ascontiguousarray(view.pixels[:, :, ::-1])) for view in case.case.views]
            self._encoded[case.case.case_id] = known
        return known

    def recognition(self, cases: Sequence[EncodedCase], tell: Callable[[int, int], None]) -> list[list[Row]]:
        """Return per case and view Rec's fields."""
        rows: list[list[Row]] = []
        for first in range(0, len(cases), BATCH):
            part = cases[first : first + BATCH]
            requests = [Request(views=(view,), texts={}) for case in part for view in self._views(case)]
            answers = iter(self._run("recognition", requests, _untold))
            rows += [[_row(next(answers)) for _ in case.case.views] for case in part]
            tell(len(rows), len(cases))
        return rows

    def representation(self, cases: Sequence[EncodedCase], tell: Callable[[int, int], None]) -> list[Row]:
        """Return per case Rep's fields of both steps."""
        rows: list[Row] = []
        for first in range(0, len(cases), BATCH):
            requests = [Request(views=tuple(self._views(case)), texts={}) for case in cases[first : first + BATCH]]
            rows += [_row(outputs) for outputs in self._run("representation", requests, _untold)]
            tell(len(rows), len(cases))
        return rows

    def reasoning(self, inputs: Sequence[ReasonInput], tell: Callable[[int, int], None]) -> list[Row]:
        """Return per input Reason's fields."""
        requests = [Request(views=(), texts=reason_texts(i.dominant, i.representation, i.intake)) for i in inputs]
        return [_row(outputs) for outputs in self._run("reasoning", requests, tell)]


def _row(outputs: tuple[AgentOutput, ...]) -> Row:
    """Return the decided fields of all steps; probabilities become logits up to a constant."""
    row: Row = {}
    for output in outputs:
        for name, decided in output.fields.items():
            if decided.probability is None:
                continue
            value = decided.value[0] if isinstance(decided.value, (list, tuple)) else decided.value
            row[name] = (value, {k: math.log(max(p, 1e-12)) for k, p in decided.alternatives.items()})
    return row
