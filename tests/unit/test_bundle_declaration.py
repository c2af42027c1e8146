"""The declaration of a checkpoint is checked against itself and against the tokenizer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from calibration.declaration import agent_specs, check_answers, enum_choices, parse_declaration
from edge_agent.errors import ExportError
from tests.simulators.declaration import declaration


@pytest.fixture
def document() -> dict[str, Any]:
    """Return a valid declaration to be changed."""
    return declaration()


def tokenizer_of_words() -> Tokenizer:
    """Return a tokenizer in which every run of letters, digits and _ is a token, and every other character too."""
    words: dict[str, int] = {"<unk>": 0}
    core = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"[A-Za-z0-9_]+|."), behavior="isolated")
    return core


def tokenizer_of_letters() -> Tokenizer:
    """Return a tokenizer in which every character is a token of its own."""
    letters = {chr(code): code for code in range(32, 127)} | {"<unk>": 0}
    core = Tokenizer(models.WordLevel(letters, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    return core


def with_words(document: dict[str, Any]) -> Tokenizer:
    """Return the word tokenizer with every word of the declaration in it."""
    core = tokenizer_of_words()
    pieces = [piece for piece, _ in core.pre_tokenizer.pre_tokenize_str(repr(document))]
    vocabulary = {piece: index + 1 for index, piece in enumerate(dict.fromkeys([*pieces, "null", "z", '"']))}
    core.model = models.WordLevel({"<unk>": 0} | vocabulary, unk_token="<unk>")
    return core


def test_reference_declaration_is_valid(document: dict[str, Any]) -> None:
    """The reference model's prompts, schemas and invocation agree with each other."""
    assert list(parse_declaration(document, source="x").agents) == ["recognition", "representation", "reasoning"]


def test_unknown_key_gets_a_suggestion(document: dict[str, Any]) -> None:
    """A mistyped key is an error with the nearest known one."""
    document["licence"] = {}
    with pytest.raises(ExportError, match="did you mean 'licences'"):
        parse_declaration(document, source="x")


def test_all_three_agents_are_needed(document: dict[str, Any]) -> None:
    """A missing agent is named."""
    del document["agents"]["reasoning"]
    with pytest.raises(ExportError, match=r"agents.reasoning is missing"):
        parse_declaration(document, source="x")


def test_prompt_and_inputs_must_agree(document: dict[str, Any]) -> None:
    """An agent that declares no pictures may not have a place for them in its prompt, and the other way round."""
    document["agents"]["recognition"]["inputs"]["images"] = "none"
    with pytest.raises(ExportError, match="first prompt of recognition"):
        parse_declaration(document, source="x")


def test_invocation_must_stand_in_the_prompt(document: dict[str, Any]) -> None:
    """An activated LoRA whose invocation nobody writes would never be on."""
    document["agents"]["recognition"]["invocation"] = "<|represent|>"
    with pytest.raises(ExportError, match="lacks its invocation"):
        parse_declaration(document, source="x")


def test_choice_that_is_not_decided(document: dict[str, Any]) -> None:
    """A field with several values must be declared as decided, or nobody would see its probability."""
    document["agents"]["reasoning"]["steps"][0]["decided_fields"].remove("formula")
    with pytest.raises(ExportError, match="formula has several values"):
        parse_declaration(document, source="x")


def test_decided_field_without_choice(document: dict[str, Any]) -> None:
    """A field with one value decides nothing."""
    rules = document["agents"]["representation"]["steps"][0]["output_schema"]["properties"]
    rules["stage"] = {"enum": ["cannot_tell"]}
    with pytest.raises(ExportError, match="stage has no enum of two"):
        parse_declaration(document, source="x")


def test_choice_inside_an_object_is_decided_by_its_dotted_name(document: dict[str, Any]) -> None:
    """The working condition has a probability like any other field; what stands in a list of steps has none."""
    step = document["agents"]["reasoning"]["steps"][0]
    parsed = parse_declaration(document, source="x").agents["reasoning"].steps[0]
    assert [choice.field for choice in enum_choices(parsed)][:2] == ["biomedical.working", "biomedical.differential"]
    assert not any("claim" in choice.field for choice in enum_choices(parsed))
    step["decided_fields"].remove("biomedical.working")
    with pytest.raises(ExportError, match=r"biomedical\.working has several values"):
        parse_declaration(document, source="x")


