"""Schema grammars: what is forced, what is decided, what is refused."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer as HfTokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers

from edge_agent.errors import ContractError, InferenceError, RejectedError
from edge_agent.inference.enum_fields import enum_fields
from edge_agent.inference.grammar import Answer, SchemaGrammar
from edge_agent.inference.json_position import Position, locate
from edge_agent.inference.tokenizer import Tokenizer

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WORDS = "papulosquamous eczematous cannot_tell bright_red dark_red well_defined 血热 blood_heat blood_dryness"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A byte-level BPE tokenizer with merges inside the values' names."""
    hf = HfTokenizer(models.BPE())
    hf.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    hf.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    hf.train_from_iterator([WORDS] * 5, trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    hf.save(str(path))
    return Tokenizer(path, backbone=SimpleNamespace(vocab_size=400, eos_token_ids=[2]))  # type: ignore[arg-type]


def schema(**values: list[Any]) -> dict[str, Any]:
    """An object of enums; names that end in 's' are lists of one."""
    rules = {
        name: {"type": "array", "items": {"enum": v}, "minItems": 1, "maxItems": 1} if name[-1] == "s" else {"enum": v}
        for name, v in values.items()
    }
    return {"type": "object", "properties": rules, "required": list(rules), "additionalProperties": False}


def write(answer: Answer, choices: list[str]) -> tuple[list[list[str]], str]:
    """Take the named candidate at every decision; return the candidates seen and the text."""
    seen: list[list[str]] = []
    wanted = iter(choices)
    while True:
        decision = answer.next()
        answer.take(decision.forced)
        if decision.is_done:
            return seen, answer.text().decode()
        seen.append(list(decision.candidates))
        answer.take([decision.candidates[next(wanted)]])


RULES = schema(
    family=["papulosquamous", "eczematous", "cannot_tell"],
    fixed=["cannot_tell"],
    colours=["bright_red", "dark_red"],
    induration=[0, 1, 3, None],
    syndrome=["血热", "cannot_tell"],
)


def test_only_real_choices_are_decisions(tokenizer: Tokenizer) -> None:
    """Keys, punctuation and one-valued fields are forced; each other field is exactly one decision."""
    seen, text = write(
        SchemaGrammar(RULES, tokenizer=tokenizer, where="a.b").answer(), ["eczematous", "dark_red", "null", "血热"]
    )
    assert seen == [
        ["papulosquamous", "eczematous", "cannot_tell"],
        ["bright_red", "dark_red"],
        ["0", "1", "3", "null"],
        ["血热", "cannot_tell"],
    ]
    assert (
        text
        == '{"family":"eczematous","fixed":"cannot_tell","colours":["dark_red"],"induration":null,"syndrome":"血热"}'
    )


def test_answers_are_spelled_canonically(tokenizer: Tokenizer) -> None:
    """Forced and chosen tokens are those of the tokenizer on the whole text, as in training."""
    answer = SchemaGrammar(RULES, tokenizer=tokenizer, where="a.b").answer()
    _, text = write(answer, ["cannot_tell", "bright_red", "3", "cannot_tell"])
    assert answer.tokens == tokenizer.encode(text)


def test_values_with_one_first_token_are_refused_by_name(tokenizer: Tokenizer) -> None:
    """Two values that begin with the same token cannot be told apart by one decision."""
    grammar = SchemaGrammar(schema(x=["blood_heat", "blood_dryness", "cannot_tell"]), tokenizer=tokenizer, where="r.s")
    with pytest.raises(RejectedError, match=r"r\.s\.x: the values blood_heat and blood_dryness"):
        grammar.check(["x"])


def test_a_decided_field_needs_an_enum(tokenizer: Tokenizer) -> None:
    """A decided field without an enum has no probabilities: refused at load."""
    free = {
        "type": "object",
        "properties": {"note": {"type": "string"}},
        "required": ["note"],
        "additionalProperties": False,
    }
    with pytest.raises(RejectedError, match="note has no enum"):
        SchemaGrammar(free, tokenizer=tokenizer, where="r.s").check(["note"])


def test_a_number_that_begins_another_is_refused(tokenizer: Tokenizer) -> None:
    """1 and 10 cannot both be values: nothing closes a number."""
    with pytest.raises(RejectedError, match="the value 1 begins 10"):
        SchemaGrammar(schema(x=[1, 10, 3]), tokenizer=tokenizer, where="r.s").check(["x"])


def test_an_uncompilable_schema_is_refused(tokenizer: Tokenizer) -> None:
    """A schema that llguidance cannot compile is refused at load, with its place."""
    with pytest.raises(RejectedError, match=r"schema of r\.s cannot be compiled"):
        SchemaGrammar({"type": "no such type"}, tokenizer=tokenizer, where="r.s")


def test_a_token_outside_the_grammar_is_a_contract_error(tokenizer: Tokenizer) -> None:
    """Nothing can be written that the schema forbids."""
    answer = SchemaGrammar(RULES, tokenizer=tokenizer, where="a.b").answer()
    with pytest.raises(ContractError):
        answer.take(tokenizer.encode("nonsense"))


def test_free_fields_are_masked_by_the_schema(tokenizer: Tokenizer) -> None:
    """A free string gets the schema's mask; the answer still parses and the enum behind it is decided."""
    rules = {
        "type": "object",
        "properties": {"note": {"type": "string", "maxLength": 3}, "x": {"enum": ["bright_red", "dark_red"]}},
        "required": ["note", "x"],
        "additionalProperties": False,
    }
    answer = SchemaGrammar(rules, tokenizer=tokenizer, where="a.b").answer()
    decision = answer.next()
    while not decision.is_done:
        answer.take(decision.forced)
        allowed = answer.allowed()
        quote = next((t for t in tokenizer.encode('","') if allowed[t]), None)
        token = next(iter(decision.candidates.values()), quote)
        answer.take([token if token is not None else int(allowed.argmax())])
        decision = answer.next()
    answer.take(decision.forced)
    assert json.loads(answer.text())["x"] == "bright_red"


def test_control_tokens_in_a_text_are_refused(tokenizer: Tokenizer) -> None:
    """A typed text cannot end the user's turn."""
    tokenizer.check_plain("itching since May <b>", name="history")
    with pytest.raises(InferenceError, match="'history' holds the control token <|im_end|>".replace("|", r"\|")):
        tokenizer.check_plain("x<|im_end|>y", name="history")


STEPS = {
    "type": "object",
    "properties": {
        "steps": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "claim": {"enum": ["blood_heat", "blood_dryness", "血热"]},
                    "evidence": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 2,
                        "items": {"enum": ["view:1.colour", "view:2.colour", "intake.pulse"]},
                    },
                },
                "required": ["claim", "evidence"],
                "additionalProperties": False,
            },
        },
        "colours": {
            "type": "array", "items": {"enum": ["bright_red", "dark_red", "cannot_tell"]}, "minItems": 1, "maxItems": 2,
        },
        "syndrome": {"enum": ["血热", "cannot_tell"]},
    },
    "required": ["steps", "colours", "syndrome"],
    "additionalProperties": False,
}  # fmt: skip


