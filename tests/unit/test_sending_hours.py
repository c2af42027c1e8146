"""The hours of sending: results leave in them only, a withdrawal at any time, and everything when somebody asks."""

from __future__ import annotations

import os
import secrets
import threading
import time as system_time
from collections.abc import Callable, Iterator
from datetime import time
from pathlib import Path

import pytest

from edge_agent.bootstrap import build_uplink
from edge_agent.commands.status import _hub
from edge_agent.config import BrokerConfig, Config, parse_config
from edge_agent.daemon_bootstrap import open_daemon
from edge_agent.errors import ConfigError, UplinkError
from edge_agent.kiosk.language import load_languages
from edge_agent.kiosk.sync_words import sync_words
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox, append_record
from edge_agent.supervision.parts import NoUplink
from edge_agent.supervision.safe_mode import Wish
from edge_agent.uplink.clock import Clock, SystemClock
from edge_agent.uplink.hours import ALL_DAY, is_within
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.uplink import Uplink
from tests.simulators.clock import ManualClock
from tests.simulators.hub_link import SimulatedHub, SimulatedLink
from tests.simulators.kiosk_parts import HandClock
from tests.simulators.records import MORNING, a_result

N100 = ("12:00-14:00", "19:00-07:00")
SETTINGS = UplinkSettings(host="127.0.0.1", port=1, device="d" * 32, hours=N100)


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (time(11, 59, 59), False),
        (time(12, 0), True),
        (time(13, 59, 59), True),
        (time(14, 0), False),
        (time(18, 59), False),
        (time(19, 0), True),
        (time(23, 59, 59), True),
        (time(0, 0), True),
        (time(6, 59), True),
        (time(7, 0), False),
    ],
)
def test_a_window_holds_its_beginning_and_not_its_end(now: time, is_open: bool) -> None:
    """Also across midnight."""
    assert is_within(N100, now) is is_open


@pytest.mark.parametrize("now", [time(0, 0), time(12, 0), time(23, 59, 59, 999_999)])
def test_the_whole_day_has_no_hole(now: time) -> None:
    """What every profile of a post with a connection of its own says."""
    assert is_within(ALL_DAY, now)


class Network:
    """Open simulated links to one hub, and keep them."""

    def __init__(self, clock: ManualClock) -> None:
        self.hub, self.clock = SimulatedHub(), clock
        self.links: list[SimulatedLink] = []

    def open(self, _settings: UplinkSettings, clock: Clock) -> SimulatedLink:
        """Open one link."""
        assert clock is self.clock
        self.links.append(SimulatedLink(self.hub, self.clock))
        return self.links[-1]


class SteppedClock(ManualClock):
    """Let a test do something after so many seconds of waiting or polling; ends what it drives."""

    def __init__(self, stop: threading.Event, *, after_s: float) -> None:
        super().__init__()
        self._stop, self._end_s = stop, self.now_s + after_s
        self.at: dict[float, Callable[[], None]] = {}

    def monotonic(self) -> float:
        """Return the time, and do what is due."""
        for due_s in [one for one in self.at if self.now_s >= 1000.0 + one]:
            self.at.pop(due_s)()
        if self.now_s >= self._end_s:
            self._stop.set()
        return self.now_s


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as opened:
        yield opened


def _fill(database: Database, *names: str) -> None:
    with database.transaction() as connection:
        for name in names:
            append_record(connection, a_result(name), created=MORNING)


def _run(database: Database, clock: SteppedClock) -> tuple[Network, Uplink, Outbox]:
    network, outbox = Network(clock), Outbox(database)
    return network, Uplink(outbox, SETTINGS, clock, open_link=network.open), outbox


def test_outside_the_hours_no_connection_is_opened(database: Database) -> None:
    """A result waits and says so; that is no error."""
    stop = threading.Event()
    clock = SteppedClock(stop, after_s=120.0)
    clock.time_of_day = time(15, 0)
    _fill(database, "a" * 32)
    network, uplink, outbox = _run(database, clock)
    uplink.run(stop)
    assert network.links == []
    assert outbox.status().queued == 1
    assert uplink.last_error is None
    assert not uplink.may_send


def test_sending_begins_with_the_hours_and_ends_with_them(database: Database) -> None:
    """By itself: at seven in the evening what waited leaves; what comes after the hours' end stays, and the line is cut."""
    stop = threading.Event()
    clock = SteppedClock(stop, after_s=240.0)
    clock.time_of_day = time(18, 59)
    _fill(database, "a" * 32)
    network, uplink, outbox = _run(database, clock)

    def morning() -> None:
        clock.time_of_day = time(7, 0)
        _fill(database, "b" * 32)

    clock.at = {60.0: lambda: setattr(clock, "time_of_day", time(19, 0)), 150.0: morning}
    uplink.run(stop)
    assert network.hub.record_ids == ["a" * 32]
    assert len(network.links) == 1
    assert network.links[0].is_closed
    assert outbox.status().queued == 1


