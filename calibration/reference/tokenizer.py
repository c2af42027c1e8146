"""Train the reference model's own byte-level BPE tokenizer, with Qwen's special tokens.

Every id that an agent may write is one token (with and without a leading blank), so that a decision is one
sampled token and enum values differ in their first token by construction; the build checks it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from calibration.reference import agents_spec, corpus
from calibration.reference.agents_spec import BIOMEDICAL_VALUES, REASON_VALUES, REC_VALUES, REP_VALUES
from edge_agent.errors import CalibrationError

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    agents_spec.INVOCATION,
)
# Identifiers stay whole; punctuation of JSON stays together, but where an object in a list ends, the list may go on or
# end, so that a piece ends there too; Chinese characters run together.
SPLIT = r" ?[A-Za-z0-9_]+|\"\]\}|[\{\}\[\]\":,]+|\n| ?[^\sA-Za-z0-9_\{\}\[\]\":,]+|\s+"
VOCAB_SIZE = 2560


def output_ids() -> list[str]:
    """Return every id and key that stands in an agent's output."""
    found: list[str] = ["cannot_tell", "null", "reasoning_steps", "biomedical", "claim", "stance", "evidence"]
    for table in (REC_VALUES, REP_VALUES, BIOMEDICAL_VALUES, REASON_VALUES):
        for name, values in table.items():
            found += [name, *(str(v) for v in values if v is not None)]
    found += [*agents_spec.CLAIMS, *agents_spec.STANCES]
    found += [word for pointer in agents_spec.POINTERS for word in re.findall(r"[A-Za-z0-9_]+", pointer)]
    return list(dict.fromkeys(found))


def record_words() -> list[str]:
    """Return the words of records as ``evidence.record.render`` writes them, and of the prompts."""
    words = (
        "yes no none unknown not_examined not_applicable "
        "one_day less_than_one_week one_to_four_weeks one_to_three_months three_to_twelve_months "
        "more_than_one_year more_than_five_years since_birth since_childhood "
        "pale_red pale red crimson purple ecchymosis teeth_marked enlarged thin fissured prickly "
        "white yellow grey_black none_or_peeled thick slimy dry moist curdy normal distended_tortuous "
        "string_like slippery rapid thready deep rough moderate floating slow weak soggy surging mild severe "
        "scalp nail palmoplantar palmoplantar_pustular generalised_pustular erythrodermic arthropathic_suspected "
        "damp_heat fire_toxin wind_damp_impediment mixed_or_other "
        "who says read count and assess describe the view integrate views pathogenesis what is seen skin "
        "system user assistant"
    )
    return list(dict.fromkeys(words.split()))


def training_texts() -> Iterable[str]:
    """Yield the texts whose merges the tokenizer learns; frequency decides what becomes one token."""
    for word in output_ids():
        yield from [f'{{"{word}":"{word}","{word}":["{word}"],"{word}":{word},'] * 40
        yield from [f"\n{word} {word} {word}\n"] * 40
    for word in record_words():
        yield from [f"\n{word} {word}\n"] * 40
    for language, fields in corpus.WORDS.items():
        for values in fields.values():
            for text in values.values():
                yield from [text + corpus.SEPARATOR[language] + " " + text] * 30
        yield from [corpus.QUESTIONS[language], corpus.UNSURE[language]] * 30
    signs = [
        '":"',
        '","',
        '":["',
        '"],"',
        '{"',
        '"}',
        '"]}',
        '":',
        ',"',
        '":[{"',
        ',{"',
        '],"',
        '":{"',
        '},"',
        '"]},"',
        "view:",
        ".",
    ]
    yield from signs * 400
    yield from [f"view:{n}." for n in range(1, agents_spec.MAX_VIEWS + 1)] * 40


def train_tokenizer() -> Tokenizer:
    """Train the tokenizer; deterministic.

    Raises:
        CalibrationError: an id would not be one token.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_texts(), trainer=trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS])
    _check_single_tokens(tokenizer, output_ids())
    return tokenizer


def _check_single_tokens(tokenizer: Tokenizer, ids: Sequence[str]) -> None:
    split = [word for word in ids if len(tokenizer.encode(word).ids) != 1]
    if split:
        raise CalibrationError(f"these ids are more than one token, raise VOCAB_SIZE: {', '.join(split)}")


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer.json and the Hugging Face files that a Qwen2.5-VL checkpoint carries."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "clean_up_tokenization_spaces": False,
        "model_max_length": 4096,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
