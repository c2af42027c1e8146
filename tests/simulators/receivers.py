"""A hospital that may get pictures: its certificate on the device, its private key at the hospital."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID

BITS = 2048


@cache
def private_key(bits: int) -> rsa.RSAPrivateKey:
    """Make a key; once, for it takes a moment."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate(
    *, bits: int = BITS, until: datetime | None = None, key: ed25519.Ed25519PrivateKey | None = None
) -> x509.Certificate:
    """Return a certificate that the hospital made itself."""
    held = key or private_key(bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hospital")])
    end = until or datetime.now(UTC) + timedelta(days=365)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=held.public_key(),
        serial_number=7,
        not_valid_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_valid_after=end,
    )
    return builder.sign(held, None if key is not None else SHA256())


@dataclass(frozen=True)
class Hospital:
    """A receiver with a folder on the device that holds its certificate."""

    folder: Path
    name: str = "hospital"

    def enrol(self, given: x509.Certificate | None = None) -> Path:
        """Put the certificate into the device's folder and return the file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}.crt.pem"
        path.write_bytes((given or certificate()).public_bytes(Encoding.PEM))
        return path

    def open(self, sealed: bytes) -> bytes:
        """Decrypt what the device wrote, with the hospital's own private key."""
        held = x509.load_pem_x509_certificate((self.folder / f"{self.name}.crt.pem").read_bytes())
        return pkcs7.pkcs7_decrypt_der(sealed, held, private_key(BITS), [])
