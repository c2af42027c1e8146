"""A forensic reader: decrypts every page of a store's file or log, freed space included, with the store's key.

It knows SQLCipher's page format and nothing of this program, so that a test can look for what should be gone.

Source: zetetic.net/sqlcipher/design (AES-256-CBC, one IV per page in the reserve of 80 bytes), sqlite.org/walformat.html.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from edge_agent.store.key import StoreKey

PAGE_BYTES = 4096
_RESERVE, _IV, _SALT = 80, 16, 16
_LOG_HEADER, _FRAME_HEADER = 32, 24


def bytes_in_clear(path: Path, key: StoreKey) -> bytes:
    """Return all pages of a database, or all frames of its log, decrypted and one after the other; b"" without file."""
    if not path.exists():
        return b""
    content = path.read_bytes()
    if path.name.endswith("-wal"):
        step = _FRAME_HEADER + PAGE_BYTES
        frames = range(_LOG_HEADER, len(content) - step + 1, step)
        numbered = [
            (int.from_bytes(content[at : at + 4], "big"), content[at + _FRAME_HEADER : at + step]) for at in frames
        ]
    else:
        starts = range(0, len(content) - PAGE_BYTES + 1, PAGE_BYTES)
        numbered = [(at // PAGE_BYTES + 1, content[at : at + PAGE_BYTES]) for at in starts]
    return b"".join(_page(page, number=number, key=key) for number, page in numbered)


def _page(page: bytes, *, number: int, key: StoreKey) -> bytes:
    iv = page[PAGE_BYTES - _RESERVE : PAGE_BYTES - _RESERVE + _IV]
    sealed = page[_SALT if number == 1 else 0 : PAGE_BYTES - _RESERVE]
    decryptor = Cipher(algorithms.AES256(bytes.fromhex(key.hex)), modes.CBC(iv)).decryptor()
    return decryptor.update(sealed) + decryptor.finalize()