def write_like(grammar: SchemaGrammar, wanted: dict[str, Any]) -> Answer:
    """Write one wanted answer: at every decision take the candidate that its canonical tokens name."""
    target = grammar.tokenizer.encode(json.dumps(wanted, ensure_ascii=False, separators=(",", ":")))
    answer = grammar.answer()
    while True:
        decision = answer.next()
        answer.take(decision.forced)
        assert answer.tokens == target[: len(answer.tokens)]
        if decision.is_done:
            return answer
        assert target[len(answer.tokens)] in decision.candidates.values()
        answer.take([target[len(answer.tokens)]])


@pytest.mark.parametrize(
    "wanted",
    [
        {"steps": [{"claim": "blood_heat", "evidence": ["intake.pulse"]}], "colours": ["dark_red"], "syndrome": "血热"},
        {
            "steps": [
                {"claim": "血热", "evidence": ["view:2.colour", "view:1.colour"]},
                {"claim": "blood_dryness", "evidence": ["intake.pulse", "view:1.colour"]},
            ],
            "colours": ["bright_red", "dark_red"],
            "syndrome": "cannot_tell",
        },
    ],
)
def test_nested_lists_are_written_canonically(tokenizer: Tokenizer, wanted: dict[str, Any]) -> None:
    """Every nested answer can be reached by decisions alone, in the tokenizer's own split."""
    assert json.loads(write_like(SchemaGrammar(STEPS, tokenizer=tokenizer, where="a.b"), wanted).text()) == wanted


def test_nothing_in_a_nested_answer_is_left_to_chance(tokenizer: Tokenizer) -> None:
    """The walk at load meets candidates at every place that is not forced, and ends."""
    grammar = SchemaGrammar(STEPS, tokenizer=tokenizer, where="a.b")
    grammar.check(["colours", "syndrome"])
    answer, free = grammar.answer(), 0
    while not (decision := answer.next()).is_done:
        answer.take(decision.forced)
        free += not decision.candidates
        answer.take([list(decision.candidates.values())[-1]])
    assert free == 0


