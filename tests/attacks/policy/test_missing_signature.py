"""Somebody puts a policy without a signature in place."""

from __future__ import annotations

import json
import os

from edge_agent.errors import SignatureRejected
from tests.attacks.policy.refused import refused
from tests.simulators.policies import Ministry, policy_text


def test_the_plain_text_in_its_place(signed: Ministry) -> None:
    """A policy.toml is what somebody wrote, not what somebody signed."""
    signed.file.write_text(policy_text(version=6))
    refused(signed, SignatureRejected, "the policy is not a DSSE envelope")


def test_an_envelope_without_signatures(signed: Ministry) -> None:
    """The list of signatures is emptied."""
    document = json.loads(signed.file.read_bytes())
    signed.file.write_text(json.dumps(document | {"signatures": []}))
    refused(signed, SignatureRejected, "no configured key signed this policy")


def test_a_named_file_that_is_gone(signed: Ministry) -> None:
    """A name in the configuration is a promise; an absent file is refused, not read as no policy."""
    signed.file.unlink()
    refused(signed, SignatureRejected, "cannot be read")


def test_a_pipe_in_its_place(signed: Ministry) -> None:
    """A device never waits at a file that does not end."""
    signed.file.unlink()
    os.mkfifo(signed.file)
    refused(signed, SignatureRejected, "not a plain file")
