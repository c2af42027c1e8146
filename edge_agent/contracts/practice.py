"""What a practice allows of the TCM block: two switches, with the strict values as defaults.

Does not read a file; ``edge_agent.practice`` does. No switch shows a formula on the person's own print, and none gives
the program a place for a dose.

Source: clinical-vocabulary section 0.8.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

TcmSwitch = Literal["off", "clinician_only", "on"]
PrescriptionSwitch = Literal["off", "prescriber_only"]
Audience = Literal["person", "clinician", "prescriber"]
AUDIENCES: tuple[Audience, ...] = ("person", "clinician", "prescriber")  # each may see what those before it may see


class Practice(BaseModel):
    """Hold the switches of ``practice.toml``.

    ``tcm_block``: ``off`` makes none, ``clinician_only`` keeps it off the person's print, ``on`` lets the person read
    disease name, syndrome and principle. ``prescription_block``: ``off`` gives a prescriber no place to write,
    ``prescriber_only`` gives one to a signed-in prescriber.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tcm_block: TcmSwitch = "clinician_only"
    prescription_block: PrescriptionSwitch = "prescriber_only"
