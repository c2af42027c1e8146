"""Somebody changes bytes of a signed policy."""

from __future__ import annotations

import base64
import json

import pytest

from edge_agent.contracts.dsse import open_sealed
from edge_agent.contracts.keys import load_keys
from edge_agent.contracts.policy import PAYLOAD_TYPE
from edge_agent.errors import EdgeError, SignatureRejected
from tests.attacks.policy.refused import refused
from tests.simulators.policies import Ministry, policy_text


def test_one_changed_word_of_the_payload(signed: Ministry) -> None:
    """The most useful forgery, never to allowed, breaks the signature."""
    document = json.loads(signed.file.read_bytes())
    text = base64.b64decode(document["payload"]).replace(b'"never"', b'"allowed"')
    document["payload"] = base64.b64encode(text).decode()
    signed.file.write_text(json.dumps(document))
    refused(signed, SignatureRejected, "no configured key signed this policy")


@pytest.mark.parametrize("step", range(7))
def test_any_flipped_byte_changes_nothing_or_is_refused(signed: Ministry, step: int) -> None:
    """Every seventh byte, flipped alone: the payload that comes out is the signed one, or nothing does."""
    sealed = signed.file.read_bytes()
    keys = load_keys(signed.config.policy_keys_dir)
    wanted, _ = open_sealed(sealed, payload_type=PAYLOAD_TYPE, keys=keys)
    opened = 0
    for place in range(step, len(sealed), 7):
        damaged = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        try:
            payload, _ = open_sealed(damaged, payload_type=PAYLOAD_TYPE, keys=keys)
        except EdgeError:
            continue
        opened += 1
        assert payload == wanted
    assert opened < len(sealed) // 14  # a key id or white space; the greater part is refused


def test_a_file_cut_short(signed: Ministry) -> None:
    """Half a copy is no policy."""
    signed.file.write_bytes(signed.file.read_bytes()[:200])
    refused(signed, SignatureRejected, "not a DSSE envelope")


def test_a_file_without_end(signed: Ministry) -> None:
    """More than a policy can be is never parsed."""
    signed.file.write_bytes(b" " * 200_000)
    refused(signed, SignatureRejected, "larger than")


def test_a_tampered_accepted_copy_gives_the_strict_defaults(signed: Ministry) -> None:
    """Without a file the accepted copy must verify; one that does not verify counts for nothing."""
    copy = signed.config.state_dir / "policy.accepted.dsse.json"
    copy.write_bytes(copy.read_bytes().replace(b'"sig": "', b'"sig": "0'))
    found = signed.without_file().in_force()
    assert (found.origin, found.policy.version) == ("built_in", 0)
    assert found.refusal is not None
    signed.publish(policy_text(version=6))
    assert signed.load().policy.version == 6
