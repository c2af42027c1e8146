"""How answers are counted: per field, lists as sets, steps by the device's own check; gold and cascade apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from calibration.reference.cases import text_case
from calibration.reference.confidence import Confidences
from calibration.reference.evaluate import CONSTANT, NO_THRESHOLDS, Measurement, chained_record, represented_fields
from calibration.reference.labels import view_labels
from calibration.reference.pool import PoolCase, PoolView
from calibration.reference.steps_truth import true_steps
from edge_agent.agents.evidence.record import Record
from edge_agent.agents.evidence.signs_table import SignTable
from edge_agent.contracts.case import AgentOutput, FieldValue
from edge_agent.contracts.manifest import AgentName, FieldCalibration

TABLE = SignTable.load()
Answer = dict[str, Any]


def pooled(index: int) -> PoolCase:
    """Return a case of the test split with its labels and empty pictures."""
    drawn = text_case("test", index)
    pixels = np.zeros((28, 28, 3), np.uint8)
    views = tuple(
        PoolView(pixels, shot, view_labels(drawn.signs, shot, count=3, share=0.2), is_odd=n == drawn.odd_view)
        for n, shot in enumerate(drawn.shots)
    )
    return PoolCase(
        case_id=drawn.case_id, tone=drawn.tone, views=views, intake=dict(drawn.intake),
        representation=dict(drawn.representation), reasoning=dict(drawn.reasoning), signs=drawn.signs,
        in_scope=drawn.in_scope, record=drawn.record, previous=dict(drawn.previous) if drawn.previous else None,
        odd_view=drawn.odd_view,
    )  # fmt: skip


CASES = [pooled(index) for index in range(60)]
INSIDE = [case for case in CASES if case.in_scope]


def output(agent: AgentName, answer: Mapping[str, Any], *, share: float = 0.8) -> AgentOutput:
    """Return an answer as the engine gives it, every field with the same confidence."""
    value = {name: list(told) if isinstance(told, tuple) else told for name, told in answer.items()}
    flat = {name: told for name, told in value.items() if name not in ("reasoning_steps", "biomedical")}
    medical = value.get("biomedical", {})
    flat |= {f"biomedical.{name}": list(t) if isinstance(t, tuple) else t for name, t in medical.items()}
    fields = {name: FieldValue(told, share, {"a": share, "b": 1 - share}) for name, told in flat.items()}
    return AgentOutput(agent, "step", "", value, fields, tokens_sampled=len(fields), tokens_forced=0)


class Scripted:
    """A decider that knows every answer, but for what ``spoil`` changes in Rec's and ``steps`` writes in Reason's."""

    def __init__(self, *, spoil: Answer | None = None, steps: Callable[[Record], list[Answer]] | None = None) -> None:
        self._spoil, self._steps = spoil or {}, steps or (lambda record: true_steps(record, TABLE))

    def recognition(self, cases: Sequence[PoolCase], _tell: object) -> list[list[AgentOutput]]:
        """Answer every view's labels."""
        return [[output("recognition", {**view.labels, **self._spoil}) for view in case.views] for case in cases]

    def representation(self, cases: Sequence[PoolCase], _tell: object) -> list[tuple[AgentOutput, ...]]:
        """Answer every visit's labels."""
        return [(output("representation", case.representation),) for case in cases]

    def reasoning(self, records: Sequence[Record], _tell: object) -> list[AgentOutput]:
        """Answer the labels of the in-scope cases in turn, with steps on the record that is shown."""
        return [
            output("reasoning", case.reasoning | {"reasoning_steps": self._steps(record)})
            for case, record in zip(INSIDE, records, strict=True)
        ]


def measured(decider: Scripted, *, least: Mapping[str, float] | None = None) -> dict[str, Any]:
    confidences = None if least is None else Confidences(least=least)
    return Measurement(decider, CASES, confidences=confidences, tell=lambda *_: None).run()


