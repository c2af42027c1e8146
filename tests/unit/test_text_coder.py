"""The coder gives a field a value only where the words state it; what closes a case wins over everything."""

from __future__ import annotations

from typing import Any

import pytest

from edge_agent.agents.text.coder import Coding, TextCoder, with_second_turn
from edge_agent.agents.text.lexicon import Lexicon
from edge_agent.agents.text.second_turn import NEVER_ASKED, SecondTurn
from edge_agent.contracts.case import AgentOutput, Finish, Written
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.text_contract import CoderSpec

VOCABULARY = Vocabulary.load()
CODER = TextCoder(VOCABULARY, Lexicon.load(VOCABULARY))
REC = CODER.fields_of("recognition", step=0, steps=1)


def code(text: str, *fields: str, finish: Finish = "eos") -> Coding:
    return CODER.code(Written("describe", text, text, finish), fields or REC)


def values(coding: Coding) -> dict[str, Any]:
    return {name: row.value for name, row in coding.fields.items() if row.coded and row.coded.by != "nothing"}


def test_an_agent_is_read_for_the_fields_of_its_steps() -> None:
    """Rec for all but its narrative; Rep's two texts for their own step; a single text of Rep for both."""
    assert "narrative" not in REC
    assert len(REC) == 15
    assert CODER.fields_of("representation", step=0, steps=2) == ("distribution", "symmetry", "phenotype", "stage")
    assert CODER.fields_of("representation", step=1, steps=2) == ("mechanism", "location")
    assert len(CODER.fields_of("representation", step=0, steps=1)) == 6
    assert "condition" in CODER.fields_of("reasoning", step=0, steps=1)


def test_a_plain_text_is_coded_with_its_places_and_without_probability() -> None:
    """Value, who mapped it, where it stands."""
    text = "皮损为鲜红色斑块,覆银白色鳞屑,边界清楚。"
    told = code(text)
    assert values(told) == {
        "applicability": "lesion_visible",
        "family": "papulosquamous",
        "primary_lesion": ["plaque"],
        "secondary_change": ["scale"],
        "colour": ["bright_red"],
        "scale_type": "silvery_lamellar",
        "border": "well_defined",
    }
    for row in told.fields.values():
        assert row.probability is None
        assert not row.alternatives
    colour = told.fields["colour"].coded
    assert colour is not None and colour.is_firm and colour.by == "lexicon"
    assert [text[a:b] for a, b in colour.spans] == ["鲜红色"]


def test_what_no_word_tells_is_open_and_cannot_tell() -> None:
    """A grade is null, a list its nothing-value; each says that nobody mapped it."""
    told = code("图片清晰。")
    assert told.open == REC
    assert {name: row.value for name, row in told.fields.items()}["scale_amount"] is None
    assert told.fields["colour"].value == ["cannot_tell"]
    assert all(row.coded is not None and row.coded.by == "nothing" for row in told.fields.values())


@pytest.mark.parametrize(
    ("text", "field", "value", "is_open"),
    [
        ("边界清楚,部分处边界不清", "border", "mixed", False),
        ("排列散在,排列簇集", "arrangement", "cannot_tell", True),  # two values where one may stand
        ("颜色鲜红、暗红、褐", "colour", ["bright_red", "dark_red"], False),  # at most two
        ("可能为暗红色", "colour", ["cannot_tell"], False),  # a doubt is an answer, and no value
        ("未见抓痕", "secondary_change", ["cannot_tell"], True),
        ("未见特殊征象", "special", ["none"], False),
        ("皮损处仅遗留色素沉着,可见斑疹", "applicability", "pigment_change_only", False),
    ],
)
def test_a_value_needs_words_without_a_doubt(text: str, field: str, value: Any, is_open: bool) -> None:
    """Conflicts and doubts give none; both are told apart from silence."""
    told = code(text, field)
    assert told.fields[field].value == value
    assert (field in told.open) is is_open


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("红斑鳞屑性皮损,其旁一黑色结节", "nodule_tumour"),
        ("银白色鳞屑明显,不除外黑色素瘤", "pigmented_lesion"),
        ("红斑鳞屑性皮损,脓疱?", "pustular"),
        ("红斑鳞屑性皮损,未见脓疱", "papulosquamous"),
    ],
)
def test_a_danger_family_that_is_named_and_not_denied_is_the_family(text: str, family: str) -> None:
    """However doubtful, whatever else the text says."""
    coded = code(text, "family").fields["family"]
    assert coded.value == family
    assert coded.coded is not None
    assert coded.coded.is_firm is (family == "papulosquamous")


def test_a_text_that_did_not_end_by_itself_is_never_firm() -> None:
    """Cut off at its limit it still says something; in a loop it says nothing but what closes a case."""
    cut = code("红斑鳞屑性皮损", "family", finish="length").fields["family"]
    assert cut.value == "papulosquamous" and cut.coded is not None and not cut.coded.is_firm
    looped = code("红斑鳞屑性皮损,鲜红", "family", "colour", finish="loop")
    assert (looped.fields["family"].value, looped.fields["colour"].value) == ("cannot_tell", ["cannot_tell"])
    assert looped.open == ()  # nobody is asked about it
    assert code("溃疡溃疡溃疡", "family", finish="loop").fields["family"].value == "ulcer_erosion"


