"""A form on which every question that a danger-sign rule asks is answered, and nothing is wrong."""

from __future__ import annotations

import typing
from typing import Any

from edge_agent.contracts.intake_values import DangerSign, PestItem

CLEAR: dict[str, Any] = {
    "age_years": 34,
    "sex": "male",
    "course": "persistent",
    "contact_or_travel_risk": "no",
    "known_psoriasis": "no",
    "known_eczema": "no",
    "new_drug_within_8_weeks": "no",
    "current_treatment": [{"kind": "none"}],
    "comorbidity": ["none"],
    "trigger": ["stress"],
    "bsa_percent": 6.0,
    "vital_signs": {"avpu": "A", "heart_rate": 70, "resp_rate": 16, "temp_c": 36.8, "spo2": 98},
    "danger_signs": dict.fromkeys(typing.get_args(DangerSign), "no"),
    "pest": dict.fromkeys(typing.get_args(PestItem), "no"),
    "mood": {"self_harm_thoughts": "no"},
    "worker_examination": {"tenderness": "no", "sensation_reduced": "no"},
    "worker": {"worried": "no"},
}
