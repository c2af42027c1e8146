"""Load the signed policy file: signature, version, strictness, texts; in this order, and all of them.

One file, ``policy.dsse.json``: a DSSE envelope around the exact bytes of ``policy.toml``. A file with its signature
beside it can be torn apart by a copy that is cut short; an envelope is whole or refused (docs/policy.md).

The accepted envelope is kept in the state folder, so that an older file, another file under the same version, and a
file that disappears are all noticed. Does not apply any rule; ``edge_agent.policy.rules`` does.

Source: policy R15.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edge_agent.config import DEFAULT_PATH, Config
from edge_agent.contracts.dsse import open_sealed, payload_unverified
from edge_agent.contracts.keys import TrustedKey, load_keys
from edge_agent.contracts.policy import MAX_POLICY_BYTES, PAYLOAD_TYPE, Policy, parse_policy
from edge_agent.errors import EdgeError, Incompatible, RejectedError, SignatureRejected, VersionRejected
from edge_agent.policy.consent_texts import ConsentText, shipped_texts
from edge_agent.policy.strictness import FLOOR, OPENED_BY, beyond_the_text, laxer_than
from edge_agent.store.durable import replace_file

DEFAULT_FILE = DEFAULT_PATH.with_name("policy.dsse.json")
ACCEPTED_NAME = "policy.accepted.dsse.json"
MAX_ENVELOPE_BYTES = 2 * MAX_POLICY_BYTES  # base64 and the signatures around it
Origin = Literal["file", "accepted", "built_in"]


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """The policy that holds now, and where it comes from.

    ``origin``: the configured ``file``; the ``accepted`` copy of an earlier one; or the ``built_in`` strict defaults.
    ``signed_by`` is the key's name, None for the defaults. ``refusal`` is the line about a file that was refused; the
    page shows it until somebody mends the file, and care goes on meanwhile.
    """

    policy: Policy
    origin: Origin
    signed_by: str | None = None
    refusal: str | None = None


def load_policy(config: Config, *, default: Path = DEFAULT_FILE, remember: bool = True) -> PolicyInForce:
    """Load the policy and remember it as accepted.

    The file is the configuration's ``policy_file``, else ``default`` where that exists, else the copy that was accepted
    before, else the built-in strict defaults. A file that was there once is not undone by removing it.

    Args:
        config: names the file, the folder of the authority's keys and the state folder.
        default: where a file is looked for that nobody named.
        remember: keep a copy of what is accepted; False only looks.

    Raises:
        ConfigError: the key folder cannot be used.
        SignatureRejected: unsigned, changed, or signed by a key that is not configured.
        VersionRejected: older than the accepted one, or another content under its version.
        Incompatible: it asks for a consent text that this program does not bring.
        RejectedError: a key or value is not accepted, or it is laxer than this program allows; the line names the key.
        StoreError: the accepted copy cannot be written.
    """
    chosen = config.policy_file or (default if default.exists() else None)
    if chosen is None:
        return _accepted_or_built_in(config)
    found = check_file(chosen, config)
    accepted = config.state_dir / ACCEPTED_NAME
    previous = _accepted(accepted)
    if remember and (previous is None or previous.version < found.policy.version):
        replace_file(accepted, read_sealed(chosen))
    return found


def policy_in_force(config: Config, *, default: Path = DEFAULT_FILE, remember: bool = True) -> PolicyInForce:
    """Return a policy in every case, for a daemon that must go on taking cases; arguments as for ``load_policy``.

    A refused file counts for nothing: the accepted copy holds if it still verifies, else the strict defaults; the
    refusal is told in ``PolicyInForce.refusal``.
    """
    try:
        return load_policy(config, default=default, remember=remember)
    except EdgeError as exc:
        refusal = str(exc)
    try:
        return replace(_accepted_or_built_in(config), refusal=refusal)
    except EdgeError:  # said already: there is a refused file, and no earlier one that still verifies
        return PolicyInForce(Policy(), "built_in", refusal=refusal)


def awaits_restart(found: PolicyInForce, config: Config) -> bool:
    """Say whether a sound file lies here that the daemon has not loaded yet: it reads it at its start and remembers it then."""
    held = _accepted(config.state_dir / ACCEPTED_NAME)
    return found.origin == "file" and (held is None or held.version < found.policy.version)


def check_file(path: Path, config: Config) -> PolicyInForce:
    """Check one signed file as a loading device does, and return what it says; remembers nothing.

    Raises:
        ConfigError, RejectedError and its kinds: as for ``load_policy``.
    """
    previous = _accepted(config.state_dir / ACCEPTED_NAME)
    policy, signer = verify_policy(read_sealed(path), keys=load_keys(config.policy_keys_dir), previous=previous)
    return PolicyInForce(policy, "file", signer.name)


def _accepted_or_built_in(config: Config) -> PolicyInForce:
    accepted = config.state_dir / ACCEPTED_NAME
    if not accepted.exists():
        return PolicyInForce(Policy(), "built_in")
    policy, signer = verify_policy(read_sealed(accepted), keys=load_keys(config.policy_keys_dir))
    return PolicyInForce(policy, "accepted", signer.name)


def verify_policy(
    sealed: bytes,
    *,
    keys: Sequence[TrustedKey],
    previous: Policy | None = None,
    texts: Sequence[ConsentText] | None = None,
) -> tuple[Policy, TrustedKey]:
    """Verify an envelope and everything that this program asks of its policy; writes nothing.

    Args:
        sealed: the envelope.
        keys: the policy authority's public keys.
        previous: the policy that this device accepted before, if any.
        texts: the consent text of each purpose; None takes those that this program brings.

    Raises:
        SignatureRejected, VersionRejected, Incompatible, RejectedError: as for ``load_policy``.
    """
    payload, signer = open_sealed(sealed, payload_type=PAYLOAD_TYPE, keys=keys, what="policy")
    if len(payload) > MAX_POLICY_BYTES:
        raise RejectedError(f"the policy is larger than {MAX_POLICY_BYTES} bytes; this is no policy file")
    policy = parse_policy(payload)
    check_strictness(policy, is_development_key=signer.is_development)
    if previous is not None:
        _check_not_older(policy, previous)
    check_texts(policy, shipped_texts() if texts is None else texts)
    return policy, signer


def check_strictness(policy: Policy, *, is_development_key: bool = False) -> None:
    """Refuse a policy that is laxer than this program allows, naming the keys.

    A key whose private half everybody has may tighten the built-in defaults and never loosen them.

    Raises:
        RejectedError: names every such key.
    """
    if laxer := laxer_than(policy, FLOOR):
        raise RejectedError(
            f"the policy is laxer than this program allows in {', '.join(laxer)}; tighten and sign it again"
        )
    if is_development_key and (laxer := laxer_than(policy, Policy())):
        raise RejectedError(
            f"the policy loosens {', '.join(laxer)} and is signed with the public development key; sign it with your own"
        )


def check_texts(policy: Policy, texts: Sequence[ConsentText]) -> None:
    """Refuse a text that this program cannot read aloud, and a purpose that opens further than its text covers (R15).

    Raises:
        Incompatible: a version names a text that is not here.
        RejectedError: a purpose opens further than its text covers.
    """
    for text in texts:
        wanted = policy.consent_versions.of(text.purpose)
        if wanted != text.version:
            raise Incompatible(
                f"the policy asks for consent text {text.purpose} {wanted}, this program brings {text.version}; update derm-edge"
            )
    covered = {text.purpose: text.covers for text in texts if text.covers is not None}
    if opened := beyond_the_text(policy, covered):
        raise RejectedError(
            f"the policy opens {', '.join(opened)} ({', '.join(OPENED_BY[one] for one in opened)}) further than the consent"
            " text covers; a new purpose needs a new consent version"
        )


def _check_not_older(policy: Policy, previous: Policy) -> None:
    if policy.version < previous.version:
        raise VersionRejected(
            f"the policy has version {policy.version}, this device accepted {previous.version} before; install the newer one"
        )
    if policy.version == previous.version and policy != previous:
        raise VersionRejected(
            f"the policy has version {policy.version} like the accepted one and says something else; count the version up"
        )


def _accepted(path: Path) -> Policy | None:
    """Read what was accepted before. Not verified: its key may be retired by now, and only this program writes there.

    A copy that cannot be read counts as none: the strict floor holds all the same.
    """
    try:
        return parse_policy(payload_unverified(read_sealed(path)))
    except RejectedError:
        return None


def read_sealed(path: Path) -> bytes:
    """Read an envelope; verifies nothing.

    Raises:
        SignatureRejected: missing, unreadable, no plain file, or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SignatureRejected(f"{path} is not a plain file; name a signed policy in policy_file")
            sealed = stream.read(MAX_ENVELOPE_BYTES + 1)
    except OSError as exc:
        raise SignatureRejected(f"{path} cannot be read ({exc.strerror}); mend policy_file or its permissions") from exc
    if len(sealed) > MAX_ENVELOPE_BYTES:
        raise SignatureRejected(f"{path} is larger than {MAX_ENVELOPE_BYTES} bytes; this is no signed policy")
    return sealed
