"""Time the engine on drawn cases with forced tokens skipped and not skipped, in turns, one case at a time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calibration.reference.cli import Reporter
from calibration.reference.exercises import record_text
from calibration.reference.pool import PoolCase
from device_profiles.loader import load_profile
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import Request
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.inference.engine import Engine, EngineSettings

WARM_UP = 3  # first cases compile kernels for new shapes and are not counted


@dataclass(slots=True)
class Meter:
    """Milliseconds per case of one switch position, and what was decided in them."""

    encode_ms: list[float] = field(default_factory=list)
    case_ms: list[float] = field(default_factory=list)
    agent_ms: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in AGENTS})
    per_decision_ms: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in AGENTS})
    sampled: int = 0
    forced: int = 0

    def summary(self) -> dict[str, Any]:
        """Return medians as plain data."""
        return {
            "encode_ms_per_view": round(statistics.median(self.encode_ms), 2),
            "case_ms": round(statistics.median(self.case_ms), 1),
            "agent_ms": {name: round(statistics.median(ms), 1) for name, ms in self.agent_ms.items()},
            "decision_ms": {name: round(statistics.median(ms), 2) for name, ms in self.per_decision_ms.items()},
            "tokens_sampled": round(self.sampled / len(self.case_ms), 1),
            "tokens_forced": round(self.forced / len(self.case_ms), 1),
        }


def measure_speed(bundle: Bundle, cases: Sequence[PoolCase], *, tell: Reporter) -> dict[str, Any]:
    """Run whole cases on two engines that differ in one switch, in turns, and return medians.

    Args:
        bundle: verified.
        cases: in scope, so that all three agents speak.
        tell: told of every case.
    """
    threads = load_profile("generic").inference.threads
    engines = {
        name: Engine(bundle, settings=EngineSettings(threads=threads, skip_forced=name == "on"))
        for name in ("on", "off")
    }
    meters = {name: Meter() for name in engines}
    try:
        for number, case in enumerate(cases):
            order = ("on", "off") if number % 2 == 0 else ("off", "on")
            for name in order:
                _run_case(engines[name], case, Meter() if number < WARM_UP else meters[name])
            tell(f"speed {bundle.path.name}", number + 1, len(cases), "")
    finally:
        for engine in engines.values():
            engine.close()
    measured = {name: meter.summary() for name, meter in meters.items()}
    return {"cases": len(cases) - WARM_UP, "threads": threads, **measured}


def _run_case(engine: Engine, case: PoolCase, meter: Meter) -> None:
    """Run one case as the pipeline does: encode, Rec on all views at once, Rep, Reason."""
    views = []
    started = time.perf_counter()
    for view in case.views:
        before = time.perf_counter()
        views.append(engine.encode(np.ascontiguousarray(view.pixels[:, :, ::-1])))
        meter.encode_ms.append(1000 * (time.perf_counter() - before))
    requests: Mapping[AgentName, list[Request]] = {
        "recognition": [Request(views=(view,), texts={}) for view in views],
        "representation": [Request(views=tuple(views), texts={})],
        "reasoning": [Request(views=(), texts={"record": record_text(case.record)})],
    }
    for agent in AGENTS:
        before = time.perf_counter()
        answers = engine.run(agent, requests[agent])
        spent = 1000 * (time.perf_counter() - before)
        outputs = [output for steps in answers for output in steps]
        meter.agent_ms[agent].append(spent)
        meter.per_decision_ms[agent].append(spent / sum(output.tokens_sampled for output in outputs))
        meter.sampled += sum(output.tokens_sampled for output in outputs)
        meter.forced += sum(output.tokens_forced for output in outputs)
    engine.forget()
    meter.case_ms.append(1000 * (time.perf_counter() - started))
