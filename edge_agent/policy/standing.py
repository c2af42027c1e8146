"""Say in one line which policy holds here, or what a technician must do about its file.

Pure but for one look whether a text lies where a signed file should be. Refuses nothing; ``policy.load`` does.

Source: policy R15.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from edge_agent.errors import ConfigError, ExpiredRejected, RejectedError
from edge_agent.policy.load import DEFAULT_FILE, PolicyInForce

UNSIGNED_NAME = "policy.toml"


def standing(found: PolicyInForce, *, today: date, default: Path = DEFAULT_FILE) -> str:
    """Return the line of a policy that is in order.

    Args:
        found: what ``policy_in_force`` returned.
        today: by this device's clock.
        default: where the file is looked for that nobody named; a text beside it is a policy that nobody signed.

    Raises:
        RejectedError: the file was refused.
        ConfigError: a file that was there is gone, or only an unsigned one is there.
        ExpiredRejected: a new file is due.
    """
    policy = found.policy
    told = f"version {policy.version} of {policy.authority} ({policy.country})"
    if found.refusal is not None:
        holds = "the built-in strict rules hold" if found.origin == "built_in" else f"{told} holds"
        raise RejectedError(f"{found.refusal}; meanwhile {holds}")
    if found.origin == "accepted":
        raise ConfigError(f"the policy file is gone, {told} was accepted before and holds: copy it to {default} again")
    unsigned = default.with_name(UNSIGNED_NAME)
    if found.origin == "built_in" and unsigned.exists():
        raise ConfigError(
            f"{unsigned} is not signed and counts for nothing, the built-in strict rules hold: have the authority sign it"
            " (derm-calibrate sign-policy) and copy policy.dsse.json here"
        )
    if policy.is_expired(today):
        raise ExpiredRejected(
            f"{told} ended on {policy.valid_until}, its rules hold on: ask the authority for a new file"
        )
    if found.origin == "built_in":
        return "no authority has signed a policy for this device: the built-in strict rules hold"
    until = "" if policy.valid_until is None else f", until {policy.valid_until}"
    return f"{told}, signed by the {found.signed_by}{until}"
