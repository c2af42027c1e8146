"""Compress the exported FP32 IRs by recipe with NNCF, and give every node a name that repeats.

Does not evaluate: whether the compressed model is still good is the gates' question (``calibration.build``).
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration import census
from calibration.recipe import Recipe
from edge_agent.contracts.manifest import CensusRow
from edge_agent.errors import CompressionError

if TYPE_CHECKING:
    import openvino as ov

# Names that OpenVINO counts up over the life of a process: "Convert_5450". They would make every build differ.
_COUNTED = re.compile(r"^[A-Za-z]+_\d+(/.*)?$")


def compress_part(part: str, source: Path, target: Path, *, recipe: Recipe) -> list[CensusRow]:
    """Compress one IR, check its census and save it; return the census for the manifest.

    Args:
        part: ``vision_embeddings``, ``vision_merger``, ``text_embeddings`` or ``language_model``.
        source: the FP32 ``.xml``.
        target: the ``.xml`` to write (``.bin`` beside it).
        recipe: what every weight shall become.

    Raises:
        CompressionError: NNCF refused, or a tensor is not what the recipe declares.
    """
    import openvino as ov

    model = ov.Core().read_model(source)
    before = census.weight_tensors(model, part=part)
    if any(tensor.element_type != "f32" for tensor in before):
        raise CompressionError(f"{part} is already compressed; NNCF would change nothing and say nothing")
    model = _compress(part, model, recipe=recipe)
    canonicalise(model, name=part)
    # compress_to_fp16 defaults to True: left alone it would halve every remaining weight in silence.
    ov.save_model(model, target, compress_to_fp16=False)
    del model
    saved = ov.Core().read_model(target)
    tensors = census.weight_tensors(saved, part=part)
    if len(tensors) != len(before):
        raise CompressionError(f"{part} has {len(tensors)} weights after compression, {len(before)} before")
    census.check_model(part, tensors, recipe=recipe)
    return census.count_constants(saved, part=part)


def _compress(part: str, model: ov.Model, *, recipe: Recipe) -> Any:
    import nncf
    from nncf.errors import InvalidGroupSizeError, ValidationError

    if part == "language_model":
        language = recipe.language_model
        if language.mode == "none":
            return model
        options: dict[str, Any] = {"mode": nncf.CompressWeightsMode(language.mode)}
        if language.mode.startswith("int4"):
            options |= {
                "group_size": language.group_size,
                "ratio": language.ratio,
                "backup_mode": nncf.BackupMode(language.backup),
            }
    else:
        mode = (recipe.embeddings if part == "text_embeddings" else recipe.vision).mode
        if mode == "none":
            return model
        options = {"mode": nncf.CompressWeightsMode(mode)}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return nncf.compress_weights(model, **options)
    except (InvalidGroupSizeError, ValidationError, ValueError, RuntimeError) as exc:
        reason = " ".join(str(exc).split())[:200]
        raise CompressionError(f"NNCF refused {part}: {reason}; change the recipe") from exc


def canonicalise(model: ov.Model, *, name: str) -> None:
    """Rename nodes whose names depend on the process's history, and drop notes about the machine that built it.

    Does not touch names that come from the checkpoint (``__module.…``, ``self.…``): adapters are grafted by them.
    """
    model.set_friendly_name(name)
    for index, node in enumerate(model.get_ordered_ops()):
        if _COUNTED.match(node.get_friendly_name()):
            node.set_friendly_name(f"{node.get_type_name()}.{index}")
    for section in ("optimum", "Runtime_version"):
        if section in model.rt_info:
            del model.rt_info[section]
