"""Adapter objects: what an import wrote is what a device reads, and every silent failure is refused by name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from calibration.adapters.importing import write_adapter
from edge_agent.contracts.manifest import AdapterSpec
from edge_agent.errors import Incompatible, RejectedError
from edge_agent.inference.adapters import Adapter, read_adapter
from tests.simulators.peft_folder import DIGEST, DOWN, K, Q, R, factors, imported, key, write_peft

TARGETS = {"target_modules": [Q, DOWN]}
Floats = NDArray[np.float32]


def built(tmp_path: Path, *, precision: Any = "f32", **config: Any) -> tuple[AdapterSpec, ov.Model]:
    """Import an adapter of two targets, write it and read it back."""
    folder = write_peft(tmp_path / "peft", config=TARGETS | config, tensors=factors([Q, DOWN]))
    spec = write_adapter(imported(folder), out_dir=tmp_path, precision=precision)
    return spec, ov.Core().read_model(tmp_path / "adapter.reasoning.xml")


def read(spec: AdapterSpec, model: ov.Model, digest: str = DIGEST) -> Adapter:
    """Read against a backbone with this digest."""
    return read_adapter(model, spec=spec, backbone=SimpleNamespace(content_digest=digest))  # type: ignore[arg-type]


def delta(adapter: Adapter, path: str) -> Floats:
    """B A of one target."""
    return adapter.branches[path].b.dequantised() @ adapter.branches[path].a.dequantised()


@pytest.mark.parametrize(("precision", "bound"), [("f32", 1e-5), ("int8", 1e-2)])
def test_a_device_reads_what_was_trained(tmp_path: Path, precision: str, bound: float) -> None:
    """The product of both factors is B A times alpha / r; INT8 keeps a small B (1e-2) to 1 % of the product."""
    tensors = factors([Q, DOWN])
    expected = 8 / R * (tensors[key(DOWN, "B")] @ tensors[key(DOWN, "A")])
    spec, model = built(tmp_path, precision=precision)
    found = delta(read(spec, model), DOWN)
    assert spec.precision == precision
    assert np.linalg.norm(found - expected) < bound * np.linalg.norm(expected)


def test_int8_keeps_freshly_trained_adapters_precise(tmp_path: Path) -> None:
    """A B of 1e-6, as after a few steps, is not lost in f16 scales: error under 1 % of the product."""
    tensors = factors([Q, DOWN])
    tensors[key(DOWN, "B")] *= 1e-4
    folder = write_peft(tmp_path / "peft", config=TARGETS, tensors=tensors)
    spec = write_adapter(imported(folder), out_dir=tmp_path, precision="int8")
    found = delta(read(spec, ov.Core().read_model(tmp_path / "adapter.reasoning.xml")), DOWN)
    expected = 8 / R * (tensors[key(DOWN, "B")] @ tensors[key(DOWN, "A")])
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


def test_the_declaration_lists_every_target(tmp_path: Path) -> None:
    """The manifest entry names all targets, the rank and the activation."""
    spec, _ = built(tmp_path, alora_invocation_tokens=[7, 8])
    assert spec.target_modules == sorted([Q, DOWN])
    assert (spec.r, spec.alpha, spec.base_digest) == (R, 8.0, DIGEST)
    assert (spec.activation.kind, spec.activation.invocation_token_ids) == ("invocation", [7, 8])


def test_another_backbone_is_incompatible(tmp_path: Path) -> None:
    """Bound by digest: the same shapes of another training are refused."""
    spec, model = built(tmp_path)
    with pytest.raises(Incompatible, match="another backbone"):
        read(spec, model, digest="b" * 64)


def test_the_file_itself_is_bound(tmp_path: Path) -> None:
    """A file swapped for another agent's is refused even where the manifest fits."""
    spec, model = built(tmp_path)
    with pytest.raises(Incompatible, match="name = reasoning"):
        read(spec.model_copy(update={"name": "recognition"}), model)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"target_modules": [Q]}, f"undeclared target {DOWN}"),
        ({"target_modules": [Q, DOWN, K]}, "lacks target .*k_proj"),
        ({"precision": "int8"}, "declared int8"),
    ],
)
def test_coverage_and_precision_are_exact(tmp_path: Path, update: dict[str, Any], message: str) -> None:
    """Every tensor used, every declared target found, every factor in the declared precision."""
    spec, model = built(tmp_path)
    with pytest.raises(RejectedError, match=message):
        read(spec.model_copy(update=update), model)


def test_int4_is_refused_by_name(tmp_path: Path) -> None:
    """INT4 adapters are refused, never loaded as something else."""
    spec, model = built(tmp_path)
    with pytest.raises(Incompatible, match="INT4"):
        read(spec.model_copy(update={"precision": "int4"}), model)
