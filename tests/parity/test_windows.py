"""Windowed blocks that attend inside their windows only give what the exported graph gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from openvino import opset13 as ops

from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.inference.engine import Engine, EngineSettings
from edge_agent.inference.loading import load
from edge_agent.inference.positions import Grid
from edge_agent.inference.preprocessing import Patches
from edge_agent.inference.vision import VisionTower
from edge_agent.inference.windows import split_windows
from tests.parity.conftest import BundleOf
from tests.parity.toy_model import ToyModel, picture
from tests.simulators.reference import BUNDLE

ON = EngineSettings(strict=True)
OFF = EngineSettings(strict=True, split_windows=False)
PATCH_VALUES = 3 * 2 * 14 * 14
# The toy's windows are 6 x 6 patches: full ones only; short at one border; at both; less than one window; tall; wide.
GRIDS = [(1, 12, 18), (1, 12, 8), (1, 10, 14), (1, 6, 6), (1, 2, 4), (1, 34, 4), (1, 2, 26)]
NAMES = ["full", "short_right", "short_both", "one_window", "part_of_one", "tall", "wide"]
ATTENTION = "ScaledDotProductAttention"


def tower(bundle: Bundle, settings: EngineSettings) -> VisionTower:
    """Load a bundle's vision tower."""
    return load(bundle, settings=settings, adapters=False).vision


@pytest.fixture(scope="module")
def split(bundle_of: BundleOf) -> VisionTower:
    """The FP32 tower, windows split."""
    return tower(bundle_of("f32", "f32"), ON)


@pytest.fixture(scope="module")
def plain(bundle_of: BundleOf) -> VisionTower:
    """The FP32 tower as exported: all pairs, under masks."""
    return tower(bundle_of("f32", "f32"), OFF)


@pytest.fixture
def merger(toy: ToyModel) -> ov.Model:
    """The toy's ViT with merger, as read."""
    return ov.Core().read_model(toy.ir / "openvino_vision_embeddings_merger_model.xml")


def patches(grid: Grid) -> Patches:
    """Random patches of a picture of this grid."""
    count = grid[1] * grid[2]
    values = np.random.default_rng(count).normal(size=(count, PATCH_VALUES)).astype(np.float32)
    return Patches(values, grid)


def error(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Largest difference as a share of the expected values' range."""
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / (expected.max() - expected.min()))


def attentions(model: ov.Model) -> list[ov.Node]:
    """Return every attention of a graph."""
    return [op for op in model.get_ordered_ops() if op.get_type_name() == ATTENTION]


def input_names(model: ov.Model) -> set[str]:
    """Return the names of a graph's inputs."""
    return {port.get_any_name() for port in model.inputs}


@pytest.mark.parametrize("grid", GRIDS, ids=NAMES)
def test_split_windows_change_nothing(split: VisionTower, plain: VisionTower, grid: Grid) -> None:
    """Every grid: the embeddings are the plain graph's within 1e-4 of their range."""
    found, expected = (one.encode_patches(patches(grid)).embeddings for one in (split, plain))
    assert error(found, expected) < 1e-4


@pytest.mark.parametrize("grid", GRIDS, ids=NAMES)
def test_split_windows_are_transformers(split: VisionTower, torch_model: Any, grid: Grid) -> None:
    """Every grid: the embeddings are PyTorch's within 1e-4 of their range."""
    cut = patches(grid)
    with torch.no_grad():
        visual = torch_model.get_base_model().model.visual
        expected = visual(torch.from_numpy(cut.pixel_values), torch.tensor([grid])).numpy()
    assert error(split.encode_patches(cut).embeddings, expected) < 1e-4


def test_windows_matter(split: VisionTower, torch_model: Any) -> None:
    """PyTorch with full attention in every block differs by ten times the bound: the tests above could fail."""
    cut = patches((1, 12, 18))
    visual = torch_model.get_base_model().model.visual
    declared = visual.fullatt_block_indexes
    visual.fullatt_block_indexes = [0, 1, 2]
    try:
        with torch.no_grad():
            other = visual(torch.from_numpy(cut.pixel_values), torch.tensor([cut.grid_thw])).numpy()
    finally:
        visual.fullatt_block_indexes = declared
    assert error(split.encode_patches(cut).embeddings, other) > 1e-3


def test_a_grid_leaves_nothing_for_the_next(split: VisionTower) -> None:
    """The first grid again, after another one: the same values."""
    first = split.encode_patches(patches(GRIDS[2])).embeddings
    split.encode_patches(patches(GRIDS[0]))
    np.testing.assert_array_equal(split.encode_patches(patches(GRIDS[2])).embeddings, first)


