"""Replay the bundle's canary: this machine's logits and decisions against PyTorch + PEFT's, made at build.

Run strict (f32) it shows that the files and the arithmetic are whole; run in production settings it shows that this
machine still decides the golden cases as the reference did. The archive's layout is described in
``calibration/canary.py``; nothing here makes expected values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.manifest import CanaryBounds
from edge_agent.errors import RejectedError

BARE = "bare"
SIDE_BRANCH = "side_branch"


@dataclass(frozen=True, slots=True)
class CanaryCase:
    """One prompt under ``label`` (an adapter's name, ``bare``, or ``side_branch``: the bare backbone with its branch).

    ``input_ids`` int64[S], pictures widened; ``logits`` float32[R, V] after the last R positions; ``frame``
    uint8[H, W, 3] BGR or None.
    """

    label: str
    number: int
    input_ids: NDArray[np.int64]
    logits: NDArray[np.float32]
    frame: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class CanaryRow:
    """What one label's prompts gave: largest |logit difference| and share of equal argmax (0..1)."""

    label: str
    max_abs: float
    argmax: float


@dataclass(frozen=True, slots=True)
class CanaryReport:
    """The replay's result. ``bounds`` hold in strict settings; in production the golden decisions must agree.

    ``min_agreement`` is the least share (0..1) of golden decisions that must be equal: the manifest's
    ``golden.min_agreement``.
    """

    rows: tuple[CanaryRow, ...]
    is_strict: bool
    bounds: CanaryBounds
    golden_equal: int
    golden_total: int
    min_agreement: float

    def failures(self) -> tuple[str, ...]:
        """Return one line per broken bound; empty means passed."""
        out = []
        if self.is_strict:
            for row in self.rows:
                if row.max_abs > self.bounds.strict_max_abs:
                    out.append(f"{row.label}: logits differ by {row.max_abs:.3g} > {self.bounds.strict_max_abs:.3g}")
                if row.argmax < self.bounds.strict_min_argmax:
                    out.append(f"{row.label}: argmax agrees {row.argmax:.3f} < {self.bounds.strict_min_argmax:.3f}")
        elif self.golden_total == 0:
            out.append("there is no golden decision to compare")
        elif self.golden_equal / self.golden_total < self.min_agreement:
            equal = f"{self.golden_equal} of {self.golden_total} golden decisions are equal"
            out.append(f"{equal}, {self.min_agreement:.1%} are asked")
        return tuple(out)


def read_canary(path: Path) -> Iterator[CanaryCase]:
    """Yield the archive's prompts in order.

    Raises:
        RejectedError: it is not such an archive.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as exc:
        raise RejectedError(f"{path.name} is no canary archive; build the bundle again") from exc
    names = sorted(name.removesuffix(".input_ids") for name in arrays if name.endswith(".input_ids"))
    if not names:
        raise RejectedError(f"{path.name} holds no prompt; build the bundle again")
    for name in names:
        label, _, number = name.rpartition(".")
        if f"{name}.logits" not in arrays or not number.isdigit():
            raise RejectedError(f"{path.name} lacks the logits of {name}; build the bundle again")
        yield CanaryCase(
            label,
            int(number),
            arrays[f"{name}.input_ids"].astype(np.int64),
            arrays[f"{name}.logits"].astype(np.float32),
            arrays.get(f"{name}.frame"),
        )


def compare(label: str, pairs: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> CanaryRow:
    """Compare (found, expected) logits, float32[R, V] each, of one label."""
    worst = max(float(np.abs(found - expected).max()) for found, expected in pairs)
    equal = np.concatenate([found.argmax(axis=-1) == expected.argmax(axis=-1) for found, expected in pairs])
    return CanaryRow(label, worst if np.isfinite(worst) else float("inf"), float(equal.mean()))
