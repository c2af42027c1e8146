"""Part a text of the form ``<think>…</think><answer>…</answer>`` into its steps and its answer.

Fails closed: where it is not plain which part is the answer, there is none, and the whole text is kept for a person to
read. Judges nothing and screens nothing; whoever shows a text screens it (``agents.free_text``), and whoever reads values
in it reads the answer alone (``only_answer``).

Source: SkinGPT-R1's output (arXiv 2511.15242); generation stops at ``</answer>``, and a closing tag may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TAG = re.compile(r"<\s*(?P<close>/?)\s*(?P<name>think|answer)\s*>", re.IGNORECASE)
_BLANK = "\n"  # ends a sentence, so that no word of the answer is read together with one that was blanked
_LONGEST_TAG = 24  # with the blanks that are tolerated; a longer "<" begins no tag any more
# "1." "2)" "- " "Step 3:" "第一步:" at the start of a line; the numbers in a report are its own.
_BULLET = re.compile(
    r"^(?:[-*•]\s+|\(?\d{1,2}[.)、:]\s*|step\s+\d{1,2}\s*[.:)]?\s*|第[一二三四五六七八九十\d]{1,3}步\s*[.:、]?\s*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Thought:
    """``steps`` in order, without their own numbers; ``answer`` None where there is none that is plain.

    ``rest`` is what belongs to neither: text behind the thought without tags, or an answer that was cut off or doubled.
    """

    steps: tuple[str, ...]
    answer: str | None
    rest: str = ""


def is_thought(text: str) -> bool:
    """Say whether a text has any of the tags, so that it may be parted at all."""
    return _TAG.search(text) is not None


def asks_for_thought(prompt: str, stops: Iterable[str]) -> bool:
    """Say whether a step is to think first, so that a text of its without any tag is a thought that was cut off.

    Args:
        prompt: names the answer's tag, or opens a thought that it does not close.
        stops: the step's stop strings; ``</answer>`` says the same.
    """
    tags = [tag for text in (prompt, *stops) for tag in _TAG.finditer(text)]
    opened = [tag for tag in _TAG.finditer(prompt) if tag["name"].lower() == "think"]
    return any(tag["name"].lower() == "answer" for tag in tags) or (bool(opened) and not opened[-1]["close"])


def only_answer(text: str) -> str:
    """Return a whole text with everything but its answer blanked, so that a place in it is the same place in the text.

    A text without a plain answer comes back blank: what was thought on the way is no finding.
    """
    start = _border(text)[1]
    answer = _span(text[start:])
    if answer is None:
        return _BLANK * len(text)
    first, last = start + answer[0], start + answer[1]
    return _BLANK * first + text[first:last] + _BLANK * (len(text) - last)


def parse_thought(text: str, *, is_complete: bool = True) -> Thought:
    """Part one text; a pure function that any prefix of a text may be given to.

    A missing ``<think>`` is read as opened by the prompt, a missing ``</think>`` as closed by ``<answer>``. Tags inside the
    thought are text. The answer is the one closed, non-empty ``<answer>`` behind the thought: none, two, one inside another
    or one without its end give no answer, and their text is kept in ``rest``.

    Args:
        text: the raw text of an agent.
        is_complete: False while it streams: a tag that has only begun is held back.
    """
    told = text if is_complete else _without_begun_tag(text)
    end, start = _border(told)
    answer, rest = _answer(told[start:])
    return Thought(tuple(_steps(_plain(told[:end]))), answer, rest)


def _border(text: str) -> tuple[int, int]:
    """Return where the thought ends and where what stands behind it begins; without any tag everything is the thought."""
    tags = list(_TAG.finditer(text))
    ends = [tag for tag in tags if _is(tag, "think", closes=True)]
    if ends:
        return ends[-1].span()
    first = next((tag for tag in tags if _is(tag, "answer", closes=False)), None)
    return (len(text), len(text)) if first is None else (first.start(), first.start())


def _answer(behind: str) -> tuple[str | None, str]:
    """Return the answer and the rest of what stands behind the thought."""
    span = _span(behind)
    if span is None:
        return None, _plain(behind)
    outside = (_plain(behind[: span[0]]), _plain(behind[span[1] :]))
    return behind[slice(*span)].strip(), "\n".join(part for part in outside if part)


def _span(behind: str) -> tuple[int, int] | None:
    """Return where the one closed answer that says anything stands behind the thought, without its tags."""
    tags = list(_TAG.finditer(behind))
    shape = [(tag["name"].lower(), bool(tag["close"])) for tag in tags]
    if shape != [("answer", False), ("answer", True)]:
        return None
    first, last = tags[0].end(), tags[1].start()
    return (first, last) if behind[first:last].strip() else None


def _steps(thought: str) -> Iterator[str]:
    """Yield one step per line that says something."""
    for line in thought.splitlines():
        step = _BULLET.sub("", line.strip(), count=1).strip()
        if step:
            yield step


def _plain(text: str) -> str:
    """Return the text with its tags taken out: a broken form is shown as words, never as markup."""
    return _TAG.sub("\n", text).strip()


def _is(tag: re.Match[str], name: str, *, closes: bool) -> bool:
    return tag["name"].lower() == name and bool(tag["close"]) == closes


def _without_begun_tag(text: str) -> str:
    """Hold back an end that may become a tag."""
    start = text.rfind("<", max(0, len(text) - _LONGEST_TAG))
    if start < 0 or ">" in text[start:]:
        return text
    begun = re.sub(r"\s", "", text[start:]).lower()
    return (
        text[:start] if any(tag.startswith(begun) for tag in ("<think>", "</think>", "<answer>", "</answer>")) else text
    )
