"""Take the codes of rules out of a report as the screen shows it; a nurse reads words, a clinician opens the details.

Print, letter and terminal keep the codes, and every line that had one stands unchanged in the section's details: the
screen leaves nothing out. Pure; knows no case and no language.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from edge_agent.agents.report.parts import Block, Line, Listing, Page

_CODE: Final = r"(?:RF|TR)-\d{2}"
_LEADING = re.compile(rf"^{_CODE}(?:\s*[:\uff1a]\s*|\s+)")  # "TR-01: words", "RF-02 T1 emergency"
_BEFORE_BRACKET = re.compile(rf"\s*{_CODE}(?=\s*[(\uff08])")  # "Not assessed RF-02 (missing: pulse)"
_LISTED = re.compile(rf"{_CODE}(?:\s*[,、\uff0c،]\s*{_CODE})*")  # "T1: RF-02, RF-07" says how many instead
_ANY = re.compile(_CODE)


def without_codes(page: Page) -> tuple[Page, dict[str, tuple[str, ...]]]:
    """Return the page without rule codes, and by section the lines as they were.

    A list in which every line names a rule is for clinicians as a whole and goes to the details.
    """
    sections, details = [], {}
    for section in page.sections:
        blocks: list[Block] = []
        kept: list[str] = []
        for block in section.blocks:
            shown, told = _plain(block)
            kept += told
            blocks += shown
        sections.append(replace(section, blocks=tuple(blocks)))
        if kept:
            details[section.name] = tuple(kept)
    return replace(page, sections=tuple(sections)), details


def _plain(block: Block) -> tuple[list[Block], list[str]]:
    """Return what is shown of a block, and the lines that the details repeat."""
    if isinstance(block, Line) and _ANY.search(f"{block.text} {block.note}"):
        sign = block.sign if block.mark == "struck" else ""  # the details are plain words: what fell keeps its cross
        before = " ".join(filter(None, (sign, block.text, block.note)))
        return [replace(block, text=without_code(block.text), note=without_code(block.note))], [before]
    if isinstance(block, Listing) and block.lines and all(_ANY.search(line) for line in block.lines):
        return [], [block.title, *block.lines]
    return [block], []


def without_code(words: str) -> str:
    """Return a line without the codes of rules; where it lists some after a colon, with their number instead."""
    shorter = _BEFORE_BRACKET.sub("", _LEADING.sub("", words))
    return _LISTED.sub(lambda found: str(len(_ANY.findall(found[0]))), shorter)