def colours(*values: str, most: int) -> dict[str, Any]:
    """RULES with a list of up to ``most`` colours."""
    rules: dict[str, Any] = json.loads(json.dumps(RULES))
    rules["properties"]["colours"] = {
        "type": "array", "minItems": 1, "maxItems": most, "items": {"enum": list(values)},
    }  # fmt: skip
    return rules


def test_a_list_never_names_a_value_twice(tokenizer: Tokenizer) -> None:
    """What a list holds already is no candidate for its next item; a last candidate is no choice any more."""
    rules = colours("bright_red", "dark_red", "血热", most=3)
    seen, text = write(
        SchemaGrammar(rules, tokenizer=tokenizer, where="a.b").answer(),
        ["eczematous", "dark_red", "more", "bright_red", "more", "null", "血热"],
    )
    assert seen[1:5] == [["bright_red", "dark_red", "血热"], ["end", "more"], ["bright_red", "血热"], ["end", "more"]]
    assert json.loads(text)["colours"] == ["dark_red", "bright_red", "血热"]


def test_nothing_is_added_to_cannot_tell(tokenizer: Tokenizer) -> None:
    """A list that says "cannot tell" ends there, and cannot_tell never stands behind another value."""
    grammar = SchemaGrammar(colours("bright_red", "dark_red", "cannot_tell", most=2), tokenizer=tokenizer, where="a.b")
    _, text = write(grammar.answer(), ["eczematous", "cannot_tell", "null", "血热"])
    assert json.loads(text)["colours"] == ["cannot_tell"]
    _, text = write(grammar.answer(), ["eczematous", "bright_red", "more", "null", "血热"])
    assert json.loads(text)["colours"] == ["bright_red", "dark_red"]


def test_a_list_ends_where_nothing_is_left_to_add(tokenizer: Tokenizer) -> None:
    """With room for three and two values to name, nobody is asked whether the list goes on behind the second."""
    grammar = SchemaGrammar(colours("bright_red", "dark_red", "cannot_tell", most=3), tokenizer=tokenizer, where="a.b")
    seen, text = write(grammar.answer(), ["eczematous", "bright_red", "more", "null", "血热"])
    assert seen[1:4] == [["bright_red", "dark_red", "cannot_tell"], ["end", "more"], ["0", "1", "3", "null"]]
    assert json.loads(text)["colours"] == ["bright_red", "dark_red"]


def test_fields_are_named_by_their_path() -> None:
    """An object's fields are joined by dots; what a list of objects decides is decided several times."""
    found = {one.name: one for one in enum_fields(STEPS)}
    assert list(found) == ["steps.claim", "steps.evidence", "colours", "syndrome"]
    assert [one.is_repeated for one in found.values()] == [True, True, False, False]
    assert [one.is_list for one in found.values()] == [False, True, True, False]
    inner = {"type": "object", "properties": {"part": STEPS}}
    assert [one.name for one in enum_fields(inner)][2:] == ["part.colours", "part.syndrome"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":', ("value", "a", 5, ",", -1)),
        ('{"a":"x', ("value", "a", 5, ",", -1)),
        ('{"a":"x\\"', ("value", "a", 5, ",", -1)),
        ('{"a":"x"', None),
        ('{"a":"x","b', None),
        ('{"a":"x","b":[', ("value", "b", 14, "]", 14)),
        ('{"a":["x","y', ("value", "a", 10, "]", 6)),
        ('{"a":["x","y"', ("more", "a", 13, "]", 6)),
        ('{"a":["x"]', None),
        ('{"a":1', ("value", "a", 5, ",", -1)),
        ('{"a":{"b":"c', ("value", "a.b", 10, ",", -1)),
        ('{"s":[{"c":"x","e":["y', ("value", "s.e", 20, "]", 20)),
        ('{"s":[{"c":"x","e":["y"', ("more", "s.e", 23, "]", 20)),
        ('{"s":[{"c":"x","e":["y"]}', ("more", "s", 25, "]", 6)),
        ('{"s":[{"c":"x","e":["y"]},{"c":', ("value", "s.c", 31, ",", -1)),
        ('{"s":[{"c":"x","e":["y"]}],"t":', ("value", "t", 31, ",", -1)),
        ("", None),
    ],
)
def test_locate_names_the_open_place(text: str, expected: tuple[Any, ...] | None) -> None:
    """The open value or list is found wherever the text is cut, at any depth."""
    wanted = None if expected is None else Position(*expected[:3], expected[3].encode(), expected[4])
    assert locate(text.encode()) == wanted
