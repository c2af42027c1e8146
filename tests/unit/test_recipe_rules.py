"""Every combination that a recipe may not have, next to what NNCF itself does with it: a refusal or silence."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import nncf
import openvino as ov
import pytest
from nncf.errors import InvalidGroupSizeError, ParameterNotSupportedError, ValidationError

from calibration.census import WeightTensor, weight_tensors
from calibration.recipe import parse_recipe, recipe_folder
from calibration.recipe_rules import check_group_size
from edge_agent.errors import CompressionError
from tests.simulators.linears import samples, small_language_model

INT4 = {"mode": nncf.CompressWeightsMode.INT4_SYM, "group_size": 64, "ratio": 1.0}
DATA = {"scale_estimation": True, "subset_size": 4}


def recipe(name: str, **language_model: Any) -> dict[str, Any]:
    """Return a shipped recipe as a document with changed language-model options."""
    document = tomllib.loads((recipe_folder() / f"{name}.toml").read_text(encoding="utf-8"))
    document["language_model"] |= language_model
    return document


def refused(document: dict[str, Any], message: str) -> None:
    """Expect the recipe to be refused."""
    with pytest.raises(CompressionError, match=message):
        parse_recipe(document, source="x.toml")


def compressed(**options: Any) -> ov.Model:
    """Compress the small model with NNCF itself."""
    return nncf.compress_weights(small_language_model(), **options)


def weights(model: ov.Model) -> list[WeightTensor]:
    """Return the model's weights."""
    return weight_tensors(model, part="language_model")


def saved(model: ov.Model, folder: Path) -> bytes:
    """Return the bytes of a model's constants."""
    ov.save_model(model, folder / "m.xml", compress_to_fp16=False)
    return (folder / "m.bin").read_bytes()


def dataset() -> nncf.Dataset:
    """Return a few inputs."""
    return nncf.Dataset(samples())


def test_lora_correction_with_gptq_is_refused_by_nncf_too() -> None:
    """NNCF refuses it only when it is called, after the export."""
    with pytest.raises(ParameterNotSupportedError, match="Lora correction and GPTQ"):
        compressed(**INT4, gptq=True, lora_correction=True, dataset=dataset())
    refused(
        recipe("int4-gptq", lora_correction=True), "lora_correction is refused: .*NNCF refuses it together with gptq"
    )


def test_lora_correction_adds_weights_that_no_recipe_declares() -> None:
    """NNCF's correction branches stay in the backbone: more weights than before."""
    model = compressed(**INT4, lora_correction=True, dataset=dataset())
    assert len(weights(model)) > len(weights(small_language_model()))
    refused(recipe("int4-se", lora_correction=True), "lora_correction is refused: LoRA correction adds branches")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("ratio", 0.5),
        ("group_size", 64),
        ("backup_mode", "int8_sym"),
        ("all_layers", True),
        ("sensitivity_metric", "weight_quantization_error"),
        ("scale_estimation", True),
        ("gptq", True),
    ],
)
def test_options_of_int4_are_refused_for_int8(option: str, value: Any) -> None:
    """NNCF refuses each of them for INT8, in the middle of the build; the recipe is refused before."""
    kinds = {"backup_mode": nncf.BackupMode, "sensitivity_metric": nncf.SensitivityMetric}
    given = kinds[option](value) if option in kinds else value
    with pytest.raises(ParameterNotSupportedError):
        compressed(
            mode=nncf.CompressWeightsMode.INT8_ASYM, **{option: given}, dataset=dataset() if value is True else None
        )
    refused(recipe("int8", **{option: value}), f"{option} is for INT4 modes only")


def test_ratio_0_is_ratio_1_to_nncf() -> None:
    """NNCF reads a ratio of 0 as not given and compresses everything, in silence."""
    model = compressed(**INT4 | {"ratio": 0})
    assert sum(one.element_type == "i4" for one in weights(model)) == 2
    refused(recipe("int4-mixed-80", ratio=0.0), "ratio")


def test_a_metric_without_a_ratio_does_nothing(tmp_path: Path) -> None:
    """At ratio 1 NNCF takes any data-free metric and gives the same bytes."""
    metric = nncf.SensitivityMetric.WEIGHT_QUANTIZATION_ERROR
    assert saved(compressed(**INT4, sensitivity_metric=metric), tmp_path) == saved(compressed(**INT4), tmp_path)
    refused(recipe("int4-data-free", sensitivity_metric=metric.value), "chooses what a ratio below 1 leaves out")


def test_the_default_metric_changes_with_data() -> None:
    """NNCF chooses other layers as soon as there is a data set: a ratio says its metric."""
    path = ["nncf", "weight_compression", "sensitivity_metric"]
    half = INT4 | {"ratio": 0.5}
    metrics = [
        compressed(**half).get_rt_info(path).value,
        compressed(**half, scale_estimation=True, dataset=dataset()).get_rt_info(path).value,
    ]
    assert metrics == ["weight_quantization_error", "max_activation_variance"]
    refused(recipe("int4-se", ratio=0.5), "a ratio below 1 needs sensitivity_metric")


def test_a_metric_of_activations_needs_data() -> None:
    """NNCF refuses it when it is called; the recipe asks for [calibration] and a number of conversations."""
    metric = nncf.SensitivityMetric.MAX_ACTIVATION_VARIANCE
    with pytest.raises(ValidationError, match="requires a dataset"):
        compressed(**INT4 | {"ratio": 0.5}, sensitivity_metric=metric)
    document = recipe("int4-mixed-80", sensitivity_metric=metric.value)
    refused(document, "needs subset_size")
    document["language_model"]["subset_size"] = 8
    refused(document, r"add \[calibration\]")
    document["calibration"] = {"threads": 1}
    assert parse_recipe(document, source="x.toml").language_model.needs_data


