"""Graft adapters for compression, and take them off the compressed graph again.

The device's own ``graft`` builds the branches. They only add to a linear's output and read its input, so that taking
them off leaves the backbone's nodes, names and weights as they were: compressing without data through the graft gives
the same bytes as compressing the bare graph (tests/parity/test_recipes.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import openvino as ov

from edge_agent.errors import CompressionError
from edge_agent.inference.adapters import Adapter
from edge_agent.inference.graft import GATE_INPUT, INDEX_INPUT, gather_before_head, graft

ADAPTED = ".adapted"
_NNCF_SCOPE = ["nncf", "weight_compression", "ignored_scope"]


def graft_branches(model: ov.Model, adapters: Sequence[Adapter]) -> list[str]:
    """Graft as the device does and name the branches' products, in place.

    Args:
        model: the FP32 language model.
        adapters: in the order of the gate's columns.

    Returns:
        The products' names, for NNCF's ``IgnoredScope``.

    Raises:
        Incompatible: an adapter does not fit the backbone.
    """
    graft(model, adapters)
    gather_before_head(model)
    names: list[str] = []
    for total in adapted_outputs(model).values():
        b_product = total.input_value(1).get_node()
        a_product = b_product.input_value(0).get_node()
        while a_product.get_type_name() != "MatMul":
            a_product = a_product.input_value(0).get_node()
        for product in (a_product, b_product):
            name = f"{product.input_value(1).get_node().get_friendly_name()}.product"
            product.set_friendly_name(name)
            if name not in names:  # q, k and v share one product with A
                names.append(name)
    return names


def adapted_outputs(model: ov.Model) -> dict[str, ov.Node]:
    """Return every sum of a linear and its branches by the linear's module path, in the graph's order."""
    ends = [(op.get_friendly_name(), op) for op in model.get_ordered_ops() if op.get_type_name() == "Add"]
    return {name.removesuffix(ADAPTED): op for name, op in ends if name.endswith(ADAPTED)}


def separate(model: ov.Model) -> None:
    """Take branches, gate and index off again, in place; weights and names of the backbone stay as they are.

    Raises:
        CompressionError: something of the graft is left.
    """
    for total in adapted_outputs(model).values():
        _bypass(total)
    for parameter in list(model.get_parameters()):
        if parameter.get_friendly_name() == INDEX_INPUT:
            for consumer in parameter.output(0).get_target_inputs():
                _bypass(consumer.get_node())
        if parameter.get_friendly_name() in (INDEX_INPUT, GATE_INPUT):
            model.remove_parameter(parameter)
    if model.has_rt_info(_NNCF_SCOPE):
        model.set_rt_info("[]", _NNCF_SCOPE)  # names of branches that are no longer there
    model.validate_nodes_and_infer_types()
    left = [op.get_friendly_name() for op in model.get_ops() if ".adapters_" in op.get_friendly_name()]
    if left or adapted_outputs(model):
        raise CompressionError(
            f"the branch {(left or ['sum'])[0]} stayed in the compressed graph; check NNCF's version"
        )


def _bypass(node: ov.Node) -> None:
    """Let a node's consumers read its first input."""
    source = node.input_value(0)
    for consumer in list(node.output(0).get_target_inputs()):
        consumer.replace_source_output(source)
