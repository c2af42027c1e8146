"""Make an agent's own words fit to be shown: nothing that only a prescriber may read, nothing that a rule withholds.

A text that names a banned substance is withheld whole. A sentence with a herb, a dose, or a formula other than the one
that passed the herb check is hidden: a written prescription was checked by nobody. It hides too much rather than too
little. Raw texts stay in the process; what is returned here is all that a report keeps.

Source: clinical-vocabulary sections 5.4 and 5.5 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_agent.agents.free_text import HIDDEN, TextScreen
from edge_agent.agents.text.lexicon import Lexicon, fold
from edge_agent.agents.text.polarity import alternation, sentences
from edge_agent.contracts.case import Written
from edge_agent.contracts.terms import Vocabulary

NO_TCM = "no_tcm"  # Reason's words without a TCM block


@dataclass(frozen=True, slots=True)
class Shown:
    """One text as a report keeps it; ``text`` is None where it is withheld whole.

    ``hides`` names what was hidden: ``banned``, ``dose``, ``herb``, ``formula``, ``no_tcm``. ``kept`` are the pieces that
    are left: (start in the original, end, start in the shown text).
    """

    step: str
    text: str | None
    finish: str
    hides: tuple[str, ...] = ()
    kept: tuple[tuple[int, int, int], ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Return where characters of the original stand in the shown text; None where they are hidden."""
        for first, last, at in self.kept:
            if first <= start and end <= last:
                return at + start - first, at + end - first
        return None

    def to_report(self) -> dict[str, Any]:
        """Return the report's row: ``step``, ``text`` (or null), ``finish``, ``hides``."""
        return {"step": self.step, "text": self.text, "finish": self.finish, "hides": list(self.hides)}


@dataclass(frozen=True, slots=True)
class ShownTexts:
    """All texts of a case as its report keeps them; empty for a bundle that writes none."""

    views: Mapping[int, tuple[Shown, ...]] = field(default_factory=dict)
    representation: tuple[Shown, ...] = ()
    reasoning: tuple[Shown, ...] = ()


class TextShower:
    """Screen agents' texts; pure, built once."""

    def __init__(self, vocabulary: Vocabulary, lexicon: Lexicon) -> None:
        self._screen, self._lexicon = TextScreen(vocabulary), lexicon
        herbs = vocabulary.lists["herb"].terms.values()
        names = {name for term in herbs for name in (term.zh, term.en, *term.facts.get("also", []))}
        self._herb = alternation(fold(name)[0] for name in names)

    def show(self, texts: Sequence[Written], *, formula: str | None = None) -> tuple[Shown, ...]:
        """Return the texts as a report may keep them.

        Args:
            texts: of one agent.
            formula: the id of the formula that passed the herb check and is shown; its name may be read.
        """
        return tuple(self._show(one, formula=formula) for one in texts)

    def hide(self, texts: Sequence[Written], reason: str) -> tuple[Shown, ...]:
        """Withhold texts whole for a reason."""
        return tuple(Shown(one.step, None, one.finish, (reason,)) for one in texts)

    def names_banned(self, texts: Sequence[Written]) -> bool:
        """Say whether any text names a banned substance."""
        return any(self._screen.show(one.text, is_prescriber=True).substances for one in texts)

    def _show(self, written: Written, *, formula: str | None) -> Shown:
        text = written.text
        if self.names_banned([written]):
            return Shown(written.step, None, written.finish, ("banned",))
        marks = self._marks(text, formula=formula)
        pieces, kept, hides, at, length = [], [], [], 0, 0
        for start, end in [*sentences(text), (len(text), len(text))]:
            found = [kind for kind, first, last in marks if first < end and start < last]
            hides += found
            stop = start if found or start == len(text) else None
            if stop is None:
                continue
            kept.append((at, stop, length))
            pieces += [text[at:stop], HIDDEN if found else ""]
            length += stop - at + (len(HIDDEN) if found else 0)
            at = end
        return Shown(written.step, "".join(pieces), written.finish, tuple(dict.fromkeys(hides)), tuple(kept))

    def _marks(self, text: str, *, formula: str | None) -> list[tuple[str, int, int]]:
        """List (kind, start, end) of everything that a sentence may not be shown with."""
        named = self._lexicon.hits(text, "formula")
        marks = [("formula", hit.start, hit.end) for hit in named if formula is None or hit.value != formula]
        marks += [("dose", one.start, one.end) for one in self._screen.withheld_terms(text) if one.kind == "dose"]
        folded, places = fold(text)
        for match in self._herb.finditer(folded):
            start, end = places[match.start()], places[match.end() - 1] + 1
            if not any(hit.start <= start and end <= hit.end for hit in named):  # a formula's name holds herbs' names
                marks.append(("herb", start, end))
        return marks
