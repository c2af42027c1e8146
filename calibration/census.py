"""Count the precision of every weight of an IR and compare it with the recipe's declaration.

NNCF is silent where it does something else than asked (a second pass changes nothing, backup and ADJUST
modes change precision): so nothing that it returns is believed before this census.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.recipe import LanguageModelRecipe, PartRecipe, Recipe
from edge_agent.contracts.manifest import CensusRow
from edge_agent.errors import CompressionError

if TYPE_CHECKING:
    import openvino as ov

_PASS_THROUGH = {"Convert", "Multiply", "Subtract", "Reshape", "Transpose"}
_WEIGHTED = {"MatMul", "Gather", "Convolution"}
_ELEMENT_OF = {"none": "f32", "int8_sym": "i8", "int8_asym": "u8", "int4_sym": "i4", "int4_asym": "u4"}
_BITS = {"i4": 4, "u4": 4, "boolean": 8, "string": 8}
_WEIGHT_BITS = {"f32": 32, "f16": 16, "bf16": 16, "i8": 8, "u8": 8, "i4": 4, "u4": 4}


@dataclass(frozen=True, slots=True)
class WeightTensor:
    """One weight as it stands in the IR.

    ``name`` is the torch parameter's name, ``node`` the consumer's. ``group_size`` is -1 for one scale per
    row, and None where nothing is compressed.
    """

    part: str
    name: str
    node: str
    element_type: str
    shape: tuple[int, ...]
    group_size: int | None

    @property
    def elements(self) -> int:
        """Return the number of weights."""
        return int(np.prod(self.shape))

    @property
    def bytes(self) -> int:
        """Return the bytes of the codes, without scales and zero points."""
        return (self.elements * _WEIGHT_BITS[self.element_type] + 7) // 8


def weight_tensors(model: ov.Model, *, part: str) -> list[WeightTensor]:
    """Return every weight of two or more axes that a MatMul, Gather or Convolution reads, in graph order."""
    found: dict[str, WeightTensor] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() not in _WEIGHTED:
            continue
        ports = [0] if node.get_type_name() == "Gather" else [0, 1]
        for port in ports:
            tensor = _weight_at(node, port, part)
            if tensor is not None:
                found.setdefault(tensor.name, tensor)
    return list(found.values())


def _weight_at(node: Any, port: int, part: str) -> WeightTensor | None:
    source = node.input_value(port).get_node()
    grouped = False
    while source.get_type_name() in _PASS_THROUGH:
        grouped = grouped or source.get_type_name() == "Reshape"
        source = source.input_value(0).get_node()
    if source.get_type_name() != "Constant":
        return None
    element_type = source.get_element_type().get_type_name()
    shape = tuple(source.get_output_shape(0))
    if element_type not in _WEIGHT_BITS or sum(extent > 1 for extent in shape) < 2:
        return None
    compressed = element_type in {"i4", "u4", "i8", "u8"}
    group = (shape[-1] if grouped and len(shape) > 2 else -1) if compressed else None
    return WeightTensor(part, source.get_friendly_name(), node.get_friendly_name(), element_type, shape, group)


def bundle_tensors(folder: Path) -> list[WeightTensor]:
    """Return every weight of a bundle's IRs, adapters included, for a report; judges nothing.

    Args:
        folder: the bundle.
    """
    import openvino as ov

    core = ov.Core()
    found: list[WeightTensor] = []
    for path in sorted(folder.glob("*.xml")):
        found += weight_tensors(core.read_model(path), part=path.stem)
    return found


def count_constants(model: ov.Model, *, part: str) -> list[CensusRow]:
    """Return the manifest's rows: every constant of the part, weights and all others, by element type."""
    rows: dict[str, list[int]] = {}
    for node in model.get_ops():
        if node.get_type_name() != "Constant":
            continue
        element_type = node.get_element_type().get_type_name()
        elements = int(np.prod(node.get_output_shape(0)))
        bits = _BITS.get(element_type) or node.get_element_type().bitwidth
        row = rows.setdefault(element_type, [0, 0, 0])
        row[0] += 1
        row[1] += elements
        row[2] += (elements * bits + 7) // 8
    return [
        CensusRow(part=part, element_type=name, tensors=row[0], elements=row[1], bytes=row[2])
        for name, row in sorted(rows.items())
    ]


def check_part(tensors: Sequence[WeightTensor], *, recipe: PartRecipe) -> None:
    """Check a part whose weights all have one mode.

    Raises:
        CompressionError: naming the first tensor that differs.
    """
    if not tensors:
        raise CompressionError("the census found no weight at all; the export's graph is not the one expected")
    for tensor in tensors:
        _expect(tensor, mode=recipe.mode, group_size=-1)


def check_language_model(tensors: Sequence[WeightTensor], *, recipe: LanguageModelRecipe) -> None:
    """Check the language model: every decoder linear in ``mode`` (as many as ``ratio`` asks), the rest in ``rest_mode``.

    lm_head belongs to the rest, unless ``all_layers`` makes it one of the linears.

    Raises:
        CompressionError: naming the first tensor, or the share, that differs.
    """
    layers = [tensor for tensor in tensors if ".layers." in tensor.name]
    heads = [tensor for tensor in tensors if ".layers." not in tensor.name]
    if not layers or len(heads) != 1:
        raise CompressionError(
            f"the census found {len(layers)} decoder linears and {len(heads)} heads; expected 1 head"
        )
    linears = [*layers, *heads] if recipe.all_layers else layers
    if not recipe.all_layers:
        _expect(heads[0], mode=recipe.rest_mode, group_size=-1)
    group_size = recipe.group_size if recipe.is_int4 else -1
    if recipe.ratio == 1.0:
        for tensor in linears:
            _expect(tensor, mode=recipe.mode, group_size=group_size)
        return
    main = [tensor for tensor in linears if tensor.element_type == _ELEMENT_OF[recipe.mode]]
    for tensor in linears:
        is_main = tensor in main
        _expect(tensor, mode=recipe.mode if is_main else recipe.rest_mode, group_size=group_size if is_main else -1)
    total = sum(tensor.elements for tensor in linears)
    share = sum(tensor.elements for tensor in main) / total
    largest = max(tensor.elements for tensor in linears) / total
    if not recipe.ratio - largest <= share <= recipe.ratio + 1e-9:
        raise CompressionError(
            f"{share:.3f} of the decoder's weights are {recipe.mode}, the recipe asks {recipe.ratio}"
        )


def check_model(part: str, tensors: Sequence[WeightTensor], *, recipe: Recipe) -> None:
    """Check one of the four IRs against its section of the recipe; see ``check_part`` for the error."""
    if part == "language_model":
        check_language_model(tensors, recipe=recipe.language_model)
    else:
        check_part(tensors, recipe=recipe.embeddings if part == "text_embeddings" else recipe.vision)


def _expect(tensor: WeightTensor, *, mode: str, group_size: int) -> None:
    wanted = _ELEMENT_OF[mode]
    if tensor.element_type != wanted:
        raise CompressionError(
            f"{tensor.part}: {tensor.name} is {tensor.element_type}, the recipe declares {wanted} ({mode})"
        )
    if mode != "none" and tensor.group_size != group_size:
        raise CompressionError(
            f"{tensor.part}: {tensor.name} has group size {tensor.group_size}, the recipe declares {group_size}"
        )
