"""The lexicon finds values in free text, and says whether they are affirmed, denied or doubted."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from edge_agent.agents.scope import DANGER_FAMILIES
from edge_agent.agents.text.lexicon import FILE, Lexicon, clean, fields_of, fold
from edge_agent.contracts.terms import Vocabulary, read_toml
from edge_agent.errors import ConfigError

VOCABULARY = Vocabulary.load()
LEXICON = Lexicon.load(VOCABULARY)
# A label that is no word of a running text: it means something else there, or nothing.
NO_WORDS = {
    "border.irregular", "distribution.nail", "family.burrow_papular", "family.hypopigmented", "family.other",
    "phenotype.nail", "phenotype.palmoplantar", "phenotype.scalp", "scale_type.none", "secondary_change.none",
    "special.none", "arrangement.linear",
}  # fmt: skip


def said(text: str, field: str) -> list[Any]:
    """Return what a text states for sure, in order."""
    return list(dict.fromkeys(hit.value for hit in LEXICON.hits(text, field) if hit.is_sure))


def pieces(label: str) -> list[str]:
    """Return the wordings of a vocabulary label: "紫红/紫暗" holds two."""
    return [one for one in re.split(r"[/()、]", label) if one]


@pytest.mark.parametrize("field", sorted(fields_of(VOCABULARY)))
def test_every_label_of_the_vocabulary_is_known(field: str) -> None:
    """Built on the vocabulary's own Chinese labels: each is read as its own id, but for those that are no words."""
    found = fields_of(VOCABULARY)[field]
    rows = LEXICON.fields.get(field)
    assert rows is not None
    told = {value for value, _ in rows.says.values()}
    for term in found.terms.values():
        if term.id == "cannot_tell" or field in {"limitations", "condition"}:
            continue
        if f"{field}.{term.id}" in NO_WORDS:
            continue
        known = term.id in told or any(term.id == value for _, bands in rows.numbers for _, value in bands)
        assert known, f"{field}.{term.id}"
        if term.id in told and field not in {"count_in_view", "surface_share"}:
            assert any(said(piece, field) == [term.id] for piece in (term.zh, *pieces(term.zh))), f"{field}.{term.id}"


def test_every_grade_has_words() -> None:
    """0 to 4, three times."""
    for field in ("scale_amount", "erythema", "induration"):
        assert {value for value, _ in LEXICON.fields[field].says.values()} == {0, 1, 2, 3, 4}


def test_every_row_names_its_source_and_nobody_has_reviewed_it() -> None:
    """Each with source and status."""
    told = read_toml(FILE, what="text lexicon")
    for kind in ("form", "ignore", "implied", "anchor", "number"):
        assert told[kind]
        assert all(row["source"] and row["status"] == "unreviewed" for row in told[kind])


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("表面覆银白色鳞屑", "colour", []),  # longest match first: a silvery scale is no white lesion
        ("表面覆银白色鳞屑", "scale_type", ["silvery_lamellar"]),
        ("皮损暗红色,边界不清楚", "border", ["ill_defined"]),
        ("点滴状银屑病", "phenotype", ["guttate"]),
        ("鳞屑0分", "secondary_change", []),
        ("占可见皮肤约 35 %", "surface_share", ["30_49"]),
        ("共12个丘疹", "count_in_view", ["six_to_twenty"]),
        ("Bright red plaques, well-defined", "colour", ["bright_red"]),
        ("bright redness", "colour", []),  # a Latin word stands alone
        ("皮損鮮紅", "colour", []),  # traditional characters are not read: a gap, not a mistake
        ("鲜 红", "colour", []),
        ("ＢＲＩＧＨＴ　ＲＥＤ", "colour", ["bright_red"]),
        ("边界不对称", "border", []),
    ],
)
def test_the_longest_form_counts(text: str, field: str, expected: list[str]) -> None:
    """Per field; any width and case."""
    assert said(text, field) == expected


