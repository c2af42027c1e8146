"""Rules of the wire format: what is read, what is refused, and that a refusal quotes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge_agent.contracts.messages import (
    GENESIS,
    MAX_DECODED_BYTES,
    MAX_PAYLOAD_BYTES,
    Ack,
    Batch,
    Hello,
    Record,
    Rejection,
    body_sha256,
    canonical_json,
    decode_down,
    decode_up,
    device_of,
    down_topic,
    encode,
    make_record,
    read_body,
    up_topic,
)
from edge_agent.contracts.result import Result, Tombstone
from edge_agent.errors import UplinkRefused
from tests.simulators.device import Device, make_result, poison_record

DEVICE, EPOCH = "a" * 32, "b" * 16


def pack(plain: bytes, *, version: int = 1) -> bytes:
    """Frame bytes as a payload by hand."""
    return bytes([version]) + zstandard.compress(plain)


def refusal(payload: bytes) -> str:
    """Return the reason with which a payload is refused."""
    with pytest.raises(UplinkRefused) as caught:
        decode_up(payload)
    return str(caught.value.details["reason"])


def hello_fields(**changes: Any) -> dict[str, Any]:
    """Return a hello as plain JSON values."""
    return {"kind": "hello", "device": DEVICE, "epoch": EPOCH, "high_water_seen": 0, "last_seq": 0} | changes


def test_messages_survive_the_wire() -> None:
    """What is encoded is what is decoded."""
    device = Device(DEVICE)
    batch = device.batch({1: make_result(red_flag_ids=("RF-01",), quality_refusals={"glare": 2}), 3: Tombstone(
        record_id="c" * 32)})  # fmt: skip
    again = decode_up(batch)
    assert isinstance(again, Batch)
    assert decode_up(encode(again)) == again
    ack = Ack(epoch=EPOCH, high_water=9, gaps=((2, 3),), rejected=(Rejection(seq=5, reason="invalid_body"),))
    assert decode_down(encode(ack)) == ack


def test_bodies_survive_the_wire() -> None:
    """A result read back equals the one that was packed, lists and counts included."""
    result = make_result(abstain_reason=("image_quality", "not_skin"), quality_refusals={"glare": 2})
    message = decode_up(Device(DEVICE).batch({1: result}))
    assert isinstance(message, Batch)
    assert read_body(message.records[0]) == result


def test_canonical_json_has_one_form() -> None:
    """Keys sorted, no blanks, UTF-8, NaN refused."""
    assert canonical_json({"b": 1, "a": ["湿", None, True]}) == '{"a":["湿",null,true],"b":1}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "bad_version"),
        (pack(canonical_json(hello_fields()), version=2), "bad_version"),
        (b"\x01garbage", "bad_frame"),
        (pack(canonical_json(hello_fields())) + b"tail", "bad_frame"),
        (pack(canonical_json(hello_fields()))[:-3], "bad_json"),
        (pack(b"not json"), "bad_json"),
        (pack(b"[" * 50_000), "bad_json"),
        (pack(b"1" * 10_000), "bad_json"),
        (pack(b'{"a":NaN}'), "bad_json"),
        (pack(b'{"kind":"hello", "a":1}'), "bad_json"),
        (pack(b'{"a":1,"a":1}'), "bad_json"),
        (pack(canonical_json(hello_fields(kind="goodbye"))), "bad_message"),
        (pack(canonical_json(hello_fields(extra=1))), "bad_message"),
        (pack(canonical_json(hello_fields(last_seq="1"))), "bad_message"),
        (pack(canonical_json(hello_fields(last_seq=-1))), "bad_message"),
        (pack(canonical_json(hello_fields(last_seq=2**53))), "bad_message"),
        (pack(canonical_json(hello_fields(device="kiosk-7"))), "bad_message"),
    ],
)
def test_unreadable_payload_is_refused(payload: bytes, reason: str) -> None:
    """Every payload that is not exactly a message is refused with its code."""
    assert refusal(payload) == reason


def test_oversize_payload_is_refused_unopened() -> None:
    """A payload above the limit is refused before it is decompressed."""
    assert refusal(b"\x01" + bytes(MAX_PAYLOAD_BYTES)) == "too_large"


@pytest.mark.parametrize("has_content_size", [True, False])
def test_decompression_bomb_is_refused(has_content_size: bool) -> None:
    """A small frame that unpacks to far more than the limit is refused, whatever size it claims."""
    window = zstandard.ZstdCompressionParameters(window_log=17, write_content_size=has_content_size)
    compressor = zstandard.ZstdCompressor(compression_params=window)
    assert refusal(b"\x01" + compressor.compress(b" " * 50_000_000)) == "too_large"


def test_frame_that_asks_for_much_memory_is_refused() -> None:
    """A frame whose window would need 64 MB is refused."""
    window = zstandard.ZstdCompressionParameters(window_log=26, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=window).compressobj()
    assert refusal(b"\x01" + compressor.compress(b"{}") + compressor.flush()) == "bad_frame"


def test_too_large_a_message_is_not_sent() -> None:
    """encode refuses what the other side would refuse."""
    row = Record(seq=1, kind="result", sha256=GENESIS, body={"x": "y" * MAX_DECODED_BYTES})
    batch = Batch(device=DEVICE, epoch=EPOCH, first_seq=1, last_seq=1, count=1, previous_hash=GENESIS, records=(row,))
    with pytest.raises(UplinkRefused, match="fewer records"):
        encode(batch)


@pytest.mark.parametrize("change", [{"count": 3}, {"first_seq": 2}, {"last_seq": 9}, {"schema_version": 2}])
def test_batch_header_must_match_its_records(change: dict[str, int]) -> None:
    """A header that says something else than the records is refused."""
    rows = (make_record(1, make_result()), make_record(4, make_result()))
    right: dict[str, Any] = {"first_seq": 1, "last_seq": 4, "count": 2}
    Batch(device=DEVICE, epoch=EPOCH, previous_hash=GENESIS, records=rows, **right)
    with pytest.raises(ValidationError):
        Batch(device=DEVICE, epoch=EPOCH, previous_hash=GENESIS, records=rows, **(right | change))


def test_batch_seqs_ascend() -> None:
    """A seq twice in one batch, or out of order, is refused."""
    rows = (make_record(1, make_result()), make_record(1, make_result()))
    with pytest.raises(ValidationError, match="ascend"):
        Batch(device=DEVICE, epoch=EPOCH, first_seq=1, last_seq=1, count=2, previous_hash=GENESIS, records=rows)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (poison_record(1, narrative="a free text"), "invalid_body"),
        (poison_record(1, age_band="37"), "invalid_body"),
        (poison_record(1, period="2026"), "invalid_body"),
        (poison_record(1, red_flag_ids=["RF-24"]), "invalid_body"),
        (poison_record(1, red_flag_ids=["RF-02", "RF-01"]), "invalid_body"),
        (poison_record(1, quality_refusals={"glare": 0}), "invalid_body"),
        (poison_record(1).model_copy(update={"sha256": GENESIS}), "hash_mismatch"),
        (poison_record(1).model_copy(update={"kind": "metrics"}), "unknown_kind"),
        (poison_record(1).model_copy(update={"kind": "tombstone"}), "invalid_body"),
    ],
)
def test_poison_record_is_told_by_its_reason(record: Record, reason: str) -> None:
    """One bad body is refused with a code of its own."""
    with pytest.raises(UplinkRefused) as caught:
        read_body(record)
    assert caught.value.details["reason"] == reason


def test_refusal_never_quotes_the_body() -> None:
    """Neither the message nor the chained errors of a refusal hold what the body said."""
    with pytest.raises(UplinkRefused) as caught:
        read_body(poison_record(1, narrative="Zhang Wei"))
    error: BaseException | None = caught.value
    while error is not None:
        assert "Zhang" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_result_has_no_place_for_identifying_flags() -> None:
    """The self-harm and safeguarding rules cannot be written into a result."""
    for flag in ("RF-24", "RF-25", "RF-00", "RF-29"):
        with pytest.raises(ValidationError):
            make_result(red_flag_ids=(flag,))
    assert make_result(red_flag_ids=("RF-23", "RF-26")).red_flag_ids == ("RF-23", "RF-26")


def test_result_has_no_free_text_field() -> None:
    """Every string field of a result is a closed list or a pattern without blanks."""
    for name, field in Result.model_json_schema()["properties"].items():
        for part in field.get("anyOf", [field]):
            if part.get("type") == "string":
                assert "enum" in part or " " not in part["pattern"], name


def test_ack_tells_stored_from_missing() -> None:
    """A seq is stored only below the high water, outside the gaps and not rejected."""
    ack = Ack(epoch=EPOCH, high_water=9, gaps=((2, 3), (7, 7)), rejected=(Rejection(seq=5, reason="conflict"),))
    assert [seq for seq in range(1, 12) if ack.is_stored(seq)] == [1, 4, 6, 8, 9]


@pytest.mark.parametrize(
    "gaps", [((1, 100), (5, 6)), ((90, 10),), ((5, 6), (1, 2)), ((1, 5), (5, 6)), ((7, 101),), ((101, 102),), ((3, 3), (3, 3))]
)  # fmt: skip
def test_an_ack_with_muddled_gaps_is_refused(gaps: tuple[tuple[int, int], ...]) -> None:
    """Overlapping, reversed, unsorted or too high gaps make the whole ack unreadable: no row is deleted on its word."""
    sound: dict[str, Any] = {
        "kind": "ack",
        "epoch": EPOCH,
        "high_water": 100,
        "gaps": [[1, 2], [3, 100]],
        "rejected": [],
    }
    assert decode_down(pack(canonical_json(sound))).gaps == ((1, 2), (3, 100))
    with pytest.raises(UplinkRefused) as caught:
        decode_down(pack(canonical_json({**sound, "gaps": gaps})))
    assert caught.value.details["reason"] == "bad_message"


def test_topic_names_the_device() -> None:
    """The device is read from an up topic of this version and from nothing else."""
    assert device_of(up_topic(DEVICE)) == DEVICE
    for topic in (down_topic(DEVICE), up_topic("A" * 32), up_topic(DEVICE) + "/x", f"derm-edge/v2/{DEVICE}/up", ""):
        with pytest.raises(UplinkRefused):
            device_of(topic)


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(pack)))
def test_no_payload_causes_another_error(payload: bytes) -> None:
    """Random bytes, framed or not, give UplinkRefused and nothing else."""
    with pytest.raises(UplinkRefused):
        decode_up(payload)


@settings(max_examples=150)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_no_body_causes_another_error(value: Any) -> None:
    """Any JSON value in a result's field is stored as a valid result or refused."""
    try:
        record = poison_record(1, condition=value)
    except (ValueError, UnicodeEncodeError):
        return  # no JSON of ours: NaN, a lone surrogate
    try:
        assert read_body(record).model_dump(mode="json") == record.body
    except UplinkRefused as exc:
        assert exc.details["reason"] == "invalid_body"


def test_hash_is_of_the_canonical_form() -> None:
    """The order in which a body was written does not change its hash."""
    assert body_sha256({"a": 1, "b": 2}) == body_sha256({"b": 2, "a": 1})
    assert body_sha256({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_messages_are_frozen() -> None:
    """A message that was built cannot be changed."""
    hello = Hello(device=DEVICE, epoch=EPOCH, high_water_seen=0, last_seq=0)
    with pytest.raises(ValidationError):
        hello.last_seq = 3
