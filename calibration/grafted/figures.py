"""Measure what compression did to every adapter: logits and every adapted linear, adapter on, against FP32.

A bare graph shows nothing of it: AWQ leaves the bare graph equivalent and breaks every adapter. A later adapter, which
the compression has not seen, is measured beside the others on its own agent's conversations.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from calibration.grafted.captured import ArrayFile, Tensors
from calibration.grafted.separation import adapted_outputs
from edge_agent.inference.adapters import Adapter
from edge_agent.inference.graft import GATE_INPUT, INDEX_INPUT, gather_before_head, graft
from edge_agent.inference.runtime import EngineSettings, Runtime, infer_outputs

Floats = NDArray[np.float32]

BARE = "bare"
LATER = ".later"
ROWS = 16  # final positions of a conversation: its last decisions
_MAX_CONVERSATIONS = 12  # per label: the figures describe, the gates judge


@dataclass(frozen=True, slots=True)
class AdapterError:
    """Relative errors (0 is exact) of one label, adapter on: an adapter's name, ``<name>.later`` or ``bare``.

    ``logits``: root mean square of the difference over that of the expected logits. ``argmax``: share of positions
    with the same first choice (0..1). ``linears``: the same error of each adapted linear's output, by module path; it
    grows along the layers, since each reads what the ones before it made.
    """

    label: str
    positions: int
    logits: float
    argmax: float
    linears: dict[str, float]

    @property
    def worst_linear(self) -> str:
        """Return the path of the linear with the largest error, or nothing where there is none."""
        return max(self.linears, key=lambda path: self.linears[path], default="")


@dataclass(frozen=True, slots=True)
class Variant:
    """One side of a comparison: a language model IR, and the adapters to graft in the order of the columns.

    ``later`` come behind ``adapters``; each runs on the conversations of the adapter that has its name.
    """

    language_model: Path
    adapters: Sequence[Adapter]
    later: Sequence[Adapter] = ()


def measure(expected: Variant, found: Variant, *, inputs: ArrayFile, folder: Path, threads: int) -> list[AdapterError]:
    """Compare two variants on captured conversations, both at strict settings, one loaded at a time.

    Args:
        expected: FP32 with FP32 adapters.
        found: as built; the same adapters in the same order.
        inputs: captured under ``expected.adapters``.
        folder: where the nameless file of expected outputs may lie.
        threads: of the runtime.

    Returns:
        One row per label, in order of appearance.

    Raises:
        Incompatible: an adapter does not fit the backbone.
        InferenceError: the runtime failed.
    """
    sums: dict[str, _Sums] = {}
    with ArrayFile(folder) as outputs:
        for label, tensors in _run(expected, inputs, threads=threads):
            outputs.append(tensors, label=label)
        for row, (label, tensors) in enumerate(_run(found, inputs, threads=threads)):
            sums.setdefault(label, _Sums()).add(outputs[row], tensors)
    return [one.error(label) for label, one in sums.items()]


class _Sums:
    """Running sums of one label."""

    def __init__(self) -> None:
        self._squares: defaultdict[str, float] = defaultdict(float)
        self._differences: defaultdict[str, float] = defaultdict(float)
        self._positions = 0
        self._equal = 0

    def add(self, expected: Tensors, found: Tensors) -> None:
        for name, value in expected.items():
            wanted, other = value.astype(np.float64), found[name].astype(np.float64)
            self._squares[name] += float(np.square(wanted).sum())
            self._differences[name] += float(np.square(wanted - other).sum())
        same = expected["logits"].argmax(axis=-1) == found["logits"].argmax(axis=-1)
        self._equal += int(same.sum())
        self._positions += same.size

    def error(self, label: str) -> AdapterError:
        relative = {name: float(np.sqrt(self._differences[name] / square)) for name, square in self._squares.items()}
        logits = relative.pop("logits")
        return AdapterError(label, self._positions, logits, self._equal / self._positions, relative)


def _run(variant: Variant, inputs: ArrayFile, *, threads: int) -> Iterator[tuple[str, Tensors]]:
    """Yield the outputs at the last positions of every conversation under every label."""
    runtime = Runtime(EngineSettings(strict=True, threads=threads))
    model = runtime.read(variant.language_model)
    graft(model, [*variant.adapters, *variant.later])
    gather_before_head(model)
    names = ["logits", *_tap(model)]
    request = runtime.request(model)
    for label, tensors in _items(variant, inputs):
        request.reset_state()
        count = tensors["inputs_embeds"].shape[1]
        tensors[INDEX_INPUT] = np.arange(max(0, count - ROWS), count, dtype=np.int64)
        found = infer_outputs(request, tensors, names=names, doing="the language model cannot be measured")
        yield label, {name: value.reshape(-1, value.shape[-1]) for name, value in found.items()}


def _tap(model: ov.Model) -> list[str]:
    """Make every adapted linear's output, at the indexed positions, an output of the model; return their names."""
    index = model.input(INDEX_INPUT).get_node()
    results = []
    for path, total in adapted_outputs(model).items():
        rows = ops.gather(total, index, ops.constant(np.int64(1)))
        rows.output(0).get_tensor().set_names({path})
        results.append(ops.result(rows))
    model.add_results(results)
    model.validate_nodes_and_infer_types()
    return [next(iter(result.input_value(0).get_names())) for result in results]


def _items(variant: Variant, inputs: ArrayFile) -> Iterator[tuple[str, Tensors]]:
    """Yield each conversation under its own adapter, under its later adapter and bare, with the gate to suit."""
    width = len(variant.adapters) + len(variant.later)
    counts: Counter[str] = Counter()
    for tensors, label in zip(inputs, inputs.labels, strict=True):
        for name, gate in _gates(variant, tensors.get(GATE_INPUT), label=label, width=width):
            counts[name] += 1
            if counts[name] <= _MAX_CONVERSATIONS:
                yield name, tensors if gate is None else {**tensors, GATE_INPUT: gate}


def _gates(
    variant: Variant, captured: NDArray[np.generic] | None, *, label: str, width: int
) -> Iterator[tuple[str, Floats | None]]:
    if captured is None:
        yield BARE, None
        return
    shown = np.zeros((*captured.shape[:2], width), dtype=np.float32)
    shown[..., : captured.shape[2]] = captured
    if label != BARE:
        yield label, shown
    for number, adapter in enumerate(variant.later):
        if adapter.name == label:
            moved = np.zeros_like(shown)
            moved[..., len(variant.adapters) + number] = captured.max(axis=2)
            yield f"{label}{LATER}", moved
    yield BARE, np.zeros_like(shown)
