"""Cases of seeded random pictures, and results as they could come out of one; for the store, outbox and uplink."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Consent, Intake, Purpose
from edge_agent.contracts.result import Result

MORNING = datetime(2026, 3, 5, 8, 30, tzinfo=UTC)


def a_consent(*, sync: bool = True) -> Consent:
    """Return a consent record that grants or refuses the de-identified result."""
    yes, result = Purpose(granted=True, version="1"), Purpose(granted=sync, version="1")
    return Consent(
        care_pictures=yes,
        program_help=yes,
        deidentified_result=result,
        referral_package=yes,
        training=yes,
        given_by="person",
        language="en",
        read_aloud=True,
        recorded_by="worker-1",
        recorded_at=MORNING,
        fictitious=True,
    )


def a_case(
    case_id: str = "case-1",
    *,
    consent: Consent | None = None,
    views: int = 2,
    intake: Intake | None = None,
    size_px: int = 24,
) -> Case:
    """Return a case with ``views`` different pictures, uint8[size_px, size_px + 1, 3] each."""
    random = np.random.default_rng(len(case_id) + views)
    pictures = random.integers(0, 256, (views, size_px, size_px + 1, 3), dtype=np.uint8)
    return Case(
        case_id=case_id,
        views=tuple(View(i, frame, shot="close_up", body_site="elbow") for i, frame in enumerate(pictures)),
        intake=intake if intake is not None else Intake(age_years=44, sex="female"),
        consent=consent,
        created=MORNING,
    )


def a_result(record_id: str) -> Result:
    """Return a plausible de-identified result with this record id."""
    return Result(
        record_id=record_id,
        period=2026,
        age_band="30_44",
        sex="female",
        tone_group="not_examined",
        scope="in_scope",
        family="papulosquamous",
        phenotype="cannot_tell",
        stage="cannot_tell",
        severity_band="not_examined",
        syndrome="blood_heat",
        triage_final="T4_routine",
        red_flag_ids=(),
        abstain_reason=(),
        bundle_release="reference-1",
        device_profile_class="generic",
        language="en",
    )
