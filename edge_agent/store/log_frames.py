"""Whether a write-ahead log lost frames to damage: SQLite stops at the first bad frame and says nothing.

Source: sqlite.org/fileformat2.html#walformat: header of 32 bytes, frames of 24 bytes and a page, a running checksum.
"""

from __future__ import annotations

import struct
from pathlib import Path

from edge_agent.errors import StoreError

_HEADER, _FRAME = 32, 24
_BIG_ENDIAN_MAGIC, _LITTLE_ENDIAN_MAGIC = 0x377F0683, 0x377F0682


def count_lost_frames(log: Path) -> int:
    """Return how many frames of the log's present generation follow a damaged one, it included; 0 without damage.

    Frames after the last commit were never confirmed to anybody; a torn end of them, as a power cut leaves it, is no
    damage and not counted.

    Args:
        log: the write-ahead log; it need not exist.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        content = log.read_bytes() if log.exists() else b""
    except OSError as exc:
        raise StoreError(f"cannot read {log}: {exc.strerror}") from exc
    if len(content) <= _HEADER:
        return 0
    magic, _, page_bytes = struct.unpack_from(">III", content)
    order = {_BIG_ENDIAN_MAGIC: ">", _LITTLE_ENDIAN_MAGIC: "<"}.get(magic)
    if order is None or _checksum(content[:24], (0, 0), order) != struct.unpack_from(">II", content, 24):
        return (len(content) - _HEADER) // (_FRAME + 4096)  # without a header no frame can be read
    return _frames_after_damage(content, page_bytes=page_bytes, order=order)


def _frames_after_damage(content: bytes, *, page_bytes: int, order: str) -> int:
    salts, running = content[16:24], struct.unpack_from(">II", content, 24)
    step = _FRAME + page_bytes
    bad, has_commit_behind = 0, False
    for at in range(_HEADER, len(content) - step + 1, step):
        frame = content[at : at + step]
        if not bad:
            running = _checksum(frame[:8], running, order)
            running = _checksum(frame[_FRAME:], running, order)
            if frame[8:16] == salts and running == struct.unpack_from(">II", frame, 16):
                continue
            if frame[8:16] != salts and not _has_generation_behind(content, at, step=step):
                return 0  # the rest is of an older generation
            bad = 1
            continue
        if frame[8:16] == salts:
            bad += 1
            has_commit_behind = has_commit_behind or frame[4:8] != bytes(4)
    return bad if has_commit_behind else 0


def _has_generation_behind(content: bytes, at: int, *, step: int) -> bool:
    salts = content[16:24]
    return any(
        content[next_at + 8 : next_at + 16] == salts for next_at in range(at + step, len(content) - step + 1, step)
    )


def _checksum(piece: bytes, start: tuple[int, ...], order: str) -> tuple[int, int]:
    first, second = start
    for one, two in struct.iter_unpack(f"{order}II", piece):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
