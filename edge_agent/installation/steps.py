"""The stages of putting a program on a kiosk, and every move between them, as one table.

A stage names what is being done, not what is finished: after a power cut the journal holds one of them, and ``RESUME``
says what the next command does. Nothing here touches a disk: ``Installer`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Stage(StrEnum):
    """What is under way. From ``STOPPING_BACK`` on it goes back to the program that was there before."""

    IDLE = "idle"
    UNPACKING = "unpacking"
    FILLING = "filling"
    STOPPING = "stopping"
    SAVING = "saving"
    SWITCHING = "switching"
    PROVING = "proving"
    CLEARING = "clearing"
    STOPPING_BACK = "stopping_back"
    SWITCHING_BACK = "switching_back"
    RESTORING = "restoring"
    STARTING_BACK = "starting_back"
    RESETTING = "resetting"


class Event(StrEnum):
    """What happens to an installation."""

    BEGIN = "begin"
    GO_BACK = "go_back"
    RESET = "reset"
    DONE = "done"
    FAIL = "fail"


TRANSITIONS: Mapping[tuple[Stage, Event], Stage] = {
    (Stage.IDLE, Event.BEGIN): Stage.UNPACKING,
    (Stage.IDLE, Event.GO_BACK): Stage.STOPPING_BACK,
    (Stage.IDLE, Event.RESET): Stage.RESETTING,
    (Stage.UNPACKING, Event.DONE): Stage.FILLING,
    (Stage.UNPACKING, Event.FAIL): Stage.CLEARING,
    (Stage.FILLING, Event.DONE): Stage.STOPPING,
    (Stage.FILLING, Event.FAIL): Stage.CLEARING,
    (Stage.STOPPING, Event.DONE): Stage.SAVING,
    (Stage.STOPPING, Event.FAIL): Stage.STARTING_BACK,
    (Stage.SAVING, Event.DONE): Stage.SWITCHING,
    (Stage.SAVING, Event.FAIL): Stage.STARTING_BACK,
    (Stage.SWITCHING, Event.DONE): Stage.PROVING,
    (Stage.SWITCHING, Event.FAIL): Stage.STOPPING_BACK,
    (Stage.PROVING, Event.DONE): Stage.CLEARING,
    (Stage.PROVING, Event.FAIL): Stage.STOPPING_BACK,
    (Stage.STOPPING_BACK, Event.DONE): Stage.SWITCHING_BACK,
    (Stage.SWITCHING_BACK, Event.DONE): Stage.RESTORING,
    (Stage.RESTORING, Event.DONE): Stage.STARTING_BACK,
    (Stage.STARTING_BACK, Event.DONE): Stage.CLEARING,
    (Stage.RESETTING, Event.DONE): Stage.STARTING_BACK,
    (Stage.CLEARING, Event.DONE): Stage.IDLE,
    # What fails on the way back has nothing behind it: it stays where it is, says so, and is tried again by a person.
    (Stage.STOPPING_BACK, Event.FAIL): Stage.STOPPING_BACK,
    (Stage.SWITCHING_BACK, Event.FAIL): Stage.SWITCHING_BACK,
    (Stage.RESTORING, Event.FAIL): Stage.RESTORING,
    (Stage.STARTING_BACK, Event.FAIL): Stage.STARTING_BACK,
    (Stage.RESETTING, Event.FAIL): Stage.RESETTING,
    (Stage.CLEARING, Event.FAIL): Stage.CLEARING,
}

RESUME: Mapping[Stage, str] = {
    Stage.IDLE: "nothing",
    Stage.UNPACKING: "unpack the package again from where it was; where it is gone, give up with nothing changed",
    Stage.FILLING: "empty the free slot and fill it again",
    Stage.STOPPING: "stop the service",
    Stage.SAVING: "write the backup again",
    Stage.SWITCHING: "put the system files in place and switch again",
    Stage.PROVING: "run doctor and start the service; on failure go back",
    Stage.CLEARING: "remove what was unpacked",
    Stage.STOPPING_BACK: "stop the service",
    Stage.SWITCHING_BACK: "switch back again",
    Stage.RESTORING: "restore the backup again",
    Stage.STARTING_BACK: "start the service",
    Stage.RESETTING: "go on deleting, the key first",
}


def step(stage: Stage, event: Event) -> Stage:
    """Return the next stage.

    Raises:
        RuntimeError: the event cannot happen in this stage (a programmer's mistake).
    """
    following = TRANSITIONS.get((stage, event))
    if following is None:
        raise RuntimeError(f"an installation that is {stage} cannot {event}")
    return following
