"""Quality gates: what passes, what falls and where, and that nothing passes for lack of a figure."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest

from calibration.evaluation.answers import CaseAnswer
from calibration.evaluation.comparison import Comparison, Estimate, Group, Missing
from calibration.evaluation.gates import is_inside, judge, require
from calibration.evaluation.limits import (
    QualityGate,
    Substitute,
    default_gates,
    gates_of,
    load_gates,
    merge_gates,
    widened,
)
from calibration.evaluation.metrics import measure
from calibration.package import staged
from calibration.recipe import parse_recipe, recipe_folder
from edge_agent.errors import CompressionError, QualityGateError
from tests.simulators.answered_cases import compared, forced, labelled_case, right_answer, saying

EVERYBODY = Group("all", "all")


def gate(metric: str, **more: object) -> QualityGate:
    """Return a gate for few cases."""
    return QualityGate.model_validate({"metric": metric, "limit": 0.05, "min_cases": 1, **more})


def danger_cases(n: int, *, read: int) -> Comparison:
    """Compare on ``n`` danger cases of which the candidate reads the first ``read`` on."""
    cases = [labelled_case(number, family="pigmented_lesion") for number in range(n)]
    return compared(cases, lambda k, answer: answer.model_copy(update={"decision": "in_scope"}) if k < read else answer)


def test_a_bound_on_the_limit_passes_and_above_it_falls() -> None:
    """The bound is compared, not the value in the sample."""
    assert is_inside(Estimate(0.0, 0.05, 10, "x"), 0.05)
    assert not is_inside(Estimate(0.0, 0.0501, 10, "x"), 0.05)


@pytest.mark.parametrize("result", [Missing("nothing"), Estimate(math.nan, math.nan, 3, "x")])
def test_what_is_no_number_never_passes(result: Estimate | Missing) -> None:
    """A missing figure is a gate that falls."""
    assert not is_inside(result, 1.0)


def test_no_loss_in_few_cases_is_no_proof() -> None:
    """50 danger cases, none lost: z^2 / (n + z^2) = 2.7055 / 52.7055 = 5.1 %, above 5 %; 60 cases are enough."""
    for n, is_met in ((50, False), (60, True)):
        [row] = judge(danger_cases(n, read=0), [gate("danger_refusal_loss")])
        assert row.is_met is is_met


def test_lost_danger_cases_fall() -> None:
    """Five of 100 danger cases that FP32 refuses are read on: the hard gate says so by name and group."""
    rows = judge(danger_cases(100, read=5), [gate("danger_refusal_loss", is_hard=True)])
    with pytest.raises(QualityGateError, match=r"hard danger_refusal_loss, all cases: \+0.0500") as caught:
        require(rows)
    assert caught.value.exit_code == 83
    assert caught.value.details["fallen"] == ["danger_refusal_loss, all cases"]


def test_a_loss_on_one_tone_falls_where_the_mean_hides_it() -> None:
    """Ten of 100 families are wrong on tone 5 alone: 2 % of all cases pass a limit of 6 %, tone 5 does not."""
    cases = [labelled_case(number, tone=str(number % 5 + 1)) for number in range(500)]

    def change(number: int, answer: CaseAnswer) -> CaseAnswer:
        return saying(answer, "recognition.family", "eczematous") if number % 50 == 4 else answer

    limits = {"part": "recognition.family", "limit": 0.06}
    rows = judge(
        compared(cases, change),
        [gate("field_accuracy_loss", **limits), gate("field_accuracy_loss", group="each_tone", **limits)],
    )
    assert {row.group.name for row in rows if not row.is_met} == {"tone 5"}


def test_each_field_is_judged_alone() -> None:
    """``part = "each"`` names the field that fell, whatever the others do."""
    cases = [labelled_case(number) for number in range(100)]
    change = saying(right_answer(cases[0]), "representation.stage", "progressive")
    comparison = compared(cases, lambda _k, answer: answer.model_copy(update={"said": change.said}))
    rows = judge(comparison, [gate("field_accuracy_loss", part="each")])
    assert [row.part for row in rows if not row.is_met] == ["representation.stage"]


def test_an_answer_that_the_candidate_leaves_out_is_lost() -> None:
    """Half of the stages are not told any more, the others are right: half of the accuracy is lost, not none."""
    cases = [labelled_case(number) for number in range(40)]

    def silent(number: int, answer: CaseAnswer) -> CaseAnswer:
        told = [one for one in answer.said if one.field != "representation.stage"]
        return answer.model_copy(update={"said": told}) if number % 2 else answer

    comparison = compared(cases, silent)
    result = measure(comparison, "field_accuracy_loss", "representation.stage", EVERYBODY)
    assert isinstance(result, Estimate)
    assert result.value == 0.5
    gone = compared(cases, lambda _k, answer: answer.model_copy(update={"said": answer.said[:1]}))
    rows = judge(gone, [gate("field_accuracy_loss", part="each")])
    assert {row.part for row in rows if not row.is_met} == {
        "recognition.family", "representation.stage", "reasoning.syndrome", "cascade.syndrome",
    }  # fmt: skip


def test_an_answer_that_only_the_candidate_gives_is_gained() -> None:
    """The pairing has two sides: where FP32 was silent and the candidate is right, the loss is negative."""
    cases = [labelled_case(number) for number in range(40)]
    comparison = compared(
        cases,
        lambda k, _a: right_answer(cases[k]),
        before=lambda _k, answer: answer.model_copy(update={"said": answer.said[:1]}),
    )
    result = measure(comparison, "field_accuracy_loss", "reasoning.syndrome", EVERYBODY)
    assert isinstance(result, Estimate)
    assert result.value == -1.0


def test_few_cases_that_tell_a_figure_prove_nothing() -> None:
    """400 cases, of which 19 have a stage, none lost: resampling gives the bound 0, which 19 cases cannot show."""
    cases = [labelled_case(k) if k < 19 else labelled_case(k, representation={}) for k in range(400)]
    rows = judge(compared(cases, lambda _k, answer: answer), [gate("field_accuracy_loss", part="each", min_cases=400)])
    [line] = [row.line() for row in rows if not row.is_met]
    assert "representation.stage, all cases: cannot be computed: only 19 cases tell it, 20 are asked" in line


def test_a_handful_of_forced_cases_is_no_divergence_gate() -> None:
    """One case of 400 was teacher-forced and did not diverge: not a word about the others."""
    cases = [labelled_case(number) for number in range(400)]
    change = lambda k, answer: forced(answer, [0.0, 1.0]) if k == 0 else answer  # noqa: E731
    comparison = compared(cases, change, before=change)
    [row] = judge(comparison, [gate("divergence", part="recognition", min_cases=400)])
    assert not row.is_met
    assert "only 1 cases tell it, 20 are asked" in row.line()


def test_the_least_of_cases_that_must_tell_fits_every_limit() -> None:
    """A field may lose 3 points; with none lost in the 100 cases that are asked, 2.64 points are not excluded."""
    [asked] = {one.least_told for one in default_gates()}
    limits = [one.limit for one in default_gates() if one.metric == "field_accuracy_loss" and one.part == "each"]
    assert asked == 100
    assert 2.7055 / (asked + 2.7055) < min(limits)


def test_one_tone_group_is_no_comparison_of_tones() -> None:
    """All cases labelled with one tone: a gate on each tone would only repeat the gate on all cases."""
    cases = [labelled_case(number) for number in range(60)]
    [row] = judge(compared(cases, lambda _k, answer: answer), [gate("field_accuracy_loss", group="each_tone")])
    assert not row.is_met
    assert "all cases are of one tone group" in row.line()


def test_confidences_of_one_side_only_are_no_calibration() -> None:
    """A bundle that writes texts beside one that tells confidences: the gate falls with a reason, and does not crash."""
    cases = [labelled_case(number) for number in range(20)]
    mute = lambda _k, answer: answer.model_copy(  # noqa: E731
        update={"said": [one.model_copy(update={"confidence": None}) for one in answer.said]}
    )
    for change, before in ((mute, None), (None, mute)):
        comparison = compared(
            cases, change or (lambda k, _a: right_answer(cases[k])), before=before or (lambda _k, answer: answer)
        )
        [row] = judge(comparison, [gate("calibration_error_gain")])
        assert "no confidence was told in all cases" in row.line()


def test_danger_that_words_open_is_counted_without_fp32() -> None:
    """Both bundles read one of 100 danger cases on by its words: nothing is lost against FP32, and the gate falls."""
    cases = [labelled_case(number, family="pigmented_lesion") for number in range(100)]

    def opened(number: int, answer: CaseAnswer) -> CaseAnswer:
        return answer.model_copy(update={"words_open": True, "decision": "in_scope"}) if number == 0 else answer

    rows = judge(
        compared(cases, lambda _k, answer: answer, before=opened),
        [gate("danger_refusal_loss"), gate("danger_opened_by_words", limit=0.04)],
    )
    assert [row.is_met for row in rows] == [True, False]
    kept = compared(cases, lambda _k, answer: answer, before=lambda _k, answer: answer)
    [row] = judge(kept, [gate("danger_opened_by_words", limit=0.04)])
    assert row.is_met  # none of 100: 1 - .05 ** (1 / 100) = .0295


def test_gains_do_not_count_as_losses() -> None:
    """A candidate that is right where FP32 was wrong has a negative loss."""
    cases = [labelled_case(number) for number in range(40)]
    wrong = lambda _k, answer: saying(answer, "reasoning.syndrome", "blood_stasis")  # noqa: E731
    comparison = compared(cases, lambda k, _a: right_answer(cases[k]), before=wrong)
    result = measure(comparison, "field_accuracy_loss", "reasoning.syndrome", EVERYBODY)
    assert isinstance(result, Estimate)
    assert result.value == result.bound == -1.0


def test_flips_count_whoever_is_right() -> None:
    """Three of 60 cases flip their syndrome: 5 %, and the exact bound of 3 of 60 is 12.4 % (Clopper-Pearson table)."""
    cases = [labelled_case(number) for number in range(60)]
    comparison = compared(
        cases, lambda k, answer: saying(answer, "reasoning.syndrome", "blood_stasis") if k < 3 else answer
    )
    result = measure(comparison, "flips", "syndrome", EVERYBODY)
    assert isinstance(result, Estimate)
    assert result.value == 0.05
    assert result.bound == pytest.approx(0.1243, abs=2e-4)
    assert [flip.case_id for flip in comparison.flips] == ["case-00000", "case-00001", "case-00002"]


def test_divergence_is_the_mean_over_decisions() -> None:
    """One decision per case; FP32 says 1/2, 1/2 and the candidate 3/4, 1/4: KL = ln 2 - (ln 3) / 2 = 0.1438 nats."""
    cases = [labelled_case(number) for number in range(10)]
    comparison = compared(
        cases,
        lambda _k, answer: forced(answer, [math.log(3), 0.0]),
        before=lambda _k, answer: forced(answer, [0.0, 0.0]),
    )
    result = measure(comparison, "divergence", "recognition", EVERYBODY)
    assert isinstance(result, Estimate)
    assert result.value == pytest.approx(math.log(2) - math.log(3) / 2)
    [row] = judge(comparison, [gate("divergence", part="recognition", limit=0.1)])
    assert not row.is_met


def test_a_confident_bundle_gains_calibration_error() -> None:
    """All right at 0.9 has an error of 0.1; all right at 0.6 has 0.4: a gain of 0.3."""
    cases = [labelled_case(number) for number in range(20)]
    comparison = compared(cases, lambda k, _a: right_answer(cases[k], confidence=0.6))
    result = measure(comparison, "calibration_error_gain", "mean", EVERYBODY)
    assert isinstance(result, Estimate)
    assert result.value == pytest.approx(0.3)


def test_a_wrong_value_that_is_withheld_is_not_shown() -> None:
    """Abstention: the same wrong family costs nothing where it is withheld, and a field's share where it is shown."""
    cases = [labelled_case(number) for number in range(30)]
    for is_shown, value in ((False, 0.0), (True, 1 / 5)):
        comparison = compared(
            cases,
            lambda _k, answer, s=is_shown: saying(answer, "recognition.family", "eczematous", is_shown=s),  # type: ignore[misc]
        )
        result = measure(comparison, "shown_wrong_gain", "mean", EVERYBODY)
        assert isinstance(result, Estimate)
        assert result.value == pytest.approx(value)


