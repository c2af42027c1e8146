"""Looked-up text embeddings are the runtime's, bit for bit; what the lookup does not know goes through the runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.errors import Incompatible, InferenceError
from edge_agent.inference.engine import Engine, EngineSettings
from edge_agent.inference.runtime import Runtime
from edge_agent.inference.text_embeddings import (
    CompiledEmbeddings,
    EmbeddingTable,
    load_text_embeddings,
    read_table,
)
from tests.parity.conftest import BundleOf
from tests.simulators.reference import BUNDLE

V, H = 50, 24
RNG = np.random.default_rng(3)
WEIGHT = RNG.normal(size=(V, H)).astype(np.float32)
U8, I8 = RNG.integers(0, 256, (V, H)).astype(np.uint8), RNG.integers(-127, 128, (V, H)).astype(np.int8)
ZERO = RNG.integers(100, 156, (V, 1)).astype(np.uint8)
SCALE = RNG.uniform(1e-3, 2e-2, (V, 1)).astype(np.float16)


def half(node: ov.Node) -> ov.Node:
    """Convert to f16, as NNCF writes it."""
    return ops.convert(node, ov.Type.f16)


def asymmetric() -> ov.Node:
    """u8 codes, u8 zero point, f16 scale."""
    shifted = ops.subtract(half(ops.constant(U8)), half(ops.constant(ZERO)))
    return ops.convert(ops.multiply(shifted, ops.constant(SCALE)), ov.Type.f32)


def symmetric() -> ov.Node:
    """i8 codes, f16 scale."""
    return ops.convert(ops.multiply(half(ops.constant(I8)), ops.constant(SCALE)), ov.Type.f32)


def grouped() -> ov.Node:
    """i8 codes in groups of 8, a scale each: not a row-wise form."""
    scale = RNG.uniform(1e-3, 2e-2, (V, H // 8, 1)).astype(np.float16)
    product = ops.multiply(half(ops.constant(I8.reshape(V, H // 8, 8))), ops.constant(scale))
    return ops.convert(ops.reshape(product, ops.constant(np.array([V, H])), False), ov.Type.f32)


KNOWN: dict[str, Callable[[], ov.Node]] = {
    "f32": lambda: ops.constant(WEIGHT),
    "f16": lambda: ops.convert(ops.constant(WEIGHT.astype(np.float16)), ov.Type.f32),
    "u8 with zero point": asymmetric,
    "i8": symmetric,
}


def saved(table: ov.Node, folder: Path, *, gain: float | None = None) -> Path:
    """Write an embedding IR as the exporter does; ``gain`` multiplies the rows behind the gather."""
    ids = ops.parameter([-1, -1], np.int64, name="input")
    ids.output(0).get_tensor().set_names({"input"})
    rows = ops.gather(table, ops.convert(ids, ov.Type.i32), ops.constant(np.int32(0)))
    out = rows if gain is None else ops.multiply(rows, ops.constant(np.float32(gain)))
    ov.save_model(ov.Model([ops.result(out)], [ids], "embeddings"), folder / "e.xml", compress_to_fp16=False)
    return folder / "e.xml"


@pytest.mark.parametrize("form", list(KNOWN))
@pytest.mark.parametrize("strict", [True, False])
def test_a_lookup_gives_the_runtimes_bits(form: str, strict: bool, tmp_path: Path) -> None:
    """Every id once and one twice, in each known form, strict and in default settings."""
    runtime = Runtime(EngineSettings(strict=strict))
    path, ids = saved(KNOWN[form](), tmp_path), np.array([*range(V), 7])
    table = load_text_embeddings(path, runtime=runtime, hidden_size=H)
    assert isinstance(table, EmbeddingTable)
    expected = CompiledEmbeddings(runtime.request(path)).rows(ids)
    assert table.rows(ids).tobytes() == expected.tobytes()


def test_no_ids_give_no_rows(tmp_path: Path) -> None:
    """float32[0, H], as the runtime gives."""
    runtime = Runtime(EngineSettings())
    table = load_text_embeddings(saved(asymmetric(), tmp_path), runtime=runtime, hidden_size=H)
    assert table.rows(np.zeros(0, dtype=np.int64)).shape == (0, H)


@pytest.mark.parametrize("gain", [None, 2.0])
def test_an_unknown_form_goes_through_the_runtime(gain: float | None, tmp_path: Path) -> None:
    """Scales per group, or rows that something multiplies afterwards: never looked up with a wrong formula."""
    path = saved(asymmetric() if gain else grouped(), tmp_path, gain=gain)
    assert isinstance(load_text_embeddings(path, runtime=Runtime(EngineSettings()), hidden_size=H), CompiledEmbeddings)


def test_an_id_outside_the_table_is_refused(tmp_path: Path) -> None:
    """Neither -1 nor V picks a row: numpy would take the last one for -1."""
    table = read_table(ov.Core().read_model(saved(asymmetric(), tmp_path)))
    assert table is not None
    for wrong in (-1, V):
        with pytest.raises(InferenceError, match="outside the vocabulary"):
            table.rows(np.array([wrong]))


def test_rows_of_another_width_are_refused(tmp_path: Path) -> None:
    """A table of another backbone is named when it is loaded, not found as a wrong answer."""
    with pytest.raises(Incompatible, match=r"e\.xml has rows of 24 values, declared are 32"):
        load_text_embeddings(saved(asymmetric(), tmp_path), runtime=Runtime(EngineSettings()), hidden_size=32)


def test_the_shipped_bundle_is_looked_up() -> None:
    """Its u8 table: the same bits for every token of the vocabulary, and the switch turns it off."""
    bundle = open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))
    path, backbone = bundle.path_of("text_embeddings.xml"), bundle.manifest.backbone
    ids = np.arange(backbone.vocab_size)
    on, off = (
        load_text_embeddings(
            path, runtime=Runtime(EngineSettings(lookup_embeddings=wish)), hidden_size=backbone.hidden_size
        )
        for wish in (True, False)
    )
    assert (type(on), type(off)) == (EmbeddingTable, CompiledEmbeddings)
    assert on.rows(ids).tobytes() == off.rows(ids).tobytes()


def test_logits_are_the_same_bits(bundle_of: BundleOf) -> None:
    """The exported float table: the whole engine gives the same logits, bit for bit, on and off."""
    ids = list(range(20, 60))
    found = []
    for wish in (True, False):
        with Engine(bundle_of("f32", "f32"), settings=EngineSettings(strict=True, lookup_embeddings=wish)) as engine:
            assert isinstance(engine._open().language._embeddings, EmbeddingTable) == wish
            found.append(engine.logits(ids, adapter="reasoning", last=8))
    assert found[0].tobytes() == found[1].tobytes()
