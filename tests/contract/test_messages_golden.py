"""Bytes that must never change: a device in the field and a hub of another year still understand each other.

The texts below were written by hand from docs/protocol.md, the digests by sha256sum, the frames by the zstd
program. If one of these tests fails, the protocol version has to change, not the test.
"""

from __future__ import annotations

import hashlib

from edge_agent.contracts.messages import (
    Ack,
    Batch,
    Hello,
    Rejection,
    canonical_json,
    decode_down,
    decode_up,
    down_topic,
    encode,
    make_record,
    read_body,
    up_topic,
)
from edge_agent.contracts.result import Result, SectionDecision, Tombstone

DEVICE, EPOCH = "00112233445566778899aabbccddeeff", "0123456789abcdef"
RESULT = Result(
    record_id="ffeeddccbbaa99887766554433221100",
    period=2026,
    age_band="90_plus",
    sex="intersex",
    tone_group="v_vi",
    scope="in_scope",
    family="papulosquamous",
    phenotype="chronic_plaque",
    stage="stationary",
    severity_band="severe",
    syndrome="blood_heat",
    triage_final="T3_urgent",
    red_flag_ids=("RF-18",),
    abstain_reason=("low_confidence",),
    bundle_release="reference@1.0.0",
    device_profile_class="generic",
    language="zh",
    verifiability_percent=75,
    visit_index_band="2_3",
    decisions=(SectionDecision(section="reasoning", decision="corrected", reason="wrong_syndrome"),),
    quality_refusals={"glare": 2},
)
RESULT_JSON = (
    '{"abstain_reason":["low_confidence"],"age_band":"90_plus","bundle_release":"reference@1.0.0","condition":null,'
    '"decisions":[{"decision":"corrected","reason":"wrong_syndrome","section":"reasoning"}],'
    '"device_profile_class":"generic","family":"papulosquamous","language":"zh","period":2026,'
    '"phenotype":"chronic_plaque","quality_refusals":{"glare":2},'
    '"record_id":"ffeeddccbbaa99887766554433221100","red_flag_ids":["RF-18"],"scope":"in_scope",'
    '"severity_band":"severe","sex":"intersex","stage":"stationary","syndrome":"blood_heat","tone_group":"v_vi",'
    '"triage_final":"T3_urgent","verifiability_percent":75,"visit_index_band":"2_3"}'
)
RESULT_SHA256 = "175536b4276d836cbb87523c69fb35e9f4596d4cb344117d31c884787983e11b"
TOMBSTONE_JSON = '{"record_id":"ffeeddccbbaa99887766554433221100"}'
TOMBSTONE_SHA256 = "cc26d4885cd692ad2d4763a252f87b00643f52408d49ea9187aecf9948a47425"
BATCH_JSON = (
    f'{{"count":2,"device":"{DEVICE}","epoch":"{EPOCH}","first_seq":7,"kind":"batch","last_seq":9,'
    f'"previous_hash":"{"0" * 64}","records":['
    f'{{"body":{RESULT_JSON},"kind":"result","seq":7,"sha256":"{RESULT_SHA256}"}},'
    f'{{"body":{TOMBSTONE_JSON},"kind":"tombstone","seq":9,"sha256":"{TOMBSTONE_SHA256}"}}],"schema_version":1}}'
)
# zstd -3 of the JSON text in each test, behind the version byte 01.
HELLO_PAYLOAD = bytes.fromhex(
    "0128b52ffd04583d030082c7181970273b498ce286d648d116a117ebffb7cf6ee13185aaff430807f52ee80c8f1cf1c90d8c"
    "dbfe9d16177082de8bee0c077dc402b4c4b527af4da78caeb1a5123aa6fcdd4e23d027afb59bd239a58cd1b9d6185b4ba994"
    "103ac79852fedef3129ade1000acde8a30"
)
ACK_PAYLOAD = bytes.fromhex(
    "0128b52ffd04582d03002247181c706975f8b52535523c68ed4bca028baa2a4a0ca8866f334d00554f084f7a10bda2e1f391"
    "5942698eaf6f0e6ebf3b48af3a7223fa3dcff05eaf1a639e89fe75dc85612d6c3d533ad240480f9b5d9e575af16193026180"
    "080e2300b87eb16bfa4e00d5f5bb76"
)


def make_batch() -> Batch:
    """Return the batch that BATCH_JSON writes out."""
    records = (make_record(7, RESULT), make_record(9, Tombstone(record_id=RESULT.record_id)))
    return Batch(device=DEVICE, epoch=EPOCH, first_seq=7, last_seq=9, count=2, previous_hash="0" * 64, records=records)


def test_result_bytes() -> None:
    """A result's canonical JSON and its hash are these bytes."""
    assert canonical_json(RESULT.model_dump(mode="json")).decode() == RESULT_JSON
    assert make_record(7, RESULT).sha256 == RESULT_SHA256
    assert hashlib.sha256(RESULT_JSON.encode()).hexdigest() == RESULT_SHA256


def test_tombstone_bytes() -> None:
    """A tombstone's canonical JSON and its hash are these bytes."""
    record = make_record(9, Tombstone(record_id=RESULT.record_id))
    assert canonical_json(record.body).decode() == TOMBSTONE_JSON
    assert record.sha256 == TOMBSTONE_SHA256


def test_batch_bytes() -> None:
    """A batch's canonical JSON is these bytes, and what is read back is the result."""
    assert canonical_json(make_batch().model_dump(mode="json")).decode() == BATCH_JSON
    again = decode_up(encode(make_batch()))
    assert isinstance(again, Batch)
    assert read_body(again.records[0]) == RESULT


def test_old_hello_is_still_read() -> None:
    """A hello framed by the zstd program is read."""
    assert decode_up(HELLO_PAYLOAD) == Hello(device=DEVICE, epoch=EPOCH, high_water_seen=3, last_seq=5)


def test_old_ack_is_still_read() -> None:
    """An ack framed by the zstd program is read."""
    expected = Ack(epoch=EPOCH, high_water=9, gaps=((2, 3),), rejected=(Rejection(seq=5, reason="conflict"),))
    assert decode_down(ACK_PAYLOAD) == expected


def test_version_byte() -> None:
    """Every payload starts with the version byte 1 and a zstd magic number (RFC 8878, 3.1.1)."""
    assert encode(make_batch())[:5] == bytes.fromhex("0128b52ffd")


def test_topics() -> None:
    """The topics are these."""
    assert up_topic(DEVICE) == "derm-edge/v1/00112233445566778899aabbccddeeff/up"
    assert down_topic(DEVICE) == "derm-edge/v1/00112233445566778899aabbccddeeff/down"