def test_a_gate_that_cannot_be_computed_falls() -> None:
    """Nothing was teacher-forced, so the divergence is unknown, and unknown is not zero."""
    comparison = compared([labelled_case(0)], lambda _k, answer: answer)
    [row] = judge(comparison, [gate("divergence", part="reasoning")])
    assert not row.is_met
    assert "cannot be computed: nothing of reasoning was teacher-forced" in row.line()


def test_the_recipe_names_a_substitute() -> None:
    """A substitute is judged in the place of what cannot be computed, against its own limit, and is named."""
    cases = [labelled_case(number) for number in range(60)]
    comparison = compared(cases, lambda _k, answer: answer)
    other = Substitute(metric="flips", part="syndrome", limit=0.06)
    [row] = judge(comparison, [gate("divergence", part="reasoning", substitute=other)])
    assert row.is_met
    assert row.substitute == "flips of syndrome"
    [row] = judge(
        comparison, [gate("divergence", part="reasoning", substitute=other.model_copy(update={"limit": 0.01}))]
    )
    assert not row.is_met


def test_too_few_cases_of_one_tone_judge_nothing() -> None:
    """The bound of a mean over few cases means little: with fewer cases than asked every gate falls and says so."""
    cases = [labelled_case(number, tone="1" if number else "5") for number in range(40)]
    [row] = judge(compared(cases, lambda _k, answer: answer), [gate("field_accuracy_loss", min_cases=10)])
    assert not row.is_met
    assert "tone 5 has 1 cases, 10 are asked" in row.line()


