"""One MQTT 5 connection, as a pipe: the only importer of paho.

paho keeps its own backlog, floods after a reconnect, ignores the broker's Receive Maximum and counts refusals as
success (measured with paho-mqtt 2.2.0). So a link lives for one connection only, is given nothing while it is
down, is driven by the caller's thread (no second thread), and reports the broker's reason codes as they are.

Source: MQTT 5.0 (OASIS, 2019) sections 3.1.2.11, 3.2.2.3, 3.4.2.1; paho-mqtt 2.x callback API VERSION2.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.contracts.messages import MAX_PAYLOAD_BYTES, down_topic, up_topic
from edge_agent.errors import UplinkError, UplinkRefused
from edge_agent.uplink.clock import Clock
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.tls import tls_context

_PACKET_OVERHEAD_BYTES = 512  # topic, properties and header around a payload
_POLL_S = 0.2
_UNSPECIFIED = 0x80
# CONNACK and DISCONNECT codes that the same attempt will meet again: bad protocol, client id, user, not authorised,
# banned, bad authentication method, packet too large, use another server, server moved.
_FINAL_CODES = frozenset({0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x95, 0x9C, 0x9D})


@dataclass(frozen=True, slots=True)
class Taken:
    """The broker's answer to a publish: 0 is Success, 0x10 took it though nobody listens, 0x80 and above refused."""

    message_id: int
    code: int


@dataclass(frozen=True, slots=True)
class Received:
    """A payload on this device's down topic, unread."""

    payload: bytes


Event = Taken | Received


class MqttLink:
    """Open one connection, subscribed to the down topic; a lost one is not mended, a new link is made.

    Not safe between threads: everything happens on the caller's thread, inside these methods.

    Args:
        settings: address, device id, TLS files, patience.
        clock: for the deadlines.

    Raises:
        UplinkError: no connection now.
        UplinkRefused: the broker refuses this device.
        ConfigError: a TLS file cannot be used.
    """

    def __init__(self, settings: UplinkSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._events: deque[Event] = deque()
        self._connected: ReasonCode | None = None
        self._subscribed: ReasonCode | None = None
        self._lost: ReasonCode | None = None
        self.receive_maximum = 65535  # per MQTT 5 where the broker says nothing
        self.max_payload_bytes = MAX_PAYLOAD_BYTES
        self._deadline = clock.monotonic() + settings.connect_timeout_s
        self._client = self._new_client()
        try:
            self._connect()
            self._subscribe()
        except BaseException:
            self.close()
            raise

    def publish(self, payload: bytes) -> int:
        """Hand one payload to the broker (QoS 1) and return its message id; the answer comes as ``Taken``.

        Raises:
            UplinkError: the connection is gone; the payload is not kept anywhere.
        """
        if self._lost is not None or not self._client.is_connected():
            raise UplinkError("the connection to the broker is gone")
        info = self._client.publish(up_topic(self._settings.device), payload, qos=1)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise UplinkError("the connection to the broker is gone", rc=int(info.rc))
        return info.mid

    def poll(self, timeout_s: float) -> list[Event]:
        """Wait up to ``timeout_s`` for the network and return what came, in order.

        Raises:
            UplinkError: the connection is gone. What had come before is returned first, by an earlier call.
            UplinkRefused: the broker ended it for a reason that stays.
        """
        if not self._events:
            rc = self._client.loop(max(0.0, timeout_s))
            if not self._events and (rc != MQTTErrorCode.MQTT_ERR_SUCCESS or self._lost is not None):
                raise self._loss()
        found = list(self._events)
        self._events.clear()
        return found

    def close(self) -> None:
        """Say goodbye and close the socket; never raises, never waits for the network."""
        # DISCONNECT first, so that the broker does not keep a half-open session; loop once to write it.
        self._client.disconnect()
        self._client.loop(0.0)

    def _new_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._settings.device,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = self._settings.connect_timeout_s
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        if (context := tls_context(self._settings)) is not None:
            client.tls_set_context(context)
        return client

    def _connect(self) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0  # nothing may depend on what a broker remembers
        properties.ReceiveMaximum = self._settings.window
        properties.MaximumPacketSize = MAX_PAYLOAD_BYTES + _PACKET_OVERHEAD_BYTES
        where = f"{self._settings.host}:{self._settings.port}"
        try:
            self._client.connect(
                self._settings.host,
                self._settings.port,
                keepalive=self._settings.keepalive_s,
                clean_start=True,
                properties=properties,
            )
        except (OSError, ValueError) as exc:
            raise UplinkError(f"no broker at {where}: check the network and the address ({exc})") from exc
        answer = self._wait(lambda: self._connected, what=f"the broker at {where}")
        if answer.is_failure:
            kind = UplinkRefused if answer.value in _FINAL_CODES else UplinkError
            raise kind(f"the broker at {where} said: {answer}", code=answer.value)

    def _subscribe(self) -> None:
        self._client.subscribe(down_topic(self._settings.device), qos=1)
        answer = self._wait(lambda: self._subscribed, what="the broker")
        if answer.is_failure:
            raise UplinkRefused(
                f"the broker does not let this device listen to its own topic: {answer}", code=answer.value
            )

    def _wait(self, answer: Callable[[], ReasonCode | None], *, what: str) -> ReasonCode:
        while True:
            rc = self._client.loop(_POLL_S)
            found = answer()
            if found is not None:
                return found
            if rc != MQTTErrorCode.MQTT_ERR_SUCCESS or self._lost is not None:
                raise self._loss()
            if self._clock.monotonic() > self._deadline:
                raise UplinkError(f"{what} did not answer in {self._settings.connect_timeout_s:g} s")

    def _loss(self) -> UplinkError:
        # 0x80 is also what paho itself says when the socket just ended.
        if self._lost is None or not self._lost.is_failure or self._lost.value == _UNSPECIFIED:
            return UplinkError("the connection to the broker is gone")
        kind = UplinkRefused if self._lost.value in _FINAL_CODES else UplinkError
        return kind(f"the broker ended the connection: {self._lost}", code=self._lost.value)

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._connected = code
        self.receive_maximum = int(getattr(properties, "ReceiveMaximum", self.receive_maximum))
        largest = int(getattr(properties, "MaximumPacketSize", MAX_PAYLOAD_BYTES + _PACKET_OVERHEAD_BYTES))
        self.max_payload_bytes = min(MAX_PAYLOAD_BYTES, largest - _PACKET_OVERHEAD_BYTES)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._subscribed = codes[0]

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._events.append(Taken(mid, code.value))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._events.append(Received(bytes(message.payload)))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._lost = code
