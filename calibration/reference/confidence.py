"""Say how far a decider's confidence can be trusted: calibration error, temperature, and the least confidence to show.

Knows neither cases nor agents: rows are logits or (confidence, right?) pairs of one field.

Sources: Guo et al., On Calibration of Modern Neural Networks, ICML 2017: expected calibration error (equation 3, 15
equal-width bins) and temperature scaling (section 4.2). Nguyen & O'Connor, EMNLP 2015: bins of equal counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
PRECISION = 0.90  # of what is shown: at most one shown sign in ten is wrong, on drawn cases
LEAST_KEPT = 40  # answers; a precision of fewer is luck
APART = 1e-6  # between two confidences that a threshold can part
HIGHEST = 0.99  # a threshold above would withhold by rounding
NOTHING = frozenset({"cannot_tell", "None", "null", "insufficient_information"})
Sure = Sequence[tuple[float, bool]]  # (confidence 0..1, right?)
Row = Mapping[str, tuple[Any, Mapping[str, float]]]  # field -> (value, logit per candidate)


@dataclass(frozen=True, slots=True)
class Sample:
    """One decision: the logit of every candidate and which of them was true."""

    logits: tuple[float, ...]
    options: tuple[str, ...]
    truth: int

    @property
    def answer(self) -> int:
        """Return the candidate with the largest logit."""
        return max(range(len(self.logits)), key=self.logits.__getitem__)

    @property
    def is_right(self) -> bool:
        """Say whether the largest logit is the truth's."""
        return self.answer == self.truth

    def confidence(self, temperature: float) -> float:
        """Return the calibrated probability (0..1) of the answer."""
        return confidence_of(self.logits, temperature)


@dataclass(frozen=True, slots=True)
class Confidences:
    """How a decider's logits become confidences: temperature and least confidence per ``<agent>.<field>``.

    A device's engine has applied the temperature already; its rows need 1, which is the value of a missing name.
    """

    temperatures: Mapping[str, float] = field(default_factory=dict)
    least: Mapping[str, float] = field(default_factory=dict)

    def of(self, agent: str, row: Row) -> dict[str, tuple[float, float]]:
        """Return per field of one row its confidence and the least that may be shown; a field without logits has none."""
        return {
            name: (
                confidence_of(tuple(logits.values()), self.temperatures.get(f"{agent}.{name}", 1.0)),
                self.least.get(f"{agent}.{name}", 0.0),
            )
            for name, (_, logits) in row.items()
            if logits
        }


def confidence_of(logits: Sequence[float], temperature: float) -> float:
    """Return the largest of softmax(logits / temperature)."""
    largest = max(logits)
    return 1 / sum(math.exp((logit - largest) / temperature) for logit in logits)


def calibration_error(rows: Sure, *, bins: int = BINS) -> float:
    """Return the expected calibration error (0..1): bins of equal width, weighted by their counts; nan without rows.

    A confidence on an edge belongs to the lower bin, as in the paper's (m-1)/M < p <= m/M.
    """
    confidence, right = _columns(rows)
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return _weighted_gap(confidence, right, [np.flatnonzero(places == place) for place in range(bins)])


def adaptive_calibration_error(rows: Sure, *, bins: int = BINS) -> float:
    """Return the same with bins of equal counts, which do not run empty where a decider is mostly sure."""
    confidence, right = _columns(rows)
    return _weighted_gap(confidence, right, np.array_split(np.argsort(confidence, kind="stable"), bins))


def error_by_chance(rows: Sure, *, bins: int = BINS) -> float:
    """Return what ``calibration_error`` would be about for a perfectly calibrated decider with these confidences.

    Few rows make every calibration error larger than nothing: in a bin of n answers the share of right ones differs
    from its expectation by about sqrt(2 v / pi) / n, v the sum of p (1 - p) (normal approximation).
    """
    confidence, _ = _columns(rows)
    if not len(confidence):
        return math.nan
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    spread = np.bincount(places, weights=confidence * (1 - confidence), minlength=bins)
    return float(np.sqrt(2 * spread / math.pi).sum() / len(confidence))


def accuracy_of(samples: Sequence[Sample]) -> float:
    """Return the share (0..1) of samples whose answer is right."""
    return round(sum(sample.is_right for sample in samples) / len(samples), 4)


def temperature_of(samples: Sequence[Sample]) -> float:
    """Return the temperature with the least negative log likelihood on the samples, from a grid of 0.5 to 5."""
    logits = np.asarray([sample.logits for sample in samples])
    truth = np.asarray([sample.truth for sample in samples])
    grid = [round(0.5 * 1.08**step, 3) for step in range(31)]
    return min(grid, key=lambda temperature: _loss(logits / temperature, truth))


def least_confidence_of(samples: Sequence[Sample], temperature: float, *, precision: float = PRECISION) -> float:
    """Return the lowest confidence from which on the answers that say something reach a precision.

    An answer that is itself a nothing-value withholds nothing and does not count. 0 where all answers together are
    precise enough; ``HIGHEST`` where no threshold is, so that a field nobody can trust is not shown.

    Args:
        samples: of the calibration split.
        temperature: the field's.
        precision: share of right answers (0..1) among those kept.
    """
    said = sorted(
        (sample.confidence(temperature), sample.is_right)
        for sample in samples
        if sample.options[sample.answer] not in NOTHING
    )
    if len(said) < LEAST_KEPT:
        return 0.0 if not said or _share_right(said) >= precision else HIGHEST
    right_from = np.cumsum([right for _, right in reversed(said)])[::-1]  # right answers from each place on
    for first in range(len(said) - LEAST_KEPT + 1):
        if first and said[first][0] - said[first - 1][0] < APART:
            continue  # no threshold parts answers of the same confidence
        if right_from[first] >= precision * (len(said) - first):
            return 0.0 if first == 0 else min(HIGHEST, (said[first - 1][0] + said[first][0]) / 2)
    return HIGHEST


def fit_field(samples: Sequence[Sample]) -> dict[str, float]:
    """Return one field's entry of ``thresholds.fields``."""
    temperature = temperature_of(samples)
    return {"temperature": temperature, "min_confidence": least_confidence_of(samples, temperature)}


def record(
    samples: Mapping[str, Sequence[Sample]], fields: Mapping[str, Mapping[str, float]], *, split: str, cases: int
) -> dict[str, Any]:
    """Return the manifest's ``calibration`` record of a fit; its errors are those of the same split, the best case."""
    errors = {
        name: round(calibration_error([(s.confidence(fields[name]["temperature"]), s.is_right) for s in rows]), 4)
        for name, rows in samples.items()
    }
    return {"split": split, "cases": cases, "ece_split": split, "ece": errors}


def _columns(rows: Sure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray([row[0] for row in rows], np.float64), np.asarray([row[1] for row in rows], np.float64)


def _weighted_gap(
    confidence: NDArray[np.float64], right: NDArray[np.float64], groups: Sequence[NDArray[np.intp]]
) -> float:
    if not len(confidence):
        return math.nan
    gaps = [len(g) * abs(right[g].mean() - confidence[g].mean()) for g in groups if len(g)]
    return float(sum(gaps) / len(confidence))


def _loss(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    largest = logits.max(1)
    total = largest + np.log(np.exp(logits - largest[:, None]).sum(1))
    return float((total - logits[np.arange(len(truth)), truth]).mean())


def _share_right(rows: Sure) -> float:
    return sum(right for _, right in rows) / len(rows)
