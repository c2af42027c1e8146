"""Every gate of the soak test, shown failing once beside an observation that passes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_agent.devices.soak import Observed, Pair
from edge_agent.devices.soak_verdict import figures_of, reasons_against

MB = 1_000_000


def observed(**changes: object) -> Observed:
    """Return a device that is twice as fast as the CPU and says the same, with some facts changed."""
    sound = Observed(
        device="Intel(R) Arc(TM) Graphics",
        load_s=[8.0, 7.0, 7.0],
        logit_gap=0.00001,
        logit_range=20.0,
        pairs=[Pair(1.0, 2.0)] * 24,
        memory_bytes=[[900 * MB + number * MB // 10 for number in range(12)]] * 2,
    )
    return replace(sound, **changes)  # type: ignore[arg-type]


def test_a_sound_and_faster_device_has_no_reason_against_it() -> None:
    """All gates open; the figures are the medians."""
    assert reasons_against(observed(), start_timeout_s=60.0) == []
    figures = figures_of(observed())
    assert (figures["case_s"], figures["cpu_case_s"], figures["ratio"]) == (1.0, 2.0, 0.5)
    assert (figures["load_s"], figures["cases"], figures["growth_bytes"]) == (8.0, 24.0, 400_000.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fault": "the inference child ended"}, "it failed: the inference child ended"),
        ({"broken_bounds": ["bare: logits differ by 4"] * 2}, "not answer as the bundle expects: bare: logits differ"),
        ({"logit_gap": 0.0021}, "in f32 its logits differ from the CPU's by 0.0021, allowed are 0.002"),
        ({"logit_gap": float("inf")}, "logits differ from the CPU's by inf"),
        (
            {"pairs": [Pair(1.0, 2.0)] * 23 + [Pair(1.0, 2.0, ("case-1 recognition 0 describe.scale",))]},
            "1 decisions differ from the CPU's, the first is case-1 recognition 0 describe.scale",
        ),
        ({"pairs": [Pair(1.0, 2.0)] * 23}, "23 cases are too few, 24 are needed"),
        ({"pairs": [Pair(1.81, 2.0)] * 24}, "it is not faster: 1.81 s per case, 2 s on the CPU, 90% are asked"),
        ({"load_s": [8.0, 61.0]}, "it loads in 61 s, start_timeout_s is 60"),
        (
            {"memory_bytes": [[900 * MB] * 12, [900 * MB + number * 2 * MB for number in range(12)]]},
            "its memory grows: 8.0 MB in 4 cases, 4.0 MB are allowed",
        ),
    ],
)
def test_each_gate_refuses(changes: dict[str, object], words: str) -> None:
    """One planted damage, one reason."""
    reasons = reasons_against(observed(**changes), start_timeout_s=60.0)
    assert len(reasons) == 1
    assert words in reasons[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"logit_gap": 0.0019},
        {"pairs": [Pair(1.79, 2.0)] * 24},
        {"memory_bytes": [[900 * MB + number * 3 * MB // 4 for number in range(12)]] * 2},
        {"memory_bytes": [[600 * MB] * 4 + [900 * MB] * 8] * 2},  # what it takes while warming up is no growth
        {"memory_bytes": [[9_000 * MB + number * 5 * MB for number in range(12)]] * 2},  # of nine gigabytes
    ],
)
def test_no_gate_refuses_within_its_bound(changes: dict[str, object]) -> None:
    """The bound is where the gate says it is."""
    assert reasons_against(observed(**changes), start_timeout_s=60.0) == []


def test_a_single_slow_case_is_not_the_devices_speed() -> None:
    """Medians: one case in a moment when the computer did something else."""
    pairs = [Pair(1.0, 2.0)] * 23 + [Pair(60.0, 2.0)]
    assert reasons_against(observed(pairs=pairs), start_timeout_s=60.0) == []


def test_figures_of_a_device_that_never_came_up() -> None:
    """There is nothing to show but that."""
    seen = Observed(fault="OpenVINO finds no device GPU")
    assert figures_of(seen) == {"cases": 0.0, "logit_gap": 0.0, "logit_range": 0.0, "differing_cases": 0.0}