def test_values_inside_an_object_part_at_one_token_too(document: dict[str, Any]) -> None:
    """Two conditions that begin alike would share one probability: the build names them with their path."""
    step = document["agents"]["reasoning"]["steps"][0]
    step["output_schema"]["properties"] = {"biomedical": step["output_schema"]["properties"]["biomedical"]}
    step["output_schema"]["required"] = ["biomedical"]
    step["decided_fields"] = ["biomedical.working", "biomedical.differential"]
    working = step["output_schema"]["properties"]["biomedical"]["properties"]["working"]
    working["enum"] = ["plaque psoriasis", "plaque else", "guttate"]  # the first word of two is shared
    parsed = _long(document)
    with pytest.raises(ExportError, match=r"biomedical\.working: .* begin with the same token"):
        check_answers(parsed, with_words(document))


def test_a_nested_answer_counts_in_full(document: dict[str, Any]) -> None:
    """Eight steps with four pointers each are part of the longest answer, written out here by hand."""
    step = {"claim": "blood_heat", "stance": "against", "evidence": ["view:1.colour"] * 4}
    answer = {
        "reasoning_steps": [step] * 8,
        "biomedical": {"working": "plaque_psoriasis", "differential": ["dermatophytosis"] * 2},
        "trend": "unchanged",
        "syndrome": "blood_heat",
        "principle": ["move_qi"] * 2,
        "formula": "danggui_yinzi",
    }
    words = with_words(document)
    longest = len(words.encode(json.dumps(answer, separators=(",", ":")), add_special_tokens=False).ids)
    document["agents"]["reasoning"]["steps"][0]["generation"]["max_tokens"] = longest - 1
    with pytest.raises(ExportError, match=f"reasoning.assess: its longest answer has {longest} tokens"):
        check_answers(parse_declaration(document, source="x"), words)


def test_threshold_for_an_unknown_field(document: dict[str, Any]) -> None:
    """A temperature for a field that nobody decides is a mistake."""
    document["thresholds"]["fields"] = {"reasoning.familly": {"temperature": 1.0}}
    with pytest.raises(ExportError, match=r"reasoning.familly is no decided field"):
        parse_declaration(document, source="x")


def test_claimed_calibration_covers_every_decided_field(document: dict[str, Any]) -> None:
    """The device would withhold a field without an entry; better that the build says so."""
    document["calibration"] = {"split": "calibration", "cases": 10, "ece": {}}
    with pytest.raises(ExportError, match=r"thresholds\.fields\.reasoning\.biomedical\.differential is missing"):
        parse_declaration(document, source="x")


def test_values_that_part_at_one_token_pass(document: dict[str, Any]) -> None:
    """Where every value is one token of its own, all fields can be decided, null and numbers included."""
    check_answers(_long(document), with_words(document))


def test_values_with_a_common_first_token_fail(document: dict[str, Any]) -> None:
    """Letter by letter, `pigmented_lesion` and `papulosquamous` both begin with p: the build names them."""
    with pytest.raises(ExportError, match="begin with the same token"):
        check_answers(_long(document), tokenizer_of_letters())


def test_answer_longer_than_its_budget_fails(document: dict[str, Any]) -> None:
    """An answer that cannot end within max_tokens would be cut off on the device."""
    document["agents"]["reasoning"]["steps"][0]["generation"]["max_tokens"] = 5
    with pytest.raises(ExportError, match=r"reasoning.assess: its longest answer has"):
        check_answers(parse_declaration(document, source="x"), with_words(document))


def test_rendered_prompt_holds_one_pad_per_picture_and_chinese(document: dict[str, Any]) -> None:
    """The prompt that a device tokenizes again shows a picture as one pad token and holds both scripts."""
    specs = agent_specs(parse_declaration(document, source="x"), with_words(document))
    assert specs["recognition"].rendered_prompt.text.count("<|image_pad|>") == 1
    assert "舌红" in specs["reasoning"].rendered_prompt.text
    assert "{" not in specs["reasoning"].rendered_prompt.text


def _long(document: dict[str, Any]) -> Any:
    for agent in document["agents"].values():
        for step in agent["steps"]:
            step["generation"]["max_tokens"] = 4000
    return parse_declaration(document, source="x")
