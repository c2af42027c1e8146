"""Choose what of the agents' own words a report keeps, once everything else about the case is known.

Reason's words stand only beside a TCM block: where none may stand (the practice's switch, an emergency, another disease),
its syndrome and formula must not be read in its text either. A formula's name is left only where the herb check shows it.
"""

from __future__ import annotations

from edge_agent.agents.conclusions import Course
from edge_agent.agents.text.lexicon import Lexicon
from edge_agent.agents.text.shown import NO_TCM, ShownTexts, TextShower
from edge_agent.contracts.terms import Vocabulary


class ReportTexts:
    """Screen the texts of cases; built once per pipeline."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._shower = TextShower(vocabulary, Lexicon.load(vocabulary))

    def of(self, course: Course) -> ShownTexts:
        """Return the texts of one case as its report keeps them."""
        found, show = course.findings, self._shower.show
        check = None if course.tcm is None else course.tcm.herbs
        formula = check.formula if check is not None and check.is_shown else None
        written = found.reason_written
        return ShownTexts(
            views={one.view.index: show(one.written) for one in found.described if one.written},
            representation=show(found.rep_written),
            reasoning=self._shower.hide(written, NO_TCM) if course.tcm is None else show(written, formula=formula),
        )
