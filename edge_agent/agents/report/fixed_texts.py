"""Fill the fixed texts of safety-netting; their only blanks are the next visit's date and the contact.

The words are translated and checked by people and stand in the vocabulary; nothing is generated here.

Source: clinical-vocabulary section 12.
"""

from __future__ import annotations

BLANK = "____________"  # filled in by hand


def filled(text: str, *, date: str | None = None, contact: str | None = None) -> str:
    """Return one fixed text with its blanks filled.

    Args:
        text: the words of an id of the list ``text``, e.g. of ``sn_followup``.
        date: the next visit as the person will read it; None leaves a line to write on.
        contact: whom to tell who cannot come; None leaves a line to write on.
    """
    for blank, value in (("{date}", date), ("{contact}", contact)):
        text = text.replace(blank, value or BLANK)
    return text
