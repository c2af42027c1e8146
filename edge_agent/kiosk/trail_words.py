"""How the page of the trail says what was done and to what: words for the ids that the rooms write, in the page's language.

The trail itself keeps ids, which no translation changes. What has no words (a picture's own number, an account) stands as it
was written. Does not read the trail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

from edge_agent.contracts.terms import Vocabulary
from edge_agent.kiosk.language import Language, Text
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.pages.consultation.start import STEP_NAMES
from edge_agent.kiosk.pages.sign_in import EMERGENCY_REASONS
from edge_agent.store.audit import Action

# What the rooms of visits and cases write beside the actions of the trail's own list.
ROOM_ACTIONS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "case_begun": _("began a visit"),
        "case_discarded": _("threw a visit away"),
        "instruction_read": _("read the instruction"),
        "part_accepted": _("accepted a part"),
        "part_corrected": _("corrected a part"),
        "part_rejected": _("rejected a part"),
        "picture_asked": _("asked the person about a picture"),
        "picture_exported": _("gave a picture to a receiver"),
        "picture_taken": _("took a picture"),
        "report_signed": _("signed a report"),
        "second_reading": _("gave a second reading"),
        "visit_closed": _("ended a visit"),
    }
)
_FIXED: Final[Mapping[str, Text]] = MappingProxyType(
    {
        **EMERGENCY_REASONS,
        "agrees": _("agrees"),
        "differs": _("does not agree"),
        "episode": _("Earlier visits"),
        "fhir": _("File for another system (FHIR)"),
        "pdf_clinician": _("For a clinician"),
        "pdf_letter": _("Referral letter"),
        "pdf_person": _("For the person to take home"),
    }
)
_VIEW: Final = re.compile(r"view-(\d+)")
_LISTS: Final = {
    "consent_given": "consent_title",
    "consent_refused": "consent_title",
    "consent_withdrawn": "consent_title",
    "picture_asked": "body_site",
    "picture_taken": "body_site",
}  # action -> the list of its detail


@dataclass(frozen=True, slots=True)
class TrailWords:
    """Say the details of a trail in one language; ``term`` gives the words of (list, id) in it."""

    language: Language
    vocabulary: Vocabulary
    term: Callable[[str, str], str]

    def detail(self, action: str, detail: str) -> str | None:
        """Return what a row was about, in words; None where there are none for it."""
        if (seen := _VIEW.fullmatch(detail)) is not None:
            return self.language.gettext(_("Picture %(number)s", number=self.language.number(int(seen[1]) + 1)))
        if action == Action.DATE_CONFIRMED:
            return self._day(detail)
        if action.startswith("part_"):
            section, _sign, reason = detail.partition(":")
            told = (self._term("decided_section", section), self._term("decision_reason", reason))
            return " · ".join(one for one in told if one is not None) or None
        if (step := next((words for one, words in STEP_NAMES.items() if one == detail), None)) is not None:
            return self.language.gettext(step)
        if detail in _FIXED:
            return self.language.gettext(_FIXED[detail])
        return self._term(_LISTS[action], detail) if action in _LISTS else None

    def _term(self, of: str, term_id: str) -> str | None:
        return self.term(of, term_id) if self.vocabulary.has(term_id, of=of) else None

    def _day(self, told: str) -> str | None:
        try:
            return self.language.date(date.fromisoformat(told))
        except ValueError:
            return None
