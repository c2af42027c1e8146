"""Pictures as PNG bytes for the encrypted store: lossless, without any metadata."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from edge_agent.contracts.case import Frame
from edge_agent.errors import StoreCorrupt


def encode_png(frame: Frame) -> bytes:
    """Return the frame as PNG.

    Args:
        frame: uint8[H, W, 3], BGR.
    """
    stream = io.BytesIO()
    # Level 1: the store waits for this before inference may start, and the disk is encrypted anyway.
    Image.fromarray(np.ascontiguousarray(frame[:, :, ::-1])).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def decode_png(data: bytes) -> Frame:
    """Return the frame, uint8[H, W, 3] BGR, bit-equal to what was encoded.

    Raises:
        StoreCorrupt: these are not the bytes that ``encode_png`` wrote.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as exc:
        raise StoreCorrupt("a stored picture cannot be read: restore the store from its backup") from exc
    return np.ascontiguousarray(pixels[:, :, ::-1])
