"""Visits that already have their report, in the store of a kiosk: the golden reports, of invented people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge_agent.consultation.draft import Draft
from edge_agent.consultation.steps import Step
from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Intake
from edge_agent.kiosk.case_rooms import episodes_of
from edge_agent.kiosk.parts import KioskParts
from tests.simulators.consultation_kiosk import drawn_skin
from tests.simulators.records import a_consent, a_result

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"


@dataclass(frozen=True)
class Told:
    """What one visit is: a golden report's name, changes to it, who it is, and where its pictures were taken."""

    golden: str = "psoriasis"
    reference: str = "F-0001"
    owner: str = "nurse.li"
    sites: Sequence[str] = ("elbow", "elbow", "knee")
    shots: Sequence[str] = ("overview", "regional", "close_up")
    age_years: int = 44
    fitzpatrick: int | None = 3
    is_synchronised: bool = True
    episode_id: str | None = None


def golden(name: str) -> dict[str, Any]:
    """Return a golden report, to be changed freely."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


def add_visit(
    parts: KioskParts,
    case_id: str,
    told: Told | None = None,
    *,
    created: datetime,
    report: dict[str, Any] | None = None,
) -> str:
    """Store one visit with its report, awaiting a clinician; return its episode."""
    told = told or Told()
    views = tuple(
        View(index, drawn_skin(index + len(case_id), width=320, height=240), shot=shot, body_site=site)
        for index, (site, shot) in enumerate(zip(told.sites, told.shots, strict=False))
    )
    own = {**(report or golden(told.golden)), "case_id": case_id, "created": created.isoformat()}
    form = {
        "age_years": told.age_years,
        "sex": "female",
        "local_reference": told.reference,
        "fitzpatrick": told.fitzpatrick,
        "worker": own["worker"],
        "bsa_percent": own["severity"]["bsa_percent"],
    }
    intake = Intake.model_validate_json(json.dumps(form))
    consent = a_consent(sync=told.is_synchronised)
    parts.cases.add(
        Case(case_id=case_id, views=views, intake=intake, consent=consent, created=created),
        language="en",
        awaits_sign_off=True,
    )
    result = a_result(parts.cases.record_id(case_id)) if told.is_synchronised else None
    parts.cases.finish(case_id, own, result)
    draft = Draft.model_construct(  # short ids are easier to read in tests
        case_id=case_id,
        owner=told.owner,
        created=created,
        language="en",
        episode_id=told.episode_id,
        local_reference=told.reference,
        step=Step.RUNNING,
    )
    with parts.database.transaction() as connection:
        episodes_of(parts).add_visit(connection, draft, now=created)
    return episodes_of(parts).visit(case_id).episode_id
