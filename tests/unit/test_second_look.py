"""The second look: a view that seems ours is asked about again, turned; the scope rests on all looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.agents.scope import candidates, decide
from edge_agent.agents.second_look import ORIENTATIONS, turned
from edge_agent.contracts.case import AgentOutput, Case, FieldValue, Finding
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.cases import (
    BLOOD_HEAT,
    HEALTHY,
    HEAT,
    INTEGRATED,
    MOLE,
    PLAQUE,
    THRESHOLDS,
    case,
    manifest,
)
from tests.simulators.engine import Said, ScriptedEngine

CORNERS = np.array([[1, 2], [3, 4]], np.uint8)
ECZEMA: Said = {**PLAQUE, "family": ("eczematous", 0.9)}


def corners() -> np.ndarray:
    """Return a picture with four different corners, uint8[4, 6, 3]: turning it brings another corner to the front."""
    return np.repeat(CORNERS.repeat(2, 0).repeat(3, 1)[:, :, None], 3, 2)


def cornered() -> Case:
    one = case()
    return replace(one, views=(replace(one.views[0], frame=corners()),))


def run(looks: int, *, others: Said) -> tuple[dict, ScriptedEngine]:
    scripted = ScriptedEngine(
        {1: PLAQUE, 2: others, 3: others, 4: others}, integrated=INTEGRATED, pathogenesis=HEAT, assessment=BLOOD_HEAT
    )
    thresholds = THRESHOLDS.model_copy(update={"scope_looks": looks})
    pipeline = CasePipeline(scripted, manifest(thresholds=thresholds), Vocabulary.load())
    return pipeline.run(cornered()), scripted


def test_the_eight_orientations_are_all_different_and_the_first_is_the_picture() -> None:
    """The square has eight symmetries; each is one look."""
    seen = {turned(corners(), look=look).tobytes() for look in range(len(ORIENTATIONS))}
    assert len(seen) == 8
    assert np.array_equal(turned(corners(), look=0), corners())


def test_a_picture_that_is_ours_only_one_way_round_is_not_ours() -> None:
    """0.97 as it came, 0.0 turned: the mean of two looks is below 0.7."""
    report, _ = run(2, others=ECZEMA)
    assert report["scope"]["decision"] != "in_scope"
    assert report["scope"]["views"][0]["p_in_scope_family"] == pytest.approx(0.97 / 2)
    assert report["scope"]["views"][0]["looks"] == 2


def test_one_declared_look_switches_the_second_look_off() -> None:
    """The same picture passes, and nobody asked twice."""
    report, scripted = run(1, others=ECZEMA)
    assert report["scope"]["decision"] == "in_scope"
    assert [agent for agent, _ in scripted.asked] == ["recognition", "representation", "reasoning"]


def test_a_picture_that_is_ours_every_way_round_stays_ours() -> None:
    """Seven further looks agree; the answer of the first look is the finding that is reported."""
    report, scripted = run(8, others=PLAQUE)
    assert report["scope"]["decision"] == "in_scope"
    assert report["scope"]["views"][0]["looks"] == 8
    assert [len(requests) for _, requests in scripted.asked] == [1, 7, 1, 1]
    assert report["provenance"]["timings_ms"]["second_look"] >= 0


def test_danger_seen_only_when_turned_counts_with_its_mean() -> None:
    """Nothing at first look and 0.9 turned: the mean, 0.45, is above the threshold of 0.2."""
    report, _ = run(2, others=MOLE)
    assert report["scope"]["decision"] == "out_of_scope"
    assert report["scope"]["views"][0]["p_danger_family"] == pytest.approx(0.45)


def look(family: dict[str, float]) -> AgentOutput:
    best = max(family, key=family.__getitem__)
    fields = {
        "applicability": FieldValue("lesion_visible", 1.0, {"lesion_visible": 1.0}),
        "family": FieldValue(best, family[best], family),
    }
    return AgentOutput("recognition", "describe", "", {n: f.value for n, f in fields.items()}, fields, 2, 9)


def test_further_looks_never_lower_a_danger() -> None:
    """The first look's danger counts fully, whatever the mean says."""
    first = look({"papulosquamous": 0.75, "nodule_tumour": 0.25})
    calm = look({"papulosquamous": 1.0})
    scope = decide([Finding(0, first)], THRESHOLDS, further={0: [calm, calm, calm]})
    assert scope.decision == "out_of_scope"


def test_nothing_is_looked_at_again_beside_a_danger() -> None:
    """The case is out of scope already; a further look could not change that."""
    ours = Finding(0, look({"papulosquamous": 1.0}))
    assert candidates([ours], THRESHOLDS) == (0,)
    assert candidates([ours, Finding(1, look({"papulosquamous": 0.4, "nodule_tumour": 0.6}))], THRESHOLDS) == ()


def test_only_views_that_seem_ours_are_looked_at_again() -> None:
    """Healthy skin and eczema cost no further look."""
    scripted = ScriptedEngine({4: HEALTHY, 5: ECZEMA})
    thresholds = THRESHOLDS.model_copy(update={"scope_looks": 8})
    CasePipeline(scripted, manifest(thresholds=thresholds), Vocabulary.load()).run(case(marks=(4, 5)))
    assert [len(requests) for _, requests in scripted.asked] == [2]