def test_a_withdrawal_leaves_at_any_time_and_alone(database: Database) -> None:
    """The person's word is not put off; the results beside it are, and the connection is not kept."""
    stop = threading.Event()
    clock = SteppedClock(stop, after_s=120.0)
    clock.time_of_day = time(15, 0)
    _fill(database, "a" * 32, "b" * 32, "c" * 32)
    network, uplink, outbox = _run(database, clock)
    clock.at = {40.0: lambda: outbox.withdraw("b" * 32)}
    uplink.run(stop)
    kinds = [(record.kind, record.body["record_id"]) for batch in network.hub.batches for record in batch.records]
    assert kinds == [("tombstone", "b" * 32)]
    assert outbox.status().queued == 2
    assert [link.is_closed for link in network.links] == [True]


def test_who_asks_gets_everything_sent(database: Database) -> None:
    """``derm-edge sync`` at a running daemon: for as long as it waits, whatever the hour."""
    stop = threading.Event()
    clock = SteppedClock(stop, after_s=200.0)
    clock.time_of_day = time(15, 0)
    _fill(database, "a" * 32)
    network, uplink, outbox = _run(database, clock)
    clock.at = {40.0: lambda: uplink.send_now(30.0), 100.0: lambda: _fill(database, "b" * 32)}
    uplink.run(stop)
    assert network.hub.record_ids == ["a" * 32]
    assert outbox.status().queued == 1


def test_one_sync_by_hand_knows_no_hours(database: Database) -> None:
    """Without a daemon too."""
    clock = ManualClock()
    clock.time_of_day = time(15, 0)
    _fill(database, "a" * 32)
    network = Network(clock)
    report = Uplink(Outbox(database), SETTINGS, clock, open_link=network.open).sync_once(10.0)
    assert report.stored == 1


@pytest.mark.parametrize(("broker", "hours"), [("", N100), ('[broker]\nwindows = ["00:00-24:00"]\n', ALL_DAY)])
def test_the_configuration_overrides_the_profile(tmp_path: Path, broker: str, hours: tuple[str, ...]) -> None:
    """The daemon's own uplink: an n100 sends at noon and by night, unless the operator says otherwise."""
    config = parse_config(f'profile = "n100"\nstate_dir = "{tmp_path}/s"\n{broker}', name="x")
    with open_daemon(Wish(config), stop=threading.Event()) as daemon:
        assert tuple(daemon.status()["sending"]["windows"]) == hours
        is_open = daemon.status()["sending"]["is_open"]
        assert f"derm_edge_sending_open {float(is_open)}".encode() in daemon.metrics.text()


@pytest.mark.parametrize("window", ["8-12", "08:00-08:00", "24:00-25:00"])
def test_a_window_that_is_none_is_refused_with_its_line(window: str) -> None:
    """Else a device would never send, and nobody would know why."""
    with pytest.raises(ConfigError, match=r"line 2: broker\.windows"):
        parse_config(f'[broker]\nwindows = ["{window}"]\n', name="x")


def test_a_one_off_uplink_has_no_hours(database: Database, tmp_path: Path) -> None:
    """``derm-edge sync`` builds it without asking the profile."""
    config = Config(state_dir=tmp_path, broker=BrokerConfig(windows=("12:00-13:00",)))
    assert build_uplink(config, Outbox(database)).hours == ALL_DAY
    assert NoUplink(UplinkError("x")).may_send


def test_it_is_said_on_the_page_and_in_the_status() -> None:
    """Not "no connection": the hours, and what to type for now."""
    status = {"hub_connected": False, "sending": {"windows": list(N100), "is_open": False}, "outbox": {"queued": 1}}
    english = load_languages(("en",))["en"]
    words = sync_words(status, seen=None, now=HandClock().now(), language=english)
    assert english.gettext(words.now) == "The device sends at set hours: 12:00-14:00, 19:00-07:00."
    assert _hub(status).startswith("results leave at 12:00-14:00, 19:00-07:00, withdrawals at any time")
    status["sending"] = {"windows": list(N100), "is_open": True}
    assert "No connection now" in english.gettext(
        sync_words(status, seen=None, now=HandClock().now(), language=english).now
    )
    assert _hub(status) == "not connected"


@pytest.mark.parametrize(("zone", "ahead_h"), [("Asia/Shanghai", 8), ("America/Lima", -5)])
def test_the_hours_are_the_devices_own(zone: str, ahead_h: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Local time of the system's zone, east and west of UTC."""
    monkeypatch.setenv("TZ", zone)
    system_time.tzset()
    try:
        local, utc = SystemClock().local_time(), system_time.gmtime()
        minutes = (local.hour * 60 + local.minute) - (utc.tm_hour * 60 + utc.tm_min)
        assert (minutes - ahead_h * 60) % 1440 in {0, 1, 1439}
    finally:
        monkeypatch.undo()
        system_time.tzset()
        assert "TZ" not in os.environ or os.environ["TZ"] != zone
