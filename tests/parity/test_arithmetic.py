"""The profile's arithmetic reaches the compiled model: each value is what OpenVINO says it runs, and what it computes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from edge_agent.inference.engine import Engine, EngineSettings
from tests.parity.conftest import BundleOf

PROMPT, NEXT = list(range(20, 100)), 31
KV = {"f32": ov.Type.f32, "f16": ov.Type.f16, "u8": ov.Type.u8}


def compiled(engine: Engine) -> ov.CompiledModel:
    """The compiled language model."""
    return engine._open().language._language.get_compiled_model()


def second_logits(engine: Engine) -> NDArray[np.float32]:
    """Logits behind one token that reads the prompt from the cache."""
    engine.logits(PROMPT, adapter="reasoning")
    before = engine.tokens_computed
    logits = engine.logits([*PROMPT, NEXT], adapter="reasoning")
    assert engine.tokens_computed - before == 1
    return logits


@pytest.fixture(scope="module")
def strict(bundle_of: BundleOf) -> Iterator[NDArray[np.float32]]:
    """What strict f32 computes there."""
    with Engine(bundle_of("int4", "int8"), settings=EngineSettings(strict=True)) as engine:
        yield second_logits(engine)


@pytest.mark.parametrize(("kv_precision", "bound"), [("f32", 0.0), ("f16", 0.02), ("u8", 0.2)])
def test_the_cache_has_the_precision_of_the_profile(
    bundle_of: BundleOf, strict: NDArray[np.float32], kv_precision: str, bound: float
) -> None:
    """OpenVINO names it, and a token that reads it moves by as much as it rounds: f32 by nothing, f16 less than u8."""
    settings = EngineSettings(precision="f32", activation_group_size=0, kv_precision=kv_precision)
    with Engine(bundle_of("int4", "int8"), settings=settings) as engine:
        assert compiled(engine).get_property("KV_CACHE_PRECISION") == KV[kv_precision]
        moved = float(np.abs(second_logits(engine) - strict).max())
    assert moved <= bound
    assert (moved > 0) == (bound > 0)


@pytest.mark.parametrize("size", [0, 32, 64])
def test_activations_are_quantised_in_groups_of_the_profile(
    bundle_of: BundleOf, strict: NDArray[np.float32], size: int
) -> None:
    """OpenVINO names the group size; 0 leaves strict logits, bit for bit, and processors without VNNI ignore the others."""
    settings = EngineSettings(precision="f32", activation_group_size=size, kv_precision="f32")
    with Engine(bundle_of("int4", "int8"), settings=settings) as engine:
        assert int(compiled(engine).get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE")) == size
        moved = float(np.abs(second_logits(engine) - strict).max())
    assert moved < 0.5 if size else moved == 0


def test_strict_overrules_the_profile(bundle_of: BundleOf) -> None:
    """Integrity is checked in f32, whatever the device's profile wishes."""
    settings = EngineSettings(strict=True, precision="bf16", kv_precision="u8", activation_group_size=32)
    with Engine(bundle_of("int4", "int8"), settings=settings) as engine:
        model = compiled(engine)
        assert model.get_property("INFERENCE_PRECISION_HINT") == ov.Type.f32
        assert model.get_property("KV_CACHE_PRECISION") == ov.Type.f32
        assert int(model.get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE")) == 0


@pytest.mark.parametrize("precision", ["f32", None])
def test_the_arithmetic_is_the_profiles_or_openvinos(bundle_of: BundleOf, precision: str | None) -> None:
    """f32 where the profile says so; None leaves it to OpenVINO, which takes bf16 where the processor has it."""
    with Engine(bundle_of("int4", "int8"), settings=EngineSettings(precision=precision)) as engine:
        found = compiled(engine).get_property("INFERENCE_PRECISION_HINT")
    wanted = ov.Core().get_property("CPU", "INFERENCE_PRECISION_HINT") if precision is None else ov.Type.f32
    assert found == wanted
