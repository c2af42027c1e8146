"""Listen to devices over MQTT and answer them after COMMIT; the only module of the hub that imports paho.

A broker's PUBACK is not storage, and this hub asks the broker to keep nothing: it connects with a clean session,
and whatever it misses the devices send again, because they never got an answer. So the hub or the broker may
be killed at any moment.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.contracts.messages import MAX_PAYLOAD_BYTES, UP_FILTER, down_topic, encode
from edge_agent.errors import ConfigError, HubError, UplinkRefused
from fleet.ingest import Answer, Ingester

_KEEPALIVE_S = 30
_QUEUE_SIZE = 64  # payloads that wait for the database; beyond it they are dropped, and sent again by the device
_RECEIVE_MAXIMUM = 32
_TOPIC_ROOM_BYTES = 4096  # topic and properties beside the payload in one packet
_POLL_S = 0.1
_LAST_ACK_S = 10.0


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Host and port of the broker."""

    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """Read ``mqtt://HOST[:PORT]``; the port is 1883 by default.

        Raises:
            ConfigError: it is not such a URL.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 1883
        except ValueError as exc:
            raise ConfigError("--broker is not a URL; write mqtt://HOST:PORT") from exc
        if parts.scheme != "mqtt" or not parts.hostname or parts.path.strip("/") or parts.username:
            raise ConfigError("--broker is not usable; write mqtt://HOST:PORT")
        return cls(parts.hostname, port)


class Hub:
    """Serve devices until told to stop.

    paho's network thread only fills a bounded queue; the thread that calls ``serve`` does all the work, one payload
    after the other.

    Args:
        ingester: stores payloads.
        address: the broker's.
        log: for operators; never a body or a record id.
        client_id: MQTT client id, one per hub process.
        on_ready: told True when devices are heard and False when not, in the thread that serves.
    """

    def __init__(
        self,
        ingester: Ingester,
        *,
        address: BrokerAddress,
        log: structlog.typing.FilteringBoundLogger,
        client_id: str,
        on_ready: Callable[[bool], None] | None = None,
    ) -> None:
        self._ingester = ingester
        self._address = address
        self._log = log
        self._inbox: queue.Queue[tuple[str, bytes]] = queue.Queue(_QUEUE_SIZE)
        self._is_subscribed = threading.Event()  # set by the network thread; cleared while the broker is away
        self._on_ready = on_ready or (lambda _is_ready: None)
        self._has_told_ready = False
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)

    def serve(self, stop: threading.Event, *, once_stored: int | None = None) -> int:
        """Work until ``stop`` is set, or until this many new results were stored and answered.

        A broker that is away is waited for; a database that fails leaves the payload unanswered.

        Returns:
            How many new results were stored.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MAX_PAYLOAD_BYTES + _TOPIC_ROOM_BYTES
        properties.ReceiveMaximum = _RECEIVE_MAXIMUM
        self._client.connect_async(
            self._address.host, self._address.port, keepalive=_KEEPALIVE_S, clean_start=True, properties=properties
        )
        self._client.loop_start()
        stored, is_done = 0, False
        try:
            while not stop.is_set() and not is_done:
                self._tell_ready(self._is_subscribed.is_set())
                answer = self._handle_next()
                if answer is not None:
                    stored += answer.stored.results
                    is_last = once_stored is not None and stored >= once_stored
                    is_done = self._publish(answer, is_last=is_last) and is_last
        finally:
            self._tell_ready(False)
            self._client.disconnect()  # before loop_stop: the other way round can hang
            self._client.loop_stop()
        return stored

    def _tell_ready(self, is_ready: bool) -> None:
        if is_ready != self._has_told_ready:
            self._has_told_ready = is_ready
            self._on_ready(is_ready)

    def _handle_next(self) -> Answer | None:
        """Store the next payload, if one comes soon; return what to answer."""
        try:
            topic, payload = self._inbox.get(timeout=_POLL_S)
        except queue.Empty:
            return None
        try:
            return self._ingester.receive(topic, payload)
        except (UplinkRefused, HubError) as exc:
            # No answer: the device keeps its rows. A refused payload is counted where the console shows it.
            self._log.warning("not_stored", topic=topic, size_bytes=len(payload), **exc.diagnostics())
            return None

    def _publish(self, answer: Answer, *, is_last: bool) -> bool:
        """Publish an ack, unless the broker is away: the device asks again when it is back.

        Returns:
            Whether it was handed over; with ``is_last``, whether the broker has it.
        """
        stored = answer.stored
        self._log.info(
            "acknowledged",
            device=answer.device,
            epoch=answer.ack.epoch,
            high_water=answer.ack.high_water,
            gaps=len(answer.ack.gaps),
            results=stored.results,
            tombstones=stored.tombstones,
            duplicates=stored.duplicates,
            rejected=len(stored.rejected),
            conflicts=len(stored.conflicts),
        )
        if not self._client.is_connected():
            return False
        info = self._client.publish(down_topic(answer.device), encode(answer.ack), qos=1)
        if not is_last:
            return True
        try:
            info.wait_for_publish(_LAST_ACK_S)
            return info.is_published()
        except (RuntimeError, ValueError):  # how paho says that the connection went meanwhile
            return False

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._log.error("broker_refused", reason=str(code), action="check the broker's access rules")
            return
        client.subscribe(UP_FILTER, qos=1)

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        self._log.warning("broker_unreachable", host=self._address.host, port=self._address.port)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            self._log.error("subscription_refused", filter=UP_FILTER, reasons=[str(code) for code in codes])
            return
        self._log.info("ready", broker=f"mqtt://{self._address.host}:{self._address.port}")
        self._is_subscribed.set()

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._is_subscribed.clear()
        self._log.info("disconnected", reason=str(code))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            self._inbox.put_nowait((message.topic, bytes(message.payload)))
        except queue.Full:
            self._log.warning("busy", action="payload dropped; the device sends it again")