def test_judging_nothing_is_no_pass() -> None:
    """Without gates there is no verdict, and no verdict is not a good one."""
    with pytest.raises(QualityGateError, match="no quality gate"):
        require([])


def test_a_failed_gate_yields_no_bundle(tmp_path: Path) -> None:
    """Judged inside the build's staging, a gate that falls leaves neither a bundle nor a trace of one."""
    out = tmp_path / "bundle"
    with pytest.raises(QualityGateError), staged(out, replace=False) as folder:
        (folder / "language_model.bin").write_bytes(b"weights")
        require(judge(danger_cases(100, read=5), [gate("danger_refusal_loss")]))
    assert list(tmp_path.iterdir()) == []


def test_weights_are_judged_by_the_worst_linear() -> None:
    """Every linear is looked at; the largest error is the figure, and the linear is named."""
    cases = [labelled_case(0)]
    answer = right_answer(cases[0])
    weights = {"language_model: model.layers.0.mlp.up_proj": 0.1, "language_model: model.layers.1.mlp.up_proj": 0.22}
    comparison = Comparison(cases, [answer], [answer], weights=weights)
    rows = judge(
        comparison, [gate("weight_error", part="language_model", limit=0.15), gate("weight_error", part="adapter.x")]
    )
    assert [row.is_met for row in rows] == [False, False]
    assert "+0.2200, bound 0.2200, limit 0.15, n 2, every weight; worst layers.1.mlp.up_proj" in rows[0].line()
    assert "no weight of adapter.x was compared" in rows[1].line()


