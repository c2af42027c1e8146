"""Read an exported graph: what stands behind conversions, and which module of the checkpoint an operation comes from."""

from __future__ import annotations

import openvino as ov


def unconverted(node: ov.Node) -> ov.Node:
    """Return the node whose values reach this one through conversions of type alone; the node itself where there is none."""
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node


def module_path(op: ov.Node) -> str:
    """Return the path of the module that an operation was exported from: ``__module.<path>/.../MatMul`` without its ends."""
    return str(op.get_friendly_name()).split("/", 1)[0].removeprefix("__module.")
