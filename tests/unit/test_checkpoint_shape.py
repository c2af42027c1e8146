"""Random checkpoints of real shapes: transformers loads them, and writing them takes little memory."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from calibration.checkpoint.shape import write_shape
from calibration.checkpoint.shape_tokenizer import special_ids, write_tokenizer
from calibration.checkpoint.shape_weights import write_weights
from calibration.checkpoint.shapes import SHAPES
from calibration.checkpoint.workstation import Workstation
from calibration.export import content_digest
from edge_agent.errors import CalibrationError, ExportError

# Source: added_tokens_decoder in tokenizer_config.json of Qwen/Qwen2.5-VL-7B-Instruct
QWEN_IDS = {
    "<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645, "<|vision_start|>": 151652,
    "<|vision_end|>": 151653, "<|vision_pad|>": 151654, "<|image_pad|>": 151655, "<|video_pad|>": 151656,
    "<tool_call>": 151657, "<|file_sep|>": 151664,
}  # fmt: skip
ROOMY = Workstation(10**12, 10**12, 2)


@pytest.mark.parametrize("is_tied", [True, False])
def test_transformers_loads_every_tensor_and_misses_none(is_tied: bool, tmp_path: Path) -> None:
    """In several shards, tied or not: no missing, unexpected or mismatched key, and the weights are not constant."""
    torch = pytest.importorskip("torch")
    from transformers import Qwen2_5_VLForConditionalGeneration

    shape = replace(SHAPES["reference"].with_layers(2), is_tied=is_tied, shard_bytes=2_000_000)
    folder = write_shape(shape, tmp_path / "shape", workstation=ROOMY)
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 1
    model, info = Qwen2_5_VLForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
    )
    assert {key: list(found) for key, found in info.items() if found} == {}
    tied = model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()
    assert tied is is_tied
    weight = model.model.language_model.layers[0].mlp.up_proj.weight
    assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert float(weight.detach().mean()) == pytest.approx(0.0, abs=0.0005)
    logits = model(input_ids=torch.tensor([[5, 6, 7]])).logits
    assert bool(torch.isfinite(logits).all())


def test_the_same_seed_gives_the_same_weights_however_they_are_cut(tmp_path: Path) -> None:
    """Sharding changes no value; another seed changes them."""
    tensors = {"model.a.weight": (64, 32), "model.b.weight": (32, 64), "model.norm.weight": (32,)}
    digests = []
    for number, (seed, shard_bytes) in enumerate([(1, 10**9), (1, 5000), (2, 10**9)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_weights(folder, tensors, seed=seed, shard_bytes=shard_bytes)
        digests.append(content_digest(folder))
    assert digests[0] == digests[1] != digests[2]
    index = json.loads((tmp_path / "1" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(tensors)
    assert index["metadata"]["total_size"] == 2 * sum(math.prod(shape) for shape in tensors.values())


PROBE = """
import re, sys
from pathlib import Path
from calibration.checkpoint.shape_weights import write_weights
write_weights(Path(sys.argv[1]), {"model.a.weight": (16384, 8192)}, seed=0, shard_bytes=10**9)
# not ru_maxrss, which a process inherits from the one that started it
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_writing_takes_the_memory_of_one_chunk(tmp_path: Path) -> None:
    """One tensor of 268 MB is written by a process that never holds 200 MB."""
    done = subprocess.run([sys.executable, "-c", PROBE, str(tmp_path)], check=True, capture_output=True, text=True)
    assert (tmp_path / "model.safetensors").stat().st_size > 268_000_000
    assert int(done.stdout) * 1024 < 200_000_000


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """The tokenizer of the 7b shape, as the tokenizers library reads it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder, SHAPES["qwen2.5-vl-7b"])
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_special_tokens_have_their_real_ids(tokenizer: Tokenizer) -> None:
    """A config.json of a published checkpoint fits this tokenizer."""
    assert {name: tokenizer.token_to_id(name) for name in QWEN_IDS} == QWEN_IDS
    assert tokenizer.encode("<|im_start|>user\n").ids[0] == 151644


def test_every_id_of_the_real_vocabulary_is_a_token(tokenizer: Tokenizer) -> None:
    """Random weights may choose any of them: 151,665 tokens, and this project's invocation behind them."""
    assert tokenizer.get_vocab_size() == 151_666
    assert sorted(tokenizer.get_vocab().values()) == list(range(151_666))


def test_text_survives_the_tokenizer(tokenizer: Tokenizer) -> None:
    """Chinese, English and what it never saw: decoding gives the text back, with learned tokens only."""
    text = "舌红苔黄，脉数。colour bright_red 🩺 žluťoučký"
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids) == text
    assert max(ids) < 10_000  # the words that fill the vocabulary are reached by no text
    assert np.unique(ids).size > 10


def test_a_vocabulary_that_cannot_hold_the_words_is_refused(tmp_path: Path) -> None:
    """The words that an agent may write must be there."""
    shape = replace(SHAPES["reference"], vocab_size=600, first_special=500)
    with pytest.raises(CalibrationError, match="a vocabulary of 600 is too small"):
        write_tokenizer(tmp_path, shape)


def test_the_small_shape_is_that_of_the_benchmarks() -> None:
    """Text 24 x 896, 14 heads / 2 KV, intermediate 4864, vocabulary 32k; vision 8 x 1280."""
    shape = SHAPES["0.6b"]
    text = (shape.num_hidden_layers, shape.hidden_size, shape.num_attention_heads, shape.num_key_value_heads)
    assert text == (24, 896, 14, 2)
    assert (shape.intermediate_size, shape.vocab_size // 1000, shape.vision_depth, shape.vision_hidden_size) == (
        4864,
        32,
        8,
        1280,
    )
    assert max(special_ids(shape).values()) < shape.vocab_size


def test_a_disk_that_is_too_small_is_found_before_the_work(tmp_path: Path) -> None:
    """16.6 GB for the 7b shape; nothing is left behind."""
    with pytest.raises(ExportError, match=r"qwen2.5-vl-7b needs 16.6 GB of free disk, there are 1.0 GB; free some"):
        write_shape(SHAPES["qwen2.5-vl-7b"], tmp_path / "out", workstation=Workstation(10**12, 10**9, 2))
    assert list(tmp_path.iterdir()) == []
