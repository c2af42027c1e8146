"""A tokenizer whose special tokens are missing, elsewhere, or too many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simulators import hf_folder
from tests.simulators.preflight import refusal


@pytest.mark.parametrize("lost", ["<|image_pad|>", "<|im_end|>", "<|vision_start|>"])
def test_missing_special_token(folder: Path, lost: str) -> None:
    """A tokenizer without one of the tokens that prompts and pictures need."""
    path = folder / "tokenizer.json"
    added = [token for token in json.loads(path.read_text())["added_tokens"] if token["content"] != lost]
    hf_folder.edit(path, {"added_tokens": added})
    assert refusal(folder).startswith(f"tokenizer.json lacks {lost}")


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        (
            "config.json",
            {"image_token_id": 53},
            "image_token_id = 53, but <|image_pad|> is 55 in tokenizer.json; mend one",
        ),
        ("config.json", {"vision_start_token_id": None}, "config.json lacks vision_start_token_id; write 53"),
        ("generation_config.json", {"eos_token_id": [50]}, "eos_token_id [50] lacks <|im_end|> = 52"),
    ],
)
def test_special_tokens_with_other_ids(folder: Path, file: str, changes: dict[str, Any], words: str) -> None:
    """Ids that disagree between tokenizer, model and generation settings."""
    hf_folder.edit(folder / file, changes)
    assert words in refusal(folder)


@pytest.mark.parametrize("found", ["x", ["x"], {"id": 52}, [52.5], True])
@pytest.mark.parametrize("file", ["generation_config.json", "config.json"])
def test_stop_ids_that_are_none(folder: Path, file: str, found: object) -> None:
    """What is no whole number ends no answer; the line names the file that says it."""
    if file == "config.json":
        (folder / "generation_config.json").unlink()
    hf_folder.edit(folder / file, {"eos_token_id": found})
    assert f"{file}: eos_token_id = {found!r} is no token id" in refusal(folder)


@pytest.mark.parametrize(
    "changes",
    [{"model": {"vocab": {}}, "added_tokens": []}, {"model": {"vocab": {"a": float("inf")}}}, {"added_tokens": [5]}],
)
def test_a_tokenizer_without_tokens(folder: Path, changes: dict[str, Any]) -> None:
    """An empty vocabulary, an id that is no number, a token that is none: one line."""
    hf_folder.edit(folder / "tokenizer.json", changes)
    assert refusal(folder).startswith("tokenizer.json or a file beside it cannot be used")


def test_tokenizer_with_more_tokens_than_rows(folder: Path) -> None:
    """A tokenizer that was extended after the weights were saved."""
    path = folder / "tokenizer.json"
    added = json.loads(path.read_text())["added_tokens"]
    hf_folder.edit(path, {"added_tokens": [*added, {"id": 64, "content": "<|new|>", "special": True}]})
    assert "tokenizer.json has the id 64, the embeddings 64 rows" in refusal(folder)
