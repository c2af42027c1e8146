"""Confidence bounds against published examples and values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calibration.evaluation.bounds import Resampler, paired_loss_upper, share_upper

TWO_SIDED = 0.975  # the upper end of a two-sided 95 % interval is a one-sided 97.5 % bound


@pytest.mark.parametrize(
    ("hits", "n", "upper"), [(81, 263, 0.3676), (15, 148, 0.1617), (0, 20, 0.1684), (1, 29, 0.1776)]
)
def test_share_bound_is_clopper_and_pearsons(hits: int, n: int, upper: float) -> None:
    """Newcombe, Statistics in Medicine 17:857 (1998), table I: the exact method's upper limits."""
    assert share_upper(hits, n, level=TWO_SIDED) == pytest.approx(upper, abs=5e-5)


@pytest.mark.parametrize("n", [100, 2000])
def test_share_bound_without_a_hit_is_the_rule_of_three(n: int) -> None:
    """P(no hit) = (1 - p)^n = 0.05 at the bound: 1 - 0.05^(1/n), about 3 / n."""
    assert share_upper(0, n) == pytest.approx(1 - 0.05 ** (1 / n), abs=1e-12)


def test_share_of_nothing_excludes_nothing() -> None:
    """Without a case, or with every case hit, the bound is 1."""
    assert share_upper(0, 0) == share_upper(7, 7) == 1.0


def test_paired_bound_is_tangos() -> None:
    """Cavo et al. 2012 (161 patients, 6 and 16 discordant): Fagerland, Lydersen & Laake 2017, section 8, give
    -0.0621 with Tango's interval -0.1240 to -0.0054; the lower end is the mirrored upper one."""
    assert paired_loss_upper(6, 16, 161, level=TWO_SIDED) == pytest.approx(-0.0054, abs=5e-5)
    assert -paired_loss_upper(16, 6, 161, level=TWO_SIDED) == pytest.approx(-0.1240, abs=5e-5)


@pytest.mark.parametrize(("n", "bound"), [(380, 2.7055 / 382.7055), (1900, 2.7055 / 1902.7055)])
def test_paired_bound_without_discordance_is_not_zero(n: int, bound: float) -> None:
    """By hand: with b = c = 0 the score is -n d / sqrt(n d (1 - d)) = -z, so d = z^2 / (n + z^2), z^2 = 2.7055."""
    assert paired_loss_upper(0, 0, n) == pytest.approx(bound, rel=1e-4)


def test_paired_bound_without_pairs_excludes_nothing() -> None:
    """No pair, or every pair lost: the bound is 1."""
    assert paired_loss_upper(0, 0, 0) == paired_loss_upper(5, 0, 5) == 1.0


def test_gains_pull_the_paired_bound_down() -> None:
    """Net loss is what counts: three lost and three gained are better than three lost."""
    assert paired_loss_upper(3, 3, 400) < paired_loss_upper(3, 0, 400)


@pytest.mark.parametrize(("lost", "gained", "n"), [(-1, 0, 5), (4, 4, 7)])
def test_impossible_counts_are_a_programmers_mistake(lost: int, gained: int, n: int) -> None:
    """More discordant pairs than pairs cannot be."""
    with pytest.raises(RuntimeError):
        paired_loss_upper(lost, gained, n)


def test_bootstrap_bound_of_a_mean_is_near_the_normal_one() -> None:
    """1,000 zeros and ones, half each: mean .5, standard error .5 / sqrt(1000) = .0158, upper 95 % .5 + 1.645 x .0158."""
    sums = np.array([[float(i % 2), 1.0] for i in range(1000)])
    value, bound = Resampler(1000).upper(sums, lambda totals: totals[:, 0] / totals[:, 1])
    assert value == 0.5
    assert bound == pytest.approx(0.526, abs=0.003)


def test_bootstrap_repeats_itself() -> None:
    """The same seed gives the same bound, to the last bit, in another object."""
    sums = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, 1.0]])
    mean = [Resampler(3).upper(sums, lambda totals: totals[:, 0] / totals[:, 1]) for _ in range(2)]
    assert mean[0] == mean[1]


def test_bootstrap_of_nothing_is_no_number() -> None:
    """Without cases there is neither value nor bound, and a gate never passes on it."""
    with np.errstate(invalid="ignore"):
        value, bound = Resampler(0).upper(np.zeros((0, 2)), lambda totals: totals[:, 0] / totals[:, 1])
    assert math.isnan(value)
    assert math.isnan(bound)
