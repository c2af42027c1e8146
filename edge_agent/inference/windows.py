"""Let the vision tower's windowed blocks attend inside their windows, instead of over all patches under a mask.

The exported ViT computes a windowed block as attention over all P x P pairs and masks what lies in another window; the
blocks with full attention get a mask of zeros. The patches already stand window by window, so q, k and v [H, P, D]
become [H, W, S, D] (S patches in a full window), and the pairs of different windows are never computed:

    k = gather(k, window_slots, axis 1).reshape(H, W, S, D)        q, v likewise
    y = gather(attention(q, k, v, window_keys).reshape(H, W * S, D), window_places, axis 1)

A window at the border of the picture may be short: its spare slots repeat its first patch, ``window_keys`` hides them
as keys, and no place reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from edge_agent.contracts.manifest import VisionSpec

FULL_MASK, WINDOW_MASK = "attention_mask", "window_attention_mask"
SLOTS_INPUT, PLACES_INPUT, KEYS_INPUT = "window_slots", "window_places", "window_keys"
_ATTENTION = "ScaledDotProductAttention"
_MASK_PORT = 3


@dataclass(frozen=True, slots=True)
class _Masked:
    """A mask input with every attention that reads it."""

    mask: ov.Node
    readers: tuple[ov.Node, ...]


def split_windows(model: ov.Model, *, vision: VisionSpec) -> bool:
    """Rewrite the vision tower with merger in place: no pairs between windows, no mask inputs.

    The inputs ``attention_mask`` and ``window_attention_mask`` go; ``window_tensors`` makes the new ones.

    Args:
        model: the IR as read, compressed or not.
        vision: window and patch size, and which blocks attend to everything.

    Returns:
        False where the graph has another form than the one described here: then it is as it was, masks and all.
    """
    full, windowed = _masked(model, FULL_MASK), _masked(model, WINDOW_MASK)
    if full is None or windowed is None:
        return False
    attentions = sum(op.get_type_name() == _ATTENTION for op in model.get_ordered_ops())
    declared = len(vision.fullatt_block_indexes)
    if len(full.readers) != declared or len(full.readers) + len(windowed.readers) != attentions:
        return False
    for reader in full.readers:
        _replace(reader, ops.scaled_dot_product_attention(*_heads_of(reader), causal=False))
    slots = _parameter(SLOTS_INPUT, [-1], np.int64)
    places = _parameter(PLACES_INPUT, [-1], np.int64)
    keys = _parameter(KEYS_INPUT, [1, -1, 1, window_size(vision)], np.float32)
    for reader in windowed.readers:
        _replace(reader, _windowed_attention(_heads_of(reader), slots=slots, places=places, keys=keys))
    for masked in (full, windowed):
        model.remove_parameter(masked.mask)
    model.add_parameters([slots, places, keys])
    model.validate_nodes_and_infer_types()
    return True


def window_size(vision: VisionSpec) -> int:
    """Return how many patches a full window holds."""
    return (vision.window_size // vision.patch_size) ** 2


def window_tensors(borders: NDArray[np.int64], *, size: int) -> dict[str, NDArray[np.generic]]:
    """Return the rewritten graph's inputs for one picture.

    Args:
        borders: int64[W + 1], window borders in patches, as ``positions.window_index`` returns them.
        size: S, the patches of a full window; no window is longer.

    Returns:
        ``window_slots`` int64[W * S]: which patch stands in each slot. ``window_places`` int64[P]: in which slot each
        patch stands. ``window_keys`` float32[1, W, 1, S]: 0 for a patch, -inf for a spare slot.
    """
    starts, lengths = borders[:-1, np.newaxis], np.diff(borders)[:, np.newaxis]
    within = np.arange(size, dtype=np.int64)
    is_patch = within < lengths  # (W, S)
    return {
        SLOTS_INPUT: np.where(is_patch, starts + within, starts).reshape(-1),
        PLACES_INPUT: np.flatnonzero(is_patch).astype(np.int64),
        KEYS_INPUT: np.where(is_patch, np.float32(0), np.float32(-np.inf))[np.newaxis, :, np.newaxis, :],
    }


def _masked(model: ov.Model, name: str) -> _Masked | None:
    """Find a mask input whose every reader is an attention of the known form."""
    found = [port.get_node() for port in model.inputs if name in port.get_names()]
    if len(found) != 1:
        return None
    inputs = list(found[0].output(0).get_target_inputs())
    readers = tuple(target.get_node() for target in inputs)
    if not readers or not all(target.get_index() == _MASK_PORT and _is_known(target.get_node()) for target in inputs):
        return None
    return _Masked(found[0], readers)


def _is_known(node: ov.Node) -> bool:
    """Say whether this is plain attention with a mask: q, k and v [H, P, D] of one H and D, the default scale."""
    if node.get_type_name() != _ATTENTION or node.get_input_size() != _MASK_PORT + 1 or node.get_attributes()["causal"]:
        return False
    shapes = [node.input_value(i).get_partial_shape() for i in range(_MASK_PORT)]
    if any(shape.rank != ov.Dimension(3) for shape in shapes):
        return False
    sizes = {(shape[0].to_string(), shape[2].to_string()) for shape in shapes}
    return len(sizes) == 1 and shapes[0][0].is_static and shapes[0][2].is_static


def _heads_of(attention: ov.Node) -> list[ov.Output]:
    """Return q, k and v."""
    return [attention.input_value(i) for i in range(_MASK_PORT)]


def _windowed_attention(heads: Sequence[ov.Output], *, slots: ov.Node, places: ov.Node, keys: ov.Node) -> ov.Node:
    """Build the attention of the module's docstring on q, k and v."""
    shape = heads[0].get_partial_shape()
    h, d, s = (int(size.get_length()) for size in (shape[0], shape[2], keys.get_partial_shape()[3]))
    axis = ops.constant(np.int64(1))
    split = ops.constant(np.array([h, -1, s, d], dtype=np.int64))  # (H, W, S, D)
    q, k, v = (ops.reshape(ops.gather(one, slots, axis), split, False) for one in heads)
    inside = ops.scaled_dot_product_attention(q, k, v, attention_mask=keys, causal=False)
    joined = ops.reshape(inside, ops.constant(np.array([h, -1, d], dtype=np.int64)), False)
    return ops.gather(joined, places, axis)


def _replace(old: ov.Node, new: ov.Node) -> None:
    """Let everything that reads ``old`` read ``new``, under the old name."""
    for consumer in list(old.output(0).get_target_inputs()):
        consumer.replace_source_output(new.output(0))
    new.set_friendly_name(old.get_friendly_name())


def _parameter(name: str, shape: list[int], dtype: type[np.generic]) -> ov.Node:
    """Return a new named input."""
    node = ops.parameter(shape, dtype, name=name)
    node.output(0).get_tensor().set_names({name})
    return node
