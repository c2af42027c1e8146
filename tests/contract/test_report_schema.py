"""The published schema of the JSON report: every report fits it, and it refuses what must never be in one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.agents.report.document import report_schema
from edge_agent.contracts.case import Case
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.cases import (
    BLOOD_HEAT,
    CREATED,
    FLOOR,
    HEAT,
    INTEGRATED,
    MOLE,
    PLAQUE,
    case,
    consent,
    form,
    manifest,
)
from tests.simulators.engine import ScriptedEngine

VALIDATOR = jsonschema.Draft202012Validator(report_schema(), format_checker=jsonschema.FormatChecker())
CONTRACT_KEYS = {
    "case_id", "scope", "recognition", "representation", "severity", "change", "biomedical", "reasoning", "tcm",
    "tcm_absent", "red_flags", "not_assessed", "triage", "plan", "abstentions", "provenance",
}  # fmt: skip
SCENES: dict[str, Case] = {
    "in scope": case(agreed=consent()),
    "two views": case(marks=(1, 1)),
    "one view not skin": case(marks=(1, 3)),
    "mole": case(marks=(2,)),
    "floor": case(marks=(3,)),
    "no pictures": Case("c", (), form(), None, CREATED),
    "empty form": Case(
        "c", case().views, form(**dict.fromkeys(("age_years", "bsa_percent", "symptoms"))), None, CREATED
    ),
    "emergency": case(
        intake=form(danger_signs={"breathing_difficulty": "yes"}, worker={"impression": "?", "worried": "yes"})
    ),
    "withheld formula": case(intake=form(age_years=12)),
}


def pipeline() -> CasePipeline:
    engine = ScriptedEngine(
        {1: PLAQUE, 2: MOLE, 3: FLOOR}, integrated=INTEGRATED, pathogenesis=HEAT, assessment=BLOOD_HEAT
    )
    return CasePipeline(engine, manifest(), Vocabulary.load())


def test_the_schema_is_a_valid_schema() -> None:
    """Draft 2020-12."""
    jsonschema.Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize("scene", SCENES)
def test_every_kind_of_report_fits_the_schema(scene: str) -> None:
    """After a trip through JSON, with exactly the published top-level keys."""
    report = json.loads(json.dumps(pipeline().run(SCENES[scene])))
    VALIDATOR.validate(report)
    assert set(report) >= CONTRACT_KEYS
    assert set(report["provenance"]) >= {"bundle", "device", "timings_ms", "tokens"}
    assert set(report["provenance"]["tokens"]) == {"sampled", "forced"}


def test_the_report_without_a_model_fits_too() -> None:
    """The engine failed: still a valid report."""
    VALIDATOR.validate(pipeline().run_without_model(case()))


def _dose(report: dict[str, Any]) -> None:
    report["reasoning"]["fields"]["formula"]["dose_g"] = 9


def _order(report: dict[str, Any]) -> None:
    report["reasoning"]["is_proposal_for"] = "worker"


def _prose(report: dict[str, Any]) -> None:
    report["reasoning"]["fields"]["syndrome"]["value"] = "Blood heat, I think"


def _scope(report: dict[str, Any]) -> None:
    report["scope"]["decision"] = "out_of_scope"


def _tier(report: dict[str, Any]) -> None:
    report["triage"]["final"] = "none"


def _grade(report: dict[str, Any]) -> None:
    report["recognition"][0]["fields"]["induration"]["value"] = 5


def _lost(report: dict[str, Any]) -> None:
    del report["not_assessed"]


def _name(report: dict[str, Any]) -> None:
    report["patient_name"] = "x"


def _chance(report: dict[str, Any]) -> None:
    report["recognition"][0]["fields"]["family"]["probability"] = 1.2


def _prescription(report: dict[str, Any]) -> None:
    report["tcm"]["prescription"] = "水牛角 30 g"


def _herb_dose(report: dict[str, Any]) -> None:
    report["tcm"]["formula"]["herbs"][0]["dose_g"] = 9


def _emergency(report: dict[str, Any]) -> None:
    report["triage"]["final"] = report["triage"]["by"]["rules"] = "T1_emergency"


def _no_reason_for_no_block(report: dict[str, Any]) -> None:
    report["tcm"] = None


@pytest.mark.parametrize(
    "damage",
    [
        _prescription,
        _herb_dose,
        _emergency,
        _no_reason_for_no_block,
        _dose,
        _order,
        _prose,
        _scope,
        _tier,
        _grade,
        _lost,
        _name,
        _chance,
    ],
)
def test_the_schema_refuses_what_must_never_be_in_a_report(damage: Callable[[dict[str, Any]], None]) -> None:
    """A dose, an order, prose, a syndrome out of scope, an unknown tier, a name, a missing list."""
    report = copy.deepcopy(pipeline().run(case()))
    VALIDATOR.validate(report)
    damage(report)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(report)
