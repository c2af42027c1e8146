"""What every engine is given: pictures, prompts and the length of every answer. One committed file says it."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibration.reference import agents_spec
from edge_agent.agents.prompts import IMAGE_BLOCK
from edge_agent.contracts.manifest import AgentName

FILE = Path(__file__).with_name("workload.toml")
SYSTEM = "<|im_start|>system\nskin<|im_end|>\n<|im_start|>user\n"
TO_ANSWER = "<|im_end|>\n<|im_start|>assistant\n"
NEXT_TURN = "<|im_end|>\n<|im_start|>user\n"
Pictures = Literal["each", "all", "none", "before"]
Encode = Callable[[str], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Turn:
    """One question to one agent.

    ``pictures``: ``each`` asks once per view, ``all`` shows all views, ``none`` shows none, ``before`` goes on with the
    conversation of the turn before. ``prompt_tokens`` of text, ``answer_tokens`` to write.
    """

    agent: AgentName
    step: str
    pictures: Pictures
    prompt_tokens: int
    answer_tokens: int


@dataclass(frozen=True, slots=True)
class Workload:
    """One case: square views of ``side_px`` and the turns, in order.

    ``is_shared``: every agent begins with the system's words and all views, and its adapter is on only behind them.
    """

    views: int
    side_px: int
    turns: tuple[Turn, ...]
    is_shared: bool = False

    def shared(self) -> Workload:
        """Return the case whose agents share their beginning: every turn but a continued one shows all views."""
        turns = [turn if turn.pictures == "before" else replace(turn, pictures="all") for turn in self.turns]
        return replace(self, turns=tuple(turns), is_shared=True)

    def frames(self, case: int) -> list[NDArray[np.uint8]]:
        """Draw the views of one case, uint8[side, side, 3] BGR: a disc on a slope of skin tones.

        Every case has other pictures: an engine that keeps answers from the last case would only win on paper.
        """
        return [_frame(self.side_px, seed=100 * case + number) for number in range(self.views)]

    def texts(self, encode: Encode) -> dict[str, str]:
        """Return by step words of the vocabulary, as many as come nearest to the turn's tokens under this tokenizer.

        Takes a second: ask for them before a clock runs.
        """
        return {turn.step: _text(turn, encode=encode) for turn in self.turns}


def load_workload() -> Workload:
    """Read the committed case."""
    held = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return Workload(held["views"], held["side_px"], tuple(Turn(**turn) for turn in held["turns"]))


def workload_named(name: str, *, views: int | None = None, side_px: int | None = None, length: float = 1.0) -> Workload:
    """Return ``paper`` (each agent sees what the paper shows it) or ``shared``, at another size where one is given.

    Answers become ``length`` times as long; that takes an engine without schemas.
    """
    held = load_workload()
    turns = tuple(replace(turn, answer_tokens=max(1, round(length * turn.answer_tokens))) for turn in held.turns)
    sized = replace(held, views=views or held.views, side_px=side_px or held.side_px, turns=turns)
    return {"paper": sized, "shared": sized.shared()}[name]


def prompt_of(turn: Turn, text: str, *, views: int, invocation: str = "") -> str:
    """Return a turn's prompt; ``views`` are the pictures of one conversation, ``invocation`` what turns its adapter on."""
    if turn.pictures == "before":
        return NEXT_TURN + text + TO_ANSWER
    shown = {"each": 1, "all": views, "none": 0}[turn.pictures]
    return SYSTEM + IMAGE_BLOCK * shown + invocation + text + TO_ANSWER


def _text(turn: Turn, *, encode: Encode) -> str:
    words: list[str] = []
    for word in _words(turn):
        words.append(word)
        if len(encode(" ".join(words))) >= turn.prompt_tokens:
            break
    return " ".join(words)


def _words(turn: Turn) -> Iterator[str]:
    """Yield vocabulary ids for ever, beginning at another one for every step."""
    words = sorted({word for values in agents_spec.REC_VALUES.values() for word in values if isinstance(word, str)})
    start = sum(map(ord, turn.step)) % len(words)
    return itertools.islice(itertools.cycle(words), start, None)


def _frame(side: int, *, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side]
    centre = rng.uniform(0.35, 0.65, 2) * side
    disc = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (0.27 * side) ** 2
    slope = 24 * (x + y) / side
    planes = [np.where(disc, 70, 110 + slope), np.where(disc, 60, 140 + slope), np.where(disc, 190, 190 + slope)]
    noise = rng.normal(0, 6, (side, side, 1))
    return np.clip(np.stack(planes, axis=-1) + noise, 0, 255).astype(np.uint8)
