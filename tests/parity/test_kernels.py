"""Grafting keeps the plugin on compressed weights: adapters are not unpacked into floats at compile time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import openvino as ov

from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.inference.adapters import read_adapter
from edge_agent.inference.graft import gather_before_head, graft
from tests.parity.conftest import BundleOf
from tests.simulators.reference import BUNDLE

# per layer: q/k/v share one A, gate/up another, o and down have their own; each of the seven linears has its B
ADAPTER_PRODUCTS = 4 + 7
LINEARS = 7


def weight_types(compiled: Any) -> list[str]:
    """Element types of the weights of every fully connected node that really runs."""
    return [
        op.input(1).get_source_output().get_element_type().get_type_name()
        for op in compiled.get_runtime_model().get_ordered_ops()
        if op.get_rt_info()["layerType"].astype(str) == "FullyConnected"
    ]


def grafted_types(bundle: Bundle) -> Counter[str]:
    """Compile a bundle's language model with all its adapters, as the device does, and count those types."""
    core = ov.Core()
    model = core.read_model(bundle.path_of("language_model.xml"))
    adapters = [
        read_adapter(
            core.read_model(bundle.path_of(f"adapter.{spec.name}.xml")), spec=spec, backbone=bundle.manifest.backbone
        )
        for spec in bundle.manifest.adapters
    ]
    graft(model, adapters)
    gather_before_head(model)
    return Counter(weight_types(core.compile_model(model, "CPU")))


def test_every_adapter_product_runs_on_int8_codes(bundle_of: BundleOf) -> None:
    """INT4 backbone: 21 linears on i4; per layer 4 shared A and 7 B on i8, in default settings; no float weight."""
    types = grafted_types(bundle_of("int4", "int8"))
    assert types["i4"] == 3 * LINEARS
    assert types["i8"] == 3 * ADAPTER_PRODUCTS
    assert not {"f32", "f16", "bf16"} & set(types)


def test_shipped_recipe_runs_on_its_codes() -> None:
    """The shipped bundle (int4_asym, head int8_asym): linears on u4, the head on u8, adapters on i8, nothing else."""
    bundle = open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))
    layers = bundle.manifest.backbone.num_hidden_layers
    assert grafted_types(bundle) == {"u4": LINEARS * layers, "u8": 1, "i8": ADAPTER_PRODUCTS * layers}