def test_who_knows_everything_gets_everything() -> None:
    """Every field of every agent is counted, and all are right; every step is verified."""
    figures = measured(Scripted())
    assert {row["accuracy"] for row in figures["fields"].values()} == {1.0}
    agents = {name.partition(".")[0] for name in figures["fields"]}
    assert agents == {"recognition", "representation", "reasoning", "cascade"}
    assert {"reasoning.biomedical.working", "recognition.special", "representation.stage"} <= set(figures["fields"])
    assert not any("steps" in name for name in figures["fields"])
    for checked in figures["verifiability"].values():
        assert checked["verifiability"] == 1.0
        assert checked["steps"] >= 3 * len(INSIDE)
        assert 0 < checked["constant"] < 0.8


def test_a_list_is_right_as_a_whole_and_its_confidence_by_its_leading_item() -> None:
    """Always answering scale: right where scale is all there is; the confidence is right wherever scale is named."""
    figures = measured(Scripted(spoil={"secondary_change": ("scale",)}), least={})
    near = [view.labels["secondary_change"] for case in CASES for view in case.views if view.shot != "overview"]
    row = figures["fields"]["recognition.secondary_change"]
    assert row["accuracy"] == pytest.approx(sum(told == ("scale",) for told in near) / len(near), abs=1e-4)
    assert row["kept_precision"] == pytest.approx(sum("scale" in told for told in near) / len(near), abs=1e-4)
    assert row["accuracy"] < row["kept_precision"]


def test_a_confidence_below_its_least_is_not_kept() -> None:
    """Everything is told with .8: a field that asks for .9 shows nothing, one that asks for .8 shows all."""
    figures = measured(Scripted(), least={"recognition.border": 0.9, "recognition.arrangement": 0.8})["fields"]
    assert (figures["recognition.border"]["kept"], figures["recognition.border"]["kept_precision"]) == (0.0, None)
    assert figures["recognition.arrangement"]["kept"] == 1.0
    assert "ece" not in figures["cascade.syndrome"]


def test_who_always_writes_the_same_step_gets_the_constant_share() -> None:
    """The baseline of verifiability is exactly that model."""
    for checked in measured(Scripted(steps=lambda _record: [CONSTANT]))["verifiability"].values():
        assert checked["verifiability"] == checked["constant"]
        assert checked["steps"] == len(INSIDE)


def test_steps_on_nothing_are_not_verified() -> None:
    """A pointer to a picture that nobody took supports no claim, and no steps at all verify nothing."""
    invented = {"claim": "blood_heat", "stance": "supports", "evidence": ["view:12.colour"]}
    assert measured(Scripted(steps=lambda _r: [invented]))["verifiability"]["reasoning"]["verifiability"] == 0.0
    assert measured(Scripted(steps=lambda _r: []))["verifiability"]["cascade"]["verifiability"] is None


def test_the_cascade_reads_what_rec_said() -> None:
    """A wrong colour of Rec stands in the record that Reason is shown; the true record stays as it is."""
    case = next(case for case in INSIDE if case.signs.colour == "pale_red")
    wrong = [output("recognition", {**view.labels, "colour": ("bright_red",)}) for view in case.views]
    record = chained_record(case, wrong, [output("representation", case.representation)], NO_THRESHOLDS)
    colours = {pointer: value for pointer, value in record.values.items() if pointer.endswith(".colour")}
    assert list(colours.values()) == [("bright_red",)]
    assert ("pale_red",) in case.record.values.values()


def test_the_cascade_reads_no_more_than_the_device_shows() -> None:
    """What lies below its least confidence (everything is told with .8) reaches Reason as not told."""
    case = next(case for case in INSIDE if case.signs.colour == "pale_red")
    seen = [output("recognition", view.labels) for view in case.views]
    least = {
        name: FieldCalibration(temperature=1.0, min_confidence=0.9)
        for name in ("recognition.colour", "representation.stage")
    }
    thresholds = NO_THRESHOLDS.model_copy(update={"fields": least})
    record = chained_record(case, seen, [output("representation", case.representation)], thresholds)
    assert {value for pointer, value in record.values.items() if pointer.endswith(".colour")} == {"cannot_tell"}
    assert record.values["representation.stage"] == "cannot_tell"
    assert record.values["representation.phenotype"] == case.representation["phenotype"]


def test_place_and_symmetry_count_only_with_an_overview() -> None:
    """Without one they are cannot_tell by rule and prove nothing."""
    for case in CASES:
        has_overview = any(view.shot == "overview" for view in case.views)
        assert ("distribution" in represented_fields(case)) == has_overview
