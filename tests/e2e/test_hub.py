"""The hub as people run it: a real mosquitto, the real command, SIGKILL and SIGTERM."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.contracts.messages import Ack, decode_down, down_topic
from edge_agent.contracts.result import Tombstone
from tests.simulators.broker import Broker, find_mosquitto
from tests.simulators.device import Device, make_result, poison_record

pytestmark = pytest.mark.skipif(
    find_mosquitto() is None, reason="mosquitto is not installed (apt-get install mosquitto)"
)
TIMEOUT_S = 120.0  # only a failure takes that long


def poll(condition: Callable[[], bool], *, what: str) -> None:
    """Return once the condition holds; fail with its name when time is up."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {TIMEOUT_S} s"
        time.sleep(0.02)  # a poll of another process, with a deadline


class HubProcess:
    """The command ``derm-fleet serve`` as a process of its own."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self._folder = folder
        self._broker = broker
        self.database = f"sqlite:///{folder}/hub.db"
        self.ready = folder / "ready"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start it and wait until it hears devices."""
        command = [sys.executable, "-m", "fleet", "serve", "--broker", self._broker.url, "--database", self.database]
        with (self._folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen([*command, "--ready-file", str(self.ready), *more], stderr=log)
        poll(self.ready.exists, what="the hub's readiness")
        return self.process

    def kill(self) -> None:
        """End it with SIGKILL; its ready file stays behind, as after a power cut."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.ready.unlink(missing_ok=True)

    def events(self) -> list[dict[str, object]]:
        """Return the log's lines so far."""
        return [json.loads(line) for line in (self._folder / "hub.log").read_text(encoding="utf-8").splitlines()]

    def status(self) -> dict[str, object]:
        """Return what ``derm-fleet status --json`` prints."""
        command = [sys.executable, "-m", "fleet", "status", "--json", "--database", self.database]
        done = subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S)
        answer: dict[str, object] = json.loads(done.stdout)
        return answer


class Link:
    """A device's MQTT connection: publishes payloads, collects acks."""

    def __init__(self, broker: Broker, device: Device) -> None:
        self._device = device
        self._acks: queue.Queue[Ack] = queue.Queue()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_message = lambda _client, _data, message: self._acks.put(decode_down(bytes(message.payload)))
        subscribed: queue.Queue[bool] = queue.Queue()
        self._client.on_subscribe = lambda *_: subscribed.put(True)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self._client.subscribe(down_topic(device.device), qos=1)
        subscribed.get(timeout=TIMEOUT_S)

    def publish(self, payload: bytes) -> None:
        """Publish to the device's own topic, without waiting for an answer."""
        self._client.publish(self._device.topic, payload, qos=1)

    def ask(self, payload: bytes) -> Ack:
        """Publish and return the next ack."""
        self.publish(payload)
        return self._acks.get(timeout=TIMEOUT_S)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A real broker without persistence."""
    with Broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def hub(tmp_path: Path, broker: Broker) -> Iterator[HubProcess]:
    """A hub that is not started yet; killed at the end."""
    hub = HubProcess(tmp_path, broker)
    yield hub
    hub.kill()


def test_result_is_acknowledged_and_shown(hub: HubProcess, broker: Broker) -> None:
    """A result travels through mosquitto, is acknowledged, counted, and --once-stored ends the hub with 0."""
    process = hub.start("--once-stored", "1")
    device = Device()
    link = Link(broker, device)
    assert link.ask(device.hello(last_seq=2)).high_water == 0
    ack = link.ask(device.batch({1: make_result(), 2: poison_record(2, narrative="x")}))
    assert (ack.is_stored(1), ack.is_stored(2), [row.reason for row in ack.rejected]) == (True, False, ["invalid_body"])
    assert process.wait(timeout=TIMEOUT_S) == 0
    assert not hub.ready.exists()
    status = hub.status()
    assert (status["stored"], status["rejected"], status["missing"]) == (1, 1, 0)
    link.close()


def test_sigterm_is_a_clean_end(hub: HubProcess) -> None:
    """SIGTERM ends the hub with 0, and the ready file goes."""
    process = hub.start()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=TIMEOUT_S) == 0
    assert not hub.ready.exists()
    assert hub.events()[-1]["event"] == "stopped"


def test_killed_hub_keeps_what_it_acknowledged(hub: HubProcess, broker: Broker) -> None:
    """After kill -9 a hub on the same database answers with the same high water and takes the rest."""
    hub.start()
    device = Device()
    link = Link(broker, device)
    assert link.ask(device.batch({seq: make_result() for seq in range(1, 21)})).high_water == 20
    hub.kill()
    again = device.batch({seq: make_result() for seq in range(21, 31)})
    link.publish(again)  # nobody hears it: the broker keeps nothing for the hub
    hub.start()
    assert link.ask(device.hello(high_water_seen=20, last_seq=30)).high_water == 20
    assert link.ask(again).high_water == 30
    status = hub.status()
    assert (status["stored"], status["missing"]) == (30, 0)
    link.close()


def test_hub_returns_after_the_broker_died(hub: HubProcess, broker: Broker) -> None:
    """A hub whose broker was killed and started again hears devices again by itself."""
    hub.start()
    broker.kill()
    poll(lambda: not hub.ready.exists(), what="the loss of the broker")
    broker.start()
    poll(hub.ready.exists, what="the hub's return")
    device = Device()
    link = Link(broker, device)
    assert link.ask(device.batch({1: make_result()})).is_stored(1)
    link.close()


def test_hub_waits_for_a_broker_that_is_not_there_yet(hub: HubProcess, broker: Broker) -> None:
    """A hub started before its broker says so and connects when it comes."""
    broker.kill()
    command = [sys.executable, "-m", "fleet", "serve", "--broker", broker.url, "--database", hub.database]
    with (broker.folder.parent / "hub.log").open("ab") as log:
        hub.process = subprocess.Popen([*command, "--ready-file", str(hub.ready)], stderr=log)
    poll(lambda: "broker_unreachable" in [line["event"] for line in hub.events()], what="the complaint")
    assert not hub.ready.exists()
    broker.start()
    poll(hub.ready.exists, what="the hub's readiness")


def test_attacks_stop_no_other_device(hub: HubProcess, broker: Broker) -> None:
    """Garbage, a wrong version, another device's name and a replayed seq are refused; others are served."""
    hub.start()
    victim, attacker = Device(), Device()
    good, bad = Link(broker, victim), Link(broker, attacker)
    first = make_result()
    assert good.ask(victim.batch({1: first})).is_stored(1)
    bad.publish(b"")
    bad.publish(b"\x01garbage")
    bad.publish(b"\x02" + attacker.hello()[1:])
    bad.publish(bytes(260_000))
    bad.publish(bytes(2_000_000))  # above the packet size that the hub accepts: the broker drops it
    bad.publish(victim.batch({2: Tombstone(record_id=first.record_id)}))  # under the attacker's topic
    assert bad.ask(attacker.hello()).high_water == 0
    ack = good.ask(victim.batch({1: make_result(), 3: make_result()}))
    assert [(row.seq, row.reason) for row in ack.rejected] == [(1, "conflict")]
    assert ack.gaps == ((2, 2),)
    status = hub.status()
    assert (status["stored"], status["withdrawn"], status["conflicts"]) == (2, 0, 1)
    assert status["refused_payloads"] == {"bad_version": 3, "bad_frame": 1, "wrong_device": 1}
    levels = {line["event"]: line["level"] for line in hub.events()}
    assert levels["conflict"] == "error"
    good.close()
    bad.close()
