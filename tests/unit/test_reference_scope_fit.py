"""The scope thresholds: fitted with the looks and averages that the device itself uses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calibration.reference.scope_fit import SENSITIVITY, LookedAt, scope_thresholds  # noqa: E402
from calibration.reference.vision_stage import augment  # noqa: E402
from edge_agent.agents.scope import decide  # noqa: E402
from edge_agent.contracts.case import AgentOutput, FieldValue, Finding  # noqa: E402
from edge_agent.contracts.manifest import Thresholds  # noqa: E402

TEMPERATURES = {"family": 1.0, "applicability": 1.0}
FAMILIES = ("papulosquamous", "eczematous", "nodule_tumour")
Shares = dict[str, float]


def row(family: Shares, visible: float) -> dict[str, tuple[str, Shares]]:
    """Return one look as a decider gives it: value and logits."""
    applicability = {"lesion_visible": visible, "normal_skin": 1 - visible}
    return {
        name: (max(shares, key=shares.__getitem__), {k: math.log(max(p, 1e-9)) for k, p in shares.items()})
        for name, shares in (("family", family), ("applicability", applicability))
    }


def near(looks: Sequence[Sequence[dict[str, tuple[str, Shares]]]]) -> LookedAt:
    """Return a case of close-ups."""
    return LookedAt(["close_up"] * len(looks), looks)


def drawn(cases: int, *, looks: int) -> list[LookedAt]:
    """Draw looks at two views per case, most of them sure and some not."""
    rng = np.random.default_rng(11)
    return [
        near(
            [
                [
                    row(dict(zip(FAMILIES, rng.dirichlet((30, 2, 0.2)), strict=True)), rng.beta(40, 1))
                    for _ in range(looks)
                ]
                for _ in range(2)
            ]
        )
        for _ in range(cases)
    ]


def output(look: dict[str, tuple[str, Shares]]) -> AgentOutput:
    fields = {}
    for name, (value, logits) in look.items():
        shares = {k: math.exp(v) for k, v in logits.items()}
        fields[name] = FieldValue(value, shares[value], shares)
    return AgentOutput("recognition", "describe", "", {n: f.value for n, f in fields.items()}, fields, 2, 9)


def test_the_device_keeps_as_many_cases_as_the_fit_promised() -> None:
    """The fit's averages are the device's averages: its own rule keeps the promised share, and not many more."""
    cases = drawn(400, looks=4)
    found = scope_thresholds(cases, TEMPERATURES)
    thresholds = Thresholds(**found)
    kept = 0
    for case in cases:
        findings = [Finding(n, output(view[0])) for n, view in enumerate(case.looks)]
        further = {n: [output(look) for look in view[1:]] for n, view in enumerate(case.looks)}
        kept += decide(findings, thresholds, further=further).decision == "in_scope"
    assert abs(kept / len(cases) - SENSITIVITY) <= 0.005


def test_one_look_would_ask_for_another_threshold() -> None:
    """Thresholds belong to a number of looks: averages lie closer together than single looks."""
    cases = drawn(400, looks=8)
    single = scope_thresholds([near([view[:1] for view in case.looks]) for case in cases], TEMPERATURES)
    assert scope_thresholds(cases, TEMPERATURES)["in_scope_family"] != single["in_scope_family"]


def test_views_may_contradict_in_few_drawn_cases() -> None:
    """The threshold is the lowest that only DISAGREEMENTS of the in-scope cases reach, never below one half."""
    sure = row({"papulosquamous": 0.98, "eczematous": 0.02}, 0.99)

    def with_foreign(share: float, *, shot: str = "close_up") -> LookedAt:
        return LookedAt(["close_up", shot], [[sure], [row({"papulosquamous": 1 - share, "eczematous": share}, 0.99)]])

    plain = [near([[sure], [sure]])] * 980
    assert scope_thresholds([*plain, *[with_foreign(0.7)] * 20], TEMPERATURES)["views_disagree"] == 0.7
    assert scope_thresholds([*plain, *[with_foreign(0.7)] * 2], TEMPERATURES)["views_disagree"] == 0.5
    far = [with_foreign(0.7, shot="overview")] * 20  # the device asks no overview for its family
    assert scope_thresholds([*plain, *far], TEMPERATURES)["views_disagree"] == 0.5


def lit_from_above(count: int) -> torch.Tensor:
    """Return pictures that are bright above and dark below, uint8[B, 56, 56, 3]."""
    ramp = torch.linspace(230, 20, 56)[None, :, None, None]
    return ramp.expand(count, 56, 56, 3).to(torch.uint8)


@pytest.mark.parametrize(("upright", "turns"), [(True, False), (False, True)])
def test_near_views_are_turned_in_training_and_overviews_are_not(upright: bool, turns: bool) -> None:
    """Skin seen near has no right way up; a body has one, and the places of its lesions depend on it."""
    generator = torch.Generator().manual_seed(5)
    seen = []
    for _ in range(12):
        pixels = augment(lit_from_above(4), generator=generator, upright=upright).float().mean(3)
        seen += (pixels[:, :20].mean((1, 2)) > pixels[:, -20:].mean((1, 2)) + 50).tolist()
    assert (not all(seen)) == turns
