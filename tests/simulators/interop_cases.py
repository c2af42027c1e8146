"""Cases with their reports for the exports: as the golden reports have them, and those that a consent or a picture shapes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.contracts.case import Case
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.answers import FULL_ASSESSMENT, FULL_INTEGRATED, FULL_PLAQUE, full_manifest
from tests.simulators.cases import CREATED, HEAT, MOLE, consent, form, view
from tests.simulators.engine import ScriptedEngine

VOCABULARY = Vocabulary.load()
EMERGENCY = {"blisters_or_peeling": "yes", "skin_pain_severe": "yes", "disclosure_of_abuse": "yes"}
REFUSED = {"granted": False, "version": "1"}


@dataclass(frozen=True, slots=True)
class Reported:
    """A case and its report."""

    case: Case
    report: dict[str, Any]


def reported(name: str) -> Reported:
    """Run one of the cases: ``plaque``, ``mole``, ``text_only``, ``emergency``, ``refused_program``, ``bare``, ``test_case``."""
    given = _case(name)
    engine = ScriptedEngine(
        {1: FULL_PLAQUE, 2: MOLE}, integrated=FULL_INTEGRATED, pathogenesis=HEAT, assessment=FULL_ASSESSMENT
    )
    return Reported(given, CasePipeline(engine, full_manifest(), VOCABULARY, device="TEST").run(given))


def _case(name: str) -> Case:
    views = (view(0, 1, shot="overview", body_site="back"), view(1, 1, shot="close_up", body_site="knee"))
    told = form(local_reference="BOOK-77", worker={"impression": "Zhang Wei's cousin", "worried": "no"})
    plain = Case(f"interop-{name}", views, told, consent(), CREATED)
    changes: dict[str, dict[str, Any]] = {
        "plaque": {},
        "mole": {"views": (view(0, 2, shot="close_up", body_site="back"),)},
        "text_only": {"views": ()},
        "emergency": {"intake": form(danger_signs=EMERGENCY)},
        "refused_program": {"consent": consent(program_help=REFUSED)},
        "bare": {"views": (), "intake": form(danger_signs={}, bsa_percent=None, duration=None)},
        "test_case": {"consent": None},
    }
    return replace(plain, **changes[name])
