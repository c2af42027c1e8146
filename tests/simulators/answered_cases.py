"""Labelled cases and what two bundles said on them, made up without any model: every figure can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from calibration.evaluation.answers import CaseAnswer, Reading, Said, Turn
from calibration.evaluation.case_folder import CaseFile, EvaluationCase, LabelledView
from calibration.evaluation.comparison import Comparison

SHOTS = ("close_up", "regional", "overview")


def labelled_case(
    number: int, *, tone: str = "1", family: str = "papulosquamous", shot: str = "close_up", **more: Any
) -> EvaluationCase:
    """Return a case of one view; in scope where the family is ours. ``more`` overrides fields of the file."""
    in_scope = family == "papulosquamous"
    fields: dict[str, Any] = {
        "case_id": f"case-{number:05d}",
        "tone_group": tone,
        "in_scope": in_scope,
        "views": [
            LabelledView(
                picture="1.png",
                shot=shot,  # type: ignore[arg-type]
                labels={"applicability": "lesion_visible", "family": family},
            )
        ],
        "representation": {"stage": "stationary"} if in_scope else {},
        "reasoning": {"syndrome": "blood_heat"} if in_scope else {},
    }
    return EvaluationCase(CaseFile.model_validate({**fields, **more}), Path("nowhere"))


def right_answer(case: EvaluationCase, *, confidence: float = 0.9) -> CaseAnswer:
    """Return what a bundle says that has everything right, as sure as told."""
    said = [
        Said(view=view, field=f"recognition.{name}", value=value, confidence=confidence, is_shown=True)
        for view, one in enumerate(case.file.views)
        for name, value in one.labels.items()
    ]
    truths = [("representation", case.file.representation), ("reasoning", case.file.reasoning)]
    truths.append(("cascade", case.file.reasoning))
    said += [
        Said(view=None, field=f"{agent}.{name}", value=value, confidence=confidence, is_shown=True)
        for agent, labels in truths
        for name, value in labels.items()
    ]
    return CaseAnswer(case_id=case.case_id, decision="in_scope" if case.file.in_scope else "out_of_scope", said=said)


def saying(answer: CaseAnswer, field: str, value: Any, **more: Any) -> CaseAnswer:
    """Return the answer with another value in one field."""
    said = [one.model_copy(update={"value": value, **more}) if one.field == field else one for one in answer.said]
    return answer.model_copy(update={"said": said})


def forced(answer: CaseAnswer, logits: Sequence[float], *, agent: str = "recognition") -> CaseAnswer:
    """Return the answer with one reading of one decision between as many tokens as there are logits."""
    best = max(range(len(logits)), key=lambda place: logits[place])
    ids = list(range(len(logits)))
    reading = Reading(tokens=[0], best=[best], decisions=[(ids, list(logits), None, best)])
    turn = Turn(agent=agent, views=[0], texts={}, answers=["x"])  # type: ignore[arg-type]
    return answer.model_copy(update={"turns": [turn], "readings": [[reading]]})


def compared(
    cases: Sequence[EvaluationCase],
    change: Callable[[int, CaseAnswer], CaseAnswer],
    *,
    before: Callable[[int, CaseAnswer], CaseAnswer] = lambda _number, answer: answer,
) -> Comparison:
    """Return a comparison in which the reference is right but for ``before``, and the candidate differs by ``change``."""
    reference = [before(number, right_answer(case)) for number, case in enumerate(cases)]
    return Comparison(cases, reference, [change(number, answer) for number, answer in enumerate(reference)])
