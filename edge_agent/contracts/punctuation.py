"""Chinese punctuation where Chinese is read: full-width marks, as print and school books have them.

The vocabulary's files hold half-width marks, and so does what the models were trained on; both stay as they are. Only what is
shown passes here. Changes no word and no number.

Source: GB/T 15834-2011 (use of punctuation marks).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_HAN: Final = re.compile("[\u3400-\u9fff]")
_FULL: Final = {",": "\uff0c", ";": "\uff1b", ":": "\uff1a", "?": "\uff1f", "!": "\uff01"}
# A mark between Latin letters or digits (T1:3, "KOH, HIV") belongs to them.
_MARK: Final = re.compile(r"(?<![0-9A-Za-z])([,;:?!]) ?|([,;:?!])(?![0-9A-Za-z ])")
_BRACKETS: Final = re.compile(r" ?\(([^()]*)\)")


@lru_cache(maxsize=4096)
def full_width(words: str) -> str:
    """Return a sentence or a label with full-width marks; one without a Chinese character stays as it is."""
    if not _HAN.search(words):
        return words
    return _MARK.sub(lambda found: _FULL[found[1] or found[2]], _BRACKETS.sub(_bracketed, words))


def _bracketed(found: re.Match[str]) -> str:
    around = found.string[max(found.start() - 1, 0) : found.start()] + found.string[found.end() : found.end() + 1]
    return f"\uff08{found[1]}\uff09" if _HAN.search(around + found[1]) else found[0]
