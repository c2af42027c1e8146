"""Write a referral letter: one A4 page to print, or text for a terminal. No script, nothing loaded from anywhere.

Does not decide anything and holds no name: name, number and contact are written by hand.

Source: clinical-vocabulary section 13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from edge_agent.agents.letter.words import LetterWords, Section
from edge_agent.agents.report.html import TEMPLATES
from edge_agent.contracts.terms import Vocabulary

UNITS_PER_LINE = 128  # Latin characters across the page at full size; measured on the printed page
UNITS_IN_HEAD = (
    36  # of the larger type in one of the head's three boxes; a contact beside the destination needs more lines
)
SIZES = ((46, ""), (54, "mid"), (62, "dense"))  # up to so many lines: the class of the page; "dense tight" beyond
IN_COLUMNS = frozenset({"section_history", "section_examination", "section_done", "section_tcm"})
FIRST_WIDE = 0x2E80  # CJK radicals: from here on a character is as wide as two


def letter_html(letter: Mapping[str, Any], vocabulary: Vocabulary) -> str:
    """Return the letter (``agents.letter.letter``) as one page in its own language."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    words = LetterWords(vocabulary, letter["language"])
    sections = words.sections(letter)
    lines = lines_needed(sections) + _units(words.destination(letter)) // UNITS_IN_HEAD
    size = next((name for limit, name in SIZES if lines <= limit), "dense tight")
    page = environment.get_template("letter.html.j2")
    return page.render(letter=letter, w=words, sections=sections, size=size)


def lines_needed(sections: Sequence[Section]) -> int:
    """Return about how many lines the parts take at full size; a longer letter is set smaller to stay on one page.

    Counts Chinese characters twice as wide. Half-width parts stand in pairs, and a pair is as long as its longer half.
    """
    total, beside = 0.0, 0.0
    for section in sections:
        is_narrow = section.is_half or section.name in IN_COLUMNS
        width = UNITS_PER_LINE // 2 if is_narrow else UNITS_PER_LINE
        rows = sum(-(-_units(row.label + row.text) // width) for row in section.rows)
        if section.is_half:
            total += max(0.0, rows + 1 - beside)  # what it is longer than the half that it stands beside
            beside = 0.0 if beside else rows + 1
        else:
            total, beside = total + (rows / 2 if is_narrow else rows) + 1, 0.0
    return round(total)


def _units(text: str) -> int:
    return sum(2 if ord(sign) >= FIRST_WIDE else 1 for sign in text) or 1


def letter_text(letter: Mapping[str, Any], vocabulary: Vocabulary) -> str:
    """Return the letter as lines of text in its own language."""
    words = LetterWords(vocabulary, letter["language"])
    colon = "：" if words.lang == "zh" else ": "
    head = [
        words.word("title").upper(),
        (
            f"{words.word('letter_id')} {letter['letter_id']} · {words.word('case_id')} {letter['case_id']}"
            f" · {words.word('date')} {words.time(letter['written'])}"
        ),
        *([f"*** {words.word('private_note')}"] if letter["is_confidential"] else []),
        *(f"*** {line}" for line in words.notices(letter)),
        f"{words.word('to')}{colon}{words.destination(letter)}",
        f"{words.word('tier')}{colon}{words.tier(letter['tier'])}",
        f"{words.word('deadline')}{colon}{words.deadline(letter)}",
    ]
    lines = head + [line for section in words.sections(letter) for line in _section(section, colon)]
    return (
        "\n".join([*lines, "", f"{words.word('signature')} ______________  {words.word('stamp')} ______________"])
        + "\n"
    )


def _section(section: Section, colon: str) -> list[str]:
    rows = []
    for row in section.rows:
        sign = {"alert": "!! ", "unknown": "?  "}.get(row.mark, "   ")
        box = f"{row.box} " if row.box else ""
        rows.append(f"{sign}{box}{row.label + colon if row.label else ''}{row.text}")
    return ["", section.title, *rows]
