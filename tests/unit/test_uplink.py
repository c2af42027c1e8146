"""The uplink: retries with patience, one sender, and nothing left open."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edge_agent.errors import ConfigError, UplinkError, UplinkRefused
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox, append_record
from edge_agent.uplink.clock import Clock
from edge_agent.uplink.settings import UplinkSettings, load_or_create_device_id
from edge_agent.uplink.uplink import SyncReport, Uplink
from tests.simulators.clock import ManualClock
from tests.simulators.hub_link import SimulatedHub, SimulatedLink
from tests.simulators.records import MORNING, a_result

DEVICE = "d" * 32
SETTINGS = UplinkSettings(host="127.0.0.1", port=1, device=DEVICE, backoff_first_s=1.0, backoff_max_s=8.0)


class Network:
    """Open simulated links; the first ``failures`` attempts fail with ``error``."""

    def __init__(self, *, failures: int = 0, error: UplinkError | None = None) -> None:
        self.hub = SimulatedHub()
        self.links: list[SimulatedLink] = []
        self.failures = failures
        self.error = error or UplinkError("no broker")
        self.on_open: Callable[[], None] = lambda: None
        self.attempts = 0

    def open(self, _settings: UplinkSettings, clock: Clock) -> SimulatedLink:
        """Open one link, or fail."""
        self.attempts += 1
        self.on_open()
        if self.attempts <= self.failures:
            raise self.error
        assert isinstance(clock, ManualClock)
        self.links.append(SimulatedLink(self.hub, clock))
        return self.links[-1]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as opened:
        yield opened


def _fill(database: Database, count: int) -> None:
    with database.transaction() as connection:
        for _ in range(count):
            append_record(connection, a_result(secrets.token_hex(16)), created=MORNING)


def _uplink(database: Database, network: Network, clock: ManualClock, *, lock_path: Path | None = None) -> Uplink:
    return Uplink(Outbox(database), SETTINGS, clock, lock_path=lock_path, open_link=network.open)


def test_sync_once_brings_everything_and_counts_it(database: Database) -> None:
    """The report tells totals and what this sync brought; a second sync brings nothing."""
    network, clock = Network(), ManualClock()
    _fill(database, 3)
    uplink = _uplink(database, network, clock)
    expected = SyncReport(queued=0, sent=0, stored=3, rejected=0, quarantined=0, newly_stored=3)
    assert uplink.sync_once(10.0) == expected
    assert uplink.sync_once(10.0).newly_stored == 0
    assert all(link.is_closed for link in network.links)


def test_sync_once_waits_for_a_hub_that_is_starting(database: Database) -> None:
    """Two failed connections are followed by a third that works, inside the time given."""
    network, clock = Network(failures=2), ManualClock()
    _fill(database, 1)
    assert _uplink(database, network, clock).sync_once(10.0).stored == 1
    assert network.attempts == 3


def test_sync_once_gives_up_in_time(database: Database) -> None:
    """Without a broker the last error is raised before the time is over and the rows stay queued."""
    network, clock = Network(failures=1000), ManualClock()
    _fill(database, 1)
    with pytest.raises(UplinkError, match="no broker"):
        _uplink(database, network, clock).sync_once(10.0)
    assert clock.now_s <= 1010.0
    assert Outbox(database).status().queued == 1


def test_sync_once_does_not_insist_on_a_refusal(database: Database) -> None:
    """A refusal that will not change is raised at the first attempt."""
    network = Network(failures=1000, error=UplinkRefused("not authorised"))
    with pytest.raises(UplinkRefused):
        _uplink(database, network, ManualClock()).sync_once(10.0)
    assert network.attempts == 1


def test_sync_once_ends_when_the_hub_stays_silent(database: Database) -> None:
    """A hub that stores and never answers makes the sync fail; the rows stay."""
    network, clock = Network(), ManualClock()
    network.hub.is_silent = True
    _fill(database, 1)
    with pytest.raises(UplinkError):
        _uplink(database, network, clock).sync_once(60.0)
    assert all(link.is_closed for link in network.links)
    assert Outbox(database).status().stored == 0


def test_the_time_of_a_sync_bounds_connecting(database: Database) -> None:
    """A broker that swallows every connection costs no more than the time given, the TLS handshake included."""
    network, clock = Network(failures=1000), ManualClock()
    asked: list[UplinkSettings] = []

    def open_slowly(settings: UplinkSettings, given: Clock) -> SimulatedLink:
        asked.append(settings)
        clock.now_s += settings.connect_timeout_s
        return network.open(settings, given)

    with pytest.raises(UplinkError):
        Uplink(Outbox(database), SETTINGS, clock, open_link=open_slowly).sync_once(5.0)
    assert clock.now_s == pytest.approx(1005.0)
    assert max(settings.keepalive_s for settings in asked) == 5


@pytest.mark.parametrize("connecting_s", [0.0, 4.0])
def test_the_time_of_a_sync_bounds_the_hubs_answer(database: Database, connecting_s: float) -> None:
    """A hub that does not answer is waited for until the time is over, not for the usual patience."""
    network, clock = Network(), ManualClock()
    network.hub.is_silent = True
    network.on_open = lambda: setattr(clock, "now_s", clock.now_s + connecting_s)
    with pytest.raises(UplinkError, match="does not answer"):
        _uplink(database, network, clock).sync_once(5.0)
    assert clock.now_s == pytest.approx(1005.0)


def test_run_reconnects_with_growing_pauses(database: Database) -> None:
    """Failed connections are tried again after pauses that grow, up to the largest, each spread at random."""
    network, clock = Network(failures=7), ManualClock()
    _fill(database, 2)
    stop = threading.Event()
    opened_at: list[float] = []

    def on_open() -> None:
        opened_at.append(clock.now_s)
        if network.attempts == 9:
            stop.set()

    network.on_open = on_open
    uplink = _uplink(database, network, clock)
    # The eighth connection works, is used, and is then lost: the ninth attempt ends the run.
    poll = SimulatedLink.poll

    def poll_then_lose(link: SimulatedLink, timeout_s: float) -> list[object]:
        if Outbox(database).status().stored == 2:
            link.is_lost = True
        return poll(link, timeout_s)  # type: ignore[return-value]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimulatedLink, "poll", poll_then_lose)
        uplink.run(stop)
    pauses = [later - earlier for earlier, later in pairwise(opened_at)][:7]
    limits = [1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0]
    assert all(limit / 2 <= pause <= limit + 0.01 for pause, limit in zip(pauses, limits, strict=True))
    assert Outbox(database).status().stored == 2
    assert all(link.is_closed for link in network.links)


def test_the_uplink_never_writes_to_stdout(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    """A lost connection is logged on stderr; stdout belongs to the commands and their JSON."""
    network, stop = Network(failures=1), threading.Event()
    uplink = _uplink(database, network, ManualClock())
    network.on_open = stop.set
    uplink.run(stop)
    said = capsys.readouterr()
    assert said.out == ""
    assert "no broker" in said.err


def test_wake_ends_a_pause(database: Database) -> None:
    """A wake while the uplink pauses lets it try at once."""
    network, clock = Network(failures=3), ManualClock()
    stop = threading.Event()
    uplink = _uplink(database, network, clock)

    def on_open() -> None:
        uplink.wake()
        if network.attempts == 3:
            stop.set()

    network.on_open = on_open
    uplink.run(stop)
    assert clock.waits_s == []


def test_run_keeps_its_last_error_for_the_status(database: Database) -> None:
    """While offline the reason can be asked for, and is_connected is False."""
    network, clock, stop = Network(failures=1), ManualClock(), threading.Event()
    uplink = _uplink(database, network, clock)
    network.on_open = stop.set
    uplink.run(stop)
    assert str(uplink.last_error) == "no broker"
    assert not uplink.is_connected


def test_two_senders_never_run_at_once(database: Database, tmp_path: Path) -> None:
    """While one uplink sends, another on the same device is refused with a line that says why."""
    network, clock = Network(), ManualClock()
    lock_path = tmp_path / "uplink.lock"
    first, second = (_uplink(database, network, clock, lock_path=lock_path) for _ in range(2))

    def on_open() -> None:
        network.on_open = lambda: None
        with pytest.raises(UplinkError, match="another program is sending"):
            second.sync_once(1.0)

    network.on_open = on_open
    first.sync_once(10.0)
    second.sync_once(10.0)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [("mqtt://10.0.0.5", "10.0.0.5", 1883), ("mqtt://hub.example:2883", "hub.example", 2883), ("mqtt://[::1]:9", "::1", 9)],
)  # fmt: skip
def test_broker_addresses_are_read(url: str, host: str, port: int) -> None:
    """Host and port come from the address; the port has MQTT's default."""
    settings = UplinkSettings.from_url(url, device=DEVICE)
    assert (settings.host, settings.port) == (host, port)


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://x", "mqtt://", "mqtt://x:99999", "mqtt://user@x", "mqtt://x/path", "mqtts://x"]
)
def test_wrong_broker_addresses_are_config_errors(url: str) -> None:
    """Anything that is not host and port, or TLS without a CA file, is named in one line."""
    with pytest.raises(ConfigError):
        UplinkSettings.from_url(url, device=DEVICE)


