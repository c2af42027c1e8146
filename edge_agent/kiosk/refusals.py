"""What a person reads when something could not be done: one sentence, and what to do now. Never a stack trace."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from edge_agent.errors import (
    AccountError,
    CameraError,
    CaseError,
    ConfigError,
    DaemonError,
    EdgeError,
    InferenceError,
    PictureError,
    PinRefused,
    PrintError,
    StoreCorrupt,
    StoreError,
    StoreFull,
    UpdateError,
    UplinkError,
)
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _


@dataclass(frozen=True, slots=True)
class Told:
    """Hold what happened and what to do."""

    what: Text
    do: Text


_AGAIN = _("Go back to the start and try again. What was saved is still there.")
REFUSALS: Final = MappingProxyType(
    {
        400: Told(_("This could not be read."), _AGAIN),
        401: Told(
            _("This screen is not open yet."),
            _("Close this window and open the kiosk from its own icon, or restart the device."),
        ),
        403: Told(
            _("This is not open to you."),
            _("Go back to the start. If you need it for your work, ask a person with the right role."),
        ),
        404: Told(_("There is nothing here."), _("Go back to the start.")),
        405: Told(_("This could not be read."), _AGAIN),
        413: Told(_("This is too large."), _("Send fewer or smaller pictures.")),
        421: Told(_("This address is not the kiosk's own."), _("Open the kiosk from its own icon.")),
        422: Told(_("Something is missing or does not fit."), _("Go back, look at what you entered, and try again.")),
        423: Told(_("The screen is resting."), _("Touch it to go on.")),
        429: Told(_("That was too fast."), _("Wait a minute, then go on.")),
        500: Told(_("Something went wrong in the program."), _AGAIN),
        503: Told(_("This does not work at the moment."), _("Wait a moment, then try again. Care goes on without it.")),
    }
)
# Where the error itself names why: ``reason`` in its details.
_PRINT_INSTEAD = _("No file is made. Print the letter or the page instead.")
REASONS: Final = MappingProxyType(
    {
        "not_consented": Told(_("The person did not agree to a package for another doctor."), _PRINT_INSTEAD),
        "withdrawn": Told(_("The person took back what may be sent."), _PRINT_INSTEAD),
        "off_by_policy": Told(_("The health authority's rules let no package leave this device."), _PRINT_INSTEAD),
        "emergency_basis": Told(_("Nobody could agree to a package in this emergency."), _PRINT_INSTEAD),
        "stopped": Told(_("Pictures of this case do not leave, to protect the person."), _PRINT_INSTEAD),
        "no_key": Told(_("Pictures leave only encrypted, to a named receiver."), _PRINT_INSTEAD),
        "test_case": Told(_("This is a practice case."), _("No file is made of it. Print the page instead.")),
    }
)
# Where not even the device can start for want of room (``closed``).
NO_ROOM_TO_START: Final = Told(
    _("The device's storage is full, so it cannot start."),
    _("Write on paper and call the technician. Nothing that was saved is lost. It is tried again by itself."),
)
# The most exact class first.
ERRORS: Final[tuple[tuple[type[EdgeError], int, Told], ...]] = (
    (
        PinRefused,
        403,
        Told(_("The PIN was not accepted."), _("Wait, then try again, or ask a maintainer for a new PIN.")),
    ),
    (AccountError, 422, Told(_("The account could not be used like this."), _("Choose another name, role or PIN."))),
    (
        CameraError,
        503,
        Told(_("The camera gives no picture."), _("Look at its cable and its light. You can go on without a picture.")),
    ),
    (
        PrintError,
        503,
        Told(
            _("The page could not be printed."), _("Try again, or print without pictures. The report is still there.")
        ),
    ),
    (PictureError, 422, Told(_("This file is not a usable picture."), _("Choose another picture."))),
    (
        CaseError,
        422,
        Told(_("This case cannot be used like this."), _("Go back, look at what you entered, and try again.")),
    ),
    (
        InferenceError,
        503,
        Told(
            _("The program could not finish this case."),
            _("The case is kept. Decide without the program and ask a person."),
        ),
    ),
    (
        StoreFull,
        507,
        Told(
            _("The device's storage is full: this was not saved."),
            _(
                "Go back and send it again in a minute: room is kept for cases without pictures. Else write on paper and call"
                " the technician. Nothing that was saved before is lost."
            ),
        ),
    ),
    (
        StoreCorrupt,
        503,
        Told(
            _("The device's records cannot be read."),
            _("Write on paper and call the technician. Do not restart the device; nothing is overwritten."),
        ),
    ),
    (StoreError, 503, Told(_("The device's records cannot be reached now."), _("Wait a moment, then try again."))),
    (
        UplinkError,
        503,
        Told(_("There is no connection to the centre."), _("Go on with your work. It will be sent later.")),
    ),
    (DaemonError, 503, Told(_("A part of the program does not answer."), _("Wait a minute, then try again."))),
    (UpdateError, 503, Told(_("The program's model cannot be used."), _("Go on without it and call the technician."))),
    (ConfigError, 503, Told(_("The device's settings do not fit."), _("Call the technician."))),
)


def told_of(error: EdgeError) -> tuple[int, Told]:
    """Return the status and the words for an error of ours."""
    for kind, status, told in ERRORS:
        if isinstance(error, kind):
            return status, REASONS.get(str(error.details.get("reason", "")), told)
    return 500, REFUSALS[500]
