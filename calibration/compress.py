"""Compress the exported IRs by recipe with NNCF, and give every node a name that repeats.

Does not collect activations: a recipe that needs data compresses the language model in ``calibration.grafted``. Does
not evaluate: whether the compressed model is still good is the gates' question (``calibration.build``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration import census
from calibration.export import quiet_vendors
from calibration.half_weights import HALVES, mend, widen
from calibration.recipe import LanguageModelRecipe, Recipe
from edge_agent.contracts.manifest import CensusRow
from edge_agent.errors import CompressionError

if TYPE_CHECKING:
    import openvino as ov

LANGUAGE_MODEL = "language_model"
# Names that OpenVINO counts up over the life of a process: "Convert_5450". They would make every build differ.
_COUNTED = re.compile(r"^[A-Za-z]+_\d+(/.*)?$")


def compress_part(part: str, source: Path, target: Path, *, recipe: Recipe) -> list[CensusRow]:
    """Compress one IR without data, check its census and save it; return the census for the manifest.

    Args:
        part: ``vision_embeddings``, ``vision_merger``, ``text_embeddings`` or ``language_model``.
        source: the ``.xml`` as exported.
        target: the ``.xml`` to write (``.bin`` beside it).
        recipe: what every weight shall become.

    Raises:
        CompressionError: NNCF refused, a tensor is not what the recipe declares, or the recipe needs data.
    """
    if part == LANGUAGE_MODEL and recipe.language_model.needs_data:
        raise CompressionError(f"the recipe {recipe.name} looks at activations; give it calibration cases")
    model, count = read_source(part, source)
    options = nncf_options(part, recipe=recipe)
    if options is not None:
        model = run_nncf(model, options, part=part)
    else:
        widen(model, target.parent)
    return save_part(model, target, part=part, recipe=recipe, count=count)


def read_source(part: str, source: Path) -> tuple[ov.Model, int]:
    """Read an exported IR and return it with the number of its weights; they may be stored in 16 bits.

    Raises:
        CompressionError: a weight is an integer: NNCF would change nothing and say nothing.
    """
    import openvino as ov

    model = ov.Core().read_model(source)
    before = census.weight_tensors(model, part=part)
    if any(tensor.element_type not in ("f32", *HALVES) for tensor in before):
        raise CompressionError(f"{part} is already compressed; NNCF would change nothing and say nothing")
    mend(model)
    return model, len(before)


def write_wide(part: str, source: Path, target: Path) -> Path:
    """Write an exported IR with float32 weights and return its path; one that holds nothing else is returned itself.

    Args:
        part: which part it is.
        source: the ``.xml`` as exported.
        target: the ``.xml`` to write.

    Raises:
        CompressionError: a weight is already an integer.
    """
    import openvino as ov

    model, _ = read_source(part, source)
    if all(tensor.element_type == "f32" for tensor in census.weight_tensors(model, part=part)):
        return source
    widen(model, target.parent)
    ov.save_model(model, target, compress_to_fp16=False)
    return target


def save_part(model: ov.Model, target: Path, *, part: str, recipe: Recipe, count: int) -> list[CensusRow]:
    """Save a compressed part, read it back and hold every tensor against the recipe.

    Args:
        model: what NNCF returned; its names are made to repeat.
        target: the ``.xml`` to write.
        part: which part it is.
        recipe: the declaration.
        count: the number of weights before compression.

    Returns:
        The manifest's rows.

    Raises:
        CompressionError: a tensor is not what the recipe declares, or their number changed.
    """
    import openvino as ov

    canonicalise(model, name=part)
    # compress_to_fp16 defaults to True: left alone it would halve every remaining weight in silence.
    ov.save_model(model, target, compress_to_fp16=False)
    del model
    saved = ov.Core().read_model(target)
    tensors = census.weight_tensors(saved, part=part)
    if len(tensors) != count:
        raise CompressionError(f"{part} has {len(tensors)} weights after compression, {count} before")
    census.check_model(part, tensors, recipe=recipe)
    return census.count_constants(saved, part=part)


def nncf_options(part: str, *, recipe: Recipe) -> dict[str, Any] | None:
    """Return ``nncf.compress_weights``' arguments for a part but for its data; None leaves the part alone."""
    import nncf

    if part == LANGUAGE_MODEL:
        language = recipe.language_model
        if language.mode == "none":
            return None
        if language.is_int4:
            return _int4_options(language)
        return {"mode": nncf.CompressWeightsMode(language.mode)}
    mode = (recipe.embeddings if part == "text_embeddings" else recipe.vision).mode
    return None if mode == "none" else {"mode": nncf.CompressWeightsMode(mode)}


def _int4_options(language: LanguageModelRecipe) -> dict[str, Any]:
    import nncf

    options: dict[str, Any] = {
        "mode": nncf.CompressWeightsMode(language.mode),
        "group_size": language.group_size,
        "ratio": language.ratio,
        "backup_mode": nncf.BackupMode(language.rest_mode),
        "all_layers": language.all_layers,
        "scale_estimation": language.scale_estimation,
        "gptq": language.gptq,
    }
    if language.sensitivity_metric is not None:
        options["sensitivity_metric"] = nncf.SensitivityMetric(language.sensitivity_metric)
    if language.subset_size is not None:
        options["subset_size"] = language.subset_size
    advanced = language.advanced_parameters
    tables: dict[str, Any] = {}
    if advanced.scale_estimation_params is not None:
        values = advanced.scale_estimation_params.model_dump()
        tables["scale_estimation_params"] = nncf.AdvancedScaleEstimationParameters(**values)
    if advanced.gptq_params is not None:
        tables["gptq_params"] = nncf.AdvancedGPTQParameters(**advanced.gptq_params.model_dump())
    if tables:
        options["advanced_parameters"] = nncf.AdvancedCompressionParameters(**tables)
    return options


def run_nncf(model: ov.Model, options: dict[str, Any], *, part: str) -> Any:
    """Compress a model's weights and return it; its graph is changed in place.

    Args:
        model: the FP32 graph.
        options: ``nncf.compress_weights``' arguments.
        part: for messages.

    Raises:
        CompressionError: NNCF refused; one line with its reason.
    """
    import nncf
    from nncf.errors import InvalidGroupSizeError, ParameterNotSupportedError, UnsupportedModelError, ValidationError

    refusals = (InvalidGroupSizeError, ParameterNotSupportedError, UnsupportedModelError, ValidationError)
    try:
        with quiet_vendors():
            return nncf.compress_weights(model, **options)
    except (*refusals, ValueError, RuntimeError) as exc:
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
