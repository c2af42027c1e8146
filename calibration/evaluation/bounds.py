"""One-sided confidence bounds: what a sample excludes, not only what it shows. Pure functions and seeded resampling.

Three kinds of quantity, three methods:

* a share of cases (flips): Clopper-Pearson, exact, so that "none of 300" is no proof of none;
* a difference of two shares on the same cases (sensitivity lost): Tango's score interval, which stays honest with few
  or no discordant pairs, where the textbook formula has width zero;
* means and ratios over cases (accuracy over fields, divergence, calibration error): the percentile bootstrap over whole
  cases, because the views and fields of one case are not independent.

Sources: Clopper & Pearson, Biometrika 26:404 (1934). Tango, Statistics in Medicine 17:891 (1998); closed form of the
restricted estimate as in Fagerland, Lydersen & Laake, Statistical Analysis of Contingency Tables, 2017, section 8.
Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95  # one-sided
RESAMPLES = 2000
SEED = 20_260_401
_CHUNK = 200  # resamples at a time: bounds the memory, changes no figure
_STEPS = 80  # bisections: far below the rounding of any figure that is printed

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


def share_upper(hits: int, n: int, *, level: float = LEVEL) -> float:
    """Return the upper Clopper-Pearson bound (0..1) of a share; 1 where there is no case.

    Args:
        hits: cases that have the property.
        n: cases in all.
        level: one-sided confidence; 0.975 gives the upper end of the usual two-sided 95 % interval.

    Raises:
        RuntimeError: the counts cannot be (a programmer's mistake).
    """
    if not 0 <= hits <= n:
        raise RuntimeError(f"{hits} of {n} is no share")
    if hits == n:
        return 1.0
    low, high = hits / n, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _binomial_below(hits, n, middle) > 1 - level:
            low = middle
        else:
            high = middle
    return high


def _binomial_below(hits: int, n: int, p: float) -> float:
    """Return P(X <= hits) of a binomial distribution, by logarithms: n may be large."""
    if p <= 0:
        return 1.0
    if p >= 1:
        return float(hits >= n)
    log_p, log_q = math.log(p), math.log1p(-p)
    whole = math.lgamma(n + 1)
    terms = [whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_p + (n - k) * log_q for k in range(hits + 1)]
    top = max(terms)
    return math.exp(top) * sum(math.exp(term - top) for term in terms)


def paired_loss_upper(lost: int, gained: int, n: int, *, level: float = LEVEL) -> float:
    """Return Tango's upper bound of (lost - gained) / n on paired cases; 1 where there is no case.

    Args:
        lost: cases that the reference had right and the candidate has wrong.
        gained: the other way round.
        n: pairs in all.
        level: one-sided confidence.

    Returns:
        The largest net loss (-1..1) that the sample does not exclude. Without any discordant pair it is
        z^2 / (n + z^2), not zero.

    Raises:
        RuntimeError: the counts cannot be (a programmer's mistake).
    """
    if min(lost, gained) < 0 or lost + gained > n:
        raise RuntimeError(f"{lost} lost and {gained} gained of {n} pairs cannot be")
    if lost == n:  # none, or every pair lost
        return 1.0
    z = NormalDist().inv_cdf(level)
    low, high = (lost - gained) / n, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _tango_score(lost, gained, n, middle) > -z:
            low = middle
        else:
            high = middle
    return high


def _tango_score(lost: int, gained: int, n: int, delta: float) -> float:
    """Return Tango's statistic for the hypothesis that the net loss is ``delta``; it falls as delta grows."""
    linear = -(lost + gained) + (2 * n - lost + gained) * delta
    constant = -gained * delta * (1 - delta)
    gained_share = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * gained_share + delta * (1 - delta))
    distance = lost - gained - n * delta
    if variance <= 0:
        return -math.inf if distance < 0 else 0.0
    return distance / math.sqrt(variance)


class Resampler:
    """Bootstrap over cases with fixed weights: every metric of one group sees the same resamples, so that they pair.

    Args:
        n: cases.
        seed: of the weights; the same seed and n give the same figures everywhere.
        resamples: how many.
    """

    def __init__(self, n: int, *, seed: int = SEED, resamples: int = RESAMPLES) -> None:
        rng = np.random.default_rng(seed)
        self._weights = np.empty((resamples, n), dtype=np.float32)
        for row in range(resamples):
            self._weights[row] = np.bincount(rng.integers(0, n, size=n), minlength=n) if n else 0

    def upper(self, sums: Floats, statistic: Statistic, *, level: float = LEVEL) -> tuple[float, float]:
        """Return the statistic of the sample and its upper percentile bound.

        Args:
            sums: float64[n, K], per case what is added up.
            statistic: takes totals float64[R, K] to values float64[R]; nan where a resample tells nothing.

        Returns:
            (value, bound); both nan where the sample itself tells nothing.
        """
        value = float(statistic(sums.sum(axis=0, keepdims=True))[0])
        if math.isnan(value):
            return value, math.nan
        parts = [
            statistic(self._weights[first : first + _CHUNK].astype(np.float64) @ sums)
            for first in range(0, len(self._weights), _CHUNK)
        ]
        drawn = np.concatenate(parts)
        drawn = drawn[~np.isnan(drawn)]
        return value, float(np.quantile(drawn, level)) if len(drawn) else math.nan