def test_tls_files_belong_together(tmp_path: Path) -> None:
    """A certificate without its key, or without a CA, is refused; the full set is taken."""
    ca, certificate, key = (tmp_path / name for name in ("ca.pem", "device.pem", "device.key"))
    with pytest.raises(ConfigError):
        UplinkSettings.from_url("mqtts://x", device=DEVICE, ca_file=ca, certificate_file=certificate)
    with pytest.raises(ConfigError):
        UplinkSettings.from_url("mqtt://x", device=DEVICE, certificate_file=certificate, key_file=key)
    settings = UplinkSettings.from_url(
        "mqtts://x", device=DEVICE, ca_file=ca, certificate_file=certificate, key_file=key
    )
    assert settings.port == 8883


@pytest.mark.parametrize("device", ["", "kiosk-7", "D" * 32, "0" * 31])
def test_a_device_id_is_32_hex_digits(device: str) -> None:
    """A name that could tell the place or the machine is not a device id."""
    with pytest.raises(ConfigError):
        UplinkSettings(host="x", port=1, device=device)


def test_the_device_id_is_made_once(tmp_path: Path) -> None:
    """The first start writes a random id, the next ones read it; a damaged one is not replaced."""
    file = tmp_path / "device_id"
    first = load_or_create_device_id(file)
    assert load_or_create_device_id(file) == first
    assert load_or_create_device_id(tmp_path / "other") != first
    file.write_text("kiosk-7")
    with pytest.raises(ConfigError):
        load_or_create_device_id(file)
    assert file.read_text() == "kiosk-7"
