"""Turn token ids into the language model's input rows: looked up in the mapped constant, or through the runtime.

A lookup needs neither a compiled model nor a second copy of the table. It multiplies as the runtime does, in float32, so
both ways give the same bits (tests/parity/test_text_embeddings.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_agent.errors import Incompatible, InferenceError
from edge_agent.inference.graph import unconverted
from edge_agent.inference.runtime import Runtime, infer, translated

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_CODES = (ov.Type.u8, ov.Type.i8)
_FLOATS = (ov.Type.f32, ov.Type.f16)


class TextEmbeddings(Protocol):
    """What turns token ids int64[T] into float32[T, H]."""

    def rows(self, ids: Ints) -> Floats:
        """Return the embeddings of ``ids``, float32[T, H].

        Raises:
            InferenceError: an id is outside the vocabulary, or the runtime failed.
        """


class CompiledEmbeddings:
    """The exported model, compiled. Any form of it."""

    def __init__(self, request: ov.InferRequest) -> None:
        self._request = request

    def rows(self, ids: Ints) -> Floats:
        """Return float32[T, H]; raises InferenceError when the runtime fails."""
        out = infer(self._request, {"input": ids[np.newaxis]}, doing="the text embeddings cannot run")
        return out.reshape(len(ids), -1)


@dataclass(frozen=True, slots=True)
class EmbeddingTable:
    """The exported model's constant, looked up: ``(values - zero_point) * scale`` of each row.

    ``values`` u8, i8, f16 or f32 [V, H], a view of the mapped file; ``zero_point`` and ``scale`` [V, 1], None where the
    form has none.
    """

    values: NDArray[np.generic]
    zero_point: Floats | None = None
    scale: Floats | None = None

    def rows(self, ids: Ints) -> Floats:
        """Return float32[T, H]; raises InferenceError for an id outside the vocabulary."""
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < len(self.values):
            raise InferenceError("a token is outside the vocabulary of the text embeddings; install the bundle again")
        out: Floats = self.values[ids].astype(np.float32)
        if self.zero_point is not None:
            out -= self.zero_point[ids]
        if self.scale is not None:
            out *= self.scale[ids]
        return out


def load_text_embeddings(path: Path, *, runtime: Runtime, hidden_size: int) -> TextEmbeddings:
    """Return the lookup where the settings want it and the constant's form is known, else the compiled model.

    Args:
        path: the IR.
        runtime: reads and compiles it; its settings say whether to look up.
        hidden_size: declared width of a row.

    Raises:
        RejectedError: the file is no IR.
        Incompatible: its rows have another width.
        InferenceError: the device cannot compile it.
    """
    model = runtime.read(path)
    with translated(f"{path.name} has no output; export it again", error=Incompatible):
        width = model.output(0).get_partial_shape()[-1].to_string()
    if width != str(hidden_size):
        raise Incompatible(f"{path.name} has rows of {width} values, declared are {hidden_size}; rebuild the bundle")
    table = read_table(model) if runtime.settings.lookup_embeddings else None
    return CompiledEmbeddings(runtime.request(model)) if table is None else table


def read_table(model: ov.Model) -> EmbeddingTable | None:
    """Return the table of an exported embedding, or None where the graph is anything but rows taken from a known form.

    Known: a float constant, or 8-bit codes with one scale per row, with or without zero point.
    """
    gather = model.output(0).get_node().input_value(0).get_node()
    if gather.get_type_name() != "Gather" or not _takes_rows_by_input(gather, model):
        return None
    node = unconverted(gather.input_value(0).get_node())
    if node.get_type_name() == "Constant":
        return EmbeddingTable(node.data) if node.get_element_type() in _FLOATS else None
    if node.get_type_name() != "Multiply":
        return None
    codes, scale = (unconverted(node.input_value(i).get_node()) for i in (0, 1))
    zero_point = None
    if codes.get_type_name() == "Subtract":
        codes, zero_point = (unconverted(codes.input_value(i).get_node()) for i in (0, 1))
    known = [codes, scale] if zero_point is None else [codes, scale, zero_point]
    if any(one.get_type_name() != "Constant" for one in known) or codes.get_element_type() not in _CODES:
        return None
    per_row = [len(codes.data), 1]
    if any(list(one.get_output_shape(0)) != per_row for one in known[1:]):
        return None
    return EmbeddingTable(codes.data, None if zero_point is None else _floats(zero_point), _floats(scale))


def _takes_rows_by_input(gather: ov.Node, model: ov.Model) -> bool:
    """Tell whether the model's one input picks whole rows, and nothing else happens to it."""
    ids, axis = (unconverted(gather.input_value(i).get_node()) for i in (1, 2))
    is_input = len(model.inputs) == 1 and ids.get_name() == model.input(0).get_node().get_name()
    return is_input and axis.get_type_name() == "Constant" and int(axis.data) == 0


def _floats(constant: ov.Node) -> Floats:
    return np.array(constant.data, dtype=np.float32)
