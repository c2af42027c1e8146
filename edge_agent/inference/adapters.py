"""Read adapter objects: codes and scales of every LoRA factor, checked before anything is grafted.

The format is defined in ``calibration/adapters/ir.py``: one IR per agent, per target linear two MatMuls named
``<module>.lora_A`` and ``<module>.lora_B`` and one Result named ``<module>``, bound to the backbone by digest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_agent.contracts.manifest import AdapterSpec, AgentName, Backbone
from edge_agent.errors import Incompatible, RejectedError
from edge_agent.inference.graph import unconverted

FORMAT_VERSION = 1
RT_INFO = "derm_edge_adapter"
_A, _B = ".lora_A", ".lora_B"


@dataclass(frozen=True, slots=True)
class Factor:
    """One LoRA factor: ``codes`` int8 or float32 [rows, columns], ``scale`` float16 [rows, 1] or None for floats."""

    codes: NDArray[np.generic]
    scale: NDArray[np.float16] | None

    def dequantised(self) -> NDArray[np.float32]:
        """Return float32 [rows, columns]: codes x scale, as the plugin's compressed kernels multiply."""
        if self.scale is None:
            return self.codes.astype(np.float32)
        return self.codes.astype(np.float32) * self.scale.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Branch:
    """One target linear of one adapter: A [r, in], B [out, r]; the scale alpha / r is folded into B."""

    a: Factor
    b: Factor

    @property
    def r(self) -> int:
        """Return the rank."""
        return int(self.a.codes.shape[0])


@dataclass(frozen=True, slots=True)
class Adapter:
    """One agent's adapter: branches by PEFT module path (without ``base_model.model.``)."""

    name: AgentName
    branches: dict[str, Branch]


def read_adapter(model: ov.Model, *, spec: AdapterSpec, backbone: Backbone) -> Adapter:
    """Read one adapter IR and hold it against its declaration.

    Does not look at the backbone's graph: ``graft`` checks that every target exists there with these shapes.

    Args:
        model: the adapter IR, as read.
        spec: its declaration in the manifest.
        backbone: the backbone it must be bound to.

    Raises:
        Incompatible: made for another backbone, or INT4 (whose groups are not supported).
        RejectedError: a tensor is missing, unused, of a wrong type or shape; the message names it.
    """
    if spec.base_digest != backbone.content_digest:
        raise Incompatible(f"the {spec.name} adapter was trained on another backbone; install its own bundle")
    if spec.precision == "int4":
        raise Incompatible(f"the {spec.name} adapter is INT4, which this engine does not load; build it with int8")
    _check_binding(model, spec=spec)
    branches = _read_branches(model, name=spec.name)
    missing, surplus = set(spec.target_modules) - set(branches), set(branches) - set(spec.target_modules)
    if missing or surplus:
        which = min(missing or surplus)
        raise RejectedError(f"the {spec.name} adapter {'lacks' if missing else 'has an undeclared'} target {which}")
    _check_precision(branches, spec=spec)
    return Adapter(spec.name, branches)


def _check_binding(model: ov.Model, *, spec: AdapterSpec) -> None:
    """Compare what the IR says about itself with the manifest."""
    expected = {"format": str(FORMAT_VERSION), "name": spec.name, "base_digest": spec.base_digest}
    for key, value in expected.items():
        path = [RT_INFO, key]
        found = str(model.get_rt_info(path).value) if model.has_rt_info(path) else "nothing"
        if found != value:
            raise Incompatible(f"the {spec.name} adapter file says {key} = {found}, its declaration says {value}")


def _read_branches(model: ov.Model, *, name: str) -> dict[str, Branch]:
    """Walk every Result back to its two factors; anything else in the graph is refused by name."""
    branches: dict[str, Branch] = {}
    used: set[str] = set()
    for result in model.get_results():
        b_node = result.input_value(0).get_node()
        path = b_node.get_friendly_name().removesuffix(_B)
        a_node = b_node.input_value(0).get_node() if b_node.get_type_name() == "MatMul" else b_node
        if a_node.get_friendly_name() != path + _A or b_node.get_friendly_name() != path + _B:
            raise RejectedError(f"the {name} adapter has a stray output {b_node.get_friendly_name()}")
        a, b = (_read_factor(node, name=name) for node in (a_node, b_node))
        if a.codes.shape[0] != b.codes.shape[1]:
            raise RejectedError(f"the {name} adapter's ranks differ at {path}: {a.codes.shape[0]}, {b.codes.shape[1]}")
        if path in branches:
            raise RejectedError(f"the {name} adapter has target {path} twice")
        branches[path] = Branch(a, b)
        used |= {a_node.get_friendly_name(), b_node.get_friendly_name()}
    products = {op.get_friendly_name() for op in model.get_ops() if op.get_type_name() == "MatMul"}
    if products - used:
        raise RejectedError(f"the {name} adapter has an unused tensor {min(products - used)}")
    return branches


def _read_factor(node: ov.Node, *, name: str) -> Factor:
    """Read MatMul's weight: a float constant, or int8 codes x f16 scale per row as NNCF writes them."""
    where = f"the {name} adapter's {node.get_friendly_name()}"
    weight = unconverted(node.input_value(1).get_node())
    if weight.get_type_name() == "Constant":
        factor = Factor(np.array(weight.get_data(), dtype=np.float32), None)
    elif weight.get_type_name() == "Multiply":
        codes, scale = (weight.input_value(i).get_node() for i in (0, 1))
        codes = unconverted(codes)
        if codes.get_type_name() != "Constant" or codes.get_element_type() != ov.Type.i8:
            raise RejectedError(f"{where} is not symmetric INT8; build it again")
        factor = Factor(np.array(codes.get_data()), np.array(scale.get_data(), dtype=np.float16))
    else:
        raise RejectedError(f"{where} has an unknown form ({weight.get_type_name()})")
    rows = factor.codes.shape[0]
    if factor.codes.ndim != 2 or (factor.scale is not None and factor.scale.shape != (rows, 1)):
        raise RejectedError(f"{where} has a wrong shape {list(factor.codes.shape)}")
    if not np.isfinite(factor.dequantised()).all():
        raise RejectedError(f"{where} holds values that are not numbers")
    return factor


def _check_precision(branches: dict[str, Branch], *, spec: AdapterSpec) -> None:
    """Refuse a file whose precision is not the declared one."""
    is_int8: Callable[[Factor], bool] = lambda factor: factor.scale is not None  # noqa: E731
    for path, branch in branches.items():
        if any(is_int8(factor) != (spec.precision == "int8") for factor in (branch.a, branch.b)):
            raise RejectedError(f"the {spec.name} adapter is declared {spec.precision}, but {path} is not")
