"""The verdict on a second device: what it was earned under, what it says now, and the file that holds it.

(none) ── begin ──> testing ── passed ──> earned ── fault, operator ──> revoked
                       └────── failed ──> refused
``begin`` leads to testing from everywhere: a new soak test, also after a power cut in the middle of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.store.durable import replace_file

FILE_NAME: Final = "second_device.json"
MAX_UNFINISHED: Final = 2  # one power cut says nothing about a device; a second one in a row may be its doing
SOAK: Final = "run derm-edge device soak"


class Standing(StrEnum):
    """Name what the verdict says; only ``earned`` lets cases run on the device."""

    TESTING = "testing"
    EARNED = "earned"
    REFUSED = "refused"
    REVOKED = "revoked"


class Event(StrEnum):
    """Name what happens to a verdict."""

    BEGIN = "begin"
    PASSED = "passed"
    FAILED = "failed"
    FAULT = "fault"
    OPERATOR = "operator"


TRANSITIONS: Final[Mapping[tuple[Standing | None, Event], Standing]] = {
    **{(before, Event.BEGIN): Standing.TESTING for before in (None, *Standing)},
    (Standing.TESTING, Event.PASSED): Standing.EARNED,
    (Standing.TESTING, Event.FAILED): Standing.REFUSED,
    (Standing.EARNED, Event.FAULT): Standing.REVOKED,
    **{(before, Event.OPERATOR): Standing.REVOKED for before in Standing},
}


def step(standing: Standing | None, event: Event) -> Standing:
    """Return the next standing. Has no side effect.

    Raises:
        RuntimeError: the event cannot happen now: a programmer's mistake.
    """
    try:
        return TRANSITIONS[standing, event]
    except KeyError:
        raise RuntimeError(f"{event} cannot happen to a verdict that is {standing}") from None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Key(_Strict):
    """Everything that a verdict rests on; another value of any part, and the verdict does not hold any more.

    ``device`` is the name and driver that the runtime itself tells, known only once the device is loaded.
    """

    profile: str
    driver: str
    kernel: str
    openvino: str
    program: str
    bundle: str
    device: str

    def changed_to(self, now: Key, *, is_loaded: bool) -> str:
        """Say in one line which parts are others now; empty when none is.

        Args:
            now: read from this computer.
            is_loaded: compare ``device`` too, which nobody knows before.
        """
        names = [name for name in Key.model_fields if is_loaded or name != "device"]
        pairs = [(name, getattr(self, name), getattr(now, name)) for name in names]
        return "; ".join(f"{name} was {old} at the soak test and is {new}" for name, old, new in pairs if old != new)


class Verdict(_Strict):
    """Hold one verdict with its reasons and the figures of its soak test.

    ``unfinished`` counts work on the device that was begun and never ended, in a row; ``revocations`` all of this computer.
    """

    schema_version: Literal[1] = 1
    candidate: str
    standing: Standing
    key: Key
    reasons: tuple[str, ...] = ()
    figures: dict[str, float] = Field(default_factory=dict)
    decided: datetime
    unfinished: int = Field(default=0, ge=0)
    revocations: int = Field(default=0, ge=0)


class Verdicts:
    """The one verdict of this computer, in its state folder.

    Args:
        path: of the file.
        now: tells the time (UTC).
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now

    def read(self) -> Verdict | None:
        """Return the verdict; None where there is none or it cannot be read: a device is never trusted by mistake."""
        try:
            return Verdict.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None

    def begin_test(self, candidate: str, key: Key) -> None:
        """Say durably that a soak test goes on: one that takes the computer down with it leaves no earlier verdict.

        Raises:
            StoreError: it cannot be written.
        """
        self._move(Event.BEGIN, candidate=candidate, key=key, reasons=("the soak test did not end",))

    def end_test(self, key: Key, *, reasons: Sequence[str], figures: Mapping[str, float]) -> Verdict:
        """Write the verdict: earned where there is no reason against it.

        Raises:
            StoreError: it cannot be written.
        """
        event = Event.FAILED if reasons else Event.PASSED
        return self._move(event, key=key, reasons=tuple(reasons), figures=dict(figures))

    def revoke(self, reason: str, *, by: Event = Event.FAULT) -> Verdict | None:
        """Take the device's place away until a new soak test; None where there is no verdict to take away.

        Raises:
            StoreError: it cannot be written.
        """
        held = self.read()
        if held is None or (held.standing, by) not in TRANSITIONS:
            return None
        return self._move(by, reasons=(reason,), revocations=held.revocations + 1)

    def begin_work(self) -> None:
        """Count work that is begun; ``end_work`` takes it back. What stays counted ended with the computer or this program.

        Raises:
            StoreError: it cannot be written.
        """
        held = self._held()
        self._write(held.model_copy(update={"unfinished": held.unfinished + 1}))

    def end_work(self) -> None:
        """Say that the device came back, whatever it brought.

        Raises:
            StoreError: it cannot be written.
        """
        held = self.read()
        if held is not None and held.unfinished:
            self._write(held.model_copy(update={"unfinished": 0}))

    def _held(self) -> Verdict:
        held = self.read()
        if held is None:
            raise RuntimeError("there is no verdict to work under")
        return held

    def _move(self, event: Event, **changes: object) -> Verdict:
        held = self.read()
        standing = step(None if held is None else held.standing, event)
        before = {} if held is None else dict(held)
        verdict = Verdict.model_validate(
            {**before, "unfinished": 0, **changes, "standing": standing, "decided": self._now()}
        )
        self._write(verdict)
        return verdict

    def _write(self, verdict: Verdict) -> None:
        replace_file(self._path, verdict.model_dump_json(indent=2).encode() + b"\n")


def why_not(verdict: Verdict | None, candidate: str, now: Key) -> str:
    """Say in one line why a device may not run cases now; empty when it may, as far as is known before loading it.

    Args:
        verdict: the one that lies in the state folder.
        candidate: the device that the profile wants.
        now: the key of this computer; its ``device`` is not looked at.
    """
    if verdict is None or verdict.candidate != candidate:
        return f"it has not earned its place: {SOAK}"
    if verdict.standing is not Standing.EARNED:
        return f"{verdict.standing}: {'; '.join(verdict.reasons)}; {SOAK}"
    if changed := verdict.key.changed_to(now, is_loaded=False):
        return f"its verdict does not hold any more: {changed}; {SOAK}"
    if verdict.unfinished >= MAX_UNFINISHED:
        return f"the computer or the program ended {verdict.unfinished} times in a row while it worked; {SOAK}"
    return ""
