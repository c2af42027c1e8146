"""What a report is made of before it becomes text or a page: lines, tables and sections, with their words already chosen.

Terminal, page and print are all drawn from the same parts, so none can say what another leaves out. Holds no id and
decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edge_agent.agents.rules.rule_file import TIERS

Mark = Literal["", "alert", "strong", "tier", "unknown", "quiet", "struck"]
# Urgency has a shape beside its words, because colour is lost on paper and on many eyes.
SHAPES = dict(zip(TIERS, "■◆▲●○", strict=True))
UNKNOWN, SUPPORTED, STRUCK, CAUTION, BOX = "?", "✓", "✗", "!", "☐"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a sign (a shape, a tick, a box), its text, and a note that stands after it and is never struck.

    ``tier`` is an id of ``triage`` where the line speaks of urgency.
    """

    text: str
    mark: Mark = ""
    sign: str = ""
    note: str = ""
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``views`` names the picture (index from 0) above each column after the first, where there are any.

    ``is_struck``: a clinician found it wrong; it is drawn struck through.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    views: tuple[int, ...] = ()
    is_struck: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A long list in small print, in two columns where there is room; nothing in it is left out."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Boxes:
    """Places to sign, by label."""

    labels: tuple[str, ...]


Block = Line | Table | Listing | Boxes


@dataclass(frozen=True, slots=True)
class Section:
    """One numbered section; ``name`` is an id of ``word``."""

    number: int
    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report in one language for one audience: head, banners, the tier at a glance, sections."""

    title: str
    meta: str
    banners: tuple[str, ...]
    tier: Line
    sections: tuple[Section, ...]


def lines(texts: Iterable[str], *, mark: Mark = "", sign: str = "") -> list[Block]:
    """Return one line per text."""
    return [Line(text, mark, sign) for text in texts]
