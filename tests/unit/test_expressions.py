"""The language of the rules: three-valued logic, exact limits, and nothing that Python would run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.agents.rules.expressions import Fact, Kind, evaluate, grounds, names, open_names, parse
from edge_agent.errors import ConfigError

SIGNS: dict[str, Kind] = {"a": "sign", "b": "sign", "c": "sign", "n": "number", "word": "id"}


@given(st.fixed_dictionaries({name: st.sampled_from([True, False, None]) for name in "abc"}))
def test_connectives_follow_the_truth_tables_of_kleene(facts: dict[str, Fact]) -> None:
    """and = least, or = greatest, not = reverse over no < unknown < yes."""
    rank: dict[Fact, int] = {False: 0, None: 1, True: 2}
    back = {0: False, 1: None, 2: True}
    expected = back[max(min(rank[facts["a"]], 2 - rank[facts["b"]]), rank[facts["c"]])]
    node = parse("a and not b or c", kinds=SIGNS)
    assert evaluate(node, facts, kinds=SIGNS) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"a": True, "b": True}, True),
        ({"a": True, "b": False}, False),
        ({"a": True, "b": None}, None),
        ({"a": False, "b": None}, False),
        ({}, None),
    ],
)
def test_a_score_is_known_once_unknown_signs_cannot_change_it(facts: dict[str, Fact], expected: bool | None) -> None:
    """2a + b >= 3 with an unknown b: open while b decides, known when it cannot."""
    assert evaluate(parse("2 * a + b >= 3", kinds=SIGNS), facts, kinds=SIGNS) is expected


@pytest.mark.parametrize(("value", "expected"), [(None, None), (49, True), (50, False), (150, False), (151, True)])
def test_limits_of_numbers_are_exact(value: float | None, expected: bool | None) -> None:
    """A number at the limit does not fire a strict comparison."""
    assert evaluate(parse("n < 50 or n > 150", kinds=SIGNS), {"n": value}, kinds=SIGNS) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a and",
        "a b",
        "(a",
        "nobody",
        "word == a",
        "a == 'yes'",
        "'x'",
        "a ; b",
        "__import__('os')",
        "a.b",
        "n + ",
        "n",
        "a + b",
        "a and 1",
    ],
)
def test_anything_outside_the_language_is_refused(text: str) -> None:
    """A rule file cannot run code, and a typing mistake is an error, not a silent rule."""
    with pytest.raises(ConfigError, match="rule expression"):
        parse(text, kinds=SIGNS)


def test_grounds_name_only_what_made_the_rule_true() -> None:
    """A normal value beside a firing one is not a reason."""
    node = parse("word != 'A' or n > 150 or a", kinds=SIGNS)
    assert grounds(node, {"word": "A", "n": 160.0, "a": None}, kinds=SIGNS) == ("n",)
    assert names(node) == ("word", "n", "a")


def test_open_names_leave_out_what_would_change_nothing() -> None:
    """An unknown beside a part that is already decided is not asked for."""
    node = parse("(a and b) or n > 150", kinds=SIGNS)
    assert open_names(node, {"a": False, "b": None, "n": None}, kinds=SIGNS) == ("n",)
    assert open_names(node, {"a": None, "b": True, "n": 200.0}, kinds=SIGNS) == ()
