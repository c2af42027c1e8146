"""Make signing keys, sign bundles and policies. Does not build a bundle and does not judge whether one is good."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from calibration.package import UNSIGNED_NAME
from edge_agent.contracts import dsse, keys
from edge_agent.contracts.bundle import ENVELOPE_NAME, check_files, check_manifest, parse_manifest
from edge_agent.contracts.manifest import PAYLOAD_TYPE, Manifest
from edge_agent.contracts.policy import MAX_POLICY_BYTES, Policy, parse_policy
from edge_agent.contracts.policy import PAYLOAD_TYPE as POLICY_TYPE
from edge_agent.errors import ConfigError, ExportError, RejectedError
from edge_agent.policy.strictness import FLOOR, laxer_than


def development_key() -> Path:
    """Return the private half of the demo's key; it is public knowledge and worth nothing as a secret."""
    return Path(__file__).resolve().parent / "keys" / "development.pem"


def generate_key(private: Path) -> Path:
    """Write a new ed25519 pair: ``NAME.pem`` (mode 0600) and ``NAME.pub.pem`` beside it; return the latter.

    Raises:
        ConfigError: a file of that name exists (keys are never overwritten) or the folder cannot be written.
    """
    public = private.with_name(f"{private.stem}{keys.SUFFIX}")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        if public.exists():
            raise FileExistsError(17, "file exists", str(public))
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secret)
        with public.open("xb") as stream:
            stream.write(shown)
    except FileExistsError as exc:
        raise ConfigError(f"{exc.filename} exists; keys are never overwritten, choose another name") from exc
    except OSError as exc:
        raise ConfigError(f"cannot write {private}: {exc.strerror}; choose another folder") from exc
    return public


def sign_bundle(folder: Path, *, private_key: Path, replace: bool = False) -> Manifest:
    """Sign a bundle's manifest after comparing every file with it, and return what was signed.

    Trusts the manifest that it finds: whoever signs vouches for it, so the caller shows what was signed.

    Args:
        folder: a bundle with ``manifest.json``; it becomes ``manifest.dsse.json``.
        private_key: PEM, ed25519.
        replace: sign again a bundle that is signed already, replacing the signature.

    Raises:
        ConfigError: the key cannot be used.
        ExportError: no unsigned manifest, or the envelope cannot be written (full disk).
        RejectedError: the manifest or a file is not what the build wrote.
    """
    unsigned, envelope = folder / UNSIGNED_NAME, folder / ENVELOPE_NAME
    if envelope.exists() and not replace:
        raise ExportError(f"{folder} is signed already; add --replace to sign it again")
    if not unsigned.is_file() and not envelope.is_file():
        raise ExportError(f"{folder} holds no {UNSIGNED_NAME}; build a bundle first")
    payload = unsigned.read_bytes() if unsigned.is_file() else dsse.payload_unverified(envelope.read_bytes())
    manifest = parse_manifest(payload)
    check_manifest(manifest)
    check_files(folder, manifest.files, ignored=(UNSIGNED_NAME,))
    sealed = dsse.seal(payload, payload_type=PAYLOAD_TYPE, private_key=private_key)
    _write_envelope(envelope, sealed)
    unsigned.unlink(missing_ok=True)
    return manifest


def sign_policy(source: Path, *, private_key: Path, out: Path) -> Policy:
    """Sign a ``policy.toml`` after checking it as a device will, and return what was signed.

    The envelope holds the file byte for byte, with its comments. Signs nothing that no device would accept.

    Args:
        source: the policy, TOML.
        private_key: the policy authority's key; PEM, ed25519.
        out: the envelope to write; an older one is replaced whole.

    Raises:
        ConfigError: the source or the key cannot be read.
        RejectedError: a key or value is not accepted, or is laxer than devices allow; the line names it.
        ExportError: the envelope cannot be written.
    """
    try:
        with source.open("rb") as stream:
            text = stream.read(MAX_POLICY_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"cannot read the policy {source}: {exc.strerror}; check the path") from exc
    if len(text) > MAX_POLICY_BYTES:
        raise RejectedError(f"{source} is larger than {MAX_POLICY_BYTES} bytes; this is no policy file")
    policy = parse_policy(text)
    if laxer := laxer_than(policy, FLOOR):
        raise RejectedError(f"{source} is laxer than any device allows in {', '.join(laxer)}; tighten it first")
    _write_envelope(out, dsse.seal(text, payload_type=POLICY_TYPE, private_key=private_key))
    return policy


def _write_envelope(envelope: Path, sealed: bytes) -> None:
    temporary = envelope.with_name(f"{envelope.name}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(sealed)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(envelope)
    except OSError as exc:
        temporary.unlink(missing_ok=True)  # else the next attempt finds a file that no manifest lists
        raise ExportError(f"cannot write {envelope}: {exc.strerror}; what was there stays as it was") from exc
