"""The device's preprocessing is transformers', bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

from edge_agent.contracts.manifest import PreprocessingSpec, VisionSpec
from edge_agent.inference.positions import rotary_angles, window_index
from edge_agent.inference.preprocessing import preprocess
from edge_agent.inference.sequence import Gate, Sequence
from edge_agent.inference.vision import EncodedView
from tests.parity.toy_model import SPECIAL, make_config, picture

SIZES = [
    (140, 140), (84, 112), (57, 333), (1001, 67), (640, 480), (480, 641), (29, 29), (28, 56), (333, 1333), (99, 101),
    (200, 199), (123, 457), (777, 555), (61, 61), (1200, 1600), (85, 83), (300, 42), (14, 500), (255, 257), (700, 31),
]  # fmt: skip
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
VISION = VisionSpec(
    hidden_size=96, num_heads=6, patch_size=14, temporal_patch_size=2, spatial_merge_size=2, window_size=84,
    fullatt_block_indexes=[2],
)  # fmt: skip


@pytest.fixture(scope="module")
def untrained() -> Qwen2_5_VLForConditionalGeneration:
    """transformers' own index functions need a model object, but no weights."""
    with torch.device("meta"):
        return Qwen2_5_VLForConditionalGeneration(make_config())


@pytest.mark.parametrize("budget", [(3136, 19600), (3136, 1003520)])
@pytest.mark.parametrize("size", SIZES)
def test_patches_are_bit_equal(size: tuple[int, int], budget: tuple[int, int]) -> None:
    """Patches and grid equal the slow Qwen2VLImageProcessor's on 20 odd sizes, at both budgets."""
    frame = picture(sum(size), height=size[0], width=size[1])
    spec = PreprocessingSpec(min_pixels=budget[0], max_pixels=budget[1], image_mean=MEAN, image_std=STD)
    found = preprocess(frame, spec=spec, vision=VISION)
    processor = Qwen2VLImageProcessor(min_pixels=budget[0], max_pixels=budget[1])
    expected = processor.preprocess(images=[Image.fromarray(frame[:, :, ::-1])], return_tensors="np")
    assert found.grid_thw == tuple(expected["image_grid_thw"][0].tolist())
    assert found.pixel_values.dtype == expected["pixel_values"].dtype
    assert np.array_equal(found.pixel_values, expected["pixel_values"])


@pytest.mark.parametrize("grid", [(1, 10, 10), (1, 6, 8), (1, 2, 2), (1, 12, 6), (1, 18, 4), (1, 2, 34)])
def test_window_order_is_transformers(
    grid: tuple[int, int, int], untrained: Qwen2_5_VLForConditionalGeneration
) -> None:
    """Window order and borders equal ``get_window_index``, also where the grid is a multiple of the window."""
    order, borders = window_index(grid, vision=VISION)
    tower = untrained.model.visual
    expected, lengths = tower.get_window_index(torch.tensor([grid], device="cpu"))
    assert order.tolist() == expected.tolist()
    assert borders.tolist() == torch.unique_consecutive(torch.tensor(lengths)).tolist()


def test_rotary_angles_are_transformers() -> None:
    """The 2-D rotary angles equal the vision tower's to one rounding."""
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionRotaryEmbedding

    grid = (1, 8, 12)
    table = Qwen2_5_VisionRotaryEmbedding(96 // 6 // 2)(12).numpy()
    rows = np.arange(8).repeat(12).reshape(4, 2, 6, 2).transpose(0, 2, 1, 3).reshape(-1)
    columns = np.tile(np.arange(12), 8).reshape(4, 2, 6, 2).transpose(0, 2, 1, 3).reshape(-1)
    expected = np.concatenate([table[rows], table[columns]], axis=1)
    np.testing.assert_allclose(rotary_angles(grid, vision=VISION), expected, rtol=1e-6)


def test_mrope_ids_are_transformers(untrained: Qwen2_5_VLForConditionalGeneration) -> None:
    """M-RoPE ids of text, picture, text, picture, text equal ``get_rope_index``."""
    pad, start = SPECIAL.index("<|image_pad|>"), SPECIAL.index("<|vision_start|>")
    grids = [(1, 6, 8), (1, 10, 4)]
    views = tuple(EncodedView(np.zeros((g[1] * g[2] // 4, 4), np.float32), g, key=i) for i, g in enumerate(grids))
    from edge_agent.contracts.manifest import Activation

    gate = Gate(0, None, Activation(kind="always"))
    narrow = [20, 21, start, pad, 4, 22, start, pad, 4, 23, 24, 25]
    found = Sequence.empty(0).with_prompt(narrow, views, pad_id=pad, vision=VISION, gate=gate)
    found = found.with_tokens([30, 31])
    expected, _ = untrained.model.get_rope_index(
        torch.tensor(found.ids)[None], image_grid_thw=torch.tensor(grids), attention_mask=torch.ones(1, len(found))
    )
    assert found.positions.tolist() == expected[:, 0].tolist()
