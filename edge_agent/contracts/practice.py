"""What a practice decides for itself: two switches of the TCM block, strict by default, and whom its workers call.

Does not read a file; ``edge_agent.practice`` does. No switch shows a formula on the person's own print, and none gives
the program a place for a dose.

Source: clinical-vocabulary section 0.8; policy R9 (whom to call).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

TcmSwitch = Literal["off", "clinician_only", "on"]
PrescriptionSwitch = Literal["off", "prescriber_only"]
Audience = Literal["person", "clinician", "prescriber"]
AUDIENCES: tuple[Audience, ...] = ("person", "clinician", "prescriber")  # each may see what those before it may see


Line = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^\S[^\r\n]*$")]  # one line of a screen or a letter


class Contact(BaseModel):
    """Name somebody who answers for others, and the number under which they are reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    phone: Line

    def __str__(self) -> str:
        """Return both on one line."""
        return f"{self.name}, {self.phone}"


class Contacts(BaseModel):
    """Say whom a worker calls; None is said on the screen and by ``derm-edge doctor``.

    ``emergency_number`` is called at a danger sign, ``referral_contact`` is where people are sent, on ``safeguarding_contact``
    policy R9 relies, ``crisis_contact`` is for thoughts of self-harm. What the ministry's policy file names stands first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    emergency_number: Line | None = None
    referral_contact: Contact | None = None
    safeguarding_contact: Contact | None = None
    crisis_contact: Contact | None = None


class Practice(BaseModel):
    """Hold the switches of ``practice.toml`` and its table ``[contacts]``.

    ``tcm_block``: ``off`` makes none, ``clinician_only`` keeps it off the person's print, ``on`` lets the person read
    disease name, syndrome and principle. ``prescription_block`` says in the report whether a program that keeps
    prescriptions may take one from a prescriber; this one keeps none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tcm_block: TcmSwitch = "clinician_only"
    prescription_block: PrescriptionSwitch = "prescriber_only"
    contacts: Contacts = Contacts()
