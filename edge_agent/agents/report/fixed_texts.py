"""Give the fixed texts of safety-netting; the only blanks in them are the next visit's date and the contact.

The words are translated and checked by people and stand in the vocabulary; nothing is generated here.

Source: clinical-vocabulary section 12.
"""

from __future__ import annotations

from edge_agent.contracts.terms import Language, Vocabulary

BLANK = "____________"  # filled in by hand


def fixed_text(
    vocabulary: Vocabulary, name: str, lang: Language, *, date: str | None = None, contact: str | None = None
) -> str:
    """Return one fixed text with its blanks filled.

    Args:
        vocabulary: holds the texts.
        name: an id of the list ``text``, e.g. ``sn_followup``.
        lang: ``zh`` or ``en``.
        date: the next visit as the person will read it; None leaves a line to write on.
        contact: whom to tell who cannot come; None leaves a line to write on.
    """
    text = vocabulary.label(name, lang, of="text")
    for blank, value in (("{date}", date), ("{contact}", contact)):
        text = text.replace(blank, value or BLANK)
    return text
