"""The scope table: judged lines, constant answers beside them, and the device's own decision behind every figure."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.reference.cases import text_case
from calibration.reference.photographs import Photograph
from calibration.reference.scope_cases import (
    Outcome,
    ScopeCase,
    ScopeRow,
    decide_cases,
    from_photographs,
    is_read,
    is_refused,
    rendered,
)
from calibration.reference.scope_table import (
    IN_SCOPE_PASTED,
    IN_SCOPE_RENDERED,
    PHOTOGRAPHS_REFUSED,
    TWO_DISEASES_REFUSED,
    is_contradictory,
    is_danger,
    is_other,
    print_rows,
    require_met,
)
from calibration.reference.scope_truth import is_to_be_found
from calibration.reference.scope_tune import raised
from edge_agent.contracts.manifest import Thresholds
from edge_agent.errors import QualityGateError
from tests.simulators.cases import FLOOR, MOLE, PLAQUE
from tests.simulators.engine import ScriptedEngine

THRESHOLDS = Thresholds(lesion_visible=0.6, in_scope_family=0.7, danger_family=0.2, not_skin=0.5)


def outcomes(read: int, refused: int, *, tone: int = 2) -> tuple[Outcome, ...]:
    decisions = ["in_scope"] * read + ["abstained"] * refused
    return tuple(Outcome(f"c{n}", tone, decision, (), is_cancer=False) for n, decision in enumerate(decisions))


def test_the_floors_are_those_of_the_issue() -> None:
    """In scope .90 drawn and .70 pasted, 29 of 30 photographs refused."""
    assert (IN_SCOPE_RENDERED, IN_SCOPE_PASTED, round(PHOTOGRAPHS_REFUSED * 30)) == (0.90, 0.70, 29)


@pytest.mark.parametrize(("refused", "met"), [(30, True), (29, True), (28, False)])
def test_twenty_nine_of_thirty_is_enough(refused: int, met: bool) -> None:
    """The floor is a count: 29/30 itself passes, although it is no round share."""
    row = ScopeRow("photographs", "not read", outcomes(30 - refused, refused), PHOTOGRAPHS_REFUSED, is_refused)
    assert (row.hits, row.is_met) == (refused, met)


def test_no_constant_answer_meets_the_table() -> None:
    """Always refusing fails what must be found, always accepting what must be refused; both stand in the row."""
    find = ScopeRow("drawn", "in scope", outcomes(9, 1), 0.9, is_read)
    refuse = ScopeRow("photographs", "not read", outcomes(0, 30), PHOTOGRAPHS_REFUSED, is_refused)
    assert [(r.constant("out_of_scope"), r.constant("in_scope")) for r in (find, refuse)] == [(0.0, 1.0), (1.0, 0.0)]
    for read, blamed in ((0, "drawn"), (10, "photographs")):
        rows = [
            ScopeRow("drawn", "in scope", outcomes(read, 10 - read), 0.9, is_read),
            ScopeRow("photographs", "not read", outcomes(3 * read, 30 - 3 * read), PHOTOGRAPHS_REFUSED, is_refused),
        ]
        with pytest.raises(QualityGateError, match=blamed):
            require_met(rows)
    require_met([find, refuse])


def test_a_row_without_cases_meets_nothing() -> None:
    """An empty group is not a perfect one."""
    empty = ScopeRow("drawn", "in scope", (), 0.9, is_read)
    assert empty.is_met is False
    print_rows([empty], title="nothing")


def test_a_row_names_what_it_missed() -> None:
    """By hand: 9 of 10, Wilson .596 to .982; the missed case can be looked at."""
    data = ScopeRow("drawn", "in scope", outcomes(9, 1), 0.9, is_read).as_data()
    assert (data["share"], data["interval"], data["missed"]) == (0.9, [0.5958, 0.9821], ["c9"])


def test_the_device_decides() -> None:
    """Rec, the scope rule and nothing else; the engine has forgotten every case in the end."""
    engine = ScriptedEngine({1: PLAQUE, 2: MOLE, 3: FLOOR})
    cases = [ScopeCase(f"c{mark}", 3, ((np.full((64, 64, 3), mark, np.uint8), "close_up"),)) for mark in (1, 2, 3)]
    told: list[tuple[int, int]] = []
    found = decide_cases(engine, cases, thresholds=THRESHOLDS, tell=lambda done, total: told.append((done, total)))
    assert [(row.decision, row.reasons) for row in found] == [
        ("in_scope", ()),
        ("out_of_scope", ("out_of_scope_condition",)),
        ("abstained", ("not_skin",)),
    ]
    assert {agent for agent, _ in engine.asked} == {"recognition"}
    assert (engine.cached, told[-1]) == (0, (3, 3))


def test_drawn_groups_are_even_and_apart() -> None:
    """As many cases of each tone, every one of the wanted kind; no case belongs to two kinds."""
    cases = list(rendered(is_danger, per_tone=1))
    assert sorted(case.tone for case in cases) == [1, 2, 3, 4, 5]
    questions = (is_to_be_found, is_danger, is_other, is_contradictory)
    kinds = [[question(drawn) for question in questions] for drawn in (text_case("test", n) for n in range(200))]
    assert all(sum(kind) == 1 for kind in kinds)
    assert all(any(column) for column in list(zip(*kinds, strict=True))[:3])


def test_visits_with_two_diseases_are_there_and_must_be_refused() -> None:
    """They are drawn often enough to be measured on every tone, and their line has a floor."""
    assert TWO_DISEASES_REFUSED >= 0.9
    found = list(rendered(is_contradictory, per_tone=1))
    assert sorted(case.tone for case in found) == [1, 2, 3, 4, 5]
    assert all(sum(shot != "overview" for _, shot in case.pictures) > 1 for case in found)


def test_a_kind_that_is_never_drawn_ends() -> None:
    """A renderer may know no visit with two diseases; then the group is empty and nobody waits for it."""
    assert list(rendered(lambda _drawn: False, per_tone=1, look_at=20)) == []


def test_a_threshold_rises_above_the_surest_photograph() -> None:
    """Read on with .83, a photograph of a tumour asks for .84; one that is refused anyway asks for nothing."""
    pixels = {mark: np.full((64, 64, 3), mark, np.uint8) for mark in (1, 2)}
    photos = {mark: Photograph(f"p{mark}", f"q{mark}", "BCC", rows, None) for mark, rows in pixels.items()}
    engine = ScriptedEngine({1: PLAQUE | {"family": ("papulosquamous", 0.83)}, 2: MOLE})
    surest = decide_cases(engine, list(from_photographs([photos[1]])), thresholds=THRESHOLDS, tell=_untold)[0].surest
    least = raised(engine, THRESHOLDS, list(photos.values()), tell=_untold)
    assert surest < least <= surest + 0.01
    higher = THRESHOLDS.model_copy(update={"in_scope_family": least})
    outcomes_then = decide_cases(engine, list(from_photographs(photos.values())), thresholds=higher, tell=_untold)
    assert [is_read(one) for one in outcomes_then] == [False, False]
    assert raised(engine, THRESHOLDS, [photos[2]], tell=_untold) == THRESHOLDS.in_scope_family


def test_a_threshold_never_falls_because_of_a_photograph() -> None:
    """The fit may set .995: a photograph that is surer still asks for more, not for less."""
    photo = Photograph("p1", "q1", "BCC", np.full((64, 64, 3), 1, np.uint8), None)
    engine = ScriptedEngine({1: PLAQUE | {"family": ("papulosquamous", 0.997)}})
    high = THRESHOLDS.model_copy(update={"in_scope_family": 0.995})
    assert raised(engine, high, [photo], tell=_untold) > 0.997


def _untold(_done: int, _total: int) -> None:
    """Tell nobody."""
