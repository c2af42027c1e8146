"""How the device is, in plain words."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.inference_child import State as ChildState
from edge_agent.kiosk.access import person_here, requires
from edge_agent.kiosk.case_rooms import policy_of
from edge_agent.kiosk.faults import fault_words
from edge_agent.kiosk.language import Language, Text
from edge_agent.kiosk.language import counted as _n
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.room import Room, Tile
from edge_agent.kiosk.sync_words import sync_words
from edge_agent.policy.whom_to_call import whom_to_call
from edge_agent.store.accounts import Person, Role
from edge_agent.store.audit import PROGRAM_DATE, Action, ClockTrust
from edge_agent.store.sent_files import SentFiles
from edge_agent.store.trusted_day import Belief, Judged, TrustedDay

GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one part of the device: its name, its state (good, wait, bad, unknown), the words and what they mean."""

    name: Text
    state: str
    now: Text
    meaning: Text


def _tiles(_parts: KioskParts, _person: Person) -> Sequence[Tile]:
    return (Tile(_("This device"), "/status", "device", _("Camera, storage, connection")),)


router = Room(tiles=_tiles)


@router.get("/status")
def device(request: Request, person: Annotated[Person, Depends(requires(in_emergency=True))]) -> Response:  # noqa: ARG001
    """Show the processes, the camera, the storage, the connection and the clock."""
    parts = parts_of(request)
    status, judged = parts.desk.status(), _trusted_day(parts).judged()
    sync = sync_words(status, seen=parts.uplink_seen(), now=parts.clock(), language=language_of(request))
    rows = (
        _program(status),
        _model(status),
        _camera(parts),
        _storage(status, parts.config.state_dir),
        Row(
            _("Sending to the centre"),
            sync.state,
            sync.now,
            _("%(last)s %(waits)s", last=sync.last, waits=sync.waiting),
        ),
        _clock(parts),
        _numbers(parts),
        _deletion(judged, language_of(request)),
        *_receivers(parts),
        *_broken(status),
    )
    return page(request, "status/status.html", rows=rows, doubted=_to_confirm(request, judged))


@router.post("/status/day")
def confirm_day(
    request: Request, person: Annotated[Person, Depends(requires("maintainer"))], day: Annotated[str, Form()]
) -> Response:
    """Take a maintainer's word that the clock shows the right day; from here on deletion goes on."""
    parts = parts_of(request)
    try:
        shown = date.fromisoformat(day)
    except ValueError as exc:
        raise HTTPException(422) from exc
    noted = partial(parts.audit.append, who=person.name, action=Action.DATE_CONFIRMED, detail=day)
    _trusted_day(parts).confirm(shown, noted=noted)
    return RedirectResponse("/status", status_code=303)


def _trusted_day(parts: KioskParts) -> TrustedDay:
    return TrustedDay(parts.database, clock=parts.clock, made=PROGRAM_DATE.date())


def _to_confirm(request: Request, judged: Judged) -> date | None:
    """Return the day that the person here may confirm; None where there is no doubt, or nothing to be done by a word."""
    person = person_here(request)
    is_maintainer = person is not None and Role.MAINTAINER in person.roles and not person.is_emergency
    return judged.today if judged.can_be_confirmed and is_maintainer else None


def _deletion(judged: Judged, language: Language) -> Row:
    name, day = _("Deleting on time"), language.date(judged.today)
    if judged.belief is Belief.BELIEVED:
        return Row(name, "good", _("Works"), _("What has been kept long enough is deleted by itself."))
    if judged.belief is Belief.UNSET:
        return Row(
            name,
            "bad",
            _("Stopped"),
            _(
                "The clock says %(day)s, and that cannot be. Nothing is deleted. Call the technician to set it.",
                day=day,
            ),
        )
    return Row(
        name,
        "bad",
        _("Stopped"),
        _(
            "The clock says %(day)s, far from what was known. Nothing is deleted until a maintainer says here that it is right.",
            day=day,
        ),
    )


