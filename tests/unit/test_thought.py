"""Thought and answer are parted plainly or not at all, and no word is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.agents.text.thought import Thought, asks_for_thought, only_answer, parse_thought

TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def test_the_published_form() -> None:
    """Steps lose their own numbers, the answer its tags."""
    text = "<think>\n1. A red plaque.\n2) Silvery scale.\nStep 3: Elbow.\n</think>\n<answer> psoriasis </answer>"
    assert parse_thought(text) == Thought(("A red plaque.", "Silvery scale.", "Elbow."), "psoriasis")


def test_chinese_steps() -> None:
    """Chinese numbering is taken off too; a number inside a line stays."""
    text = "<think>第一步:皮损鲜红\n第二步、鳞屑 3 层</think><answer>血热证</answer>"
    assert parse_thought(text) == Thought(("皮损鲜红", "鳞屑 3 层"), "血热证")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red plaque</think><answer>x</answer>", Thought(("red plaque",), "x")),  # the prompt opened it
        ("<think>red plaque<answer>x</answer>", Thought(("red plaque",), "x")),  # closed by the answer
        ("<THINK>a</ Think ><Answer>x</ANSWER>", Thought(("a",), "x")),
        ("<answer>x</answer>", Thought((), "x")),
        ("<think>say <answer>y</answer> or not</think><answer>x</answer>", Thought(("say", "y", "or not"), "x")),
        ("<think>a</think>so<answer>x</answer>", Thought(("a",), "x", "so")),
    ],
)
def test_tolerated_forms(text: str, expected: Thought) -> None:
    """A missing outer tag and an answer that is quoted inside the thought leave one plain answer."""
    assert parse_thought(text) == expected


@pytest.mark.parametrize(
    "behind",
    [
        "",
        "x",
        "<answer>",
        "<answer>x",
        "<answer> </answer>",
        "x</answer>",
        "<answer>x</answer><answer>y</answer>",
        "<answer>x<answer>y</answer></answer>",
        "<answer>x<think>y</answer>",
        "</answer>x<answer>",
    ],
)
def test_no_plain_answer_is_no_answer(behind: str) -> None:
    """Cut off, doubled, nested, empty or untagged: no answer, and every word of it is kept."""
    found = parse_thought(f"<think>a</think>{behind}")
    assert found.answer is None
    assert found.steps == ("a",)
    assert [word for word in ("x", "y") if word in behind] == [word for word in ("x", "y") if word in found.rest]


def test_text_without_tags_is_all_thought() -> None:
    """A checkpoint that answers otherwise is shown whole and has no answer."""
    assert parse_thought("psoriasis, I think\nor eczema") == Thought(("psoriasis, I think", "or eczema"), None)


@given(st.lists(st.sampled_from([*TAGS, "皮损", "red", " ", "\n", "1. ", "<", "< 3"]), max_size=12))
def test_no_word_is_lost_and_no_tag_is_shown(parts: list[str]) -> None:
    """Whatever the tags do, the words come out in order and none of the tags does."""
    found = parse_thought("".join(parts))
    shown = "\n".join([*found.steps, found.answer or "", found.rest])
    assert not re.search(r"<\s*/?\s*(think|answer)\s*>", shown)
    words = re.findall(r"皮损|red", "".join(parts))
    assert sorted(re.findall(r"皮损|red", shown)) == sorted(words)


@given(st.integers(min_value=0, max_value=70))
def test_a_stream_never_shows_part_of_a_tag(count: int) -> None:
    """Any prefix can be shown: no piece of a tag, no answer before its end; only the last step may still change."""
    text = "<think>\n1. red plaque\n2. scale < 3 mm\n</think>\n<answer>psoriasis</answer>"
    found = parse_thought(text[:count], is_complete=False)
    whole = parse_thought(text)
    assert found.answer in (None, "psoriasis")
    assert (found.answer is not None) == (count >= len(text))
    shown = "\n".join([*found.steps, found.rest])
    assert not re.search(r"</?[a-z]", shown)
    assert found.steps[:-1] == whole.steps[: len(found.steps[:-1])]


def test_a_long_text_is_parted_in_one_go() -> None:
    """Two hundred thousand opening brackets cost no more than a look at each."""
    assert parse_thought("<" * 200_000).answer is None


def test_only_the_answer_is_left_to_read() -> None:
    """Everything else is blank, and the answer stands where it stood."""
    text = "<think>not melanoma</think>so <answer>psoriasis</answer> done"
    left = only_answer(text)
    assert left.split() == ["psoriasis"]
    assert left.index("psoriasis") == text.index("psoriasis")
    assert len(left) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "<think>psoriasis",
        "<think>psoriasis</think>",
        "<think>a</think><answer>psoriasis",
        "<think>a</think>psoriasis",
        "<think>a</think><answer>psoriasis</answer><answer>eczema</answer>",
        "psoriasis",
    ],
)
def test_without_a_plain_answer_nothing_is_left_to_read(text: str) -> None:
    """Cut off, doubled or never begun: no thought becomes a finding."""
    assert only_answer(text).strip() == ""


@given(st.lists(st.sampled_from([*TAGS, "a", "b ", "\n"]), max_size=9).map("".join))
def test_what_is_left_is_the_answer_that_is_shown(text: str) -> None:
    """The coder and the report agree on what the answer is, whatever the form."""
    assert only_answer(text).strip() == (parse_thought(text).answer or "")


@pytest.mark.parametrize(
    ("prompt", "stops", "expected"),
    [
        ("Describe it.", [], False),
        ("Describe it.", ["</s>"], False),
        ("Describe it.", ["</s>", "</answer>"], True),
        ("Use <think>…</think> and <answer>…</answer>.", [], True),
        ("Describe it.<think>\n", [], True),
        ("Describe it.<think>\n\n</think>\n", [], False),  # thinking switched off
    ],
)
def test_a_step_declares_its_thought(prompt: str, stops: list[str], expected: bool) -> None:
    """By a stop string, by its prompt's form, or by opening the thought itself."""
    assert asks_for_thought(prompt, stops) == expected
