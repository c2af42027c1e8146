"""Trace one part of a loaded backbone with optimum-intel and save its IR, without a float32 copy of the weights.

The steps of optimum-intel 2.1.0's ``export_from_model`` for this architecture, part by part: there they cannot be had one
at a time, nor with a smaller picture. A tracer holds every intermediate result until it is done: at the picture that
optimum takes (420 px, 900 patches) 32 vision blocks hold 14 GB, at 84 px less than 1 GB. The IR is the same byte for byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_TASK = "image-text-to-text"
_BEHAVIOURS = {
    "vision_embeddings": "vision_embeddings",
    "vision_merger": "vision_embeddings_merger",
    "text_embeddings": "text_embeddings",
    "language_model": "language",
}
_STATEFUL = "language_model"
_PIXELS = 84  # a side of the example picture; a multiple of patch size x merge size
# OpenVINO's extension for 16-bit modules calls them otherwise; adapters and reports know the names of plain ones.
_NAMES = ((b"ov_ext::linear", b"aten::linear"), (b"ov_ext::embedding", b"aten::embedding"), (b"_openvino_orig_", b""))


def trace_part(model: Any, part: str, path: Path) -> None:
    """Write ``path`` (``.bin`` beside it) from the model's modules of one part.

    Does not translate what torch, optimum-intel or OpenVINO raise.

    Args:
        model: Qwen2_5_VLForConditionalGeneration in one type.
        part: a key of ``calibration.export.PARTS``.
        path: the ``.xml``.
    """
    import torch
    from optimum.exporters.openvino.convert import _set_runtime_options, export
    from optimum.exporters.openvino.model_configs import Qwen2_5_VLOpenVINOConfig
    from optimum.intel.openvino.configuration import OVConfig

    parent = Qwen2_5_VLOpenVINOConfig(model.config, task=_TASK)
    behaviour = _BEHAVIOURS[part]
    config, is_stateful = parent.with_behavior(behaviour), part == _STATEFUL
    module = parent.get_model_for_behavior(model, behaviour)
    config.stateful = is_stateful
    _set_runtime_options({part: (module, config)}, _TASK, "transformers", False)
    is_half = any(weight.dtype in (torch.float16, torch.bfloat16) for weight in module.parameters())
    shapes = {"height": _PIXELS, "width": _PIXELS} if part.startswith("vision") else {}
    export(
        model=module,
        config=config,
        output=path,
        input_shapes=shapes,
        ov_config=OVConfig(dtype="fp32"),  # otherwise models above 1e9 parameters are exported as INT8
        stateful=is_stateful,
        patch_16bit_model=is_half,
        library_name="transformers",
    )
    if is_half:
        text = path.read_bytes()
        for theirs, plain in _NAMES:
            text = text.replace(theirs, plain)
        path.write_bytes(text)
