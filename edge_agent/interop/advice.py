"""In which languages the copy that the person takes home may be made: it holds advice, and wrong words can harm.

Page and command ask here, so neither makes what the other refuses. A case for practice (a test case, a demonstration's
consent) may be made in any language: its sheet says at the top what it is. Does not know who verified a language
(``kiosk.language``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from edge_agent.contracts.case import Case
from edge_agent.errors import CaseError

_FOR_PRACTICE = frozenset({"test_case", "fictitious_consent"})  # notices that stand at the top of every sheet


def is_report_for_practice(report: Mapping[str, Any]) -> bool:
    """Say whether the report's own sheet says that nobody real is meant."""
    return not _FOR_PRACTICE.isdisjoint(report["notices"])


def is_case_for_practice(case: Case) -> bool:
    """Say the same of a case that has no report yet."""
    return case.is_test_case or (case.consent is not None and case.consent.fictitious)


def check_advice(language: str, *, verified: Collection[str], is_for_practice: bool) -> None:
    """Refuse advice in a language that nobody has verified.

    Args:
        language: of the copy.
        verified: in which advice may be made on this device.
        is_for_practice: whether the case is marked as one that means nobody real.

    Raises:
        CaseError: says what to do instead.
    """
    if language in verified or is_for_practice:
        return
    others = f"choose {' or '.join(sorted(verified))}" if verified else "read the clinician's page aloud instead"
    raise CaseError(
        f"the person's copy holds advice, and nobody has verified the words in {language!r}: {others};"
        " a device on which nobody real is seen says [kiosk] is_demo = true"
    )
