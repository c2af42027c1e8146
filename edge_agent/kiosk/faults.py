"""Plain words for what is wrong with the device: said on every page as a banner, and in full on the status page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _

RESTING: Final = ("too_hot", "battery_low")


@dataclass(frozen=True, slots=True)
class FaultWords:
    """Hold what a worker reads about one fault."""

    id: str
    what: Text
    do: Text


_KNOWN: Final = MappingProxyType(
    {
        one.id: one
        for one in (
            FaultWords(
                "safe_mode",
                _("The device runs in safe mode: the program's help is off."),
                _("Go on with forms and pictures; cases are kept. Call the technician."),
            ),
            FaultWords(
                "inference_down",
                _("The program's help is not available."),
                _("Cases are kept and run later. Decide without it."),
            ),
            FaultWords(
                "too_hot",
                _("The device is too warm: the program's help waits until it has cooled."),
                _("Keep it out of the sun and its openings free. Cases are kept and run later. Decide without it."),
            ),
            FaultWords(
                "battery_low",
                _("The battery is low: the program's help waits."),
                _("Plug the device in. Cases are kept and run later. Decide without it."),
            ),
            FaultWords(
                "camera_down",
                _("The camera gives no picture."),
                _("Look at its cable. You can go on without a picture."),
            ),
            FaultWords(
                "camera_unplugged",
                _("The camera is not connected."),
                _("Push its cable in firmly. You can go on without a picture."),
            ),
            FaultWords(
                "camera_frozen",
                _("The camera picture does not move any more."),
                _("Do not use it: the camera is being restarted. You can go on without a picture."),
            ),
            FaultWords(
                "camera_black",
                _("The camera picture is black."),
                _("Take the cap off the lens, or switch on a light. You can go on without a picture."),
            ),
            FaultWords(
                "camera_overexposed",
                _("The camera picture is too bright to see anything."),
                _("Move the lamp away, or turn away from the sun. You can go on without a picture."),
            ),
            FaultWords(
                "camera_wrong_device",
                _("This is not the camera of this kiosk."),
                _("Plug in the right one, or call the technician. You can go on without a picture."),
            ),
            FaultWords(
                "camera_blocked",
                _("The camera does not answer and is being restarted."),
                _("If this stays, unplug it and plug it in again. You can go on without a picture."),
            ),
            FaultWords(
                "camera_too_small",
                _("The camera picture is too small to show skin."),
                _("Call the technician. You can go on without a picture."),
            ),
            FaultWords(
                "uplink_degraded",
                _("Sending to the centre does not work."),
                _("Go on. It will be sent later."),
            ),
            FaultWords(
                "records_partly",
                _("Some of the device's records cannot be read."),
                _("Call the technician today. What other pages show is right, and nothing is overwritten."),
            ),
            FaultWords(
                "disk_low",
                _("The device's storage is nearly full."),
                _("Call the technician soon."),
            ),
            FaultWords(
                "disk_full",
                _("The device's storage is full: no new pictures."),
                _("Go on without pictures; write on paper what cannot be saved. Call the technician now."),
            ),
            FaultWords(
                "disk_tight",
                _("The device's storage is almost full: no new pictures."),
                _("Go on without pictures and call the technician today."),
            ),
            FaultWords(
                "policy_refused",
                _("The health authority's rules on this device were refused."),
                _("The strict rules hold. Go on, and tell the person responsible."),
            ),
            FaultWords(
                "policy_expired",
                _("The health authority's rules on this device are due for renewal."),
                _("They still hold. Go on, and tell the person responsible."),
            ),
            FaultWords(
                "clock_wrong",
                _("The device's clock may be wrong."),
                _("Compare it with a watch and write the date on paper."),
            ),
            FaultWords(
                "restarting_often",
                _("A part of the program stops again and again."),
                _("Go on with care and call the technician."),
            ),
        )
    }
)


def camera_words(ids: Sequence[str]) -> FaultWords | None:
    """Return the words for what is wrong with the camera now; None where nothing is."""
    return next((words for words in fault_words([one for one in ids if one.startswith("camera_")])), None)


def resting_words(ids: Sequence[str]) -> FaultWords | None:
    """Return the words for what holds the program's help now (heat, battery); None where nothing does."""
    return next((words for words in fault_words([one for one in ids if one in RESTING])), None)


def fault_words(ids: Sequence[str]) -> tuple[FaultWords, ...]:
    """Return the words for each fault; one without words of its own is called a fault, with its id."""
    unknown = _("Ask the technician and name this word.")
    return tuple(
        _KNOWN.get(one) or FaultWords(one, _("The device reports a fault: %(id)s.", id=one), unknown) for one in ids
    )
