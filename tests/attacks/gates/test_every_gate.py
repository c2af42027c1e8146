"""Every default gate with its own limit, at 2,000 cases per tone: it passes on an undamaged bundle and falls on damage.

The damage is planted in the answers, not in weights: ten thousand cases on a real engine are the full run, not a test.
What it shows is that no gate is out of reach: none that always falls, none that nothing brings down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from calibration.evaluation.answers import CaseAnswer
from calibration.evaluation.case_folder import EvaluationCase, LabelledView
from calibration.evaluation.comparison import Comparison
from calibration.evaluation.gates import judge
from calibration.evaluation.limits import CASES_PER_TONE, QualityGate, default_gates
from tests.simulators.answered_cases import labelled_case, right_answer, saying

pytestmark = pytest.mark.slow

TONES = ("1", "2", "3", "4", "5")
FORCED = 100  # of each tone: as many as a resampled bound asks for
WEIGHTS = {
    "language_model: a": 0.083,
    **{f"{one}: a": 0.008 for one in ("vision_embeddings", "vision_merger", "text_embeddings")},
    **{f"adapter.{one}: a": 0.01 for one in ("recognition", "representation", "reasoning")},
}
Change = Callable[[EvaluationCase, CaseAnswer], CaseAnswer]


def made_up(number: int) -> EvaluationCase:
    """Return one of 10,000 cases: a fifth danger, a tenth unreadable, the others ours."""
    tone, kind = TONES[number % 5], number // 5 % 10
    if kind < 2:
        return labelled_case(number, tone=tone, family="pigmented_lesion")
    if kind == 2:
        views = [LabelledView(picture="1.png", shot="regional", labels={"applicability": "not_skin"})]
        return labelled_case(number, tone=tone, family="cannot_tell", views=views)
    return labelled_case(number, tone=tone)


def reading(answer: CaseAnswer, logits: list[float]) -> CaseAnswer:
    """Return the answer with one forced decision of each agent."""
    best = max(range(len(logits)), key=lambda place: logits[place])
    turns: list[dict[str, Any]] = []
    readings: list[list[dict[str, Any]]] = []
    for agent in ("recognition", "representation", "reasoning"):
        turns.append({"agent": agent, "views": [], "texts": {}, "answers": ["x"]})
        readings.append([{"tokens": [0], "best": [best], "decisions": [([0, 1], logits, None, best)]}])
    return CaseAnswer.model_validate({**answer.model_dump(), "turns": turns, "readings": readings})


@pytest.fixture(scope="module")
def whole() -> Comparison:
    """An undamaged bundle beside its reference: the same answers."""
    cases = [made_up(number) for number in range(CASES_PER_TONE * len(TONES))]
    answers = [right_answer(case) for case in cases]
    answers[: FORCED * 5] = [reading(one, [0.0, 1.0]) for one in answers[: FORCED * 5]]
    return Comparison(cases, answers, answers, weights=WEIGHTS)


def some(share: int, change: Change, *, wanted: Callable[[EvaluationCase], bool] = lambda _case: True) -> Change:
    """Return a change of every ``share``-th wanted case."""
    seen = {"count": 0}

    def maybe(case: EvaluationCase, answer: CaseAnswer) -> CaseAnswer:
        seen["count"] += wanted(case)
        return change(case, answer) if wanted(case) and seen["count"] % share == 0 else answer

    return maybe


def say(field: str, value: str) -> Change:
    """Return a change of one field."""
    return lambda _case, answer: saying(answer, field, value)


def decide(decision: str) -> Change:
    """Return a change of the scope decision."""
    return lambda _case, answer: answer.model_copy(update={"decision": decision})


def unsure(_case: EvaluationCase, answer: CaseAnswer) -> CaseAnswer:
    """Be right and half as sure."""
    return answer.model_copy(update={"said": [one.model_copy(update={"confidence": 0.5}) for one in answer.said]})


def open_by_words(_case: EvaluationCase, answer: CaseAnswer) -> CaseAnswer:
    """Write of psoriasis so firmly that the words open the case."""
    return answer.model_copy(update={"words_open": True, "decision": "in_scope"})


def astray(_case: EvaluationCase, answer: CaseAnswer) -> CaseAnswer:
    """Prefer the other token along the reference's answers."""
    return reading(answer, [1.0, 0.0]) if answer.readings else answer


# One case in seven, so that every tone and field has its share: numbers of cases go round the tones in fives.
DAMAGE: dict[str, Change] = {
    "reads danger on": some(7, decide("in_scope"), wanted=lambda case: case.is_danger),
    "names danger otherwise": some(7, say("recognition.family", "papulosquamous"), wanted=lambda case: case.is_danger),
    "reads anything on": some(7, decide("in_scope"), wanted=lambda case: case.is_unreadable),
    "refuses what is ours": some(7, decide("abstained"), wanted=lambda case: case.file.in_scope),
    "names another family": some(7, say("recognition.family", "wheal")),
    "names another stage": some(7, say("representation.stage", "progressive")),
    "names another syndrome": some(7, say("reasoning.syndrome", "blood_stasis")),
    "names another syndrome in the cascade": some(7, say("cascade.syndrome", "blood_stasis")),
    "opens danger by its words": some(7, open_by_words, wanted=lambda case: case.is_danger),
    "is half as sure": unsure,
    "goes astray": astray,
}


def key(gate: QualityGate) -> tuple[str, str, str]:
    """Return what tells gates apart."""
    return gate.metric, gate.part, gate.group


def test_an_undamaged_bundle_passes_every_gate(whole: Comparison) -> None:
    """2,000 cases per tone are enough for every default limit."""
    assert [row.line() for row in judge(whole, default_gates()) if not row.is_met] == []


def test_every_gate_falls_at_least_once(whole: Comparison) -> None:
    """Whatever the gate, some planted damage brings it down."""
    down: set[tuple[str, str, str]] = set()
    for change in DAMAGE.values():
        answers = [change(case, answer) for case, answer in zip(whole.cases, whole.reference, strict=True)]
        asked = [gate for gate in default_gates() if key(gate) not in down]
        rows = judge(Comparison(whole.cases, whole.reference, answers, weights=WEIGHTS), asked)
        down |= {key(row.gate) for row in rows if not row.is_met}
    rows = judge(replace_weights(whole), [gate for gate in default_gates() if gate.metric == "weight_error"])
    down |= {key(row.gate) for row in rows if not row.is_met}
    assert {key(gate) for gate in default_gates()} - down == set()


def replace_weights(comparison: Comparison) -> Comparison:
    """Return the comparison with every weight a fifth away from FP32."""
    return replace(comparison, weights=dict.fromkeys(WEIGHTS, 0.2))
