"""A device's side of the protocol without a store: it numbers records and packs them into payloads."""

from __future__ import annotations

import secrets
from typing import Any

from edge_agent.contracts.messages import (
    GENESIS,
    Batch,
    Hello,
    Record,
    body_sha256,
    encode,
    make_record,
    payload_sha256,
    up_topic,
)
from edge_agent.contracts.result import Result, Tombstone


def make_result(record_id: str | None = None, **changes: Any) -> Result:
    """Return a valid result; ``changes`` replace fields."""
    values: dict[str, Any] = {
        "record_id": record_id or secrets.token_hex(16),
        "period": 2026,
        "age_band": "30_44",
        "sex": "female",
        "tone_group": "v_vi",
        "scope": "in_scope",
        "family": "papulosquamous",
        "phenotype": "cannot_tell",
        "stage": "cannot_tell",
        "severity_band": "mild",
        "syndrome": "blood_heat",
        "triage_final": "T4_routine",
        "red_flag_ids": (),
        "abstain_reason": (),
        "bundle_release": "reference@1.0.0",
        "device_profile_class": "generic",
        "language": "zh",
    }
    return Result(**(values | changes))


def poison_record(seq: int, **body: Any) -> Record:
    """Return a record whose frame is right and whose body is a valid result changed by ``body``."""
    plain = make_result().model_dump(mode="json") | body
    return Record(seq=seq, kind="result", sha256=body_sha256(plain), body=plain)


class Device:
    """Hold one enrolment id and epoch, and chain the payloads that it packs.

    Args:
        device: enrolment id; None makes a random one.
    """

    def __init__(self, device: str | None = None) -> None:
        self.device = device or secrets.token_hex(16)
        self.epoch = secrets.token_hex(8)
        self.topic = up_topic(self.device)
        self._previous = GENESIS

    def hello(self, *, high_water_seen: int = 0, last_seq: int = 0) -> bytes:
        """Return a hello's payload."""
        return encode(Hello(device=self.device, epoch=self.epoch, high_water_seen=high_water_seen, last_seq=last_seq))

    def batch(self, bodies: dict[int, Result | Tombstone | Record]) -> bytes:
        """Return the payload of a batch with these bodies by seq."""
        records = tuple(
            body if isinstance(body, Record) else make_record(seq, body) for seq, body in sorted(bodies.items())
        )
        batch = Batch(
            device=self.device,
            epoch=self.epoch,
            first_seq=records[0].seq,
            last_seq=records[-1].seq,
            count=len(records),
            previous_hash=self._previous,
            records=records,
        )
        payload = encode(batch)
        self._previous = payload_sha256(payload)
        return payload
