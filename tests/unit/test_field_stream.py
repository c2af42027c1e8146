"""Signs that a screen shows while a case runs: no more, and nothing stronger, than the report will say."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.agents.field_stream import SHOWN_OF_VIEW, SHOWN_OF_VISIT
from edge_agent.agents.pipeline import CasePipeline
from edge_agent.contracts.agent_schemas import agent_fields
from edge_agent.contracts.case import Case
from edge_agent.contracts.shown_field import ShownField
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.cases import (
    BLOOD_HEAT,
    CREATED,
    FLOOR,
    HEALTHY,
    HEAT,
    INTEGRATED,
    MOLE,
    PLAQUE,
    case,
    form,
    manifest,
    view,
)
from tests.simulators.engine import Said, ScriptedEngine

VOCABULARY = Vocabulary.load()
EMERGENCY = {"blisters_or_peeling": "yes", "skin_pain_severe": "yes"}
TWO_COLOURS: Said = {**PLAQUE, "colour": (["bright_red", "violet"], 0.9)}


def run(
    given: Case, *, plaque: Said = PLAQUE, integrated: Said = INTEGRATED
) -> tuple[list[ShownField], dict[str, Any]]:
    """Run a case; return what was shown on the way, and the report."""
    engine = ScriptedEngine(
        {1: plaque, 2: MOLE, 3: FLOOR, 4: HEALTHY},
        integrated=integrated,
        pathogenesis=HEAT,
        assessment=BLOOD_HEAT,
    )
    shown: list[ShownField] = []
    report = CasePipeline(engine, manifest(), VOCABULARY, device="TEST").run(given, on_field=shown.append)
    return shown, report


def test_signs_are_shown_in_the_order_in_which_they_are_decided() -> None:
    """Rec's signs of the picture come first, then Rep's of the visit; each once."""
    shown, _ = run(case())
    assert [(one.agent, one.view, one.field, one.value) for one in shown] == [
        ("recognition", 0, "colour", ["bright_red"]),
        ("recognition", 0, "scale_type", "silvery_lamellar"),
        ("recognition", 0, "induration", 1),
        ("recognition", 0, "border", "well_defined"),
        ("recognition", 0, "shape", ["guttate"]),
        ("recognition", 0, "arrangement", "scattered"),
        ("representation", None, "distribution", ["extensor"]),
        ("representation", None, "symmetry", "symmetric"),
    ]


def test_each_picture_keeps_its_own_signs() -> None:
    """The row of a batch is the picture of the same place, also where a picture before it is not skin."""
    shown, _ = run(case(marks=(3, 1)))
    assert {one.view for one in shown if one.agent == "recognition"} == {1}


def test_nothing_that_names_a_condition_is_shown_before_the_report() -> None:
    """Neither Reason's answer, nor a family, phenotype, stage or pathogenesis, though all of them were decided."""
    shown, report = run(case(), integrated={**INTEGRATED, "phenotype": ("guttate", 0.9), "stage": ("progressive", 0.9)})
    assert report["reasoning"]["fields"]["syndrome"]["value"] == "blood_heat"
    named = {"family", "applicability", "phenotype", "stage", "mechanism", "syndrome", "principle", "formula"}
    assert not named & {one.field for one in shown}
    assert {one.agent for one in shown} == {"recognition", "representation"}


def test_a_new_field_of_the_vocabulary_stays_unseen_until_somebody_decides() -> None:
    """The two lists name fields that exist, and what they leave out is this and no more."""
    of_view = {model.key for _, model in agent_fields(VOCABULARY.lists, "recognition")}
    of_visit = {model.key for _, model in agent_fields(VOCABULARY.lists, "representation")}
    assert of_view - SHOWN_OF_VIEW == {"applicability", "family", "special", "narrative"}
    assert of_visit - SHOWN_OF_VISIT == {"phenotype", "stage", "mechanism", "location", "narrative"}
    assert of_view >= SHOWN_OF_VIEW and of_visit >= SHOWN_OF_VISIT


def test_a_value_below_its_threshold_is_shown_as_cannot_tell() -> None:
    """The same rule as the report's: the model's own value never reaches the screen."""
    shown, report = run(case(), plaque={**PLAQUE, "scale_type": ("silvery_lamellar", 0.4)})
    [scale] = [one for one in shown if one.field == "scale_type"]
    assert (scale.value, scale.is_decided) == ("cannot_tell", False)
    assert report["recognition"][0]["fields"]["scale_type"]["is_withheld"]


def test_thickness_seen_from_afar_is_shown_as_unknown() -> None:
    """The rule of distance holds on the way too."""
    far = (view(0, 1, shot="overview"),)
    shown, _ = run(Case("case-1", far, form(), None, CREATED))
    assert [one.value for one in shown if one.field == "induration"] == [None]


@pytest.mark.parametrize("mark", [3, 4])
def test_a_picture_without_a_lesion_shows_nothing(mark: int) -> None:
    """Floor and healthy skin: whatever else is decided about them, no sign is shown."""
    assert run(case(marks=(mark,)))[0] == []


def test_an_emergency_shows_nothing_on_the_way() -> None:
    """The screen holds the fixed instruction and nothing beside it."""
    assert run(case(intake=form(danger_signs=EMERGENCY)))[0] == []


def test_a_picture_refused_for_its_quality_shows_nothing() -> None:
    """It is not read on, so nobody reads along."""
    refused = form(views=[{"shot": "close_up", "quality": "refused"}])
    assert run(case(intake=refused))[0] == []


def test_a_list_is_told_again_when_it_is_whole() -> None:
    """A decision tells the first item only; the finished answer replaces it."""
    shown, _ = run(case(), plaque=TWO_COLOURS)
    assert [one.value for one in shown if one.field == "colour"] == [["bright_red"], ["bright_red", "violet"]]


def test_what_was_shown_stands_in_the_report() -> None:
    """The last word about every sign equals the report's, also for a case that ends out of scope."""
    for marks in ((1,), (1, 1), (1, 2)):
        shown, report = run(case(marks=marks), plaque=TWO_COLOURS)
        for one in {(s.agent, s.view, s.field): s for s in shown}.values():
            part = report["recognition"][one.view] if one.view is not None else report["representation"]
            assert part["fields"][one.field]["value"] == one.value


def test_a_listener_changes_nothing_of_the_report() -> None:
    """Off switch and parity: the same case, heard or not, gives the same report, timings apart."""
    _, heard = run(case(marks=(1, 1)))
    engine = ScriptedEngine({1: PLAQUE}, integrated=INTEGRATED, pathogenesis=HEAT, assessment=BLOOD_HEAT)
    silent = CasePipeline(engine, manifest(), VOCABULARY, device="TEST").run(case(marks=(1, 1)))
    for report in (heard, silent):
        report["provenance"].pop("timings_ms")
    assert heard == silent


def test_a_sign_survives_the_pipe() -> None:
    """What one process writes the other one reads."""
    shown = ShownField("recognition", 2, "describe", "colour", ["bright_red"], is_decided=True)
    assert ShownField.from_body({"kind": "field", **shown.to_body()}) == shown
