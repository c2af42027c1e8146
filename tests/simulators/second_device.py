"""A second device that is OpenVINO's CPU behind faults: the real child and the real engine, damaged at the engine's boundary.

Run as ``python -m tests.simulators.second_device WORDS --fault NAME [--marker FILE]``, WORDS being the worker's own. Without
``--fault`` it is a sound device. A marker lets a fault happen once only: it makes the file, and is sound where the file is.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import AgentOutput, Request
from edge_agent.contracts.manifest import AgentName
from edge_agent.device_bootstrap import Devices
from edge_agent.devices.candidates import Candidate
from edge_agent.devices.facts import Surroundings
from edge_agent.devices.verdict import Key
from edge_agent.engine_bootstrap import Arithmetic
from edge_agent.errors import ContractError, InferenceError
from edge_agent.inference.engine import Engine, EngineSettings
from edge_agent.inference.worker import main as worker
from tests.simulators.hanging import hang
from tests.simulators.recorded_computer import ULTRA

LEAK_BYTES = 3_000_000
FAULTS = (
    "crash",
    "hang",
    "error",
    "contract",
    "slow",
    "leak",
    "flip",
    "logits",
    "canary",
    "crash-loading",
    "hang-loading",
)


class FaultyEngine(Engine):
    """The real engine; a fault of its device shows in ``run``, ``logits`` or while it is built."""

    def __init__(self, bundle: Bundle, *, settings: EngineSettings, fault: str, marker: Path | None) -> None:
        self._fault, self._marker = fault, marker
        self._runs = 0
        self._leaked: list[bytearray] = []
        self._strike("-loading")
        super().__init__(bundle, settings=settings)
        self._is_serving = False

    def forget(self) -> None:
        """Forget a case. The first call ends the loading: what happens from then on happens to cases."""
        super().forget()
        self._is_serving = True

    def run(self, agent: AgentName, requests: Sequence[Request], **options: Any) -> list[tuple[AgentOutput, ...]]:
        """Answer, after or with the fault."""
        if self._fault == "canary":  # for the golden cases at load: not one answer
            return [() for _ in requests]
        self._runs += 1
        if self._is_serving:
            self._strike("")
        if self._fault == "leak":
            self._leaked.append(bytearray(os.urandom(LEAK_BYTES)))
        answers = super().run(agent, requests, **options)
        if self._fault == "slow":  # afterwards: a prefix that is left over takes another way to a decision
            super().run(agent, requests, **options)
        return [_flipped(steps) for steps in answers] if self._fault == "flip" and self._is_serving else answers

    def logits(self, *words: Any, **options: Any) -> NDArray[np.float32]:
        """Return the logits, off by a tenth under the fault ``logits``."""
        found = super().logits(*words, **options)
        return found + np.float32(0.1) if self._fault == "logits" else found

    def _strike(self, when: str) -> None:
        """Do what the fault is; ``when`` is a suffix of its name."""
        kind = self._fault.removesuffix(when) if self._fault.endswith(when) else ""
        if kind not in {"crash", "hang", "error", "contract"} or (self._marker is not None and self._marker.exists()):
            return
        if self._marker is not None:
            self._marker.touch()
        if kind == "crash":
            os.abort()
        if kind == "hang":
            hang()
        if kind == "contract":
            raise ContractError("the answer does not end")
        raise InferenceError("[GPU] CL_OUT_OF_RESOURCES")


def _flipped(steps: tuple[AgentOutput, ...]) -> tuple[AgentOutput, ...]:
    """Return the answer with another value in its first field."""
    first, *others = steps
    name, value = next(iter(first.fields.items()))
    return (replace(first, fields={**first.fields, name: replace(value, value="flipped")}), *others)


def main() -> int:
    """Run the worker with the fault that the words name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fault", choices=FAULTS, default="")
    parser.add_argument("--marker", type=Path)
    options, words = parser.parse_known_args()
    return worker(
        words,
        build_engine=lambda bundle, settings: FaultyEngine(
            bundle, settings=settings, fault=options.fault, marker=options.marker
        ),
    )


def stand_in(*arguments: str, threads: int = 2) -> Candidate:
    """Return a candidate that calls itself GPU and is OpenVINO's CPU with this program around it."""
    return Candidate(
        "GPU",
        "CPU",
        Arithmetic("f32", kv_precision="f16", activation_group_size=32),  # as the cart's CPU
        threads=threads,
        module="tests.simulators.second_device",
        arguments=arguments,
    )


def surroundings(root: Path, **changes: str) -> Surroundings:
    """Return a recorded cart with graphics and their driver, as ``Surroundings``."""
    ULTRA.write(root)
    (root / "var/lib/dpkg").mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/status").write_text(
        "Package: intel-opencl-icd\nStatus: install ok installed\nVersion: 24.35.30872.22\n"
    )
    return Surroundings(root, **{"kernel": "6.8.0-45", "openvino": "2026.4.1", "program": "0.1", **changes})


def devices(root: Path, candidate: Candidate) -> Devices:
    """Return a table with this candidate as GPU, on a recorded cart."""
    return Devices({"GPU": candidate}, surroundings(root))


def key(**changes: str) -> Key:
    """Return a key of made-up parts."""
    parts = {
        "profile": "core-ultra (1)",
        "driver": "i915; intel-opencl-icd 24.35",
        "kernel": "6.8.0-45",
        "openvino": "2026.4.1",
        "program": "0.1",
        "bundle": "reference 0.2.0 (2)",
        "device": "Intel(R) Arc(TM) Graphics",
    }
    return Key(**{**parts, **changes})


def noon() -> datetime:
    """Return always the same time."""
    return datetime(2026, 1, 1, 12, tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
