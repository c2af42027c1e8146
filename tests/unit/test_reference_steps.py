"""Rules of the reference model's true reasoning steps."""

from __future__ import annotations

from random import Random

from calibration.reference.cases import RenderedCase, text_case
from calibration.reference.steps_truth import true_record, true_steps
from edge_agent.agents.evidence.check import check, conclusion_follows
from edge_agent.agents.evidence.record import Record, field_of, record_of
from edge_agent.agents.evidence.signs_table import SignTable

TABLE = SignTable.load()


def drawn(case: RenderedCase) -> Record:
    return case.record


def test_true_steps_pass_the_check() -> None:
    """Over 500 drawn cases: three to eight steps, each supported, one to four pointers each, none said twice."""
    for index in range(500):
        record = drawn(text_case("train", index))
        steps = true_steps(record, TABLE)
        assert 3 <= len(steps) <= 8
        assert [row.verdict for row in check(steps, record, TABLE)] == ["supported"] * len(steps)
        assert all(1 <= len(step["evidence"]) <= 4 for step in steps)
        said = [(step["claim"], step["stance"], pointer) for step in steps for pointer in step["evidence"]]
        assert len(said) == len(set(said))


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


def said(intake: dict[str, object]) -> list[tuple[str, str, list[str]]]:
    """Return the true steps on a form without pictures."""
    steps = true_steps(record_of({}, representation={}, intake=intake), TABLE)
    return [(step["claim"], step["stance"], step["evidence"]) for step in steps]


def test_support_comes_first_and_a_missing_examination_last() -> None:
    """Syndrome by syndrome; three supports need nothing against; one step says what nobody looked at."""
    assert said({"duration": "more_than_one_year", "new_lesions_two_weeks": "yes"}) == [
        ("blood_heat", "supports", ["intake.new_lesions_two_weeks"]),
        ("blood_dryness", "supports", ["intake.duration"]),
        ("blood_stasis", "supports", ["intake.duration"]),
        (
            "insufficient_information",
            "supports",
            [f"intake.tongue.{name}" for name in ("body_colour", "body_feature", "coating_colour", "coating_texture")],
        ),
    ]


def test_where_little_speaks_for_anything_what_speaks_against_follows() -> None:
    """Up to the least number of steps, then what is missing, one pointer each."""
    assert said({"new_lesions_two_weeks": "yes"}) == [
        ("blood_heat", "supports", ["intake.new_lesions_two_weeks"]),
        ("blood_dryness", "against", ["intake.new_lesions_two_weeks"]),
        ("insufficient_information", "supports", ["representation.distribution"]),
    ]


def test_more_than_four_signs_of_one_syndrome_are_two_steps() -> None:
    """A step names at most four pointers; the fifth sign is not lost."""
    general = dict.fromkeys(("thirst", "irritable", "constipation", "dark_urine"), "yes")
    heat = [row for row in said({"new_lesions_two_weeks": "yes", "general": general}) if row[0] == "blood_heat"]
    assert [len(pointers) for _, _, pointers in heat] == [4, 1]


def test_an_earlier_visit_is_no_evidence() -> None:
    """What a program said then is no sign of today: no true step that claims something points at it."""
    for index in range(300):
        for step in text_case("train", index).reasoning["reasoning_steps"]:
            pointed = any(pointer.startswith("previous.") for pointer in step["evidence"])
            assert step["claim"] == "insufficient_information" or not pointed


def test_steps_point_only_at_what_reason_reads() -> None:
    """A smaller prompt gives steps on its fields alone."""
    fields = ("intake.pulse", "intake.tongue.body_colour", "view.colour")
    for index in range(50):
        steps = true_steps(drawn(text_case("train", index)), TABLE, fields=fields)
        assert {field_of(pointer) for step in steps for pointer in step["evidence"]} <= set(fields)


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
