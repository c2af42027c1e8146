"""Seal and open DSSE envelopes with ed25519, through securesystemslib.

Does not look inside the payload: what it means is its reader's job, after the signature is verified.

Source: DSSE v1.0.2 (secure-systems-lab/dsse), envelope.md and protocol.md; securesystemslib 1.6.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import CryptoSigner

from edge_agent.contracts.keys import TrustedKey
from edge_agent.errors import ConfigError, SignatureRejected

MAX_ENVELOPE_BYTES = 16 * 1024 * 1024  # endless data: nothing larger is ever parsed
_SEALED = {"bundle": "manifest"}  # what of a thing is sealed, where it is not the thing itself
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, SecureSystemsError)


def seal(payload: bytes, *, payload_type: str, private_key: Path) -> bytes:
    """Sign a payload and return the envelope as JSON bytes (ed25519: the same input gives the same bytes).

    Args:
        payload: the bytes to sign, kept as they are.
        payload_type: media type; it is signed too, so that one kind of file cannot pass for another.
        private_key: unencrypted PEM (PKCS #8) ed25519 private key.

    Raises:
        ConfigError: the key cannot be read or is not ed25519.
    """
    envelope = Envelope(payload=payload, payload_type=payload_type, signatures={})
    envelope.sign(CryptoSigner(load_private_key(private_key)))
    return json.dumps(envelope.to_dict(), indent=1, sort_keys=True).encode("utf-8") + b"\n"


def load_private_key(private_key: Path) -> Ed25519PrivateKey:
    """Read a signing key.

    Args:
        private_key: unencrypted PEM (PKCS #8) ed25519 private key.

    Raises:
        ConfigError: the key cannot be read or is not ed25519.
    """
    try:
        key = load_pem_private_key(private_key.read_bytes(), password=None)
    except OSError as exc:
        raise ConfigError(f"cannot read the signing key {private_key}: {exc.strerror}; check the path") from exc
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ConfigError(f"{private_key} is not an unencrypted PEM private key; make one with keygen") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{private_key} is not an ed25519 key; make one with `derm-calibrate keygen`")
    return key


def payload_unverified(envelope: bytes) -> bytes:
    """Return an envelope's payload without verifying it, for whoever signs it anew; never for loading.

    Raises:
        SignatureRejected: malformed.
    """
    try:
        return bytes(Envelope.from_dict(json.loads(envelope)).payload)
    except _MALFORMED as exc:
        raise SignatureRejected("the manifest is not a DSSE envelope; build the bundle again") from exc


def open_sealed(
    envelope: bytes, *, payload_type: str, keys: Sequence[TrustedKey], what: str = "bundle"
) -> tuple[bytes, TrustedKey]:
    """Verify an envelope and return its payload with the key that signed it.

    The key id in the envelope is only a hint to find a configured key; it proves nothing by itself.

    Args:
        envelope: DSSE, as JSON bytes.
        payload_type: the only media type that is accepted.
        keys: the configured keys; the signature of any one of them is enough.
        what: what is signed, for the messages.

    Raises:
        SignatureRejected: malformed, of another payload type, or not signed by one of ``keys``.
    """
    if len(envelope) > MAX_ENVELOPE_BYTES:
        raise SignatureRejected(f"the envelope is larger than {MAX_ENVELOPE_BYTES} bytes; fetch the {what} again")
    try:
        sealed = Envelope.from_dict(json.loads(envelope))
        sealed_type, payload = str(sealed.payload_type), bytes(sealed.payload)
    except _MALFORMED as exc:
        raise SignatureRejected(
            f"the {_SEALED.get(what, what)} is not a DSSE envelope; fetch the {what} again"
        ) from exc
    if sealed_type != payload_type:
        raise SignatureRejected(f"the envelope holds {sealed_type[:80]!r}, not {payload_type}")
    by_id = {key.keyid: key for key in keys}
    try:
        accepted = sealed.verify([key.public for key in by_id.values()], threshold=1)
    except _MALFORMED as exc:
        names = ", ".join(key.name for key in keys) or "none"
        raise SignatureRejected(
            f"no configured key signed this {what} (configured: {names}); sign it or add its key"
        ) from exc
    return payload, by_id[next(iter(accepted))]
