"""A text that thinks before it answers, step by step: ``<think>…</think><answer>…</answer>`` in a report.

The text was screened before (``agents.text.shown``); a tag that was hidden with its sentence leaves no plain answer.
"""

from __future__ import annotations

from edge_agent.agents.report.parts import CAUTION, Block, Line
from edge_agent.agents.report.terms import Terms
from edge_agent.agents.text.thought import is_thought, parse_thought


def thinking(text: str, words: Terms) -> list[Block]:
    """Return the numbered steps and the answer of a text; empty for a text without such tags.

    Args:
        text: as a report keeps it.
        words: the language.
    """
    if not is_thought(text):
        return []
    thought = parse_thought(text)
    rows: list[Block] = []
    if thought.steps:
        rows.append(Line(words.word("thought_steps"), "strong"))
    rows += [Line(f"{number}. {words.apart(step)}", "quiet") for number, step in enumerate(thought.steps, start=1)]
    rows += [Line(words.apart(line), "quiet") for line in _lines(thought.rest)]
    if thought.answer is None:
        return [*rows, Line(words.word("no_plain_answer"), "unknown", CAUTION)]
    first, *more = (words.apart(line) for line in _lines(thought.answer))
    return [*rows, Line(words.said(words.word("thought_answer"), first), "strong"), *(Line(line) for line in more)]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
