"""The coder's gate: what it measures, what it stands beside, and that planted damage fails it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from calibration.coder_gate import CoderFigures, check_coder, coder_figures
from calibration.coder_texts import DANGER_FRAMES, HELD_OUT, danger_texts, labelled_texts
from edge_agent.agents.text.coder import TextCoder
from edge_agent.agents.text.lexicon import FILE, Lexicon, fold
from edge_agent.contracts.terms import Vocabulary, read_toml
from edge_agent.errors import QualityGateError

VOCABULARY = Vocabulary.load()
COUNT = 1200
SMALL = 240  # enough texts to see damage
Table = dict[str, Any]


def coder_of(change: Callable[[Table], None] | None = None) -> TextCoder:
    """Return the device's coder, or one with planted damage."""
    told = copy.deepcopy(read_toml(FILE, what="text lexicon"))
    if change is not None:
        change(told)
    return TextCoder(VOCABULARY, Lexicon.parse(told, VOCABULARY))


@pytest.fixture(scope="module")
def figures() -> CoderFigures:
    """The shipped lexicon's, measured once."""
    return coder_figures(coder_of(), VOCABULARY, count=COUNT)


def test_the_shipped_lexicon_passes(figures: CoderFigures) -> None:
    """Every field of the three agents that texts can tell is judged, each above its constant answer."""
    assert figures.failures() == ()
    judged = {name: one.told for name, one in figures.standard.items()}
    assert len(judged) == 25 and min(judged.values()) >= 10
    assert all(one.right > one.constant for one in figures.standard.values())
    assert all(0 < one.constant < 1 for one in figures.standard.values())


def test_every_danger_word_in_every_frame_closes(figures: CoderFigures) -> None:
    """Sure, doubtful, behind a denial of something else: all of them, and none counts as ours."""
    assert figures.danger_texts == 12 * len(DANGER_FRAMES)
    assert (figures.danger_closed, figures.danger_firm) == (1.0, 0)
    assert figures.denied_closed == 0.0


def test_paraphrases_are_missed_and_not_misread(figures: CoderFigures) -> None:
    """The honest part: on words that no row holds the lexicon knows nothing and claims nothing."""
    assert sum(one.told for one in figures.held_out.values()) > 100
    assert all(one.wrong <= 0.05 for one in figures.held_out.values())


def test_the_held_out_wordings_stand_in_no_row() -> None:
    """Disjoint from the lexicon: none of its forms for the value is part of the paraphrase."""
    lexicon = coder_of().lexicon
    for (field, value), wording in HELD_OUT.items():
        forms = [form for form, (one, _) in lexicon.fields[field].says.items() if one == value]
        assert forms
        assert not any(form in fold(wording)[0] for form in forms), (field, value, wording)


def test_the_texts_vary_and_can_be_written_again() -> None:
    """The same seed writes the same texts; order, frames and denials differ from text to text."""
    first, again, other = (list(labelled_texts(VOCABULARY, 60, seed=seed, is_held_out=False)) for seed in (1, 1, 2))
    assert first == again != other
    assert len({one.text for one in first}) > 50
    assert any("未见" in one.text for one in first)
    assert len(list(danger_texts(0))) == len({text for _, text in danger_texts(0)})


def swap_colours(told: Table) -> None:
    rows = {row["value"]: row for row in told["form"] if row["field"] == "colour"}
    rows["bright_red"]["zh"], rows["dark_red"]["zh"] = rows["dark_red"]["zh"], rows["bright_red"]["zh"]


def forget_denial(told: Table) -> None:
    told["cues"]["denial"], told["cues"]["denial_behind"] = ["绝无"], ["绝无"]


def deny_too_far(told: Table) -> None:
    told["cues"]["ends"], told["cues"]["no_denial"], told["cues"]["joins"] = (
        ["但"],
        ["不无"],
        ["无", "失", "现", "渗液"],
    )


def forget_a_danger(told: Table) -> None:
    told["form"] = [row for row in told["form"] if (row["field"], row["value"]) != ("family", "pigmented_lesion")]


def shift_a_band(told: Table) -> None:
    for row in told["number"]:
        if row["field"] == "surface_share":
            row["bands"] = [[upper + 20, value] for upper, value in row["bands"]]


def lose_the_longest(told: Table) -> None:
    told["ignore"] = [row for row in told["ignore"] if row["field"] != "colour"]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (swap_colours, "colour"),
        (forget_denial, ""),
        (deny_too_far, "danger"),
        (forget_a_danger, "danger"),
        (shift_a_band, "surface_share"),
        (lose_the_longest, "colour"),
    ],
)
def test_planted_damage_fails_the_gate(damage: Callable[[Table], None], named: str) -> None:
    """Each kind at least once, and the message says where."""
    failures = [
        row for row in coder_figures(coder_of(damage), VOCABULARY, count=SMALL).failures() if "texts only" not in row
    ]
    assert failures
    assert any(named in row for row in failures), failures
    with pytest.raises(QualityGateError, match="the text coder"):
        check_coder(coder_of(damage), VOCABULARY, count=SMALL)
