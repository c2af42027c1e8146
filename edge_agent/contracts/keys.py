"""Read the public keys that this device trusts; does not create or store private keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import SSlibKey

from edge_agent.errors import ConfigError

SUFFIX = ".pub.pem"
# Of the shipped public key: a copy under another name is still the key whose private half everybody can read.
DEVELOPMENT_KEYID = "8f859d15dffe7669891f23cc0295d2e922c0ff6fb6b197e1e55a4b06c525285e"
_MAX_KEY_BYTES = 4096


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One configured ed25519 public key; ``name`` is what a person sees on screen ("development key")."""

    name: str
    keyid: str
    public: SSlibKey = field(repr=False)

    @property
    def is_development(self) -> bool:
        """Tell whether this is the demo's key, whose private half everybody can read."""
        return self.keyid == DEVELOPMENT_KEYID


def shipped_key_folder() -> Path:
    """Return the folder of the public keys that the package brings along (only the development key)."""
    return Path(__file__).resolve().parent.parent / "keys"


def load_key(path: Path) -> TrustedKey:
    """Read one PEM public key.

    Args:
        path: ``NAME.pub.pem``; the key is called "NAME key".

    Raises:
        ConfigError: the file is unreadable, no PEM public key, or not ed25519.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_KEY_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"cannot read the key {path}: {exc.strerror}; check the path and its permissions") from exc
    try:
        public = load_pem_public_key(raw[:_MAX_KEY_BYTES])
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ConfigError(f"{path} is not a PEM public key; make one with `derm-calibrate keygen`") from exc
    if not isinstance(public, Ed25519PublicKey):
        raise ConfigError(f"{path} is not an ed25519 key; make one with `derm-calibrate keygen`")
    key = SSlibKey.from_crypto(public)
    return TrustedKey(name=f"{path.name.removesuffix(SUFFIX)} key", keyid=key.keyid, public=key)


def load_keys(folder: Path) -> tuple[TrustedKey, ...]:
    """Read every ``*.pub.pem`` of a folder, in name order; other files are left alone.

    Raises:
        ConfigError: the folder is missing, holds no key, or holds one that cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(f"the key folder {folder} does not exist; create it and put NAME{SUFFIX} files into it")
    keys = tuple(load_key(path) for path in sorted(folder.glob(f"*{SUFFIX}")))
    if not keys:
        raise ConfigError(f"no *{SUFFIX} in {folder}; without a trusted key nothing that is signed is believed")
    return keys
