"""The engine's logits are PyTorch + PEFT's, for every adapter and the bare backbone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_agent.contracts.manifest import AgentName
from edge_agent.inference.engine import EncodedView, Engine, EngineSettings
from tests.parity.conftest import BundleOf
from tests.parity.toy_model import PROMPTS, SPECIAL, ToyModel, picture

PAD = SPECIAL.index("<|image_pad|>")
ADAPTERS: list[AgentName | None] = [None, "recognition", "representation", "reasoning"]
ENGLISH = "<|im_start|>user\ndescribe the view <|represent|>colour scale<|im_end|>\n<|im_start|>assistant\n"
CHINESE = "<|im_start|>user\n舌红苔黄，脉数 <|represent|>皮损鲜红<|im_end|>\n<|im_start|>assistant\n"
STRICT = EngineSettings(strict=True)


def widened(toy: ToyModel, text: str, views: Sequence[EncodedView]) -> list[int]:
    """Tokenize with HF tokenizers and widen each pad."""
    counts = iter([view.embeddings.shape[0] for view in views])
    ids = Tokenizer.from_file(str(toy.hf / "tokenizer.json")).encode(text).ids
    return [token for i in ids for token in ([PAD] * next(counts) if i == PAD else [i])]


def expected_logits(
    model: Any, ids: list[int], *, adapter: AgentName | None, pixels: Any = None
) -> NDArray[np.float32]:
    """One fresh pass in PyTorch + PEFT, float32[S, V]."""
    inputs: dict[str, Any] = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids))}
    if pixels is not None:
        inputs |= {"pixel_values": pixels[0], "image_grid_thw": pixels[1]}
    with torch.no_grad():
        if adapter is None:
            with model.disable_adapter():
                out = model(**inputs, use_cache=False).logits
        else:
            model.set_adapter(adapter)
            out = model(**inputs, use_cache=False).logits
    return np.asarray(out[0].numpy())


def pixels_of(frames: Sequence[NDArray[np.uint8]]) -> Any:
    """Preprocess with transformers' own processor."""
    from PIL import Image
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

    processor = Qwen2VLImageProcessor(min_pixels=3136, max_pixels=19600)
    batch = processor.preprocess(images=[Image.fromarray(f[:, :, ::-1]) for f in frames], return_tensors="pt")
    return batch["pixel_values"], batch["image_grid_thw"]


@pytest.fixture(scope="module")
def strict(bundle_of: BundleOf) -> Iterator[Engine]:
    """FP32 backbone and adapters in strict settings."""
    with Engine(bundle_of("f32", "f32"), settings=STRICT) as engine:
        yield engine


def test_vision_embeddings_are_torchs(strict: Engine, torch_model: Any) -> None:
    """One view's embeddings equal the PyTorch vision tower's."""
    frame = picture(1, height=131, width=150)
    pixels, grid = pixels_of([frame])
    with torch.no_grad():
        expected = torch_model.get_base_model().model.visual(pixels, grid).numpy()
    np.testing.assert_allclose(strict.encode(frame).embeddings, expected, atol=2e-4)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_text_logits_are_pefts(strict: Engine, toy: ToyModel, torch_model: Any, adapter: AgentName, text: str) -> None:
    """FP32: every position's logits within 1e-3 of PyTorch + PEFT, and the same argmax."""
    ids = widened(toy, text, [])
    found = strict.logits(ids, adapter=adapter, last=len(ids))
    expected = expected_logits(torch_model, ids, adapter=adapter)
    assert np.abs(found - expected).max() < 1e-3
    assert (found.argmax(-1) == expected.argmax(-1)).all()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_picture_logits_are_pefts(strict: Engine, toy: ToyModel, torch_model: Any, adapter: AgentName) -> None:
    """FP32 with two pictures: all logits within 1e-3 of PyTorch + PEFT, the invocation's gate included."""
    frames = [picture(2), picture(3, height=100, width=180)]
    views = [strict.encode(frame) for frame in frames]
    text = PROMPTS["representation"].replace("{images}", "<|vision_start|><|image_pad|><|vision_end|>" * 2)
    ids = widened(toy, text, views)
    found = strict.logits(ids, adapter=adapter, views=views, last=len(ids))
    expected = expected_logits(torch_model, ids, adapter=adapter, pixels=pixels_of(frames))
    assert np.abs(found - expected).max() < 1e-3
    assert (found.argmax(-1) == expected.argmax(-1)).all()


@pytest.mark.parametrize("adapter", ADAPTERS[1:])
def test_every_adapter_matters(strict: Engine, toy: ToyModel, adapter: AgentName) -> None:
    """Adapter on differs from the bare backbone by far more than the parity bound: these tests could fail."""
    ids = widened(toy, ENGLISH, [])
    assert np.abs(strict.logits(ids, adapter=adapter) - strict.logits(ids, adapter=None)).max() > 0.1


def test_invocation_gates_what_follows_its_last_occurrence(strict: Engine, toy: ToyModel) -> None:
    """An activated adapter leaves everything before the LAST invocation bare, bit for bit."""
    ids = widened(toy, "scale <|represent|>colour scale <|represent|>assess", [])
    last = len(ids) - 1 - ids[::-1].index(SPECIAL.index("<|represent|>"))
    on = strict.logits(ids, adapter="representation", last=len(ids))
    bare = strict.logits(ids, adapter=None, last=len(ids))
    np.testing.assert_allclose(on[:last], bare[:last], atol=1e-5)
    assert np.abs(on[last:] - bare[last:]).max(axis=-1).min() > 1e-2


@pytest.mark.parametrize("adapter", ADAPTERS[1:])
def test_int8_adapters_stay_close(bundle_of: BundleOf, toy: ToyModel, torch_model: Any, adapter: AgentName) -> None:
    """INT8 adapters on the FP32 backbone: relative logit error below 2 % against FP32 PyTorch + PEFT."""
    ids = widened(toy, ENGLISH, [])
    with Engine(bundle_of("f32", "int8"), settings=STRICT) as engine:
        found = engine.logits(ids, adapter=adapter, last=len(ids))
    expected = expected_logits(torch_model, ids, adapter=adapter)
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 0.02


def test_int4_backbone_runs_int8_adapters_as_computed(bundle_of: BundleOf, toy: ToyModel) -> None:
    """INT4 backbone: the grafted INT8 branch adds what the same adapters in floats add (their own rounding apart)."""
    ids = widened(toy, ENGLISH, [])
    with Engine(bundle_of("int4", "int8"), settings=STRICT) as engine:
        found = {name: engine.logits(ids, adapter=name, last=len(ids)) for name in ADAPTERS}
    with Engine(bundle_of("int4", "f32"), settings=STRICT) as engine:
        expected = {name: engine.logits(ids, adapter=name, last=len(ids)) for name in ADAPTERS}
    np.testing.assert_allclose(found[None], expected[None], atol=1e-4)
    for name in ADAPTERS[1:]:
        shift = np.linalg.norm(expected[name] - expected[None])
        assert np.linalg.norm(found[name] - expected[name]) < 0.05 * shift