def test_the_default_gates_ask_for_what_was_agreed() -> None:
    """2,000 cases per tone everywhere; one point of mean accuracy, two on a tone; danger, scope and abstention hard."""
    gates = default_gates()
    assert {one.min_cases for one in gates} == {2000}
    limits = {(one.metric, one.part, one.group): one.limit for one in gates}
    assert limits["field_accuracy_loss", "mean", "all"] == 0.01
    assert limits["field_accuracy_loss", "mean", "each_tone"] == 0.02
    hard = {one.metric for one in gates if one.is_hard}
    assert hard == {
        "danger_refusal_loss",
        "danger_naming_loss",
        "scope_refusal_loss",
        "abstention_loss",
        "shown_wrong_gain",
        "danger_opened_by_words",
    }


def test_a_recipe_adds_and_replaces_gates() -> None:
    """A row for the same metric, part and group replaces the default, another one is added."""
    rows = [
        {"metric": "flips", "part": "family", "limit": 0.2},
        {"metric": "flips", "part": "family", "group": "each_view_type", "limit": 0.3},
    ]
    gates = gates_of({"name": "mine", "gates": {"quality": rows}}, defaults=default_gates())
    limits = {(one.part, one.group): one.limit for one in gates if one.metric == "flips"}
    assert limits["family", "all"] == 0.2
    assert limits["family", "each_view_type"] == 0.3
    assert len(gates) == len(default_gates()) + 1