@pytest.mark.parametrize(
    ("text", "word", "is_denied", "is_doubted"),
    [
        ("未见水疱、脓疱及糜烂。", "糜烂", True, False),
        ("否认溃疡", "溃疡", True, False),
        ("无渗出、无脓疱", "脓疱", True, False),
        ("溃疡、糜烂均未见。", "溃疡", True, False),
        ("脓疱(-)", "脓疱", True, False),
        ("no pustules or ulcers", "pustules", True, False),
        ("未见水疱,可见溃疡", "溃疡", False, False),
        ("无水疱但有溃疡", "溃疡", False, False),
        ("无痛性结节", "结节", False, False),
        ("无光泽的黑色结节", "结节", False, False),
        ("无明显诱因出现大疱", "大疱", False, False),
        ("并非没有溃疡", "溃疡", False, False),
        ("未见明显的溃疡", "溃疡", True, False),
        ("溃疡未见好转", "溃疡", False, False),
        ("不除外黑色素瘤", "黑色素瘤", False, True),
        ("需排除黑色素瘤", "黑色素瘤", False, True),
        ("黑色素瘤?", "黑色素瘤", False, True),
        ("疑似基底细胞癌", "基底细胞癌", False, True),
        ("有无溃疡不详", "溃疡", False, True),
        ("rule out melanoma", "melanoma", False, True),
        ("银屑病可能性大。其旁结节", "结节", False, False),
    ],
)
def test_denial_and_doubt_reach_as_far_as_they_are_meant(
    text: str, word: str, is_denied: bool, is_doubted: bool
) -> None:
    """A cue acts inside its part of the sentence, up to a word that begins something new."""
    folded = fold(text)[0]
    start = folded.index(word)
    read = LEXICON.read(text)
    polarity = LEXICON.cues.at(read.reading, start, start + len(word))
    assert (polarity.is_denied, polarity.is_doubted) == (is_denied, is_doubted)


@pytest.mark.parametrize(
    ("text", "word", "is_sure"),
    [
        ("未见明显溃疡", "溃疡", True),
        ("未见水疱、脓疱及糜烂", "糜烂", True),
        ("溃疡、糜烂均未见", "溃疡", True),
        ("no blisters or ulcers", "ulcers", True),
        ("无破溃结节", "结节", False),  # a nodule that is not ulcerated, or neither: nobody can tell
        ("无渗出、触之即破的结节", "结节", False),
        ("结节处水疱未见", "结节", False),
    ],
)
def test_a_danger_is_denied_only_where_nothing_else_can_be_meant(text: str, word: str, is_sure: bool) -> None:
    """Directly, or as one of several joined items."""
    start = text.index(word)
    assert LEXICON.cues.at(LEXICON.read(text).reading, start, start + len(word)).is_surely_denied is is_sure


def test_a_denied_scale_says_none_and_a_denied_lesion_normal_skin() -> None:
    """Only where the table says so: elsewhere a denial says nothing."""
    assert said("未见鳞屑", "scale_type") == ["none"]
    assert said("未见皮损", "applicability") == ["normal_skin"]
    assert said("未见抓痕", "secondary_change") == []


def test_a_heading_announces_its_field() -> None:
    """Where a text says what it concludes, what it discusses before does not count."""
    text = "日久血燥生风,亦可成血瘀。\n辨证:\n血热证。"
    assert said(text, "syndrome") == ["blood_heat"]
    assert said("日久血燥,亦成血瘀。", "syndrome") == ["blood_dryness", "blood_stasis"]


def test_spans_are_places_of_the_original() -> None:
    """Also where a character of the original folds into several."""
    text = "①：颜色　鲜红色"
    [hit] = LEXICON.hits(text, "colour")
    assert text[hit.start : hit.end] == "鲜红色"


def test_control_and_hidden_characters_go() -> None:
    """A terminal code or a direction mark in a model's text reaches no screen; line breaks stay."""
    assert clean("红\x1b[31m斑\u202e\n屑\x00") == "红[31m斑\n屑"


def test_nothing_can_silence_a_danger_family() -> None:
    """The family has no words to be ignored, and every danger family has its label and several more."""
    rows = LEXICON.fields["family"]
    assert rows.ignored == frozenset()
    for family in DANGER_FAMILIES:
        assert sum(value == family for value, _ in rows.says.values()) >= 5, family


def damaged(**change: Any) -> dict[str, Any]:
    told = copy.deepcopy(read_toml(FILE, what="text lexicon"))
    told["form"][0].update(change)
    return told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"field": "mood"}, "no agent fills mood"),
        ({"value": "shiny"}, "does not know shiny"),
        ({"source": ""}, "needs a source"),
        ({"status": "final"}, "needs a source and a status"),
        ({"weight": 2}, "unknown key weight"),
        ({"zh": ["正常皮肤"]}, "has another meaning above"),
    ],
)
def test_a_spoilt_row_is_refused(change: dict[str, Any], message: str) -> None:
    """By name, before any text is read."""
    told = damaged(**change)
    if "zh" in change:
        told["form"].insert(0, told["form"].pop(1))
    with pytest.raises(ConfigError, match=message):
        Lexicon.parse(told, VOCABULARY)
