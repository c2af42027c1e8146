"""Say which parts of a report a clinician decides on, and with which values a part can be corrected.

A part that the report does not hold is not decided: nobody accepts what was never said. Does not store anything.

Source: clinical-vocabulary section 11 (`decision` per section), section 10 (the parts of a report).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from edge_agent.contracts.result import Section
from edge_agent.contracts.terms import Vocabulary

SECTIONS: Final[tuple[Section, ...]] = get_args(Section)  # in the order of the report
# What a correction may name, by part: the field and the vocabulary list that holds its values.
CORRECTABLE: Final[Mapping[Section, Mapping[str, str]]] = {
    "findings": {"family": "family"},
    "representation": {"phenotype": "phenotype", "stage": "stage"},
    "severity": {"pga": "pga"},
    "reasoning": {"condition": "biomedical_condition", "syndrome": "syndrome"},
    "triage": {"tier": "triage"},
    "plan": {},  # a plan is corrected in words, and by refusing its items
}
# Where the report's page shows the part: an id of `word` in the vocabulary.
SHOWN_IN: Final[Mapping[Section, str]] = {
    "findings": "section_findings",
    "representation": "section_integrated",
    "severity": "section_integrated",
    "reasoning": "section_reasoning",
    "triage": "section_triage",
    "plan": "section_plan",
}


def decidable(report: Mapping[str, Any]) -> tuple[Section, ...]:
    """Return the parts of a report that wait for a decision, in the order of the report.

    Args:
        report: of schema version 2 (``agents.report.reading.readable``).
    """
    has = {
        "findings": bool(report["recognition"]),
        "representation": report["representation"] is not None,
        "severity": _is_severity_told(report["severity"]),
        "reasoning": report["reasoning"] is not None or report["biomedical"] is not None,
        "triage": True,
        "plan": bool(report["plan"]["items"]),
    }
    return tuple(name for name in SECTIONS if has[name])


def _is_severity_told(severity: Mapping[str, Any]) -> bool:
    """Say whether anything about severity stands in the report that could be wrong."""
    return severity["band"] is not None or severity["pasi"]["value"] is not None or bool(severity["local_score"])


def unknown_correction(section: Section, values: Mapping[str, str], vocabulary: Vocabulary) -> str | None:
    """Return what is wrong with a correction's values; None when all are known.

    Args:
        section: the part that is corrected.
        values: field -> id.
        vocabulary: holds the ids.
    """
    allowed = CORRECTABLE[section]
    for field, value in values.items():
        if field not in allowed:
            return f"{section} has no {field} to correct"
        if not vocabulary.has(value, of=allowed[field]):
            return f"{value!r} is no value of {field}"
    return None
