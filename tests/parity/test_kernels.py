"""Grafting keeps the plugin on compressed weights: adapters are not unpacked into floats at compile time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import openvino as ov

from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.inference.adapters import read_adapter
from edge_agent.inference.graft import gather_before_head, graft
from edge_agent.inference.stacking import stack_projections
from tests.parity.conftest import BundleOf
from tests.simulators.reference import BUNDLE

# per layer: q/k/v are one linear with one A and one B; gate/up share an A, o and down have their own; four further B
ADAPTER_PRODUCTS = 4 + 5
LINEARS = 5
APART = 7  # linears of a layer where q, k and v are not stacked


def weight_types(compiled: Any) -> list[str]:
    """Element types of the weights of every fully connected node that really runs."""
    return [
        op.input(1).get_source_output().get_element_type().get_type_name()
        for op in compiled.get_runtime_model().get_ordered_ops()
        if op.get_rt_info()["layerType"].astype(str) == "FullyConnected"
    ]


def grafted_types(bundle: Bundle, *, share_a: bool = True, is_stacked: bool = True) -> Counter[str]:
    """Compile a bundle's language model with all its adapters, as the device does, and count those types."""
    core = ov.Core()
    model = core.read_model(bundle.path_of("language_model.xml"))
    adapters = [
        read_adapter(
            core.read_model(bundle.path_of(f"adapter.{spec.name}.xml")), spec=spec, backbone=bundle.manifest.backbone
        )
        for spec in bundle.manifest.adapters
    ]
    graft(model, adapters, share_a=share_a, stacks=stack_projections(model) if is_stacked else {})
    gather_before_head(model)
    return Counter(weight_types(core.compile_model(model, "CPU")))


def test_every_adapter_product_runs_on_int8_codes(bundle_of: BundleOf) -> None:
    """INT4 backbone: 15 linears on i4; per layer 4 shared A and 5 B on i8, in default settings; no float weight."""
    types = grafted_types(bundle_of("int4", "int8"))
    assert types["i4"] == 3 * LINEARS
    assert types["i8"] == 3 * ADAPTER_PRODUCTS
    assert not {"f32", "f16", "bf16"} & set(types)


def test_shipped_recipe_runs_on_its_codes() -> None:
    """The shipped bundle (int4_asym, head int8_asym): linears on u4, the head on u8, adapters on i8, nothing else."""
    bundle = open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))
    layers = bundle.manifest.backbone.num_hidden_layers
    assert grafted_types(bundle) == {"u4": LINEARS * layers, "u8": 1, "i8": ADAPTER_PRODUCTS * layers}


def test_without_sharing_every_linear_has_its_own_a(bundle_of: BundleOf) -> None:
    """The off switch: per layer 7 A and 7 B, still on int8 codes."""
    types = grafted_types(bundle_of("int4", "int8"), share_a=False, is_stacked=False)
    assert types["i8"] == 3 * (APART + APART)


def test_without_stacking_q_k_and_v_are_three_linears(bundle_of: BundleOf) -> None:
    """The off switch: 21 linears on i4, and a B for each of them."""
    types = grafted_types(bundle_of("int4", "int8"), is_stacked=False)
    assert (types["i4"], types["i8"]) == (3 * APART, 3 * (4 + APART))
