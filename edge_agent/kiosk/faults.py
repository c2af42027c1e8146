"""Plain words for what is wrong with the device: said on every page as a banner, and in full on the status page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _


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
                "camera_down",
                _("The camera gives no picture."),
                _("Look at its cable. You can go on without a picture."),
            ),
            FaultWords(
                "uplink_degraded",
                _("Sending to the centre does not work."),
                _("Go on. It will be sent later."),
            ),
            FaultWords(
                "disk_low",
                _("The device's storage is nearly full."),
                _("Call the technician soon."),
            ),
            FaultWords(
                "disk_full",
                _("The device's storage is full: no new pictures."),
                _("Write on paper and call the technician."),
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


def fault_words(ids: Sequence[str]) -> tuple[FaultWords, ...]:
    """Return the words for each fault; one without words of its own is called a fault, with its id."""
    unknown = _("Ask the technician and name this word.")
    return tuple(
        _KNOWN.get(one) or FaultWords(one, _("The device reports a fault: %(id)s.", id=one), unknown) for one in ids
    )
