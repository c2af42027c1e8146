"""Tensors that config.json does not ask for, or asks for otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from calibration.checkpoint.preflight import check_before_build
from calibration.recipe import load_recipe
from edge_agent.errors import ExportError
from tests.simulators import hf_folder
from tests.simulators.preflight import ROOMY, refusal

Shapes = dict[str, tuple[int, ...]]
Change = Callable[[Shapes], Shapes]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda t: {**t, "model.layers.1.mlp.up_proj.weight": (8, 12)},
            "model.layers.1.mlp.up_proj.weight is [8, 12], config.json asks for [12, 8]; mend one",
        ),
        (
            lambda t: {name: shape for name, shape in t.items() if name != "model.layers.0.self_attn.k_proj.bias"},
            "tensor model.layers.0.self_attn.k_proj.bias [4] is in no file; download the checkpoint again",
        ),
        (
            lambda t: {**t, "model.layers.0.self_attn.q_proj.lora_A.weight": (2, 8)},
            "model.layers.0.self_attn.q_proj.lora_A.weight is an adapter's factor",
        ),
        (lambda t: {**t, "score.weight": (2, 8)}, "score.weight belongs to no module of this architecture; remove it"),
        (
            lambda t: {k.replace("model.layers.1.", "model.language_model.layers.1."): v for k, v in t.items()},
            "layers.1.self_attn.q_proj.weight in model-00001-of-00002.safetensors mix two generations of names",
        ),
    ],
)
def test_tensors_that_do_not_fit_the_config(folder: Path, change: Change, words: str) -> None:
    """A wrong shape, a missing tensor, one of an adapter, one of nobody, two generations of names."""
    hf_folder.write_weights(folder, change(dict(hf_folder.TENSORS)))
    assert words in refusal(folder)


def test_a_head_beside_tied_embeddings(folder: Path) -> None:
    """transformers would ignore a trained lm_head in silence."""
    hf_folder.edit(folder / "config.json", {"tie_word_embeddings": True})
    assert "lm_head.weight would be ignored: config.json ties it" in refusal(folder)


def test_quantized_tensor(folder: Path) -> None:
    """Weights in a type that the export cannot start from."""
    names = list(hf_folder.TENSORS)[: len(hf_folder.TENSORS) // 2]
    hf_folder.write_safetensors(folder / hf_folder.SHARDS[0], {n: hf_folder.TENSORS[n] for n in names}, dtype="I8")
    with pytest.raises(ExportError, match=r"model.embed_tokens.weight is I8|\.weight is I8; bring the bf16"):
        check_before_build(
            folder, adapters={}, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
        )
