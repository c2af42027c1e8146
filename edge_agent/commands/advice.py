"""In which languages this device makes the copy that the person takes home; see ``interop.advice``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.config import Config
from edge_agent.contracts.case import Case

if TYPE_CHECKING:
    from edge_agent.contracts.terms import Language


def advice_here(config: Config) -> frozenset[str]:
    """Return the languages of a report in which advice may be given on paper here."""
    from edge_agent.kiosk.language import advice_languages, load_languages

    return advice_languages(load_languages(("zh", "en")), is_demo=config.kiosk.is_demo)


def check_copy(case: Case, *, language: Language, config: Config) -> None:
    """Refuse the person's copy of a case before anybody waits for its report.

    Raises:
        CaseError: nobody has verified the language, and the case is none for practice.
    """
    from edge_agent.interop.advice import check_advice, is_case_for_practice

    check_advice(language, verified=advice_here(config), is_for_practice=is_case_for_practice(case))
