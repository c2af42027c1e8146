"""The agents' own words and a side branch's guess at a skin tone in a report: set apart and marked, what was hidden named.

Only for clinicians; the person's copy never holds them (``reading.seen_by``).

Source: architecture decision 3: raw text stays on the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge_agent.agents.report.parts import CAUTION, Block, Line
from edge_agent.agents.report.terms import Terms
from edge_agent.agents.report.thinking import thinking

_WHOLLY_HIDDEN = {"banned": "text_withheld"}  # ids of tcm_part; another reason is told by the section itself


def model_words(told: Sequence[Mapping[str, Any]], words: Terms, *, title: str = "") -> list[Block]:
    """Return the lines of some texts.

    Args:
        told: the report's ``texts``; empty for a bundle that answers under schemas.
        words: the language.
        title: what stands before the heading, e.g. the picture's name.
    """
    rows: list[Block] = []
    for text in told:
        note = words.word(f"text_{text['finish']}") if text["finish"] in ("length", "loop") else ""
        rows.append(Line(words.joined([title, words.word("model_text")]), "strong", note=note))
        if text["text"] is None:
            why = next((_WHOLLY_HIDDEN[one] for one in text["hides"] if one in _WHOLLY_HIDDEN), None)
            told_why = words.label(why, of="tcm_part") if why else words.word("text_hidden")
            rows.append(Line(told_why, "unknown", CAUTION))
            continue
        plain = [Line(words.apart(line.strip()), "quiet") for line in text["text"].splitlines() if line.strip()]
        rows += thinking(text["text"], words) or plain
        if text["hides"]:
            rows.append(Line(words.word("text_masked"), "unknown", CAUTION))
    return rows


def tone_estimate(view: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return the line with the tone logits of one picture, of a bundle whose side branch has a tone head.

    Args:
        view: the report's row of one picture.
        words: the language.
    """
    told = view.get("tone_logits")
    if told is None:
        return []
    values = words.comma.join(f"{words.word(f'tone_{name}')} {value:.2f}" for name, value in told.items())
    return [Line(words.joined([words.view(view["view"]), words.said(words.word("model_tone"), values)]), "quiet")]
