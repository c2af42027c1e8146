"""Fit the cost model (``device_profiles.cost``) to measured growth: the three rates that ``derm-edge profile explain`` needs.

What it prints can stand in a profile's ``[rates]``: then a prediction for such a computer rests on what was measured there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_profiles.cost import CaseFacts, ModelFacts, Prediction, Turn, predict
from device_profiles.loader import load_profile
from device_profiles.profile import Profile
from scripts.speed.contender import PHASES
from scripts.speed.workload import workload_named

_PATCH, _TOKEN = 14, 28  # px of a patch's and of a visual token's side
_NOTHING, _FOR_EVER = 0.0, 1e30


@dataclass(frozen=True, slots=True)
class Fitted:
    """Rates, and how far the fitted model is from what was measured: median and largest share of a whole case."""

    gemm_flops_per_s: float
    read_bytes_per_s: float
    call_s: float
    median_off: float
    most_off: float


def fit(rows: Sequence[Mapping[str, Any]], models: Mapping[str, ModelFacts]) -> Fitted:
    """Fit the rates to rows of growth by non-negative least squares of relative errors, phase by phase.

    Args:
        rows: records of kind ``growth``.
        models: the shapes' sizes by name.
    """
    from scipy.optimize import nnls

    profile = load_profile("generic")
    factors, seconds = [], []
    for row in rows:
        parts = _coefficients(models[row["shape"]], case_of(row), profile)
        factors += list(parts)
        seconds += [row[phase] for phase in PHASES]
    measured = np.array(seconds)
    known = measured > 0
    found, _ = nnls(np.array(factors)[known] / measured[known, np.newaxis], np.ones(int(known.sum())))
    per_flop, per_byte, call_s = found
    whole = np.array(factors).reshape(len(rows), len(PHASES), 3).sum(axis=1) @ found
    off = np.abs(whole / measured.reshape(len(rows), len(PHASES)).sum(axis=1) - 1)
    return Fitted(
        1 / per_flop, 1 / max(per_byte, 1 / _FOR_EVER), float(call_s), float(np.median(off)), float(off.max())
    )


def fitted_lines(fitted: Fitted) -> str:
    """Return the rates as a profile's lines, and how far off they are."""
    return (
        "fitted, for the [rates] of a profile of this computer:\n"
        f"gemm_flops_per_s = {fitted.gemm_flops_per_s:.3g}\nread_bytes_per_s = {fitted.read_bytes_per_s:.3g}\n"
        f"call_s = {fitted.call_s:.2g}\n"
        f"a whole case is off by {100 * fitted.median_off:.0f} % (median), {100 * fitted.most_off:.0f} % (most)"
    )


def case_of(row: Mapping[str, Any]) -> CaseFacts:
    """Return the case of a row as the cost model counts it; every token is a decision, since no schema forces any."""
    views, side = int(row["views"]), int(row["side_px"])
    workload = workload_named("paper", views=views, side_px=side, length=row["length"])
    shown = (side // _TOKEN) ** 2
    turns: list[Turn] = []
    for turn in workload.turns:
        pictures = {"each": 1, "all": views}.get(turn.pictures, 0)
        seen = turns[-1].context_tokens if turn.pictures == "before" else 0
        asked = turn.prompt_tokens + pictures * shown
        turns.append(Turn(views if turn.pictures == "each" else 1, asked, turn.answer_tokens - 1, 0, seen_tokens=seen))
    return CaseFacts(views, (side // _PATCH) ** 2, tuple(turns))


def _coefficients(model: ModelFacts, case: CaseFacts, profile: Profile) -> NDArray[np.float64]:
    """Return [phase, (FLOP, bytes, calls)]: the model is linear in seconds per each of them."""
    units = ((1.0, _FOR_EVER, _NOTHING), (_FOR_EVER, 1.0, _NOTHING), (_FOR_EVER, _FOR_EVER, 1.0))
    columns = []
    for flops, read, call in units:
        rates = profile.rates.model_copy(update={"gemm_flops_per_s": flops, "read_bytes_per_s": read, "call_s": call})
        columns.append(_phases(predict(model, case, profile.model_copy(update={"rates": rates}))))
    return np.array(columns).T


def _phases(found: Prediction) -> tuple[float, float, float]:
    return found.vision_s, found.prefill_s, found.decode_s
