"""Grafting keeps the plugin on compressed weights: adapters are not unpacked into floats at compile time."""

from __future__ import annotations

from typing import Any

import openvino as ov

from edge_agent.inference.adapters import read_adapter
from edge_agent.inference.graft import gather_before_head, graft
from tests.parity.conftest import BundleOf


def weight_types(compiled: Any) -> list[str]:
    """Element types of the weights of every fully connected node that really runs."""
    return [
        op.input(1).get_source_output().get_element_type().get_type_name()
        for op in compiled.get_runtime_model().get_ordered_ops()
        if op.get_rt_info()["layerType"].astype(str) == "FullyConnected"
    ]


def test_every_adapter_product_runs_on_int8_codes(bundle_of: BundleOf) -> None:
    """INT4 backbone: 21 linears on i4; per layer 4 shared A and 7 B on i8, in default settings; no float weight."""
    bundle, core = bundle_of("int4", "int8"), ov.Core()
    model = core.read_model(bundle.path_of("language_model.xml"))
    adapters = [
        read_adapter(
            core.read_model(bundle.path_of(f"adapter.{spec.name}.xml")), spec=spec, backbone=bundle.manifest.backbone
        )
        for spec in bundle.manifest.adapters
    ]
    graft(model, adapters)
    gather_before_head(model)
    types = weight_types(core.compile_model(model, "CPU"))
    assert types.count("i4") == 3 * 7
    assert types.count("i8") == 3 * (4 + 7)
    assert not {"f32", "f16", "bf16"} & set(types)
