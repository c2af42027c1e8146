"""Measure what this machine can do at all: matrix products at a model's own shapes, and reading memory.

Both through OpenVINO's own plugin (oneDNN), with the engine's threads and precision, so that a phase's share of its limit is
about this program's work and not about another library's kernels.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from edge_agent.inference.runtime import shared_core

READ_BYTES = 512 << 20  # far above any cache
_REPEATS = 7


@dataclass(frozen=True, slots=True)
class Product:
    """One linear: ``rows`` x ``width_in`` times ``width_in`` x ``width_out``."""

    rows: int
    width_in: int
    width_out: int

    @property
    def flops(self) -> int:
        """Return multiplications and additions."""
        return 2 * self.rows * self.width_in * self.width_out


def gemm_rate(products: Sequence[Product], *, properties: dict[str, str]) -> float:
    """Return FLOP per second of these products, one after the other, in the plugin's own precision; the median run."""
    core = shared_core()
    rng = np.random.default_rng(0)
    requests = []
    for product in products:
        source = ops.parameter([product.rows, product.width_in], np.float32)
        weight = rng.standard_normal((product.width_out, product.width_in), dtype=np.float32)
        model = ov.Model([ops.matmul(source, ops.constant(weight), False, True)], [source])
        request = core.compile_model(model, "CPU", properties).create_infer_request()
        requests.append((request, rng.standard_normal((product.rows, product.width_in), dtype=np.float32)))
    times = []
    for _ in range(_REPEATS):
        started = perf_counter()
        for request, data in requests:
            request.infer([data], share_inputs=True, share_outputs=True)
        times.append(perf_counter() - started)
    return sum(product.flops for product in products) / statistics.median(times)


def read_rate(*, threads: int) -> float:
    """Return bytes per second that ``threads`` threads read together from memory; the best run, since it is a limit."""
    words = np.ones(READ_BYTES // 8, dtype=np.uint64)
    parts = np.array_split(words, threads)
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_REPEATS):
            started = perf_counter()
            list(pool.map(np.bitwise_or.reduce, parts))  # releases the interpreter's lock
            best = max(best, words.nbytes / (perf_counter() - started))
    return best
