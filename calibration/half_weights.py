"""Read IRs whose matrices are stored in 16 bits, and widen them to float32 where float32 is asked for.

``Constant(bf16) -> Convert(f32)`` is what OpenVINO and NNCF know as a weight: NNCF computes codes and scales from the same
values as from float32. Here the conversions get the names that NNCF would give them, and biases become float32, so that
what is compressed from 16 bits is the graph that is compressed from float32.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino as ov

HALVES = ("bf16", "f16")
_MARK = "decompression"  # OpenVINO's, so that nothing folds the conversion; NNCF and saving fold nothing
_ROWS = 1 << 24  # values that are widened at once: 64 MB of float32


def mend(model: ov.Model) -> None:
    """Widen vectors of 16 bits and rename the conversions behind matrices, in place; values do not change."""
    from openvino import opset13 as ops

    for weight, conversion, port in _halves(model):
        if sum(extent > 1 for extent in weight.get_output_shape(0)) >= 2:
            conversion.set_friendly_name(f"{weight.get_friendly_name()}/fq_weights_{port}/convert")
            marks = conversion.get_rt_info()
            for name in [one for one in marks if one.startswith(_MARK)]:
                del marks[name]  # what is compressed from float32 has none
        else:
            _replace(conversion, ops.constant(_ranked(weight, conversion)))


def widen(model: ov.Model, folder: Path) -> None:
    """Make every matrix of 16 bits float32, in place, as pages of a file without a name.

    Args:
        model: what ``mend`` has seen.
        folder: on a disk with room; nothing appears there.

    Raises:
        OSError: the disk is full.
    """
    from openvino import opset13 as ops

    for weight, conversion, _ in _halves(model):
        constant = ops.constant(_on_disk(weight, folder), shared_memory=True)
        constant.set_friendly_name(weight.get_friendly_name())
        _replace(conversion, constant)


def _halves(model: ov.Model) -> Iterator[tuple[Any, Any, int]]:
    """Yield every 16-bit constant with each conversion to float32 behind it and the port that this one feeds."""
    for node in list(model.get_ops()):
        if node.get_type_name() != "Constant" or node.get_element_type().get_type_name() not in HALVES:
            continue
        for reader in node.output(0).get_target_inputs():
            conversion = reader.get_node()
            if conversion.get_type_name() == "Convert":
                port = next((one.get_index() for one in conversion.output(0).get_target_inputs()), 0)
                yield node, conversion, port


def _ranked(weight: Any, conversion: Any) -> NDArray[np.float32]:
    """Return a vector as float32 with as many axes as what it is added to, which is how OpenVINO stores a bias.

    Equal biases may have been made one: the reader with the fewest axes decides, more would give its sum an axis.
    """
    values: NDArray[np.float32] = weight.get_data(dtype=np.float32)
    readers = [one.get_node() for one in conversion.output(0).get_target_inputs()]
    rank = min((one.get_output_partial_shape(0).rank.get_length() for one in readers), default=0)
    return values.reshape([1] * (rank - values.ndim) + list(values.shape))


def _on_disk(weight: Any, folder: Path) -> NDArray[np.float32]:
    """Return a matrix as float32, mapped from a file that has no name."""
    shape = tuple(weight.get_output_shape(0))
    with tempfile.TemporaryFile(dir=folder) as stream:
        os.posix_fallocate(
            stream.fileno(), 0, 4 * int(np.prod(shape))
        )  # a full disk is an error now, not a signal later
        wide: NDArray[np.float32] = np.memmap(stream, dtype=np.float32, mode="r+", shape=shape)
    step = max(1, _ROWS // int(np.prod(shape[1:])))
    is_bf16 = weight.get_element_type().get_type_name() == "bf16"
    codes = weight.data.view(np.uint16) if is_bf16 else weight.data  # numpy has no bf16
    for start in range(0, shape[0], step):
        part = codes[start : start + step]
        if is_bf16:  # the upper half of a float32 value
            wide.view(np.uint32)[start : start + step] = part.astype(np.uint32) << 16
        else:
            wide[start : start + step] = part
    return wide


def _replace(old: Any, new: Any) -> None:
    for reader in old.output(0).get_target_inputs():
        reader.replace_source_output(new.output(0))