def test_a_recipe_file_holds_its_gates() -> None:
    """``[[gates.quality]]`` is read with the recipe and travels in its document; a misspelled key is named."""
    document = tomllib.loads((recipe_folder() / "int8.toml").read_text(encoding="utf-8"))
    document["gates"]["quality"] = [{"metric": "flips", "part": "family", "limit": 0.2}]
    recipe = parse_recipe(document, source="mine")
    [found] = [
        one
        for one in gates_of(recipe.model_dump(mode="json"), defaults=default_gates())
        if (one.metric, one.part, one.group) == ("flips", "family", "all")
    ]
    assert found.limit == 0.2
    document["gates"]["quality"][0]["limt"] = 0.3
    with pytest.raises(CompressionError, match=r"gates\.quality\.0\.limt: unknown key; did you mean 'limit'"):
        parse_recipe(document, source="mine")


@pytest.mark.parametrize(
    "change", [{"limit": 0.5}, {"min_cases": 5}, {"substitute": {"metric": "flips", "part": "family", "limit": 0.1}}]
)
def test_a_recipe_cannot_loosen_a_hard_gate(change: dict[str, object]) -> None:
    """Neither by its limit, nor by fewer cases, nor by a substitute."""
    row = {"metric": "danger_refusal_loss", "limit": 0.005, **change}
    with pytest.raises(CompressionError, match="may be tightened only"):
        gates_of({"name": "mine", "gates": {"quality": [row]}}, defaults=default_gates())


def test_a_tightened_hard_gate_stays_hard() -> None:
    """A recipe that does not repeat is_hard does not soften the gate."""
    tight = QualityGate(metric="danger_refusal_loss", limit=0.001)
    merged = merge_gates(default_gates(), [tight], source="mine")
    [found] = [one for one in merged if one.metric == "danger_refusal_loss" and one.group == "all"]
    assert (found.limit, found.is_hard) == (0.001, True)


def test_gates_that_ask_less_are_named() -> None:
    """A recipe may widen what is not hard, and then a stranger who reads "all gates are met" is told so."""
    rows = [
        QualityGate(metric="flips", part="family", limit=0.2),
        QualityGate(metric="flips", part="stage", limit=0.01),
        QualityGate(metric="divergence", part="reasoning", limit=0.03, min_cases=10),
    ]
    merged = merge_gates(default_gates(), rows, source="mine")
    assert widened(merged, defaults=default_gates()) == ("flips of family", "divergence of reasoning")
    assert widened(default_gates(), defaults=default_gates()) == ()


def test_a_malformed_gate_is_named(tmp_path: Path) -> None:
    """An unknown metric is an error with its place, not a gate that never falls."""
    path = tmp_path / "gates.toml"
    path.write_text('[[gate]]\nmetric = "beauty"\nlimit = 0.1\n', encoding="utf-8")
    with pytest.raises(CompressionError, match=r"gate\.0\.metric"):
        load_gates(path)
