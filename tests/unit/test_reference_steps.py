"""Rules of the reference model's true reasoning steps."""

from __future__ import annotations

from random import Random

from calibration.reference.cases import RenderedCase, text_case, view_labels
from calibration.reference.steps_truth import true_record, true_steps
from edge_agent.agents.evidence.check import check, conclusion_follows
from edge_agent.agents.evidence.record import Record, field_of, record_of
from edge_agent.agents.evidence.signs_table import SignTable

TABLE = SignTable.load()


def drawn(case: RenderedCase, *, rng: Random | None = None) -> Record:
    views = [(shot, view_labels(case.signs, shot)) for shot in case.shots]
    return true_record(views, representation=case.representation, intake=case.intake, rng=rng)


def test_true_steps_pass_the_check() -> None:
    """Over 500 drawn cases: three to eight steps, each supported, one pointer each, none twice."""
    for index in range(500):
        record = drawn(text_case("train", index), rng=Random(index))
        steps = true_steps(record, TABLE)
        assert 3 <= len(steps) <= 8
        assert [row.verdict for row in check(steps, record, TABLE)] == ["supported"] * len(steps)
        assert all(len(step["evidence"]) == 1 for step in steps)


def test_true_steps_carry_the_label() -> None:
    """Wherever the points rule names a syndrome, at least one true step speaks for it."""
    for index in range(500):
        case = text_case("test", index)
        record = drawn(case)
        follows = conclusion_follows(check(true_steps(record, TABLE), record, TABLE), case.reasoning["syndrome"])
        assert follows is not False


def test_a_record_that_tells_nothing_is_answered_with_what_is_missing() -> None:
    """Three steps in the record's order, for missing information only."""
    steps = true_steps(record_of({}, representation={}, intake={}), TABLE)
    assert steps == [
        {"claim": "insufficient_information", "stance": "supports", "evidence": [f"representation.{name}"]}
        for name in ("distribution", "symmetry", "phenotype")
    ]


def test_support_comes_first_then_what_speaks_against() -> None:
    """Each in the record's order, and within one pointer in the order of the three syndromes."""
    intake = {"duration": "more_than_one_year", "new_lesions_two_weeks": "yes"}
    steps = true_steps(record_of({}, representation={}, intake=intake), TABLE)
    assert [(step["claim"], step["stance"], step["evidence"][0]) for step in steps] == [
        ("blood_dryness", "supports", "intake.duration"),
        ("blood_stasis", "supports", "intake.duration"),
        ("blood_heat", "supports", "intake.new_lesions_two_weeks"),
        ("blood_dryness", "against", "intake.new_lesions_two_weeks"),
    ]


def test_steps_point_only_at_what_reason_reads() -> None:
    """A smaller prompt gives steps on its fields alone."""
    fields = ("intake.pulse", "intake.tongue.body_colour", "view.colour")
    for index in range(50):
        steps = true_steps(drawn(text_case("train", index)), TABLE, fields=fields)
        assert {field_of(step["evidence"][0]) for step in steps} <= set(fields)


def test_any_near_view_may_lead() -> None:
    """With a generator the leading view varies over near views that tell the sign, and never is an overview."""
    views = [
        ("overview", {"colour": "pale_red"}),
        ("regional", {"colour": "bright_red"}),
        ("close_up", {"colour": "bright_red"}),
    ]
    found = {
        next(
            pointer
            for pointer in true_record(views, representation={}, intake={}, rng=Random(n)).values
            if ".colour" in pointer
        )
        for n in range(30)
    }
    assert found == {"view:2.colour", "view:3.colour"}