def test_the_rewritten_graph_has_no_masks(merger: ov.Model, bundle_of: BundleOf) -> None:
    """Two windowed blocks attend over [heads, windows, 36 patches], the full one without a mask; no input is a mask."""
    assert {"attention_mask", "window_attention_mask"} <= input_names(merger)
    assert split_windows(merger, vision=bundle_of("f32", "f32").manifest.backbone.vision)
    assert not {"attention_mask", "window_attention_mask"} & input_names(merger)
    shapes = [(op.get_input_size(), op.input_value(0).get_partial_shape().to_string()) for op in attentions(merger)]
    assert sorted(shapes) == [(3, "[6,?,16]"), (4, "[6,?,36,16]"), (4, "[6,?,36,16]")]


def test_the_switch_is_read(split: VisionTower, plain: VisionTower) -> None:
    """On by default, off by the setting, and the tower says which."""
    assert EngineSettings().split_windows
    assert split.has_split_windows
    assert not plain.has_split_windows


def shift_a_mask(model: ov.Model) -> None:
    """One block reads the window mask through an addition."""
    for target in model.input("window_attention_mask").get_node().output(0).get_target_inputs():
        reader = target.get_node()
    shifted = ops.add(reader.input_value(3), ops.constant(np.float32(0)))
    reader.input(3).replace_source_output(shifted.output(0))


def scale_an_attention(model: ov.Model) -> None:
    """One block has a scale of its own, which the rewrite would lose."""
    [target, *_] = model.input("window_attention_mask").get_node().output(0).get_target_inputs()
    old = target.get_node()
    scale = ops.constant(np.float32(0.25))
    new = ops.scaled_dot_product_attention(*[old.input_value(i) for i in range(4)], scale, causal=False)
    for consumer in list(old.output(0).get_target_inputs()):
        consumer.replace_source_output(new.output(0))


def rename_a_mask(model: ov.Model) -> None:
    """The mask of the full blocks has another name."""
    model.input("attention_mask").get_tensor().set_names({"full_mask"})


def swap_the_masks(model: ov.Model) -> None:
    """One more block than declared reads the mask of the full blocks."""
    [target, *_] = model.input("window_attention_mask").get_node().output(0).get_target_inputs()
    target.replace_source_output(model.input("attention_mask"))


UNKNOWN = [shift_a_mask, scale_an_attention, rename_a_mask, swap_the_masks]


@pytest.mark.parametrize("change", UNKNOWN)
def test_an_unknown_graph_is_left_alone(
    merger: ov.Model, bundle_of: BundleOf, change: Callable[[ov.Model], None]
) -> None:
    """A graph of another form is not rewritten, not even in part: the same operations, the same inputs."""
    change(merger)
    before = [op.get_name() for op in merger.get_ordered_ops()], input_names(merger)
    assert not split_windows(merger, vision=bundle_of("f32", "f32").manifest.backbone.vision)
    assert ([op.get_name() for op in merger.get_ordered_ops()], input_names(merger)) == before


def test_an_unknown_graph_runs_as_exported(
    merger: ov.Model, bundle_of: BundleOf, plain: VisionTower, tmp_path: Path
) -> None:
    """Asked to split, the tower falls back to the masks, says so, and encodes as before."""
    shift_a_mask(merger)
    ov.save_model(merger, tmp_path / "merger.xml", compress_to_fp16=False)
    bundle = with_merger(bundle_of("f32", "f32"), tmp_path / "merger.xml")
    found = tower(bundle, ON)
    assert not found.has_split_windows
    cut = patches(GRIDS[2])
    assert error(found.encode_patches(cut).embeddings, plain.encode_patches(cut).embeddings) < 1e-6


def with_merger(bundle: Bundle, xml: Path) -> Bundle:
    """The same bundle with another ViT with merger."""
    manifest = bundle.manifest
    paths = {"vision_merger.xml": str(xml), "vision_merger.bin": str(xml.with_suffix(".bin"))}
    files = [
        entry.model_copy(update={"path": paths[entry.role]}) if entry.role in paths else entry
        for entry in manifest.files
    ]
    return replace(bundle, manifest=manifest.model_copy(update={"files": files}))


def test_the_shipped_bundle_sees_the_same() -> None:
    """INT8 vision of the shipped bundle, strict: split and plain embeddings of odd pictures agree within 1e-4."""
    shipped = open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))
    frames = [picture(7, height=200, width=333), picture(8, height=224, width=224)]
    with Engine(shipped, settings=ON) as on, Engine(shipped, settings=OFF) as off:
        for frame in frames:
            assert error(on.encode(frame).embeddings, off.encode(frame).embeddings) < 1e-4


def test_the_shipped_bundle_decides_the_same_on_int8_activations() -> None:
    """The vision tower alone in f32 with quantised activations: canary and golden cases pass as in production."""
    shipped = open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))
    settings = EngineSettings(vision_precision="f32", vision_activation_group_size=128)
    with Engine(shipped, settings=settings) as engine:
        assert not engine.run_canary().failures()
