"""Schema grammars: what is forced, what is decided, what is refused."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer as HfTokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers

from edge_agent.errors import ContractError, InferenceError, RejectedError
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":', ("a", 5, ",")),
        ('{"a":"x', ("a", 5, ",")),
        ('{"a":"x\\"', ("a", 5, ",")),
        ('{"a":"x"', None),
        ('{"a":"x","b', None),
        ('{"a":"x","b":[', ("b", 14, "]")),
        ('{"a":["x","y', ("a", 10, "]")),
        ('{"a":["x"]', None),
        ('{"a":1', ("a", 5, ",")),
        ('{"a":{"b":"c', None),
        ("", None),
    ],
)
def test_locate_names_the_open_value(text: str, expected: tuple[str, int, str] | None) -> None:
    """The open top-level value or list item is found wherever the text is cut."""
    wanted = None if expected is None else Position(expected[0], expected[1], expected[2].encode())
    assert locate(text.encode()) == wanted
