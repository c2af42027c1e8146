"""Write a side branch as an OpenVINO IR, compressed by NNCF and counted.

Format (version 1; read by ``edge_agent.inference.side_branch``)
    ``side_branch.xml/.bin`` is an ``ov.Model`` of two parts that share no node:

    - ``pixel_values`` float32[P, D] -> ``vision_embed`` float32[1, E], ``tone_logits`` float32[1, 3]: one picture;
    - ``pooled_embed`` float32[1, E] -> ``bias_hidden`` float32[1, H]: the row before ``lm_head``, without scale and mask.

    Every linear is one MatMul named as its module in the checkpoint (``distill_head.adapters.0.experts.3.net.0``); runtime
    info ``derm_edge_side_branch``: ``format``, ``structure``, ``base_digest``.

All experts run on all patches and the weights of those that were not chosen are 0: 5.8 M weights are little beside the
vision tower, and the graph stays static. The routers stay in float32: which expert is chosen is a jump, not a slope.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from calibration.census import count_constants
from calibration.compress import canonicalise
from calibration.side_branch.declared import Dimensions
from calibration.side_branch.structure import RENORMALISE, TOP_K, Structure
from edge_agent.contracts.manifest import CensusRow
from edge_agent.contracts.side_branch import IR_STEM
from edge_agent.errors import CompressionError
from edge_agent.inference.side_branch import (
    EMBED,
    FORMAT_VERSION,
    HIDDEN,
    PATCHES,
    POOLED,
    ROUTERS,
    RT_INFO,
    TONE,
    linear_names,
    weight_type,
)

Array = NDArray[np.float32]
Precision = Literal["f32", "int8"]
STRUCTURE_NAME = "skingpt_r1"


def write_graph(
    tensors: Mapping[str, Array], *, structure: Structure, base_digest: str, precision: Precision, folder: Path
) -> list[CensusRow]:
    """Write ``side_branch.xml/.bin`` below a folder and return its census.

    Args:
        tensors: float32, by checkpoint key, exactly those of ``structure``.
        structure: sizes.
        base_digest: content digest of the checkpoint.
        precision: ``int8`` compresses every linear but the routers, symmetrically per row.
        folder: where the two files go.

    Raises:
        CompressionError: NNCF left a weight in another type than declared.
    """
    model = _model(tensors, structure=structure)
    if precision == "int8":
        model = _compress(model)
    for key, value in (("format", str(FORMAT_VERSION)), ("structure", STRUCTURE_NAME), ("base_digest", base_digest)):
        model.set_rt_info(value, [RT_INFO, key])
    canonicalise(model, name=IR_STEM)
    path = folder / f"{IR_STEM}.xml"
    ov.save_model(model, path, compress_to_fp16=False)
    saved = ov.Core().read_model(path)
    check_census(saved, dimensions=structure.dimensions, precision=precision)
    return count_constants(saved, part=IR_STEM)


def check_census(model: ov.Model, *, dimensions: Dimensions, precision: Precision) -> None:
    """Hold every linear's stored type against the declaration.

    Raises:
        CompressionError: names the first linear that differs or is missing.
    """
    linears = {op.get_friendly_name(): op for op in model.get_ops() if op.get_type_name() == "MatMul"}
    for name in linear_names(layers=dimensions.layers, experts=dimensions.experts):
        wanted = "f32" if precision == "f32" or name.endswith(ROUTERS) else "i8"
        found = weight_type(linears[name]) if name in linears else "missing"
        if found != wanted:
            raise CompressionError(f"{IR_STEM}: {name}.weight is {found}, declared is {wanted}; check NNCF's version")


def _compress(model: ov.Model) -> ov.Model:
    import nncf
    from nncf.errors import ValidationError

    scope = nncf.IgnoredScope(patterns=[rf".*{router}$" for router in ROUTERS])
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM, ignored_scope=scope)
    except (ValidationError, ValueError, RuntimeError) as exc:
        raise CompressionError(f"NNCF refused {IR_STEM}: {' '.join(str(exc).split())[:200]}") from exc


def _model(tensors: Mapping[str, Array], *, structure: Structure) -> ov.Model:
    patches = ops.parameter([-1, structure.patch_features], np.float32, name=PATCHES)
    pooled = ops.parameter([1, structure.dimensions.embed_size], np.float32, name=POOLED)
    h = _linear(patches, "distill_head.in_proj", tensors)
    over_patches = ops.constant(np.array([0], dtype=np.int64))
    tone = _linear(ops.reduce_mean(h, over_patches, keep_dims=True), "distill_head.skin_classifier.0", tensors)
    tone = _linear(ops.relu(tone), "distill_head.skin_classifier.2", tensors)
    chances = ops.softmax(tone, axis=-1)
    for layer in range(structure.dimensions.layers):
        above = f"distill_head.adapters.{layer}"
        h = ops.add(h, _experts(h, chances, above=above, tensors=tensors, count=structure.dimensions.experts))
    embed = ops.reduce_mean(h, over_patches, keep_dims=True)
    hidden = _linear(ops.tanh(_linear(pooled, "text_bias.0", tensors)), "text_bias.2", tensors)
    for node, name in ((patches, PATCHES), (pooled, POOLED), (embed, EMBED), (tone, TONE), (hidden, HIDDEN)):
        node.output(0).get_tensor().set_names({name})
    return ov.Model([ops.result(embed), ops.result(tone), ops.result(hidden)], [patches, pooled], IR_STEM)


def _experts(h: ov.Node, chances: ov.Node, *, above: str, tensors: Mapping[str, Array], count: int) -> ov.Node:
    """Return what one layer adds to its input, float32[P, E]."""
    logits = ops.add(_linear(h, f"{above}.router_img", tensors), _linear(chances, f"{above}.router_skin", tensors))
    shares = ops.softmax(logits, axis=-1)
    best = ops.topk(shares, ops.constant(np.int64(TOP_K)), -1, "max", "value", index_element_type="i64")
    last = ops.constant(np.array([-1], dtype=np.int64))
    total = ops.add(ops.reduce_sum(best.output(0), last, keep_dims=True), ops.constant(np.float32(RENORMALISE)))
    none = ops.broadcast(ops.constant(np.float32(0)), ops.shape_of(shares))
    weights = ops.scatter_elements_update(
        none, best.output(1), ops.divide(best.output(0), total), ops.constant(np.int64(1))
    )
    columns = ops.split(weights, ops.constant(np.int64(1)), count).outputs()
    parts = []
    for expert, column in enumerate(columns):
        inner = ops.relu(_linear(h, f"{above}.experts.{expert}.net.0", tensors))
        parts.append(ops.multiply(_linear(inner, f"{above}.experts.{expert}.net.2", tensors), column))
    out = parts[0]
    for part in parts[1:]:
        out = ops.add(out, part)
    return out


def _linear(x: ov.Node, path: str, tensors: Mapping[str, Array]) -> ov.Node:
    weight = ops.constant(tensors[f"{path}.weight"])
    weight.set_friendly_name(f"{path}.weight")
    product = ops.matmul(x, weight, False, True)
    product.set_friendly_name(path)
    bias = tensors.get(f"{path}.bias")
    return product if bias is None else ops.add(product, ops.constant(bias[np.newaxis]))
