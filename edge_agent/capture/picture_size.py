"""How small and how large a picture may be, in px; apart, because the camera child needs no reader of picture files."""

from __future__ import annotations

from typing import Final

MIN_EDGE_PX: Final = 56  # two visual tokens of 28 px
MAX_EDGE_PX: Final = 3072  # a larger frame is reduced: the models read far less, and memory is bounded
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
