"""What a bundle declares when its agents write free text: how the coder asks, and what lets words open a case.

Both blocks are optional. Without ``coder`` a text is read by the lexicon alone; without ``text_scope`` no text makes a
case one that the program reads (``agents.scope``). Reads no text itself: ``edge_agent.agents.text`` does.

Source: architecture decision 3 (output contracts).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Closed(BaseModel):
    """Unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


CODER_PROMPT = (
    "<|im_start|>system\n你是病历编码员。只依据给出的文字编码,不推测,不补充。<|im_end|>\n"
    "<|im_start|>user\n以下文字已分句编号:\n{text}\n\n为下列每一项写出说明它的句子编号(at,没有则写 00)和取值(value,"
    "文字未说明则写 cannot_tell):\n{fields}<|im_end|>\n<|im_start|>assistant\n"
)


class TextScope(_Closed):
    """What lets a scope decision rest on words: how Rec's texts on known pictures were read, all by the lexicon.

    No picture of a danger family may have been read as ours: none of 59 puts the one-sided 95 % lower bound of the
    share that is refused at .95.
    """

    split: str
    danger_cases: int = Field(ge=59)
    danger_read_as_ours: Literal[0]
    in_scope_cases: int = Field(gt=0)
    in_scope_found: int = Field(ge=0)


class CoderSpec(_Closed):
    """Ask the bare backbone, without adapter or picture, about what the lexicon leaves open in a text.

    ``prompt`` is a template with ``{text}`` (the numbered sentences) and ``{fields}`` (one line per open field with its
    ids in words). The answer's schema is made of the open fields, so its values are always ids of the vocabulary.
    """

    prompt: str = CODER_PROMPT
    max_tokens: int = Field(gt=0, default=2048)

    @model_validator(mode="after")
    def _prompt_has_its_blanks(self) -> CoderSpec:
        """Refuse a question without the text, or without the fields."""
        if "{text}" not in self.prompt or "{fields}" not in self.prompt:
            raise ValueError("coder.prompt needs {text} and {fields}")
        return self
