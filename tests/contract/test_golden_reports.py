"""Whole reports, byte for byte but for the timings: what a change of any part does to a reader shows here.

The inputs were chosen and the reports read by hand; ``python -m tests.contract.test_golden_reports`` writes them again
after a wanted change, and the difference is to be read before it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.agents.report.document import report_schema
from edge_agent.contracts.case import Case
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.answers import FULL_ASSESSMENT, FULL_INTEGRATED, FULL_PLAQUE, full_manifest
from tests.simulators.cases import CREATED, HEAT, MOLE, consent, form, view
from tests.simulators.clear_form import CLEAR
from tests.simulators.engine import ScriptedEngine

FOLDER = Path(__file__).parent / "golden"
_TCM = {
    "tcm_examiner": "tcm_practitioner",
    "tongue": {
        "body_colour": "red", "body_feature": ["none"], "coating_colour": "yellow", "coating_texture": ["thin"],
        "sublingual_veins": "normal",
    },
    "pulse": ["slippery", "rapid"],
    "general": {"thirst": "yes", "dry_throat": "yes", "irritable": "yes", "constipation": "yes", "dark_urine": "yes"},
}  # fmt: skip
# The overview leads for no sign, so the steps point at the second picture; the last one contradicts the record.
_STEPS = [
    {"claim": "blood_heat", "stance": "supports", "evidence": ["view:2.colour", "intake.tongue.body_colour"]},
    {"claim": "blood_heat", "stance": "supports", "evidence": ["intake.general.thirst", "intake.pulse"]},
    {"claim": "blood_dryness", "stance": "against", "evidence": ["intake.tongue.body_colour"]},
    {"claim": "blood_stasis", "stance": "supports", "evidence": ["intake.tongue.body_colour"]},
]
_SJS = {
    "fever_now_or_history": "yes", "skin_pain_severe": "yes", "blisters_or_peeling": "yes",
    "mouth_eye_genital_sores": "yes",
}  # fmt: skip


def _psoriasis() -> Case:
    """Every danger sign asked and absent, a full TCM examination, areas of all four regions, three pictures."""
    views = (
        view(0, 1, shot="overview", body_site="elbow"),
        view(1, 1, shot="regional", body_site="elbow"),
        view(2, 1, shot="close_up", body_site="knee"),
    )
    notes = [{"shot": one.shot, "body_site": one.body_site} for one in views]
    areas = {"head": 0, "upper": 10, "trunk": 0, "lower": 10}
    intake = form(
        **{**CLEAR, **_TCM, "views": notes, "region_area_percent": areas, "fitzpatrick": 2, "impact_nrs": 3, "pga": 2}
    )
    return Case("golden-psoriasis", views, intake, consent(), CREATED)


def _pigmented() -> Case:
    """A growing pigmented lesion, one close-up: refused, and urgent by the form."""
    signs = {**CLEAR["danger_signs"], "mole_size_change": "yes", "mole_colour_irregular": "yes"}
    picture = view(0, 2, shot="close_up", body_site="back")
    notes = [{"shot": "close_up", "body_site": "back"}]
    intake = form(**{**CLEAR, "danger_signs": signs, "symptoms": ["increasing_size"], "views": notes})
    return Case("golden-pigmented", (picture,), intake, consent(), CREATED)


def _sjs() -> Case:
    """Blisters, skin pain and sores two weeks after a new drug: an emergency that needs no picture."""
    answers = {
        **CLEAR,
        "danger_signs": {**CLEAR["danger_signs"], **_SJS},
        "new_drug_within_8_weeks": "yes",
        "new_drug_classes": ["sulfonamide"],
    }
    return Case("golden-sjs", (), form(**answers), consent(), CREATED)


SCENES: dict[str, Callable[[], Case]] = {"psoriasis": _psoriasis, "pigmented": _pigmented, "sjs": _sjs}


def report_of(scene: str) -> dict[str, Any]:
    """Run one scene through the pipeline with a scripted engine; the timings are taken out."""
    engine = ScriptedEngine(
        {1: FULL_PLAQUE, 2: MOLE},
        integrated=FULL_INTEGRATED,
        pathogenesis=HEAT,
        assessment={**FULL_ASSESSMENT, "reasoning_steps": (_STEPS, None), "limitations": (["none"], 0.7)},
    )
    report = CasePipeline(engine, full_manifest(), Vocabulary.load(), device="TEST").run(SCENES[scene]())
    report["provenance"]["timings_ms"] = {}
    return report


def text_of(report: dict[str, Any]) -> str:
    """Return the bytes of a golden file as text; key order is kept, since it is part of the contract."""
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


@pytest.mark.parametrize("scene", SCENES)
def test_a_report_is_the_golden_one(scene: str) -> None:
    """Section order, ids, tiers, verdicts and plan stand as they were read."""
    told = report_of(scene)
    jsonschema.Draft202012Validator(report_schema()).validate(told)
    assert text_of(told) == (FOLDER / f"{scene}.json").read_text(encoding="utf-8")


if __name__ == "__main__":
    for name in SCENES:
        (FOLDER / f"{name}.json").write_text(text_of(report_of(name)), encoding="utf-8")
