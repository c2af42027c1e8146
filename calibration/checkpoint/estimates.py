"""Estimate memory, disk and time of a build on this workstation and of a case on each device profile.

Every figure is arithmetic on shapes and on ``factors.toml``; nothing is run. An estimate is a reason to refuse before the
work, never a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibration.checkpoint.adapter_folders import AdapterFolder
from calibration.checkpoint.architecture import Architecture
from calibration.checkpoint.device_case import layer_parameters, model_facts, usual_case
from calibration.checkpoint.expected_work import ExpectedWork
from calibration.checkpoint.factors import Factors
from calibration.checkpoint.sizes import BundleSize, bundle_size, ir_bytes, parameters
from calibration.checkpoint.workstation import Workstation
from calibration.recipe import Recipe
from device_profiles.cost import exceeds, predict, resident_bytes, sized
from device_profiles.profile import Profile
from edge_agent.errors import ExportError


@dataclass(frozen=True, slots=True)
class BuildEstimate:
    """One build: peak anonymous memory and the stage that takes it, free disk for FP32 IRs and bundle, seconds."""

    memory_bytes: int
    memory_stage: str
    disk_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DeviceEstimate:
    """One case on one device class: memory, disk for both slots, seconds, and what exceeds the profile (None: fits)."""

    profile: str
    memory_bytes: int
    disk_bytes: int
    seconds: float
    shortfall: str | None


@dataclass(frozen=True, slots=True)
class RecipeEstimate:
    """What one recipe costs: the bundle's size, the build, every device profile."""

    recipe: str
    size: BundleSize
    build: BuildEstimate
    devices: tuple[DeviceEstimate, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is estimated: backbone, adapters and the pixel budget in px that a picture may have.

    ``stored``: the types of the backbone's tensors. One type is mapped as it lies there, several become float32 copies.
    ``expected``: what PyTorch runs for canary and golden cases; None takes the table's assumption.
    """

    arch: Architecture
    adapters: tuple[AdapterFolder, ...]
    max_pixels: int
    stored: tuple[str, ...] = ("BF16",)
    expected: ExpectedWork | None = None

    @property
    def copied_bytes(self) -> int:
        """Return what PyTorch holds of the weights itself: nothing that a file stands behind."""
        return 4 * parameters(self.arch) if len(self.stored) > 1 else 0

    @property
    def exported_bytes(self) -> int:
        """Return the files of the exported IRs."""
        return ir_bytes(self.arch, 2 if self.stored in (("BF16",), ("F16",)) else 4)


def estimate_recipe(
    subject: Subject, recipe: Recipe, *, profiles: Sequence[Profile], factors: Factors
) -> RecipeEstimate:
    """Estimate one recipe for the workstation and every profile."""
    shapes = [(one.parameters, one.r) for one in subject.adapters]
    size = bundle_size(subject.arch, recipe, adapter_shapes=shapes, factors=factors)
    devices = tuple(_device(subject, size, profile, factors) for profile in profiles)
    return RecipeEstimate(recipe.name, size, _build(subject, recipe, size, factors), devices)


def _build(subject: Subject, recipe: Recipe, size: BundleSize, factors: Factors) -> BuildEstimate:
    arch, language = subject.arch, recipe.language_model
    count = parameters(arch)
    is_wide = language.needs_data or language.mode == "none"
    stages = {
        "export": subject.copied_bytes + _export_bytes(arch, factors),
        "compression": _compression_bytes(arch, 0 if language.mode == "none" else size.language_model, factors),
        "expected values": subject.copied_bytes + _reference_bytes(subject, factors),
        "gates": _running_bytes(subject, size, factors),
    }
    if language.needs_data:
        stages["calibration cases"] = _data_aware_bytes(arch, recipe, factors)
    stage = max(stages, key=lambda name: stages[name])
    seconds = count * factors["build.seconds_per_parameter"] * _time_factor(recipe, factors)
    seconds += _reference_seconds(subject, factors)
    seconds += 4 * count / factors["build.digest_bytes_per_s"]
    memory = round(factors["build.libraries_bytes"] + stages[stage])
    disk = subject.exported_bytes + size.total + (ir_bytes(arch, 4) if is_wide else 0)
    return BuildEstimate(memory, stage, disk, seconds)


def _export_bytes(arch: Architecture, factors: Factors) -> float:
    """Return the anonymous memory of the export: the graphs; weights are file mappings, and 84 px are few patches."""
    return (arch.num_hidden_layers + arch.vision_depth) * factors["build.export_bytes_per_module"]


def _compression_bytes(arch: Architecture, result: int, factors: Factors) -> float:
    """Return what NNCF holds of the language model, its result and the widest matrix, or of the text embeddings."""
    head = arch.vocab_size * arch.hidden_size
    language = result * factors["build.compress_per_result"] + head * factors["build.compress_bytes_per_head_weight"]
    return max(language, head * factors["build.compress_bytes_per_embedding"])


def _reference_bytes(subject: Subject, factors: Factors) -> float:
    """Return what PyTorch + PEFT hold: adapters in float32, one widened matrix or a piece of it, logits."""
    head = 4 * subject.arch.vocab_size * subject.arch.hidden_size
    logits = 8 * factors["build.expected_values_rows"] * subject.arch.vocab_size
    adapters = 4 * sum(one.parameters for one in subject.adapters)
    return adapters + min(head, factors["build.widened_bytes"]) + logits


def _reference_seconds(subject: Subject, factors: Factors) -> float:
    """Return what PyTorch takes: the products of every token, and in each pass every weight read and widened once."""
    assumed = ExpectedWork(factors["build.expected_values_passes"], factors["build.expected_values_tokens"])
    work, count = subject.expected or assumed, parameters(subject.arch)
    products = 2 * count * work.tokens / factors["build.torch_flops_per_s"]
    return products + count * work.passes * factors["build.torch_seconds_per_parameter_and_pass"]


def _data_aware_bytes(arch: Architecture, recipe: Recipe, factors: Factors) -> float:
    """Return what NNCF holds while it runs the calibration cases through the FP32 decoder."""
    running = 4 * arch.num_hidden_layers * layer_parameters(arch) * factors["build.running_anonymous_factor"]
    cases = recipe.language_model.subset_size or factors["build.calibration_cases"]
    captured = 4 * cases * factors["build.calibration_tokens"] * arch.hidden_size
    hessian = factors["build.hessians"] * 4 * arch.intermediate_size**2 if recipe.language_model.gptq else 0.0
    return running + captured + hessian


def _time_factor(recipe: Recipe, factors: Factors) -> float:
    text = recipe.language_model
    if text.mode == "none":
        return factors["build.copy_time_share"]
    if not text.is_int4:
        return factors["build.int8_time_share"]
    chosen = [
        factors["build.gptq_time_factor"] if text.gptq else 1.0,
        factors["build.scale_estimation_time_factor"] if text.scale_estimation else 1.0,
        factors["build.sensitivity_time_factor"] if text.needs_data else 1.0,
    ]
    return max(chosen)


def _running_bytes(subject: Subject, size: BundleSize, factors: Factors) -> float:
    """Return the anonymous memory of the engine that runs the gates."""
    return resident_bytes(
        model_facts(subject.arch, size, subject.adapters),
        usual_case(subject.arch, subject.max_pixels, factors),
        weights_factor=factors["build.running_anonymous_factor"],
        runtime_bytes=factors["build.runtime_bytes"],
        kv_bytes_per_value=round(factors["device.kv_bytes_per_value"]),
    )


def _device(subject: Subject, size: BundleSize, profile: Profile, factors: Factors) -> DeviceEstimate:
    """Predict the usual case with the cost model that devices use themselves."""
    case = usual_case(subject.arch, subject.max_pixels, factors)
    found = predict(model_facts(subject.arch, size, subject.adapters), case, profile)
    disk = round(size.total * factors["device.slots"])
    reasons = exceeds(found, profile)
    if disk > profile.hardware.disk_free_min_bytes:
        reasons.append(f"disk {sized(disk)} of {sized(profile.hardware.disk_free_min_bytes)}")
    if subject.max_pixels > profile.inference.max_pixels:
        reasons.append(f"pixels of a view {subject.max_pixels:,} of {profile.inference.max_pixels:,}")
    return DeviceEstimate(profile.name, found.memory_bytes, disk, found.seconds, "; ".join(reasons) or None)


def check_resources(estimate: RecipeEstimate, workstation: Workstation) -> None:
    """Refuse a build that would run out of memory or disk.

    Raises:
        ExportError: one line: what is needed, what there is, what to do.
    """
    build = estimate.build
    if build.memory_bytes > workstation.memory_available_bytes:
        raise ExportError(
            f"the {estimate.recipe} build needs {sized(build.memory_bytes)} of memory ({build.memory_stage}), there are "
            f"{sized(workstation.memory_available_bytes)}; close other programs or build on a larger computer"
        )
    if build.disk_bytes > workstation.disk_free_bytes:
        raise ExportError(
            f"the {estimate.recipe} build needs {sized(build.disk_bytes)} of free disk, there are "
            f"{sized(workstation.disk_free_bytes)}; free some or choose --out on another disk"
        )
