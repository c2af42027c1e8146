"""How far two readings of the same answer lie apart, by hand; and how an answer is laid out for forcing."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calibration.evaluation.answers import Reading
from calibration.evaluation.forcing import diverge, forced, kl_nats, reading
from edge_agent.errors import ContractError
from edge_agent.inference.forced_answers import WATCHED, Choice, Target, read_target, schema_target, text_target
from edge_agent.inference.grammar import SchemaGrammar
from edge_agent.inference.tokenizer import Tokenizer
from tests.simulators.reference import BUNDLE

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "family": {"enum": ["eczematous", "papulosquamous", "cannot_tell"]},
        "colour": {"type": "array", "items": {"enum": ["red", "pink"]}, "minItems": 1, "maxItems": 2},
    },
    "required": ["family", "colour"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """The shipped bundle's byte-level tokenizer."""
    backbone = SimpleNamespace(vocab_size=4096, eos_token_ids=[2])
    return Tokenizer(BUNDLE / "tokenizer.json", backbone=backbone)  # type: ignore[arg-type]


def one_decision(logits: list[float], rest: float | None = None, *, ids: list[int] | None = None) -> Reading:
    """Return a reading of one token with one decision."""
    return Reading(tokens=[5], best=[0], decisions=[(ids or list(range(len(logits))), logits, rest, 0)])


def test_kl_by_hand() -> None:
    """KL((1/2, 1/2) || (1/4, 3/4)) = ln 2 / 2 + ln(2/3) / 2 = (ln 4 - ln 3) / 2."""
    value = kl_nats(np.log([0.5, 0.5]), np.log([0.25, 0.75]))
    assert value == pytest.approx((math.log(4) - math.log(3)) / 2)


def test_equal_distributions_do_not_diverge() -> None:
    """Logits that differ by a constant are one distribution."""
    found = diverge(one_decision([1.0, 2.0]), one_decision([11.0, 12.0]))
    assert found.nats == pytest.approx(0.0, abs=1e-12)
    assert (found.decisions, found.same, found.tokens, found.tokens_same) == (1, 1, 1, 1)


def test_all_other_tokens_count_together() -> None:
    """Watched: one token of 1/2; the rest 1/2 becomes 3/4. The same value as the pair (1/2, 1/2) against (1/4, 3/4)."""
    found = diverge(one_decision([0.0], 0.0), one_decision([0.0], math.log(3)))
    assert found.nats == pytest.approx((math.log(4) - math.log(3)) / 2)


@pytest.mark.parametrize("other", [one_decision([0.0, 0.0], ids=[0, 7]), Reading(tokens=[6], best=[0], decisions=[])])
def test_readings_of_other_answers_are_not_compared(other: Reading) -> None:
    """Other tokens, or other tokens watched, are a programmer's mistake, never a number."""
    with pytest.raises(RuntimeError):
        diverge(one_decision([0.0, 0.0]), other)


def test_an_answer_is_laid_out_with_its_decisions(tokenizer: Tokenizer) -> None:
    """The JSON is tokenized as the grammar spells it, and every enum and every end of a list is a choice."""
    grammar = SchemaGrammar(SCHEMA, tokenizer=tokenizer, where="recognition.describe")
    target = schema_target(grammar, '{"family":"papulosquamous","colour":["red","pink"]}')
    assert grammar.tokenizer.decode(list(target.tokens)) == b'{"family":"papulosquamous","colour":["red","pink"]}'
    assert [choice.field for choice in target.choices][:2] == ["family", "colour"]
    for choice in target.choices:
        assert choice.allowed is not None
        assert target.tokens[choice.position] in choice.allowed
        assert len(choice.allowed) > 1


@pytest.mark.parametrize("text", ['{"family":"bullous","colour":["red"]}', '{"family":"eczematous"}', "no json"])
def test_an_answer_that_does_not_fit_is_refused(tokenizer: Tokenizer, text: str) -> None:
    """An answer of another bundle's schema is an error of the comparison, named with agent and step."""
    grammar = SchemaGrammar(SCHEMA, tokenizer=tokenizer, where="recognition.describe")
    with pytest.raises(ContractError, match=r"recognition\.describe"):
        schema_target(grammar, text)


def test_every_token_of_a_free_text_is_a_choice(tokenizer: Tokenizer) -> None:
    """Nothing in a text is forced."""
    target = text_target(tokenizer, "皮损鲜红")
    assert [choice.position for choice in target.choices] == list(range(len(target.tokens)))


def test_a_closed_choice_keeps_every_value() -> None:
    """The logits of the allowed tokens, and nothing else, are the decision; the whole vocabulary's best is kept apart."""
    target = Target((2,), (Choice(0, "family", np.array([2, 4]), is_closed=True),))
    found = read_target(target, np.array([[9.0, 0.0, 1.0, 0.0, 3.0]], np.float32), like=None)
    [decision] = found.decisions
    assert (decision.best, decision.logits.tolist(), decision.rest) == (4, [1.0, 3.0], -math.inf)
    assert found.best.tolist() == [0]


def test_an_open_choice_watches_the_same_tokens_in_both_bundles() -> None:
    """The reference's likeliest are watched in the candidate too, whatever it likes better, and the others add up."""
    size = WATCHED + 10
    target = Target((0,), (Choice(0, None, None, is_closed=False),))
    first = read_target(target, np.arange(size, dtype=np.float32)[np.newaxis], like=None)
    second = read_target(target, np.zeros((1, size), np.float32), like=first)
    assert sorted(first.decisions[0].ids.tolist()) == list(range(10, size))
    assert second.decisions[0].ids.tolist() == first.decisions[0].ids.tolist()
    assert second.decisions[0].rest == pytest.approx(math.log(10))


def test_readings_survive_being_written() -> None:
    """What the engine needs of an earlier reading comes back from plain data."""
    target = Target((0,), (Choice(0, None, None, is_closed=False),))
    first = read_target(target, np.arange(90, dtype=np.float32)[np.newaxis], like=None)
    again = forced(Reading.model_validate_json(reading(first).model_dump_json()))
    assert again.tokens == first.tokens
    assert again.decisions[0].ids.tolist() == first.decisions[0].ids.tolist()
    assert again.decisions[0].rest == pytest.approx(first.decisions[0].rest, abs=1e-4)
