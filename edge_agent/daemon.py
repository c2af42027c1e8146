"""The supervisor: keeps the daemon's parts running, each restartable alone, and tells the service manager how it fares.

Loads no OpenVINO: whatever the engine does, this process goes on. Killing it loses nothing: cases without a
report are run at the next start, rows without the hub's acknowledgement are sent again.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from edge_agent.capture.live import LiveCamera
from edge_agent.casework import CaseWork
from edge_agent.devices.ladder import Ladder
from edge_agent.errors import DaemonError
from edge_agent.inference_child import InferenceChild
from edge_agent.ipc import SOCKET_NAME
from edge_agent.remaining import Predict
from edge_agent.store.cases import CaseStore
from edge_agent.store.outbox import Outbox
from edge_agent.store.space import Stage
from edge_agent.supervision.case_desk import RESUME_AFTER_S, CaseDesk, DeskSettings
from edge_agent.supervision.engine_guard import EngineGuard
from edge_agent.supervision.fault_ids import fault_ids
from edge_agent.supervision.governor import Governor
from edge_agent.supervision.keeper import Keeper, Part
from edge_agent.supervision.local_socket import Clients, listen
from edge_agent.supervision.metrics import Metrics
from edge_agent.supervision.notify import Notifier
from edge_agent.supervision.parts import Sending, UplinkPart
from edge_agent.supervision.restarts import PartHistory, RestartPolicy

TICK_S: Final = 5.0
STOP_GRACE_S: Final = 10.0
PHASES: Final = (
    "start", "rules", "encode", "recognition", "second_look", "representation", "reasoning", "report", "writing",
)  # fmt: skip

Log = structlog.typing.FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class Parts:
    """Hold what the daemon supervises; built by ``bootstrap``, closed there too.

    ``child`` is None and ``guard`` too where nothing may be inferred (safe mode); ``faults`` then say which lines a
    person must mend. ``reasons``: for which a picture may be refused, for the metrics. ``storage`` says how much room the
    store's ladder found last; quick. ``governor`` holds new runs while the device is too warm or its battery too low.
    """

    cases: CaseStore
    outbox: Outbox
    child: InferenceChild | Ladder | None
    work: CaseWork
    uplink: Sending
    stop: threading.Event
    log: Log
    guard: EngineGuard | None = None
    faults: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    storage: Callable[[], Stage | None] = lambda: None
    governor: Governor = field(default_factory=Governor)
    notifier: Notifier = field(default_factory=Notifier)
    policy: RestartPolicy = field(default_factory=RestartPolicy)


class Daemon:
    """Serve one device until told to stop.

    Args:
        parts: everything it owns.
        bundle_dir: told to clients, so that they notice when they asked for another bundle.
        state_dir: holds the store, whose size the metrics tell; None: nobody measures it.
        camera: asked for its state; None: there is none. It is supervised as a part of its own.
        resume_after_s: see ``DeskSettings``.
        predict: see ``DeskSettings``.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        bundle_dir: Path,
        state_dir: Path | None = None,
        camera: LiveCamera | None = None,
        resume_after_s: float = RESUME_AFTER_S,
        predict: Predict | None = None,
    ) -> None:
        self._parts = parts
        self._bundle_dir = bundle_dir
        self._state_dir = state_dir
        self.camera = camera
        self.metrics = Metrics(self.status, store_bytes=self._store_bytes, phases=PHASES, reasons=parts.reasons)
        self.desk = CaseDesk(
            parts.cases,
            parts.work,
            engine=parts.guard,
            log=parts.log,
            tell_status=self.status,
            on_report=parts.uplink.wake,
            on_phase=self.metrics.observe_phase,
            settings=DeskSettings("; ".join(parts.faults), parts.governor.hold, resume_after_s, predict=predict),
        )
        self._keepers: list[Keeper] = []
        self._ended, self._wakes = socket.socketpair()  # written to when a keeper or the daemon ends
        self.supervise(self.desk)
        self.supervise(UplinkPart(parts.uplink))

    @property
    def faults(self) -> tuple[str, ...]:
        """Return which lines of the configuration a person must mend; () outside safe mode."""
        return self._parts.faults

    def supervise(self, part: Part) -> None:
        """Add a part; before ``run`` only."""
        parts = self._parts
        self._keepers.append(Keeper(part, stop=parts.stop, log=parts.log, on_end=self._poke, policy=parts.policy))

    def run(self, state_dir: Path, *, ready: threading.Event | None = None) -> None:
        """Start everything, resume what was pending, and serve until the stop event is set.

        Args:
            state_dir: where the socket is made.
            ready: set when clients can connect.

        Raises:
            ConfigError: the socket cannot be made.
            DaemonError: who keeps a part ended by itself; the others were stopped too.
        """
        parts = self._parts
        threading.Thread(target=self._watch_stop, name="stop-watch", daemon=True).start()
        try:
            with listen(state_dir) as listener:
                for keeper in self._keepers:
                    keeper.thread.start()
                if ready is not None:
                    ready.set()
                parts.notifier.ready()
                parts.log.info("daemon.ready", socket=str(state_dir / SOCKET_NAME), faults=list(parts.faults))
                self._serve(listener)
        finally:
            parts.notifier.stopping()
            self._wind_down()
        parts.log.info("daemon.stopped")

    def status(self) -> dict[str, Any]:
        """Return the counts, the parts and the processes, ready for JSON."""
        parts, child = self._parts, self._parts.child
        health = {keeper.part.name: keeper.status() for keeper in self._keepers}
        if parts.guard is not None:
            health["inference"] = parts.guard.status()
        return {
            "daemon": {
                "pid": os.getpid(),
                "child_pid": None if child is None else child.pid,
                "child_state": "held" if child is None else str(child.state),
            },
            "is_safe_mode": bool(parts.faults),
            "faults": list(parts.faults),
            "parts": health,
            "storage": parts.storage(),
            "power": parts.governor.status(),
            "camera": _told_of(self.camera),
            "device": None if child is None else child.rung,
            "bundle_dir": str(self._bundle_dir),
            "hub_connected": parts.uplink.is_connected,
            "sync_age_s": parts.uplink.sync_age_s,
            "sending": {"windows": list(parts.uplink.hours), "is_open": parts.uplink.may_send},
            "outbox": asdict(parts.outbox.status()),
            "cases": {str(state): count for state, count in parts.cases.counts().items()},
            "pending": len(parts.cases.pending()),
            "queued": self.desk.waiting,
        }

    def health(self) -> dict[str, PartHistory]:
        """Return what is remembered of every part; quick, reads no store."""
        histories = {keeper.part.name: keeper.history for keeper in self._keepers}
        guard = self._parts.guard
        return histories if guard is None else histories | {"inference": guard.history}

    def uplink_seen(self) -> datetime | None:
        """Return when the hub last had everything; None: not since this start."""
        age_s = self._parts.uplink.sync_age_s
        return None if age_s is None else datetime.now(UTC) - timedelta(seconds=age_s)

    def fault_ids(self) -> tuple[str, ...]:
        """Return what is wrong with the device now, as ids that pages have words for; quick, reads no store."""
        camera = None if self.camera is None else self.camera.status()
        parts = self._parts
        found = fault_ids(self.health(), faults=parts.faults, stage=parts.storage(), strains=parts.governor.strains)
        if camera is None or camera.fault is None or "camera_down" in found:
            return found
        return (*found, f"camera_{camera.fault}")  # the words say what is seen and what a hand can mend

    def _store_bytes(self) -> int | None:
        try:
            return None if self._state_dir is None else (self._state_dir / "store.db").stat().st_size
        except OSError:
            return None

    def _serve(self, listener: socket.socket) -> None:
        """Take clients as they come; look after the parts every few seconds, or when one ends. Waits, never polls."""
        clients = Clients(self.desk, outbox=self._parts.outbox, uplink=self._parts.uplink, stop=self._parts.stop)
        listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            self._look()
            while not self._parts.stop.is_set():
                for key, _ in selector.select(self._tick_s()):
                    if key.fileobj is self._ended:
                        self._ended.recv(64)
                    elif (channel := _accept(listener)) is not None:
                        clients.begin(channel)
                self._look()

    def _tick_s(self) -> float:
        watchdog_s = self._parts.notifier.watchdog_s
        return TICK_S if watchdog_s is None else min(TICK_S, watchdog_s / 3)

    def _look(self) -> None:
        """Feed the watchdog when every part answers; end when a part has nobody who starts it again.

        Raises:
            DaemonError: a keeper ended: else the daemon would go on taking cases that nobody runs.
        """
        parts = self._parts
        for keeper in self._keepers:
            if not keeper.thread.is_alive() and not parts.stop.is_set():
                name = keeper.part.name
                raise DaemonError(f"the daemon's {name} thread ended; look at its log and start it again")
        if all(keeper.is_answering for keeper in self._keepers):
            parts.notifier.alive()
        parts.notifier.status(self.line())

    def line(self) -> str:
        """Say in one line how the daemon fares: what a person must mend, which parts are degraded."""
        if self._parts.faults:
            return f"safe mode, cases are stored and wait: {self._parts.faults[0]}"
        degraded = [f"{name}: {one.fault}" for name, one in self.health().items() if one.is_degraded]
        return f"degraded: {'; '.join(degraded)}" if degraded else "takes cases"

    def _wind_down(self) -> None:
        """End the parts and the child, also when accepting failed: the store is closed after this."""
        self._parts.stop.set()
        self._wake_all()
        threads: Sequence[threading.Thread] = [one.thread for one in self._keepers if one.thread.ident is not None]
        deadline = time.monotonic() + STOP_GRACE_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._parts.child is not None:
            self._parts.child.stop()  # after the grace: ends a running case; it is resumed at the next start
        for thread in threads:
            thread.join()

    def _watch_stop(self) -> None:
        """Wake everybody who waits for something else when the daemon is told to stop."""
        self._parts.stop.wait()
        self._wake_all()

    def _wake_all(self) -> None:
        self.desk.wake()
        self._parts.uplink.wake()
        self._poke()

    def _poke(self) -> None:
        self._wakes.send(b"\0")


def _told_of(camera: LiveCamera | None) -> dict[str, Any] | None:
    """Return the camera's state, ready for JSON."""
    if camera is None:
        return None
    now = camera.status()
    return {
        "state": str(now.state),
        "fault": None if now.fault is None else str(now.fault),
        "since_s": round(now.since_s, 1),
        "source": now.source,
        "pid": camera.pid,
        "restarts": now.restarts,
    }


def _accept(listener: socket.socket) -> socket.socket | None:
    """Return the next client; None where the one that was announced has left already."""
    try:
        return listener.accept()[0]
    except (BlockingIOError, ConnectionAbortedError):
        return None
