"""Visits with graded views, as Rec and the form would give them; every number in them is invented."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from edge_agent.agents.abstention import Kept
from edge_agent.agents.representation import Described
from edge_agent.contracts.case import Case
from edge_agent.contracts.previous import PreviousVisit
from tests.simulators.cases import CREATED, form, view

SITE_OF = {"head": "scalp", "upper": "elbow", "trunk": "back", "lower": "knee"}


def said(value: Any, *, is_decided: bool = True, is_withheld: bool = False) -> Kept:
    """Return a field as it stands after the thresholds."""
    return Kept(value, 0.9 if is_decided else None, is_decided, is_withheld)


def plaque(
    index: int = 0,
    *,
    site: str | None = "back",
    shot: str | None = "close_up",
    grades: Sequence[int | None] = (2, 2, 2),
    **fields: Kept,
) -> Described:
    """Return a view of a psoriasis-like lesion with grades (erythema, induration, scale_amount)."""
    names = ("erythema", "induration", "scale_amount")
    told = {name: said(grade, is_decided=grade is not None) for name, grade in zip(names, grades, strict=True)}
    base = {"applicability": said("lesion_visible"), "family": said("papulosquamous")}
    return Described(view(index, 1, shot=shot, body_site=site), {**base, **told, **fields})


def visit(
    described: Sequence[Described] = (),
    *,
    created: datetime = CREATED,
    previous: PreviousVisit | None = None,
    **answers: Any,
) -> Case:
    """Return a case with these views; the form says nothing of severity but what ``answers`` say."""
    intake = form(**{"bsa_percent": None, **answers})
    return Case("case-1", tuple(one.view for one in described), intake, None, created, previous)