@pytest.mark.parametrize("method", ["scale_estimation", "gptq"])
def test_methods_that_look_at_activations_need_data(method: str) -> None:
    """NNCF refuses them without a data set; a recipe without [calibration] is refused before."""
    with pytest.raises(ParameterNotSupportedError, match="dataset is None"):
        compressed(**INT4, **{method: True})
    refused(recipe("int4-data-free", **{method: True}, subset_size=8), r"add \[calibration\]")


def test_calibration_without_a_method_is_refused() -> None:
    """Cases that nobody looks at are not collected."""
    refused(recipe("int4-data-free") | {"calibration": {"threads": 1}}, r"\[calibration\] is for recipes that look")


def test_a_subset_without_data_does_nothing(tmp_path: Path) -> None:
    """NNCF takes a subset size without a data set and gives the same bytes."""
    assert saved(compressed(**INT4, subset_size=7), tmp_path) == saved(compressed(**INT4), tmp_path)
    refused(recipe("int4-data-free", subset_size=7), "subset_size is for recipes that look at activations")


def test_parameters_of_a_method_that_is_off_do_nothing(tmp_path: Path) -> None:
    """NNCF ignores GPTQ's parameters without GPTQ, and scale estimation's without it."""
    advanced = nncf.AdvancedCompressionParameters(
        gptq_params=nncf.AdvancedGPTQParameters(damp_percent=0.5),
        scale_estimation_params=nncf.AdvancedScaleEstimationParameters(scale_steps=1),
    )
    assert saved(compressed(**INT4, advanced_parameters=advanced), tmp_path) == saved(compressed(**INT4), tmp_path)
    tables = recipe("int4-gptq")["language_model"]["advanced_parameters"]
    refused(recipe("int4-data-free", advanced_parameters=tables), "gptq_params without gptq does nothing")
    tables = recipe("int4-se")["language_model"]["advanced_parameters"]
    refused(
        recipe("int4-data-free", advanced_parameters=tables), "scale_estimation_params without scale_estimation does"
    )


def test_gptq_ignores_the_parameters_of_scale_estimation(tmp_path: Path) -> None:
    """Together with GPTQ NNCF estimates scales with fixed parameters, whatever it was given."""
    both = INT4 | {"gptq": True, "scale_estimation": True}
    advanced = nncf.AdvancedCompressionParameters(
        scale_estimation_params=nncf.AdvancedScaleEstimationParameters(initial_steps=0, scale_steps=0)
    )
    found = [
        saved(compressed(**both, dataset=dataset(), **more), tmp_path)
        for more in ({}, {"advanced_parameters": advanced})
    ]
    assert found[0] == found[1]
    tables = recipe("int4-se")["language_model"]["advanced_parameters"]
    document = recipe("int4-gptq", scale_estimation=True)
    document["language_model"]["advanced_parameters"] |= tables
    refused(document, "GPTQ estimates scales with parameters of its own")


def test_a_group_size_that_does_not_divide() -> None:
    """NNCF refuses it, or changes precision in silence under its fallback modes; both are refused before the export."""
    odd = INT4 | {"group_size": 96}
    with pytest.raises(InvalidGroupSizeError):
        compressed(**odd)
    silent = []
    for mode in (nncf.GroupSizeFallbackMode.ADJUST, nncf.GroupSizeFallbackMode.IGNORE):
        advanced = nncf.AdvancedCompressionParameters(group_size_fallback_mode=mode)
        model = compressed(**odd, advanced_parameters=advanced)
        silent.append({(one.element_type, one.group_size) for one in weights(model)[:2]})
    assert silent == [{("i4", 128)}, {("f32", None)}]
    with pytest.raises(CompressionError, match="group_size 96 does not divide the 128 inputs of q_proj; use 128"):
        check_group_size(96, {"q_proj": (128, 128)})
    for fallback in ("adjust", "ignore"):
        document = recipe("int4-data-free", advanced_parameters={"group_size_fallback_mode": fallback})
        refused(document, "group_size_fallback_mode is refused: it changes the precision")


def test_the_group_size_is_held_against_every_linear_of_the_base() -> None:
    """The largest usual size that fits all of them is named; -1 always fits."""
    linears = {"q_proj": (192, 192), "down_proj": (192, 512)}
    with pytest.raises(CompressionError, match="group_size 128 does not divide the 192 inputs of q_proj; use 64"):
        check_group_size(128, linears)
    check_group_size(64, linears)
    check_group_size(-1, {"q_proj": (7, 7)})


def test_statistics_are_not_kept_on_the_disk() -> None:
    """NNCF's cache of activations would outlive the stage."""
    document = recipe("int4-se")
    document["language_model"]["advanced_parameters"]["statistics_path"] = "somewhere"
    refused(document, "statistics_path is refused: it keeps what was captured")


def test_awq_is_refused_by_name() -> None:
    """Why: tests/parity/test_recipes.py."""
    refused(recipe("int4-data-free", awq=True), "awq is refused: AWQ rescales up_proj and down_proj")


@pytest.mark.parametrize("mode", ["int4_sym", "int4_asym"])
def test_int4_adapters_are_refused_with_the_reason(mode: str) -> None:
    """Measured in tests/parity/test_recipes.py."""
    document = recipe("int4-data-free")
    document["adapters"]["mode"] = mode
    refused(document, r"INT4 adapters are not built: even with one scale per rank \(group = r\)")
