"""Give memory back between the steps of a build. Loads no vendor library."""

from __future__ import annotations

import ctypes
import gc


def release_memory() -> None:
    """Give back what is no longer referred to: traced models are full of cycles, and malloc keeps what was freed."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
