"""What the daemon keeps running beside the cases: the uplink, and services that have their own threads or processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Protocol

from edge_agent.errors import DaemonError, EdgeError, UplinkError
from edge_agent.supervision.keeper import Pulse

LOOK_EVERY_S: Final = 2.0
UPLINK_PATIENCE_S: Final = 400.0  # its longest pause, 300 s, and a connection that times out


class Sending(Protocol):
    """The uplink as the daemon needs it."""

    @property
    def is_connected(self) -> bool:
        """Say whether the hub has answered."""
        ...

    @property
    def last_error(self) -> UplinkError | None:
        """Return why the last attempt failed."""
        ...

    @property
    def sync_age_s(self) -> float | None:
        """Return how long ago the hub last had everything."""
        ...

    @property
    def hours(self) -> tuple[str, ...]:
        """Return when results leave by themselves, local times."""
        ...

    @property
    def may_send(self) -> bool:
        """Say whether results may leave now."""
        ...

    def wake(self) -> None:
        """Let it try now."""
        ...

    def send_now(self, for_s: float) -> None:
        """Let it send for so many seconds, whatever the hour."""
        ...

    def run(self, stop_event: threading.Event, *, on_alive: Callable[[], None] = lambda: None) -> None:
        """Send whatever comes until the event is set."""
        ...


class UplinkPart:
    """The part ``uplink``: records that may leave, to the hub."""

    name = "uplink"

    def __init__(self, uplink: Sending) -> None:
        self._uplink = uplink

    def run(self, pulse: Pulse) -> None:
        """Send until the daemon ends.

        Raises:
            EdgeError: another program sends, a TLS file or the store cannot be read.
        """
        self._uplink.run(pulse.stop, on_alive=lambda: pulse.promise(UPLINK_PATIENCE_S))


class NoUplink:
    """Stand in for an uplink whose settings cannot be used: nothing leaves, and the reason is at hand.

    Args:
        error: what is wrong with the settings.
    """

    is_connected = False
    sync_age_s = None
    hours: tuple[str, ...] = ()
    may_send = True  # what keeps records here is the error, not the hour

    def __init__(self, error: EdgeError) -> None:
        self.last_error: UplinkError | None = UplinkError(str(error))

    def wake(self) -> None:
        """Do nothing: there is nothing to try."""

    def send_now(self, for_s: float) -> None:
        """Do nothing: there is nothing to try."""

    def run(self, stop_event: threading.Event, *, on_alive: Callable[[], None] = lambda: None) -> None:
        """Fail at once, so that the part is shown as degraded with its reason.

        Raises:
            UplinkError: always.
        """
        on_alive()
        if not stop_event.is_set() and self.last_error is not None:
            raise self.last_error


class Service(Protocol):
    """Something with threads or processes of its own, such as the web server or the camera."""

    def start(self) -> None:
        """Start it; raise EdgeError where it cannot."""
        ...

    def stop(self) -> None:
        """End it. Safe to call twice."""
        ...

    def fault(self) -> str | None:
        """Return in one line why it must be started again; None while it answers."""
        ...


class ServicePart:
    """Run a service as a part of the daemon: started, asked every two seconds, stopped.

    Args:
        name: of the part.
        service: what it runs.
        patience_s: how long its start, or an answer to ``fault``, may take before the part counts as hanging.
        look_every_s: seconds between two looks.
    """

    def __init__(
        self, name: str, service: Service, *, patience_s: float = 60.0, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self.name = name
        self._service = service
        self._patience_s = patience_s
        self._look_every_s = look_every_s

    def run(self, pulse: Pulse) -> None:
        """Keep the service until the daemon ends or it has a fault.

        Raises:
            EdgeError: it cannot be started.
            DaemonError: its fault.
        """
        pulse.promise(self._patience_s)
        try:
            self._service.start()
            while not pulse.stop.is_set():
                pulse.promise(self._patience_s)
                if (fault := self._service.fault()) is not None:
                    raise DaemonError(fault)
                pulse.wait(self._look_every_s)
        finally:
            pulse.promise(self._patience_s)
            self._service.stop()


class Camera(Protocol):
    """The live camera as the daemon needs it; it restarts its own child and says what is wrong with the picture."""

    def start(self) -> None:
        """Keep the camera open."""
        ...

    def stop(self) -> None:
        """Close it."""
        ...

    @property
    def is_running(self) -> bool:
        """Say whether somebody watches over the camera."""
        ...


class CameraService:
    """Keep the live camera; see ``ServicePart``. What the camera itself lacks is told by its own status, not here."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera

    def start(self) -> None:
        """Begin to keep the camera open."""
        self._camera.start()

    def stop(self) -> None:
        """Close the camera."""
        self._camera.stop()

    def fault(self) -> str | None:
        """Say that nobody watches over the camera any more."""
        return None if self._camera.is_running else "the camera's watch ended"
