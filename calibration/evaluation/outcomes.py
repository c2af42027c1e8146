"""Hold what bundles said against the labels: one row per decided field that has a label. Counts nothing yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from calibration.evaluation.answers import CaseAnswer, Said
from calibration.evaluation.case_folder import EvaluationCase, Label
from calibration.evaluation.gate_parts import FLIP_FIELDS
from calibration.reference.confidence import NOTHING
from calibration.reference.list_values import items, leading, told
from edge_agent.agents.scope import DANGER_FAMILIES


@dataclass(frozen=True, slots=True)
class Outcome:
    """One labelled field of one case.

    ``case`` is the case's index, ``view`` the picture's (None for the visit); ``view_type`` the picture's distance for
    Rec's fields, else those of the whole visit.
    ``is_leading_right`` is about the leading item of a list, which is what the confidence is about. ``is_telling``: the
    answer says something; ``is_shown``: the device would show it. ``truth`` and ``answer`` are written forms.
    """

    case: int
    tone: str
    view_type: str
    field: str
    is_right: bool
    confidence: float | None
    is_leading_right: bool
    is_telling: bool
    is_shown: bool
    truth: str = ""
    answer: str = ""
    view: int | None = None


@dataclass(frozen=True, slots=True)
class Flip:
    """One answer that differs from the reference's; ``truth`` is empty where nobody labelled it."""

    case_id: str
    tone: str
    view_type: str
    what: str
    view: int | None
    before: str
    after: str
    truth: str


def outcomes_of(cases: Sequence[EvaluationCase], answers: Sequence[CaseAnswer]) -> list[Outcome]:
    """Return a row per labelled field that the bundle decided, in the order of the cases."""
    return [
        _outcome(index, case, said, truth)
        for index, (case, answer) in enumerate(zip(cases, answers, strict=True))
        for said, truth in _with_truth(case, answer)
    ]


def _with_truth(case: EvaluationCase, answer: CaseAnswer) -> Iterator[tuple[Said, Label]]:
    for said in answer.said:
        truths, name = _truths(case, said)
        if name in truths:
            yield said, truths[name]


def _truths(case: EvaluationCase, said: Said) -> tuple[Mapping[str, Label], str]:
    agent, _, name = said.field.partition(".")
    if said.view is not None:
        return case.file.views[said.view].labels, name
    return (case.file.representation if agent == "representation" else case.file.reasoning), name


def _outcome(index: int, case: EvaluationCase, said: Said, truth: Label) -> Outcome:
    label: Any = truth if isinstance(truth, list) or not isinstance(said.value, list) else [truth]
    return Outcome(
        case=index,
        tone=case.file.tone_group,
        view_type=_view_type(case, said.view),
        field=said.field,
        is_right=told(said.value) == told(label),
        confidence=said.confidence,
        is_leading_right=leading(said.value) in items(label),
        is_telling=told(said.value) not in NOTHING,
        is_shown=said.is_shown,
        truth=told(label),
        answer=told(said.value),
        view=said.view,
    )


def paired(before: Sequence[Outcome], after: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Return both sides with the same fields of the same cases: what only one side answered the other has wrong.

    Else a bundle that falls silent where the other one answers would lose nothing: fewer answers, the same share right.
    """
    ours, theirs = {_place(row) for row in before}, {_place(row) for row in after}
    silent_before = [_unanswered(row) for row in after if _place(row) not in ours]
    silent_after = [_unanswered(row) for row in before if _place(row) not in theirs]
    return [*before, *silent_before], [*after, *silent_after]


def _place(row: Outcome) -> tuple[int, int | None, str]:
    return row.case, row.view, row.field


def _unanswered(row: Outcome) -> Outcome:
    return replace(
        row, is_right=False, confidence=None, is_leading_right=False, is_telling=False, is_shown=False, answer=""
    )


def _view_type(case: EvaluationCase, view: int | None) -> str:
    return case.view_type if view is None else case.file.views[view].shot or "unknown"


def flips_of(cases: Sequence[EvaluationCase], before: Sequence[CaseAnswer], after: Sequence[CaseAnswer]) -> list[Flip]:
    """Return every flip of the scope decision, family, stage and syndrome, in the order of the cases."""
    return [
        flip
        for case, old, new in zip(cases, before, after, strict=True)
        for what in FLIP_FIELDS
        for flip in _flips(case, what, old, new)
    ]


def _flips(case: EvaluationCase, what: str, old: CaseAnswer, new: CaseAnswer) -> Iterator[Flip]:
    wanted = FLIP_FIELDS[what]
    if wanted is None:
        if old.decision != new.decision:
            truth = "in_scope" if case.file.in_scope else "not in_scope"
            yield Flip(
                case.case_id, case.file.tone_group, case.view_type, what, None, old.decision, new.decision, truth
            )
        return
    later = {(one.view, one.field): one for one in new.said}
    for one in old.said:
        if one.field != wanted:
            continue
        other = later.get((one.view, one.field))
        found = told(other.value) if other is not None else "nothing"
        if told(one.value) != found:
            truths, name = _truths(case, one)
            yield Flip(
                case.case_id,
                case.file.tone_group,
                _view_type(case, one.view),
                what,
                one.view,
                told(one.value),
                found,
                told(truths[name]) if name in truths else "",
            )


def is_refused(answer: CaseAnswer) -> bool:
    """Say whether the device would not go on to a syndrome."""
    return answer.decision != "in_scope"


def names_danger(answer: CaseAnswer) -> bool:
    """Say whether Rec names a danger family on any view."""
    return any(one.field == "recognition.family" and one.value in DANGER_FAMILIES for one in answer.said)
