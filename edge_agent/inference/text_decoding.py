"""Write free, bounded text token by token: for an agent whose contract is ``text``."""

from __future__ import annotations

import codecs
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.case import AgentOutput
from edge_agent.inference.decoding import FieldEvent, OnField, Place
from edge_agent.inference.sampling import Sampler

Floats = NDArray[np.float32]


class TextDecoder:
    """Writes free, bounded text; ends at a stop string, an end token, the token limit or a loop.

    The answer's ``value`` is ``{"text": ..., "finish": "stop" | "eos" | "length" | "loop"}``. A loop is for the
    agent to abstain on; the text is kept as it is. Streams whole UTF-8 characters only.
    """

    _LOOP_TOKENS = 8  # a cycle of up to this many tokens ...
    _LOOP_TIMES = 6  # ... this often in a row is a runaway
    _SENTENCE_TOKENS = 64  # a longer one, a sentence say, ...
    _SENTENCE_TIMES = 4  # ... is one sooner

    def __init__(
        self, *, place: Place, decode_bytes: Callable[[list[int]], bytes], eos_ids: list[int],
        on_field: OnField | None = None,
    ) -> None:  # fmt: skip
        self._place = place
        self._decode = decode_bytes
        self._eos = set(eos_ids)
        self._on_field = on_field
        self._sampler = Sampler(place.step.generation)
        self._tokens: list[int] = []
        self._finish = ""
        self._sent = 0

    def forced(self) -> list[int]:
        """Return nothing: free text has no forced tokens."""
        return []

    def is_done(self) -> bool:
        """Tell whether something ended the text."""
        return bool(self._finish)

    def choose(self, logits: Floats, *, history: NDArray[np.int64]) -> int | None:
        """Sample one token; None when it is an end token."""
        token = self._sampler.choose(logits, history=history)
        if token in self._eos:
            self._finish = "eos"
            self._stream(is_last=True)
            return None
        self._tokens.append(token)
        settings = self._place.step.generation
        if any(stop in self._text() for stop in settings.stop):
            self._finish = "stop"
        elif self._is_looping():
            self._finish = "loop"
        elif len(self._tokens) >= settings.max_tokens:
            self._finish = "length"
        self._stream(is_last=bool(self._finish))
        return token

    def output(self) -> AgentOutput:
        """Return the text, cut behind the first stop string."""
        text, place = self._cut(), self._place
        value = {"text": text, "finish": self._finish}
        return AgentOutput(place.agent, place.step.name, text, value, {}, len(self._tokens), 0)

    def _text(self) -> str:
        """Return the whole characters written so far; the bytes of an unfinished one are left out."""
        return codecs.getincrementaldecoder("utf-8")("replace").decode(self._decode(self._tokens), final=False)

    def _cut(self) -> str:
        """Return the text up to and with the first stop string (SkinGPT-R1 stops at ``</answer>``)."""
        text = self._text()
        ends = [text.index(stop) + len(stop) for stop in self._place.step.generation.stop if stop in text]
        return text[: min(ends)] if ends else text

    def _stream(self, *, is_last: bool) -> None:
        """Send new whole characters, holding back what may become a stop string."""
        if self._on_field is None:
            return
        text = self._cut()
        held = 0 if is_last else max((len(s) - 1 for s in self._place.step.generation.stop), default=0)
        end = max(self._sent, len(text) - held)
        if end > self._sent:
            self._on_field(FieldEvent(self._place.row, self._place.step.name, "text", text[self._sent : end]))
            self._sent = end

    def _is_looping(self) -> bool:
        """Tell whether the last tokens are one short cycle, many times over."""
        for size in range(1, self._SENTENCE_TOKENS + 1):
            times = self._LOOP_TIMES if size <= self._LOOP_TOKENS else self._SENTENCE_TIMES
            tail = self._tokens[-size * times :]
            if len(tail) == size * times and tail == tail[:size] * times:
                return True
        return False
