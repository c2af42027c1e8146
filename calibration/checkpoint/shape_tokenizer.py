"""Make a tokenizer for a random checkpoint: this project's own byte-level BPE, Qwen's special tokens at their real ids.

No published tokenizer can be fetched where this runs. Between the learned tokens and the special ones stand Chinese
words that no merge reaches: text never becomes one of them, but a model with random weights may write them, and a
vocabulary of the real size costs what it costs (masks, logits, streaming of broken UTF-8).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calibration.checkpoint.shapes import QWEN_SPECIAL, Shape
from calibration.reference import agents_spec
from calibration.reference.tokenizer import train_tokenizer
from edge_agent.errors import CalibrationError

_FIRST_HAN, _LAST_HAN = 0x4E00, 0x9FA5  # CJK unified ideographs of Unicode 1.1
# This project's prompts come from its own tokenizer; a plain template is enough for a checkpoint of random weights.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def special_ids(shape: Shape) -> dict[str, int]:
    """Return the ids of Qwen's special tokens and, behind them, of this project's invocation token."""
    names = [*QWEN_SPECIAL, agents_spec.INVOCATION]
    return {name: shape.first_special + number for number, name in enumerate(names)}


def write_tokenizer(folder: Path, shape: Shape) -> None:
    """Write tokenizer.json and tokenizer_config.json below the folder; deterministic.

    Raises:
        CalibrationError: the shape's vocabulary is too small for the words that an agent may write.
    """
    document: dict[str, Any] = json.loads(train_tokenizer().to_str())
    vocabulary: dict[str, int] = document["model"]["vocab"]
    room = shape.first_special - len(vocabulary)
    if room < 0 or shape.first_special + len(QWEN_SPECIAL) + 1 > shape.vocab_size:
        raise CalibrationError(
            f"{shape.name}: a vocabulary of {shape.vocab_size} is too small; the words alone need {len(vocabulary)}"
        )
    numbers = itertools.count(len(vocabulary))
    fresh = (word for word in _words() if word not in vocabulary)
    vocabulary |= {word: next(numbers) for word in itertools.islice(fresh, room)}
    ids = special_ids(shape)
    document["added_tokens"] = [
        {"id": number, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": True}
        for name, number in ids.items()
    ]  # fmt: skip
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": list(ids)[1:],
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": shape.max_position_embeddings,
    }
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _words() -> Iterator[str]:
    """Yield Chinese words of one, two and three characters, spelled in the byte-level alphabet."""
    letters = _byte_letters()
    spelled = [
        "".join(letters[byte] for byte in chr(code).encode("utf-8")) for code in range(_FIRST_HAN, _LAST_HAN + 1)
    ]
    yield from spelled
    for length in (2, 3):
        step = 97 * length  # neighbours in the table would all begin alike
        for first in range(len(spelled)):
            for offset in range(1, 8):
                yield "".join(spelled[(first + offset * step * place) % len(spelled)] for place in range(length))


def _byte_letters() -> dict[int, str]:
    """Return the letter that stands for each byte. Source: GPT-2's encoder.py, ``bytes_to_unicode``."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + number) for number, byte in enumerate(others)}
