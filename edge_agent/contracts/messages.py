"""Protocol v1: what a device and the hub say to each other over MQTT.

A payload is one version byte, then one zstd frame of canonical JSON. Both sides use this module; nothing
else builds or reads a payload. The bodies are in ``contracts.result``; the page for readers is ``docs/protocol.md``.

Source: MQTT 5.0 (OASIS, 2019) sections 3.3 and 4.3.2; RFC 8878 (Zstandard frames).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import zstandard
from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import from_json

from edge_agent.contracts.result import Result, Tombstone, Wire
from edge_agent.errors import UplinkRefused

PROTOCOL_VERSION = 1
MAX_DECODED_BYTES = 256 * 1024  # canonical JSON of one message
MAX_PAYLOAD_BYTES = MAX_DECODED_BYTES + 1024  # incompressible JSON grows a little under zstd
MAX_RECORDS = 1000
MAX_RANGES = 1000  # an ack that would need more lowers its high water instead (Ack)
GENESIS = "0" * 64  # previous_hash of an epoch's first batch
UP_FILTER = f"derm-edge/v{PROTOCOL_VERSION}/+/up"
_WINDOW_BYTES = 8 << 20  # most memory a received frame may ask for (RFC 8878, 3.1.1.1.2: support at least 8 MB)
_TOPIC = re.compile(rf"derm-edge/v{PROTOCOL_VERSION}/([0-9a-f]{{32}})/up")

DeviceId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Epoch = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seq = Annotated[int, Field(ge=1, le=2**53 - 1)]
HighWater = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Record(Wire):
    """One outbox row in a batch. ``body`` is judged alone (``read_body``), so one bad row stops no other."""

    seq: Seq
    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    sha256: Sha256
    body: dict[str, Any]


class Hello(Wire):
    """What a device says at every connection; the hub answers with an ``Ack``.

    ``high_water_seen`` is the greatest ``Ack.high_water`` of this epoch (0: none), ``last_seq`` the greatest seq
    ever allotted in it (0: none): with the two the hub can tell what it has lost and what it still expects.
    """

    kind: Literal["hello"] = "hello"
    device: DeviceId
    epoch: Epoch
    high_water_seen: HighWater
    last_seq: HighWater


class Batch(Wire):
    """Outbox rows in ascending seq, not necessarily adjacent (a withdrawal overtakes results).

    ``previous_hash`` is the sha256 of the payload sent before this one in the epoch (``GENESIS`` at the first). A
    break is logged, never refused: after a power cut a device may not know what was sent last.
    """

    kind: Literal["batch"] = "batch"
    device: DeviceId
    epoch: Epoch
    first_seq: Seq
    last_seq: Seq
    schema_version: Literal[1] = 1
    count: Annotated[int, Field(ge=1, le=MAX_RECORDS)]
    previous_hash: Sha256
    records: Annotated[tuple[Record, ...], Field(min_length=1, max_length=MAX_RECORDS)]

    @model_validator(mode="after")
    def _check_header(self) -> Self:
        seqs = [record.seq for record in self.records]
        if seqs != sorted(set(seqs)):
            raise ValueError("seq must ascend, without duplicates")
        if (self.first_seq, self.last_seq, self.count) != (seqs[0], seqs[-1], len(seqs)):
            raise ValueError("first_seq, last_seq or count does not match the records")
        return self


class Rejection(Wire):
    """A seq that the hub received and will not store; ``reason`` is a code (``docs/protocol.md``)."""

    seq: Seq
    reason: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]


Gap = tuple[Seq, Seq]


class Ack(Wire):
    """What the hub has committed of one epoch, complete up to ``high_water``.

    ``gaps`` are the missing ranges (both ends included), ascending and apart, and ``rejected`` the refused seqs up
    to it, ascending. An ack with other gaps is refused: on its word rows would be deleted that the hub lacks.
    """

    kind: Literal["ack"] = "ack"
    epoch: Epoch
    high_water: HighWater
    gaps: Annotated[tuple[Gap, ...], Field(max_length=MAX_RANGES)] = ()
    rejected: Annotated[tuple[Rejection, ...], Field(max_length=MAX_RANGES)] = ()

    @model_validator(mode="after")
    def _check_gaps(self) -> Self:
        before = 0
        for first, last in self.gaps:
            if not before < first <= last <= self.high_water:
                raise ValueError("gaps must ascend, stand apart and end at the high water")
            before = last
        return self

    def is_stored(self, seq: int) -> bool:
        """Return whether the hub has committed this seq, so that the device may delete its row."""
        missing = any(first <= seq <= last for first, last in self.gaps)
        return seq <= self.high_water and not missing and all(row.seq != seq for row in self.rejected)

    def stored_of(self, seqs: Sequence[int]) -> set[int]:
        """Return those seqs that the hub has committed; ``is_stored`` for many rows at once."""
        starts = [first for first, _ in self.gaps]  # ascending and apart: no other ack is taken
        refused = {rejection.seq for rejection in self.rejected}

        def is_missing(seq: int) -> bool:
            index = bisect_right(starts, seq) - 1
            return index >= 0 and seq <= self.gaps[index][1]

        return {seq for seq in seqs if seq <= self.high_water and seq not in refused and not is_missing(seq)}


_Up = Annotated[Hello | Batch, Field(discriminator="kind")]
_UP: TypeAdapter[Hello | Batch] = TypeAdapter(_Up)
_BODIES: dict[str, type[Result] | type[Tombstone]] = {"result": Result, "tombstone": Tombstone}


def up_topic(device: str) -> str:
    """Return the topic that this device publishes to."""
    return f"derm-edge/v{PROTOCOL_VERSION}/{device}/up"


def down_topic(device: str) -> str:
    """Return the topic that the hub answers this device on."""
    return f"derm-edge/v{PROTOCOL_VERSION}/{device}/down"


def device_of(topic: str) -> str:
    """Return the enrolment id in an up topic.

    Raises:
        UplinkRefused: it is not an up topic of this protocol version.
    """
    match = _TOPIC.fullmatch(topic)
    if match is None:
        raise UplinkRefused("not an up topic; check the device's enrolment id", reason="bad_topic")
    return match[1]


def canonical_json(value: object) -> bytes:
    """Write JSON in its one canonical form: keys sorted, no blanks, UTF-8, no NaN.

    Keys are ASCII identifiers, so the order is also that of RFC 8785.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def body_sha256(body: Mapping[str, Any]) -> str:
    """Return the lower-case hex sha256 of a body's canonical JSON."""
    return hashlib.sha256(canonical_json(dict(body))).hexdigest()


