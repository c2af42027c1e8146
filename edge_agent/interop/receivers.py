"""Encrypt an export for one named receiver, in the format that every OpenSSL reads; keeps no private key.

A receiver is a certificate that the maintainer put into ``receivers_dir``: ``NAME.crt.pem``, RSA of 2048 bits or more.
What comes out is CMS EnvelopedData with AES-256: encrypted, not signed. Who sent it is told by whoever brings it.

Source: RFC 5652, section 6; openssl-cms(1) for the way back; policy R8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options

from edge_agent.contracts.local_time import PLAIN
from edge_agent.errors import ConfigError

SUFFIX = ".crt.pem"
LEAST_BITS = 2048
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Receiver:
    """One post or hospital that may get pictures; ``name`` is that of its file."""

    name: str
    certificate: x509.Certificate = field(repr=False)

    def seal(self, content: bytes) -> bytes:
        """Return the content encrypted to this receiver alone, in DER."""
        builder = PKCS7EnvelopeBuilder().set_data(content).add_recipient(self.certificate)
        return builder.set_content_encryption_algorithm(AES256).encrypt(Encoding.DER, [PKCS7Options.Binary])


def load_receiver(folder: Path | None, name: str, *, now: datetime) -> Receiver:
    """Read one receiver's certificate.

    Args:
        folder: ``receivers_dir`` of the configuration.
        name: which one, as a person types it.
        now: with a zone; a certificate that has ended encrypts to a key that nobody may hold any more.

    Raises:
        ConfigError: there is none of this name, or it cannot be used; the line says what to do.
    """
    if folder is None:
        raise ConfigError("no receiver is configured: set receivers_dir to the folder of their certificates")
    known = sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))
    if name not in known:
        raise ConfigError(f"no receiver {name} in {folder}; there are: {', '.join(known) or 'none'}")
    path = folder / f"{name}{SUFFIX}"
    try:
        with path.open("rb") as stream:
            certificate = x509.load_pem_x509_certificate(stream.read(_MOST_BYTES))
        public = certificate.public_key()
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{path} is no certificate that can be read: ask {name} for it again") from exc
    if not isinstance(public, RSAPublicKey) or public.key_size < LEAST_BITS:
        raise ConfigError(f"{path} has no RSA key of {LEAST_BITS} bits or more: ask {name} for another certificate")
    if now >= certificate.not_valid_after_utc:
        raise ConfigError(
            f"{path} ended on {PLAIN.date(certificate.not_valid_after_utc)}: ask {name} for its new certificate"
        )
    return Receiver(name, certificate)