def _receivers(parts: KioskParts) -> list[Row]:
    """Say how many receivers of a file that was taken back have not confirmed its deletion; nothing where none has to."""
    waiting = len(SentFiles(parts.database).open())
    if not waiting:
        return []
    now = _n("One waits", "%(n)s wait", waiting)
    return [Row(_("Deletions to confirm"), "wait", now, _("A clinician asks who has the file: see the list of cases."))]


def _program(status: Mapping[str, Any]) -> Row:
    name = _("Program's help")
    state = str((status.get("daemon") or {}).get("child_state", ""))
    waiting = int(status.get("pending", 0))
    told = _n("One case waits for it.", "%(n)s cases wait for it.", waiting) if waiting else _("No case waits.")
    if state in {ChildState.IDLE, ChildState.BUSY}:
        return Row(name, "good", _("Works"), told)
    if state == ChildState.STARTING:
        return Row(name, "wait", _("Starts"), told)
    return Row(name, "bad", _("Does not run"), _("Cases are kept and run later. Decide without it."))


def _broken(status: Mapping[str, Any]) -> list[Row]:
    """Give a row for every line of the settings that must be mended, and for every part that stops again and again."""
    mend = [
        Row(_("Settings"), "bad", _("Safe mode"), _("Mend this: %(line)s", line=line))
        for line in status.get("faults", ())
    ]
    parts: Mapping[str, Any] = status.get("parts", {})
    return mend + [
        Row(
            _("Part %(name)s", name=name),
            "bad",
            _("Stops again and again"),
            _("Mend this: %(line)s", line=part["fault"]),
        )
        for name, part in parts.items()
        if part["is_degraded"]
    ]


def _model(status: Mapping[str, Any]) -> Row:
    bundle = Path(str(status.get("bundle_dir", ""))).name or "–"
    return Row(
        _("Model"),
        "unknown",
        _("%(name)s, on %(device)s", name=bundle, device=status.get("device") or "–"),
        _("The reference model is not for clinical use."),
    )


def _camera(parts: KioskParts) -> Row:
    name, without = _("Camera"), _("You can go on without a picture.")
    if parts.camera is None:
        return Row(name, "unknown", _("None is set up"), without)
    status = parts.camera.status()
    if status.fault is None and parts.camera.latest() is None:
        return Row(name, "wait", _("Starts"), without)
    if status.fault is None:
        return Row(name, "good", _("Works"), _("It shows a live picture. Nothing is recorded."))
    return Row(name, "bad", _("Gives no picture"), _("Look at its cable and its light. %(more)s", more=without))


def _storage(status: Mapping[str, Any], folder: Path) -> Row:
    """Say how much is free, and what to do at the stage that the store's ladder found: the banner says the same."""
    name, stage = _("Storage"), status.get("storage")
    try:
        now = _("%(gib)s GiB free", gib=shutil.disk_usage(folder).free // GIB)
    except OSError:
        return Row(name, "bad", _("Cannot be read"), _("Write on paper and call the technician."))
    if stage not in {None, "ok"}:
        return Row(name, "bad", now, fault_words([f"disk_{stage}"])[0].do)
    return Row(name, "good", now, _("Enough for now. Everything is stored encrypted."))


def _numbers(parts: KioskParts) -> Row:
    """Say which numbers to call nobody has set: a worker would look for them in an emergency."""
    name = _("Numbers to call")
    say = _("The maintainer writes them under [contacts] in practice.toml.")
    missing = whom_to_call(policy_of(parts), parts.practice).missing
    if not missing:
        return Row(name, "good", _("All are set"), _("They stand on the screens of danger signs."))
    return Row(name, "bad", _n("One is missing", "%(n)s are missing", len(missing)), say)


def _clock(parts: KioskParts) -> Row:
    name = _("Clock")
    trust = parts.audit.clock_trust()
    if trust is ClockTrust.SYNCHRONISED:
        return Row(name, "good", _("Set by a time server"), _("Dates can be relied on."))
    if trust is ClockTrust.PLAUSIBLE:
        return Row(name, "unknown", _("Not compared"), _("Compare it with a watch now and then."))
    return Row(name, "bad", _("Wrong"), _("Write the date on paper and call the technician."))
