"""The second turn's gate: which texts are asked, how answers are counted, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from calibration.recipe import GateRecipe
from calibration.second_turn_gate import AskedText, asked_texts, check_second_turn, count_answers
from edge_agent.agents.text.second_turn import Question
from edge_agent.contracts.case import AgentOutput, CodingRequest, Written
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.text_contract import CoderSpec
from edge_agent.errors import QualityGateError
from tests.simulators.cases import manifest
from tests.simulators.text_bundle import text_manifest
from tests.simulators.text_engine import WritingEngine

VOCABULARY = Vocabulary.load()
MANIFEST = text_manifest(coder=CoderSpec())
BOUNDS = GateRecipe(canary_max_of_range=0.02, canary_min_argmax=0.8, golden_min_agreement=0.98)
NOBODY_ASKED = Question(Written("text", "", "", "eos"), (), {}, CodingRequest("", {}, {}, 1))


def text(told: Mapping[str, Any], *silent: str) -> AskedText:
    """A text by hand."""
    return AskedText(NOBODY_ASKED, told, silent)


def test_every_answer_is_counted_once() -> None:
    """Right, wrong and none of what is told; filled of what is silent; the best constant answer beside them."""
    figures = count_answers(
        [
            (text({"border": "well_defined"}, "stage"), {"border": "well_defined", "stage": "cannot_tell"}),
            (text({"border": "well_defined"}, "stage"), {"border": "ill_defined", "stage": "progressive"}),
            (text({"border": "ill_defined"}), {"border": "cannot_tell"}),
            (text({"erythema": 0}, "induration"), {"erythema": 0, "induration": None}),
        ]
    )
    border, stage, erythema = (figures.fields[name] for name in ("border", "stage", "erythema"))
    assert (border.told, border.right, border.wrong, border.constant) == (3, 1, 1, 2)
    assert (stage.told, stage.silent, stage.filled) == (0, 2, 1)
    assert (erythema.told, erythema.right, erythema.wrong) == (1, 1, 0)
    assert (figures.share("right", of="told"), figures.share("wrong", of="told")) == (0.5, 0.25)
    assert figures.share("filled", of="silent") == pytest.approx(1 / 3)
    assert "0.500 of 4 told values right (constant 0.750), 0.250 wrong" in figures.line()


@pytest.mark.parametrize(
    ("answer", "counts"),
    [(["papule"], (1, 0)), (["plaque"], (1, 0)), (["vesicle"], (0, 1)), (["cannot_tell"], (0, 0)), (["papule", "vesicle"], (0, 1))],
)  # fmt: skip
def test_one_told_value_of_a_list_is_right(answer: list[str], counts: tuple[int, int]) -> None:
    """The turn names one value per field; a value that the text does not tell is wrong also beside one that it tells."""
    rows = [(text({"primary_lesion": ["papule", "plaque"]}), {"primary_lesion": answer})]
    found = count_answers(rows).fields["primary_lesion"]
    assert (found.right, found.wrong) == counts


def test_bounds_are_the_recipes_and_the_worst_field_is_named() -> None:
    """One of twenty is inside 0.05; two are not, and the line says where; a looser recipe lets them pass."""
    right = (text({"border": "well_defined"}, "stage"), {"border": "well_defined"})
    misread = (text({"colour": ["brown"]}, "stage"), {"colour": ["bright_red"]})
    assert count_answers([right] * 19 + [misread]).failures(BOUNDS) == ()
    two = count_answers([right] * 18 + [misread] * 2)
    (line,) = two.failures(BOUNDS)
    assert "0.100 of 20 told values read wrong" in line and "worst field colour (2 of 2)" in line
    assert two.failures(BOUNDS.model_copy(update={"coder_max_wrong": 0.1})) == ()


def test_filled_silence_is_refused_by_its_own_bound() -> None:
    """A turn that reads everything right and guesses the rest fails too."""
    rows = [(text({"border": "well_defined"}, "stage", "trend"), {"border": "well_defined", "trend": "worse"})] * 20
    (line,) = count_answers(rows).failures(BOUNDS)
    assert "0.500 of 40 silent fields filled" in line and "field trend (20 of 20)" in line
    assert count_answers(rows).failures(BOUNDS.model_copy(update={"coder_max_filled": 0.5})) == ()


def test_nothing_counted_passes_nothing() -> None:
    """A share of no texts is no evidence."""
    assert len(count_answers([]).failures(BOUNDS)) == 2
    assert len(count_answers([(text({}, "stage"), {})]).failures(BOUNDS)) == 1


def test_the_sample_is_small_fixed_and_tells_many_values() -> None:
    """24 texts of all agents; 18 of them tell a field that the lexicon leaves open, and nothing is both told and silent."""
    asked = asked_texts(MANIFEST, VOCABULARY)
    assert asked == asked_texts(MANIFEST, VOCABULARY) != asked_texts(MANIFEST, VOCABULARY, seed=1)
    assert len(asked) == 24 and sum(bool(one.told) for one in asked) == 18
    assert len({(name, str(label)) for one in asked for name, label in one.told.items()}) >= 18
    assert sum(len(one.silent) for one in asked) >= 60
    for one in asked:
        assert not set(one.told) & set(one.silent)
        assert {*one.told, *one.silent} <= set(one.question.fields)
        assert not {"formula", "family", "applicability"} & {*one.told, *one.silent}


def test_agents_under_a_schema_are_not_asked_about() -> None:
    """Only Reason writes text: its fields alone; nobody does, or no coder is declared: nothing."""
    reasoning = MANIFEST.agents["reasoning"]
    bare = manifest()
    one = bare.model_copy(update={"agents": {**bare.agents, "reasoning": reasoning}, "coder": CoderSpec()})
    fields = {name for row in asked_texts(one, VOCABULARY) for name in row.question.fields}
    assert fields and fields <= {"trend", "syndrome", "principle", "limitations"}
    assert asked_texts(bare.model_copy(update={"coder": CoderSpec()}), VOCABULARY) == []
    assert asked_texts(text_manifest(), VOCABULARY) == []


def test_a_turn_that_says_nothing_is_refused() -> None:
    """It reads nothing wrong and fills nothing, and costs time for nothing; a recipe may allow it."""
    silent = WritingEngine({})
    with pytest.raises(QualityGateError, match=r"0\.000 of .* told values read right, at least 0\.25"):
        check_second_turn(silent, MANIFEST, bounds=BOUNDS)
    figures = check_second_turn(silent, MANIFEST, bounds=BOUNDS.model_copy(update={"coder_min_right": 0.0}))
    assert len(silent.questions) == 2 * 24
    assert (figures.total("right"), figures.total("wrong"), figures.total("filled")) == (0, 0, 0)


def test_answers_go_through_the_devices_reading() -> None:
    """An engine that names a sentence and the first id for every field is refused; the same ids without one fill nothing."""

    def guess(request: CodingRequest, *, at: str = "01") -> dict[str, Any]:
        fields = request.schema["properties"].items()
        return {name: {"at": at, "value": row["properties"]["value"]["enum"][0]} for name, row in fields}

    with pytest.raises(QualityGateError, match=r"second turn: .* worst field .*; train the turn, or leave `coder` out"):
        check_second_turn(WritingEngine({}, coded=guess), MANIFEST, bounds=BOUNDS)
    nowhere = WritingEngine({}, coded=lambda request: guess(request, at="00"))
    figures = check_second_turn(nowhere, MANIFEST, bounds=BOUNDS.model_copy(update={"coder_min_right": 0.0}))
    assert figures.total("filled") == 0


def test_a_turn_that_reads_what_is_told_passes() -> None:
    """Answers by the labels that the texts were written from, looked up by text: all right, nothing filled."""
    labels = {one.question.request.texts["text"]: one.told for one in asked_texts(MANIFEST, VOCABULARY)}

    def read(request: CodingRequest) -> dict[str, Any]:
        told = {
            name: label[0] if isinstance(label, list) else label
            for name, label in labels[request.texts["text"]].items()
        }
        places = request.texts["text"].count("[0")
        return {name: {"at": f"{places:02}", "value": value} for name, value in told.items()}

    figures = check_second_turn(WritingEngine({}, coded=read), MANIFEST, bounds=BOUNDS)
    assert figures.share("right", of="told") == 1.0 and figures.total("filled") == 0
    assert figures.total("constant") < figures.total("told")


def test_a_batch_is_a_usual_case() -> None:
    """Never more than three questions at once: a device's memory is judged for a case's views."""
    sizes: list[int] = []

    class Counting(WritingEngine):
        def code(self, requests: Any) -> list[AgentOutput]:
            sizes.append(len(requests))
            return super().code(requests)

    check_second_turn(Counting({}), MANIFEST, bounds=BOUNDS.model_copy(update={"coder_min_right": 0.0}))
    assert sum(sizes) == 24 and max(sizes) == 3