def payload_sha256(payload: bytes) -> str:
    """Return the lower-case hex sha256 of a whole payload, for the next batch's ``previous_hash``."""
    return hashlib.sha256(payload).hexdigest()


def make_record(seq: int, body: Result | Tombstone) -> Record:
    """Wrap a body as the record with this seq."""
    plain = body.model_dump(mode="json")
    kind = "result" if isinstance(body, Result) else "tombstone"
    return Record(seq=seq, kind=kind, sha256=body_sha256(plain), body=plain)


def read_body(record: Record) -> Result | Tombstone:
    """Judge one record's body.

    Raises:
        UplinkRefused: hash, kind or body is wrong; ``details["reason"]`` is the code for the ``Rejection``. The
            message never quotes the body.
    """
    model = _BODIES.get(record.kind)
    if model is None:
        raise UplinkRefused("unknown record kind; update the hub", reason="unknown_kind")
    if body_sha256(record.body) != record.sha256:
        raise UplinkRefused("a record's hash does not match its body", reason="hash_mismatch")
    try:
        return model.model_validate_json(canonical_json(record.body))
    except ValidationError:  # not chained: its text quotes the value, which may be what must not be written down
        raise UplinkRefused(f"a {record.kind} does not fit its schema", reason="invalid_body") from None


def encode(message: Hello | Batch | Ack) -> bytes:
    """Write a message as a payload.

    Raises:
        UplinkRefused: the message is larger than ``MAX_DECODED_BYTES``; send fewer records.
    """
    plain = canonical_json(message.model_dump(mode="json"))
    if len(plain) > MAX_DECODED_BYTES:
        raise UplinkRefused("message above 256 KB; send fewer records", reason="too_large", size_bytes=len(plain))
    return bytes([PROTOCOL_VERSION]) + zstandard.ZstdCompressor(level=3).compress(plain)


def decode_up(payload: bytes) -> Hello | Batch:
    """Read what a device sent; the caller compares ``device`` with the topic's.

    Raises:
        UplinkRefused: ``details["reason"]`` is ``too_large``, ``bad_version``, ``bad_frame``, ``bad_json`` or
            ``bad_message``.
    """
    plain = _unpack(payload)
    try:
        return _UP.validate_json(plain)
    except ValidationError:
        raise UplinkRefused("not a hello or batch of protocol v1", reason="bad_message") from None


def decode_down(payload: bytes) -> Ack:
    """Read what the hub sent.

    Raises:
        UplinkRefused: as ``decode_up``.
    """
    plain = _unpack(payload)
    try:
        return Ack.model_validate_json(plain)
    except ValidationError:
        raise UplinkRefused("not an ack of protocol v1; update this device", reason="bad_message") from None


def _unpack(payload: bytes) -> bytes:
    """Return the canonical JSON in a payload, never holding more than the limit."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise UplinkRefused("payload above 256 KB", reason="too_large", size_bytes=len(payload))
    if payload[:1] != bytes([PROTOCOL_VERSION]):
        raise UplinkRefused("unknown protocol version; update this side", reason="bad_version")
    try:
        # The size written in the frame is the sender's claim: read no more than the limit instead of trusting it.
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
        with decompressor.stream_reader(io.BytesIO(payload[1:]), read_across_frames=True) as reader:
            plain = reader.read(MAX_DECODED_BYTES + 1)
    except zstandard.ZstdError as exc:
        raise UplinkRefused("not a zstd frame", reason="bad_frame") from exc
    if len(plain) > MAX_DECODED_BYTES:
        raise UplinkRefused("message above 256 KB when unpacked", reason="too_large")
    try:
        is_canonical = canonical_json(from_json(plain, allow_inf_nan=False)) == plain
    except (ValueError, RecursionError) as exc:
        raise UplinkRefused("not JSON", reason="bad_json") from exc
    if not is_canonical:  # one rule against duplicate keys, blanks and second spellings of the same hash
        raise UplinkRefused("JSON is not in canonical form", reason="bad_json")
    return plain
