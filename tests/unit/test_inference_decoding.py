"""Free text: bounded, cut at stop strings, streamed by whole characters, ended when it loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_agent.contracts.case import FieldValue
from edge_agent.contracts.manifest import CanaryBounds, Step
from edge_agent.inference.canary import CanaryReport, CanaryRow, compare
from edge_agent.inference.decoding import FieldEvent, Place
from edge_agent.inference.text_decoding import TextDecoder

EOS = 256


def step(**generation: Any) -> Step:
    """A text step whose tokens are bytes."""
    return Step.model_validate(
        {"name": "say", "prompt": "", "contract": "text", "generation": {"max_tokens": 100} | generation}
    )


def write(text: bytes | list[int], *, declared: Step) -> tuple[TextDecoder, list[str]]:
    """Feed one-hot logits of these bytes until the decoder is done; return it and what it streamed."""
    events: list[FieldEvent] = []
    decoder = TextDecoder(
        place=Place("reasoning", 0, declared),
        decode_bytes=bytes,
        eos_ids=[EOS],
        on_field=events.append,
    )
    history: list[int] = []
    for token in text:
        assert decoder.forced() == []
        if decoder.is_done():
            break
        scores = np.full(EOS + 1, -10.0, dtype=np.float32)
        scores[token] = 10.0
        decoder.choose(scores, history=np.array(history, dtype=np.int64))
        history.append(token)
    chunks = [event.value for event in events]
    assert all(not isinstance(chunk, FieldValue) for chunk in chunks)
    return decoder, [str(chunk) for chunk in chunks]


def test_text_ends_with_its_stop_string() -> None:
    """Nothing behind the stop string is kept or streamed; the stop string itself is."""
    decoder, chunks = write(b"<answer>x</answer>rest", declared=step(stop=["</answer>"]))
    assert decoder.output().value == {"text": "<answer>x</answer>", "finish": "stop"}
    assert "".join(chunks) == "<answer>x</answer>"


def test_an_end_token_ends_the_text_and_is_not_part_of_it() -> None:
    """finish = eos, and the count is that of the text's own tokens."""
    decoder, _ = write([104, 105, EOS], declared=step())
    assert decoder.output().value == {"text": "hi", "finish": "eos"}
    assert decoder.output().tokens_sampled == 2


def test_the_token_limit_holds() -> None:
    """No more than max_tokens tokens."""
    decoder, _ = write(b"abcdefgh", declared=step(max_tokens=3))
    assert decoder.output().value == {"text": "abc", "finish": "length"}


def test_han_characters_are_streamed_whole() -> None:
    """Each Han character is three byte tokens here; no chunk holds half of one, and nothing is lost."""
    decoder, chunks = write([*"舌红苔黄".encode(), EOS], declared=step())
    assert "".join(chunks) == "舌红苔黄" == decoder.output().text
    assert "\ufffd" not in "".join(chunks)
    assert len(chunks) == 4


def test_what_may_become_a_stop_string_is_held_back() -> None:
    """A stream never shows the beginning of a stop string that then completes elsewhere."""
    _, chunks = write(b"ab##c", declared=step(stop=["###"], max_tokens=5))
    assert chunks[0] == "a"
    assert "".join(chunks) == "ab##c"


def test_a_loop_is_ended() -> None:
    """A short cycle that repeats many times is a runaway; a few repetitions are not."""
    looping, _ = write(b"x" + b"ab" * 40, declared=step())
    assert looping.output().value["finish"] == "loop"
    assert len(looping.output().text) < 20
    fine, _ = write([*(b"ab" * 4), EOS], declared=step())
    assert fine.output().value["finish"] == "eos"


@pytest.mark.parametrize(
    ("strict", "max_abs", "argmax", "golden", "failures"),
    [
        (True, 0.01, 1.0, 0, 0),
        (True, 0.2, 1.0, 0, 1),
        (True, 0.2, 0.5, 0, 2),
        (False, 9.0, 0.0, 4, 0),
        (False, 0.0, 1.0, 3, 1),
    ],
)
def test_the_canary_judges_logits_when_strict_and_decisions_in_production(
    strict: bool, max_abs: float, argmax: float, golden: int, failures: int
) -> None:
    """Strict settings are held to the logit bounds, production settings to the golden decisions."""
    bounds = CanaryBounds(strict_max_abs=0.1, strict_min_argmax=0.9)
    report = CanaryReport((CanaryRow("bare", max_abs, argmax),), strict, bounds, golden, 4, min_agreement=1.0)
    assert len(report.failures()) == failures


@pytest.mark.parametrize(
    ("equal", "total", "asked", "failures"),
    [(7, 10, 0.7, 0), (6, 10, 0.7, 1), (10, 10, 1.0, 0), (9, 10, 1.0, 1), (7, 100, 0.07, 0), (0, 0, 0.0, 1)],
)
def test_the_manifest_says_how_many_golden_decisions_must_agree(
    equal: int, total: int, asked: float, failures: int
) -> None:
    """Exactly the asked share passes, one decision less fails, and nothing to compare is never a pass."""
    bounds = CanaryBounds(strict_max_abs=0.1, strict_min_argmax=0.9)
    report = CanaryReport((CanaryRow("bare", 9.0, 0.0),), False, bounds, equal, total, min_agreement=asked)
    assert len(report.failures()) == failures


def test_the_canary_fails_on_numbers_that_are_not_numbers() -> None:
    """A NaN logit counts as infinitely far."""
    row = compare("bare", [(np.array([[np.nan, 1.0]], np.float32), np.array([[0.0, 1.0]], np.float32))])
    assert row.max_abs == float("inf")


def test_a_sentence_that_repeats_is_a_loop_too() -> None:
    """A cycle longer than a few tokens ends after fewer repetitions; a refrain of three is none."""
    sentence = "皮损鲜红".encode() + b"."
    looping, _ = write(list(sentence * 9), declared=step(max_tokens=200))
    assert looping.output().value["finish"] == "loop"
    assert looping.output().tokens_sampled == 4 * len(sentence)
    fine, _ = write([*(sentence * 3), EOS], declared=step(max_tokens=200))
    assert fine.output().value["finish"] == "eos"


def test_bytes_that_are_no_character_are_replaced_once_and_streamed_alike() -> None:
    """A weak model writes broken bytes: what was streamed is what is kept, and an unfinished end is not shown."""
    decoder, chunks = write([0x41, 0xFF, 0xE8, 0x42, 0xE8, 0x88, EOS], declared=step())
    assert decoder.output().text == "A\ufffd\ufffdB"
    assert "".join(chunks) == "A\ufffd\ufffdB"
