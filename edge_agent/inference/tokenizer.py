"""Tokenize with the bundle's own tokenizer.json, through llguidance (no transformers, no torch)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import llguidance

from edge_agent.contracts.manifest import Backbone, RenderedPrompt
from edge_agent.errors import InferenceError, RejectedError


class Tokenizer:
    """The bundle's byte-level BPE tokenizer.

    Text that comes from outside never turns into control tokens: see ``check_plain``.
    """

    def __init__(self, path: Path, *, backbone: Backbone) -> None:
        """Read the tokenizer.

        Raises:
            RejectedError: it is unreadable or has more tokens than the backbone.
        """
        try:
            text = path.read_text(encoding="utf-8")
            document = json.loads(text)
            added = document.get("added_tokens", [])
            self.grammar_tokenizer = llguidance.LLTokenizer(
                text, n_vocab=backbone.vocab_size, eos_token=list(backbone.eos_token_ids)
            )
        except (OSError, ValueError) as exc:
            raise RejectedError(f"{path.name} is no tokenizer for this backbone; install the bundle again") from exc
        self._control = tuple(str(t["content"]) for t in added if t.get("special"))
        self._control_bytes = tuple(token.encode("utf-8") for token in self._control if token)
        known = set(document.get("model", {}).get("vocab", {}).values()) | {t["id"] for t in added}
        self._words = frozenset(known - {t["id"] for t in added if t.get("special")})

    def encode(self, text: str) -> list[int]:
        """Return the canonical token ids; control tokens in ``text`` become their ids."""
        return list(self.grammar_tokenizer.tokenize_str(text, parse_special=True))

    def decode(self, ids: Sequence[int]) -> bytes:
        """Return the bytes of ``ids``; they may end inside a UTF-8 character."""
        return bytes(self.grammar_tokenizer.decode_bytes(list(ids)))

    def decode_text(self, ids: Sequence[int]) -> bytes:
        """Return the bytes of a text that a model wrote: control tokens and ids without a token say nothing.

        As transformers' ``skip_special_tokens``. So no text holds a control token, unless its letters spell one: then
        these letters go too, because the text is put into another prompt.
        """
        raw = self.decode([one for one in ids if one in self._words])
        while any(token in raw for token in self._control_bytes):
            for token in self._control_bytes:
                raw = raw.replace(token, b"")
        return raw

    def byte_tokens(self, raw: bytes) -> list[int]:
        """Return tokens that spell ``raw`` byte by byte, whatever the canonical split is; for probing a grammar."""
        return [token for byte in raw for token in self.grammar_tokenizer.tokenize_bytes(bytes([byte]))]

    def check_plain(self, text: str, *, name: str) -> None:
        """Refuse control tokens in a text that somebody typed or a model wrote.

        Raises:
            InferenceError: ``text`` holds one; names the input, never its content.
        """
        for token in self._control:
            if token in text:
                raise InferenceError(f"the text input '{name}' holds the control token {token}; remove it")

    def check_rendered(self, prompt: RenderedPrompt, *, agent: str) -> None:
        """Compare one rendered prompt with the token ids that were written at build.

        Raises:
            RejectedError: the tokenizer here splits it another way.
        """
        if self.encode(prompt.text) != prompt.token_ids:
            raise RejectedError(f"the tokenizer splits the {agent} prompt otherwise than at build; rebuild the bundle")
