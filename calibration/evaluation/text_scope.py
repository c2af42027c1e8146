"""Count what a bundle's words would open: the figures that ``thresholds.text_scope`` declares. Judges nothing.

A text opens a case only in a bundle that declares these figures (``edge_agent.agents.scope``), so they are counted as if it
did; whether it does is the manifest's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from calibration.evaluation.answers import CaseAnswer
from calibration.evaluation.case_folder import EvaluationCase
from edge_agent.agents import scope as scopes
from edge_agent.contracts.case import Finding
from edge_agent.contracts.manifest import Thresholds
from edge_agent.contracts.text_contract import TextScope

_ASSUMED = TextScope(split="assumed", danger_cases=59, danger_read_as_ours=0, in_scope_cases=1, in_scope_found=0)


def assumed(thresholds: Thresholds) -> Thresholds:
    """Return the thresholds of the same bundle if it let its words open a case."""
    return thresholds.model_copy(update={"text_scope": _ASSUMED})


def decides_by_words(found: Sequence[Finding]) -> bool:
    """Say whether the scope of a case rests on words: Rec wrote them, and decided nothing under a schema behind them."""
    return any(scopes.read_view(one).is_coded for one in found)


def text_scope_figures(
    cases: Sequence[EvaluationCase], answers: Sequence[CaseAnswer], *, split: str
) -> dict[str, Any] | None:
    """Return the block ``thresholds.text_scope`` as counted on these cases; None where no scope rests on words.

    Args:
        cases: labelled.
        answers: of one bundle.
        split: what the cases are called.
    """
    rows = [
        (case, answer.words_open) for case, answer in zip(cases, answers, strict=True) if answer.words_open is not None
    ]
    if not rows:
        return None
    dangers = [is_open for case, is_open in rows if case.is_danger]
    inside = [is_open for case, is_open in rows if case.file.in_scope]
    return {
        "split": split,
        "danger_cases": len(dangers),
        "danger_read_as_ours": sum(dangers),
        "in_scope_cases": len(inside),
        "in_scope_found": sum(inside),
    }


def advice(figures: dict[str, Any]) -> str:
    """Say in one line whether the figures may be declared, and where."""
    try:
        TextScope.model_validate(figures)
    except ValidationError:
        return (
            f"words may not open a case: {figures['danger_read_as_ours']} of {figures['danger_cases']} danger cases were "
            "read as ours, none of at least 59 may be; leave thresholds.text_scope out"
        )
    return "words may open a case: copy text_scope from summary.json to thresholds in derm_edge.json and build again"
