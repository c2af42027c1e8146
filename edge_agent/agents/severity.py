"""Compute severity by code from what people entered; never from the language model.

This release knows the body-surface band only. PASI needs graded views of every region and is not computed.

Source: clinical-vocabulary section 4 (not clinically reviewed).
"""

from __future__ import annotations

from typing import Any

from edge_agent.contracts.intake import Intake

MODERATE_FROM_PERCENT = 3.0
SEVERE_ABOVE_PERCENT = 10.0


def severity(intake: Intake) -> dict[str, Any]:
    """Return the severity section: band, the surface it rests on (%), and what is missing for it."""
    surface = intake.bsa_percent
    if surface is None:
        return {"band": None, "bsa_percent": None, "missing": ["bsa_percent"]}
    band = "mild" if surface < MODERATE_FROM_PERCENT else "moderate" if surface <= SEVERE_ABOVE_PERCENT else "severe"
    return {"band": band, "bsa_percent": surface, "missing": []}
