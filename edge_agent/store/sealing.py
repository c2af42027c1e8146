"""How one picture is sealed: AES-256-GCM with a key and a nonce of its own.

File: ``DEIMG1`` and two zero bytes, 12 bytes of nonce, ciphertext, 16 bytes of tag. The associated data bind the
picture's id and kind: a file under another picture's name, or marked with another kind, does not open.

Source: NIST SP 800-38D (GCM: 96-bit nonce, 128-bit tag). A key encrypts one picture once, so no nonce comes twice.
"""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge_agent.errors import StoreCorrupt

KEY_BYTES = 32
_MAGIC = b"DEIMG1\0\0"
_NONCE_BYTES = 12
_TAG_BYTES = 16


def seal(content: bytes, *, key: bytes, image_id: str, kind: str) -> bytes:
    """Return the sealed file of one picture. A key must never be used twice: the caller draws a new one."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _MAGIC + nonce + AESGCM(key).encrypt(nonce, content, _bound(image_id, kind))


def unseal(sealed: bytes, *, key: bytes, image_id: str, kind: str) -> bytes:
    """Return what ``seal`` was given.

    Raises:
        StoreCorrupt: a byte of the file has changed, or it is another picture's.
    """
    start = len(_MAGIC) + _NONCE_BYTES
    damaged = f"the picture {image_id} in the vault is damaged: derm-edge store check counts what else is"
    if not sealed.startswith(_MAGIC) or len(sealed) < start + _TAG_BYTES:
        raise StoreCorrupt(damaged)
    try:
        return AESGCM(key).decrypt(sealed[len(_MAGIC) : start], sealed[start:], _bound(image_id, kind))
    except InvalidTag as exc:
        raise StoreCorrupt(damaged) from exc


def _bound(image_id: str, kind: str) -> bytes:
    return b"derm-edge image\0" + image_id.encode("ascii") + b"\0" + kind.encode("ascii")
