"""The uplink: one sender that owns the outbox's sending, for the daemon and for one-off syncs."""

from __future__ import annotations

import fcntl
import math
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from edge_agent.errors import StoreError, UplinkError
from edge_agent.store.outbox import Outbox
from edge_agent.uplink.clock import Clock, SystemClock
from edge_agent.uplink.exchange import Exchange, Link
from edge_agent.uplink.hours import is_within
from edge_agent.uplink.link import MqttLink
from edge_agent.uplink.settings import UplinkSettings

_POLL_S = 0.2
_LOOK_UP_S = 1.0  # in a pause: how soon an end is noticed that nobody woke us for
_HOURS_LOOK_S = 15.0  # outside the hours: how soon a withdrawal, or the beginning of the hours, is noticed
_LEAST_PATIENCE_S = 0.1  # paho takes no connect timeout of 0


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What stands where after a sync (``OutboxCounts``), and how many records this sync brought to the hub."""

    queued: int
    sent: int
    stored: int
    rejected: int
    quarantined: int
    newly_stored: int


class Uplink:
    """Send the outbox to the hub, one sender at a time on this device; by itself only in the settings' hours.

    Outside the hours no connection is held, unless a withdrawal waits: that leaves at once, and nothing else with it.

    Does not decide what may leave: that was decided before a row came into the outbox.

    Args:
        outbox: the rows; read and changed by this object's caller thread only.
        settings: broker, device id, patience.
        clock: monotonic time; a test brings its own.
        lock_path: file that only one sender may hold, across processes; None where nobody else can send.
        log: for operators, never a body or a record id; stderr by default, because stdout belongs to the commands.
        open_link: makes one connection; the real one by default.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: UplinkSettings,
        clock: Clock | None = None,
        *,
        lock_path: Path | None = None,
        log: structlog.typing.FilteringBoundLogger | None = None,
        open_link: Callable[[UplinkSettings, Clock], Link] = MqttLink,
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._lock_path = lock_path
        self._log = log if log is not None else structlog.wrap_logger(structlog.PrintLogger(sys.stderr))
        self._open_link = open_link
        self._wake = threading.Event()
        self._is_connected = False
        self._last_error: UplinkError | None = None
        self._done_s: float | None = None
        self._asked_until_s = -math.inf

    @property
    def hours(self) -> tuple[str, ...]:
        """Return the hours in which results leave by themselves."""
        return self._settings.hours

    @property
    def may_send(self) -> bool:
        """Say whether results may leave now: it is the time for it, or somebody asked."""
        if self._clock.monotonic() < self._asked_until_s:
            return True
        return is_within(self._settings.hours, self._clock.local_time())

    @property
    def is_connected(self) -> bool:
        """Say whether the hub has answered on the present connection."""
        return self._is_connected

    @property
    def last_error(self) -> UplinkError | None:
        """Return why the last attempt of ``run`` failed; None when the last one worked."""
        return self._last_error

    @property
    def sync_age_s(self) -> float | None:
        """Return how long ago the hub last had everything, in seconds; None: not since this start."""
        return None if self._done_s is None else self._clock.monotonic() - self._done_s

    def wake(self) -> None:
        """Let ``run`` try now instead of after its pause; harmless at any time, from any thread."""
        self._wake.set()

    def send_now(self, for_s: float) -> None:
        """Let ``run`` send for so many seconds whatever the hour: somebody asked for it. From any thread."""
        self._asked_until_s = self._clock.monotonic() + for_s
        self.wake()

    def sync_once(self, timeout_s: float) -> SyncReport:
        """Send until nothing waits or the time is over, whatever the hour, and return what stands where.

        The time bounds the whole: connecting, waiting for the hub and trying again.

        Rows that still wait stay queued; look at ``queued`` and ``sent`` of the report.

        Raises:
            UplinkError: no exchange with the hub in time, or another program is sending.
            UplinkRefused: the broker or the hub said no.
        """
        before = self._outbox.status().stored
        deadline = self._clock.monotonic() + timeout_s
        self._asked_until_s = deadline
        pause_s = self._settings.backoff_first_s
        with self._sole_sender():
            while True:
                try:
                    self._exchange(lambda waits: waits and self._clock.monotonic() < deadline, deadline_s=deadline)
                    break
                except UplinkError as error:
                    if not error.retryable or self._clock.monotonic() + pause_s >= deadline:
                        raise
                self._pause(pause_s, threading.Event())
                pause_s = min(2 * pause_s, self._settings.backoff_max_s)
        counts = self._outbox.status()
        return SyncReport(
            queued=counts.queued,
            sent=counts.sent,
            stored=counts.stored,
            rejected=counts.rejected,
            quarantined=counts.quarantined,
            newly_stored=counts.stored - before,
        )

    def run(self, stop_event: threading.Event, *, on_alive: Callable[[], None] = lambda: None) -> None:
        """Keep the connection and send whatever comes, until the event is set.

        Losing the connection is not an error: it is logged once per attempt and tried again, after a pause that
        doubles up to ``backoff_max_s`` and is spread at random, so that a fleet does not return all at once.

        Args:
            stop_event: ends it; ``wake`` after setting it ends a pause at once.
            on_alive: called at least once per connection attempt and per wait on an open connection.

        Raises:
            UplinkError: another program is sending for this device.
            StoreError: the outbox cannot be read or written.
        """

        def goes_on() -> bool:
            on_alive()
            return not stop_event.is_set()

        pause_s = self._settings.backoff_first_s
        with self._sole_sender():
            while not stop_event.is_set():
                try:
                    on_alive()
                    if self._has_leave():
                        self._exchange(lambda _waits: goes_on() and self._has_leave())
                    else:
                        self._rest(stop_event)
                except UplinkError as error:
                    if self._last_error is None or str(self._last_error) != str(error):
                        self._log.warning("uplink.offline", **error.diagnostics())
                    self._last_error = error
                    pause_s = self._settings.backoff_first_s if self._is_connected else pause_s
                    self._is_connected = False
                    spread = random.uniform(0.5, 1.0)  # noqa: S311 (spreads load, guards nothing)
                    self._pause(pause_s * spread, stop_event)
                    pause_s = min(2 * pause_s, self._settings.backoff_max_s)
                finally:
                    self._wake.clear()
        self._is_connected = False

    def _has_leave(self) -> bool:
        return self.may_send or self._outbox.has_withdrawals()

    def _rest(self, stop_event: threading.Event) -> None:
        """Hold no connection for a while: it is not the time for it, and that is no error."""
        self._is_connected, self._last_error = False, None
        self._pause(_HOURS_LOOK_S, stop_event)

    def _exchange(self, goes_on: Callable[[bool], bool], *, deadline_s: float = math.inf) -> None:
        """Hold one connection while ``goes_on(anything waits)`` says so; connect and greet before ``deadline_s``."""
        link = self._open_link(self._hurried(deadline_s), self._clock)
        try:
            exchange = Exchange(
                link,
                self._outbox,
                settings=self._settings,
                clock=self._clock,
                log=self._log,
                may_send=lambda: self.may_send,
            )
            exchange.greet(timeout_s=deadline_s - self._clock.monotonic())
            self._is_connected, self._last_error = True, None
            waits = exchange.pump(0.0)
            while goes_on(waits):
                self._done_s = self._done_s if waits else self._clock.monotonic()
                waits = exchange.pump(_POLL_S if waits else self._settings.idle_poll_s)
        finally:
            link.close()

    def _hurried(self, deadline_s: float) -> UplinkSettings:
        """Return the settings with no more patience for connecting than the time that is left."""
        settings = self._settings
        left_s = max(_LEAST_PATIENCE_S, deadline_s - self._clock.monotonic())
        if left_s >= settings.connect_timeout_s and left_s >= settings.keepalive_s:
            return settings
        # paho bounds the TLS handshake by the keepalive alone.
        return replace(
            settings,
            connect_timeout_s=min(settings.connect_timeout_s, left_s),
            keepalive_s=min(settings.keepalive_s, math.ceil(left_s)),
        )

    def _pause(self, delay_s: float, stop_event: threading.Event) -> None:
        """Wait, unless somebody wakes or stops the uplink."""
        end = self._clock.monotonic() + delay_s
        while not stop_event.is_set() and not self._wake.is_set():
            left = end - self._clock.monotonic()
            if left <= 0:
                return
            self._clock.wait(self._wake, min(left, _LOOK_UP_S))

    @contextmanager
    def _sole_sender(self) -> Iterator[None]:
        if self._lock_path is None:
            yield
            return
        try:
            stream = self._lock_path.open("ab")
        except OSError as exc:
            raise StoreError(f"cannot open {self._lock_path}: {exc.strerror}") from exc
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise UplinkError("another program is sending for this device: it will send these rows too") from exc
            yield