def test_conditions_are_read_as_working_and_differential() -> None:
    """What is compared or doubted is differential; the general name beside its kind is the same disease."""
    told = code("诊断:银屑病(寻常型银屑病)。需与湿疹、体癣鉴别,玫瑰糠疹待排,不支持药疹。", "condition").fields
    assert told["biomedical.working"].value == "plaque_psoriasis"
    assert told["biomedical.differential"].value == ["eczema_unspecified", "dermatophytosis", "pityriasis_rosea"]
    assert "biomedical.working" not in code("银屑病可能", "condition").fields


def test_two_formulas_are_none() -> None:
    """A closed table has one formula per proposal; a text that combines two is not read as either."""
    assert code("方用犀角地黄汤合消风散", "formula").fields["formula"].value == "cannot_tell"
    assert code("方用犀角地黄汤", "formula").fields["formula"].value == "xijiao_dihuang_tang"
    assert code("不宜用犀角地黄汤", "formula").fields["formula"].value == "cannot_tell"


SECOND = SecondTurn(VOCABULARY, CoderSpec())
TEXT = "皮损色如朝霞。边缘与周围皮肤渐渐过渡。\n未见抓痕。"


def asked(fields: tuple[str, ...], answer: dict[str, Any]) -> dict[str, Any]:
    """Ask about some open fields and read an answer."""
    question = SECOND.question(Written("describe", TEXT, TEXT, "eos"), fields)
    assert question is not None
    output = AgentOutput("coder", "code", "", answer, {}, 0, 0)
    return dict(SECOND.answers(question, output, CODER.lexicon))


def test_the_question_holds_the_open_fields_and_numbered_sentences_only() -> None:
    """The schema allows their ids and the sentences' numbers, so nothing else can be answered."""
    question = SECOND.question(Written("describe", TEXT, TEXT, "eos"), ("border", "formula", "scale_amount"))
    assert question is not None
    request = question.request
    assert request.texts["text"] == "[01] 皮损色如朝霞\n[02] 边缘与周围皮肤渐渐过渡\n[03] 未见抓痕"
    assert list(request.schema["properties"]) == ["border", "scale_amount"]
    border = request.schema["properties"]["border"]["properties"]
    assert border["at"]["enum"] == ["00", "01", "02", "03"]
    assert border["value"]["enum"] == list(VOCABULARY.lists["border"].terms)
    assert request.schema["properties"]["scale_amount"]["properties"]["value"]["enum"] == [0, 1, 2, 3, 4, None]
    assert "ill_defined=边界不清" in request.texts["fields"]


def test_nothing_is_asked_where_nothing_is_open_or_written() -> None:
    """Formula and condition are never guessed."""
    assert SECOND.question(Written("describe", TEXT, TEXT, "eos"), tuple(NEVER_ASKED)) is None
    assert SECOND.question(Written("describe", " \n", " \n", "eos"), ("border",)) is None


@pytest.mark.parametrize(
    ("answer", "value", "by"),
    [
        ({"at": "02", "value": "ill_defined"}, "ill_defined", "second_turn"),
        ({"at": "00", "value": "ill_defined"}, "cannot_tell", "nothing"),  # no sentence says it
        ({"at": "02", "value": "cannot_tell"}, "cannot_tell", "nothing"),
        ({"at": "09", "value": "ill_defined"}, "cannot_tell", "nothing"),
        ({}, "cannot_tell", "nothing"),
    ],
)
def test_an_answer_needs_its_sentence(answer: dict[str, Any], value: str, by: str) -> None:
    """The span is the sentence's; without one nothing is taken."""
    row = asked(("border",), {"border": answer})["border"]
    assert (row.value, row.coded.by, row.probability) == (value, by, None)
    assert [TEXT[a:b] for a, b in row.coded.spans] == (["边缘与周围皮肤渐渐过渡"] if by == "second_turn" else [])
    assert not row.coded.is_firm


def test_a_denied_sentence_is_no_evidence() -> None:
    """The backbone points at a sentence in which the lexicon finds the field denied: not taken."""
    row = asked(("secondary_change",), {"secondary_change": {"at": "03", "value": "excoriation"}})["secondary_change"]
    assert row.value == ["cannot_tell"]


def test_the_second_turn_fills_open_fields_only() -> None:
    """What the lexicon read stays."""
    coding = code("颜色鲜红。边缘渐渐过渡。", "colour", "border")
    told = asked(("border", "colour"), {
        "border": {"at": "02", "value": "ill_defined"}, "colour": {"at": "01", "value": "dark_red"},
    })  # fmt: skip
    merged = with_second_turn(coding, told)
    assert merged.fields["colour"].value == ["bright_red"]
    assert (merged.fields["border"].value, merged.open) == ("ill_defined", ())
