"""IRs whose matrices are stored in 16 bits give the files that float32 IRs of the same values give."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from calibration.compress import compress_part, write_wide
from calibration.recipe import load_recipe

HIDDEN = 128
Stored = Literal["bf16", "f16", "f32"]
TYPES = {"bf16": ov.Type.bf16, "f16": ov.Type.f16}


def exactly_half(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to values that bf16 and f16 both hold: seven bits behind the leading one, none very small."""
    rounded: NDArray[np.float32] = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    rounded[np.abs(rounded) < 1e-3] = 0.0
    return rounded


def weight(values: NDArray[np.float32], name: str, *, stored: Stored) -> ov.Output:
    """Return a weight as an export leaves it: float32, or 16 bits with a conversion behind them."""
    if stored == "f32":
        constant = ops.constant(values)
        constant.set_friendly_name(f"self.{name}")
        return constant.output(0)
    constant = ops.constant(values, dtype=TYPES[stored])
    constant.set_friendly_name(f"self.{name}")
    conversion = ops.convert(constant, "f32")
    conversion.get_rt_info()["decompression_0"] = ""
    return conversion.output(0)


def model(stored: Stored) -> ov.Model:
    """Return a decoder's linear with a bias and a head, with the same values whatever they are stored in."""
    random = np.random.default_rng(3)
    source = ops.parameter([-1, -1, HIDDEN], np.float32, name="inputs_embeds")
    source.output(0).get_tensor().set_names({"inputs_embeds"})
    matrix = exactly_half(random.standard_normal((HIDDEN, HIDDEN)).astype(np.float32))
    bias = exactly_half(random.standard_normal(HIDDEN).astype(np.float32))
    head = exactly_half(random.standard_normal((300, HIDDEN)).astype(np.float32))
    linear = ops.matmul(source, weight(matrix, "model.layers.0.mlp.up_proj.weight", stored=stored), False, True)
    linear.set_friendly_name("__module.model.layers.0.mlp.up_proj/aten::linear/MatMul")
    added = weight(bias if stored != "f32" else bias[None, None], "model.layers.0.mlp.up_proj.bias", stored=stored)
    logits = ops.matmul(ops.add(linear, added), weight(head, "lm_head.weight", stored=stored), False, True)
    logits.set_friendly_name("__module.lm_head/aten::linear/MatMul")
    return ov.Model([ops.result(logits)], [source], "language_model")


def saved(stored: Stored, folder: Path) -> Path:
    """Save the graph as an export does."""
    folder.mkdir()
    ov.save_model(model(stored), folder / "source.xml", compress_to_fp16=False)
    return folder / "source.xml"


@pytest.mark.parametrize("stored", ["bf16", "f16"])
@pytest.mark.parametrize("recipe", ["int4", "int8", "fp32"])
def test_the_files_are_those_of_float32(stored: Stored, recipe: str, tmp_path: Path) -> None:
    """Codes, scales and zero points are the same bytes, and FP32 recipes hold float32."""
    for kind in ("f32", stored):
        folder = tmp_path / kind
        compress_part("language_model", saved(kind, folder), folder / "out.xml", recipe=load_recipe(recipe))
    assert (tmp_path / stored / "out.bin").read_bytes() == (tmp_path / "f32" / "out.bin").read_bytes()


def test_an_ir_of_half_the_size_computes_the_same(tmp_path: Path) -> None:
    """16 bits on the disk, the same logits bit by bit once they are widened."""
    half, wide = saved("bf16", tmp_path / "half"), saved("f32", tmp_path / "wide")
    assert half.with_suffix(".bin").stat().st_size < 0.6 * wide.with_suffix(".bin").stat().st_size
    written = write_wide("language_model", half, tmp_path / "half" / "written.xml")
    rows = np.random.default_rng(5).standard_normal((1, 4, HIDDEN)).astype(np.float32)
    found, expected = (ov.Core().compile_model(path, "CPU")([rows])[0] for path in (written, wide))
    np.testing.assert_array_equal(found, expected)


def test_what_holds_float32_already_is_not_written_again(tmp_path: Path) -> None:
    """A checkpoint of float32 costs no second copy."""
    wide = saved("f32", tmp_path / "wide")
    assert write_wide("language_model", wide, tmp_path / "again.xml") == wide
    assert not (tmp_path / "again.xml").exists()


def test_widening_leaves_no_file_behind(tmp_path: Path) -> None:
    """The float32 pages lie in files without a name: nothing is left, whatever happens to the process."""
    half = saved("bf16", tmp_path / "half")
    compress_part("language_model", half, tmp_path / "half" / "out.xml", recipe=load_recipe("fp32"))
    assert sorted(path.name for path in (tmp_path / "half").iterdir()) == [
        "out.bin",
        "out.xml",
        "source.bin",
        "source.xml",
    ]
