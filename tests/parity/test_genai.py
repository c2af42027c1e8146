"""Greedy tokens are OpenVINO GenAI's, under the conditions where the two compute the same function.

Pictures on the 28-px grid (GenAI's resize is another bicubic), SDPA backend, f32 hints and KV cache, FP32 IR, an
`always` adapter merged into the weights on GenAI's side and grafted on ours.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from tokenizers import Tokenizer

from edge_agent.inference.engine import Engine, EngineSettings
from tests.parity.conftest import BundleOf
from tests.parity.test_logits import widened
from tests.parity.toy_model import SPECIAL, ToyModel, picture

genai = pytest.importorskip("openvino_genai")

LENGTH = 12
QUESTIONS = [
    "describe the view", "colour", "scale", "assess the views", "描述皮损", "舌红苔黄", "脉数", "the view the view", "血热证", "皮损鲜红 colour",
]  # fmt: skip
SIZES = [(140, 112), (84, 84), (112, 168), (56, 140), (140, 140), (84, 196), (112, 112), (56, 56), (168, 84), (140, 84)]
PROMPT = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def peer(toy: ToyModel, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """GenAI's pipeline on the recognition adapter merged into the weights."""
    from openvino_tokenizers import convert_tokenizer  # type: ignore[import-untyped]
    from optimum.exporters.openvino import main_export
    from peft import PeftModel
    from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration

    folder: Path = tmp_path_factory.mktemp("merged")
    base = Qwen2_5_VLForConditionalGeneration.from_pretrained(toy.hf)
    merged: Any = PeftModel.from_pretrained(base, str(toy.peft["recognition"])).merge_and_unload()
    merged.save_pretrained(folder / "hf")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "preprocessor_config.json"):
        shutil.copy(toy.hf / name, folder / "hf" / name)
    main_export(str(folder / "hf"), folder / "ir", task="image-text-to-text", library_name="transformers")
    pair = convert_tokenizer(AutoTokenizer.from_pretrained(toy.hf), with_detokenizer=True)
    for model, name in zip(pair, ("openvino_tokenizer", "openvino_detokenizer"), strict=True):
        ov.save_model(model, folder / "ir" / f"{name}.xml")
    settings = {"ATTENTION_BACKEND": "SDPA", "INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    return genai.VLMPipeline(str(folder / "ir"), "CPU", **settings, DYNAMIC_QUANTIZATION_GROUP_SIZE=0)


def peer_tokens(peer: Any, prompt: str, frame: Any) -> list[int]:
    """Greedy ids from GenAI, up to its end token."""
    config = genai.GenerationConfig()
    config.max_new_tokens, config.do_sample, config.apply_chat_template = LENGTH, False, False
    config.ignore_eos = True
    ids: list[int] = []

    class Collect(genai.StreamerBase):  # type: ignore[misc,name-defined]
        """Keeps every id."""

        def write(self, token: int | list[int]) -> Any:
            ids.extend(token if isinstance(token, list) else [token])
            return genai.StreamingStatus.RUNNING

        def end(self) -> None:
            return None

    tensor = ov.Tensor(np.ascontiguousarray(frame[np.newaxis, :, :, ::-1]))
    peer.generate(prompt, images=[tensor], generation_config=config, streamer=Collect())
    return ids


def our_tokens(engine: Engine, toy: ToyModel, prompt: str, frame: Any) -> list[int]:
    """Greedy ids from our engine, one token at a time."""
    view = engine.encode(frame)
    ids = widened(toy, prompt, [view])
    start = len(ids)
    for _ in range(LENGTH):
        ids.append(int(engine.logits(ids, adapter="recognition", views=[view])[0].argmax()))
    return ids[start:]


def test_greedy_tokens_are_genais(peer: Any, bundle_of: BundleOf, toy: ToyModel) -> None:
    """Ten pictures and questions, English and Chinese: all ids are equal."""
    tokenizer = Tokenizer.from_file(str(toy.hf / "tokenizer.json"))
    assert tokenizer.token_to_id("<|image_pad|>") == SPECIAL.index("<|image_pad|>")
    with Engine(bundle_of("f32", "f32"), settings=EngineSettings(strict=True)) as engine:
        for number, (question, size) in enumerate(zip(QUESTIONS, SIZES, strict=True)):
            frame = picture(50 + number, height=size[0], width=size[1])
            prompt = PROMPT.format(question)
            assert our_tokens(engine, toy, prompt, frame) == peer_tokens(peer, prompt, frame), question
