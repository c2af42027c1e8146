"""Estimate memory, disk and time of a build on this workstation and of a case on each device profile.

Every figure is arithmetic on shapes and on ``factors.toml``; nothing is run. An estimate is a reason to refuse before the
work, never a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibration.checkpoint.adapter_folders import AdapterFolder
from calibration.checkpoint.architecture import Architecture
from calibration.checkpoint.expected_work import ExpectedWork
from calibration.checkpoint.factors import Factors
from calibration.checkpoint.sizes import BundleSize, bundle_size, ir_bytes, kv_bytes_per_token, parameters
from calibration.checkpoint.workstation import Workstation
from calibration.recipe import Recipe
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
    def visual_tokens(self) -> int:
        """Return the merged tokens of one view at the full budget."""
        return self.max_pixels // (self.arch.patch_size * self.arch.spatial_merge_size) ** 2

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
        "gates": _running_bytes(subject, size, factors["build.running_anonymous_factor"], factors),
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
    running = 4 * arch.num_hidden_layers * _layer_parameters(arch) * factors["build.running_anonymous_factor"]
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


def _running_bytes(subject: Subject, size: BundleSize, weights_factor: float, factors: Factors) -> float:
    """Return the memory of a running engine: weights as the plugin holds them, cache, activations, the process."""
    arch, views = subject.arch, factors["device.views"]
    context = views * subject.visual_tokens + factors["device.text_tokens"] + factors["device.output_tokens"]
    patches = subject.visual_tokens * arch.spatial_merge_size**2
    width = max(arch.hidden_size * 6 + arch.intermediate_size * 2, arch.vision_intermediate_size * 2)
    activations = max(context, patches) * width * factors["device.activation_bytes_per_value"]
    return (
        (size.language_model + size.vision + size.embeddings + size.adapters) * weights_factor
        + context * kv_bytes_per_token(arch, factors)
        + patches**2 * factors["device.mask_bytes_per_pair"]
        + activations
        + factors["device.runtime_bytes"]
    )


def _device(subject: Subject, size: BundleSize, profile: Profile, factors: Factors) -> DeviceEstimate:
    memory = round(_running_bytes(subject, size, factors["device.weights_factor"], factors))
    disk = round(size.total * factors["device.slots"])
    seconds = _case_seconds(subject, size, profile, factors)
    limits = profile.inference
    reasons = []
    if memory > limits.memory_budget_bytes:
        reasons.append(f"memory {gigabytes(memory)} of {gigabytes(limits.memory_budget_bytes)}")
    if disk > profile.hardware.disk_free_min_bytes:
        reasons.append(f"disk {gigabytes(disk)} of {gigabytes(profile.hardware.disk_free_min_bytes)}")
    if seconds > limits.job_timeout_s:
        reasons.append(f"time {seconds:.0f} s of {limits.job_timeout_s:.0f} s")
    return DeviceEstimate(profile.name, memory, disk, seconds, "; ".join(reasons) or None)


def _case_seconds(subject: Subject, size: BundleSize, profile: Profile, factors: Factors) -> float:
    """Add up vision, prefill (views once alone, once together, texts) and decoding of one case."""
    arch, views = subject.arch, factors["device.views"]
    rate = factors["device.flops_per_s_per_thread"] * profile.inference.threads
    linears = arch.num_hidden_layers * _layer_parameters(arch)
    patches = views * subject.visual_tokens * arch.spatial_merge_size**2
    blocks = arch.vision_depth * (
        4 * arch.vision_hidden_size**2 + 3 * arch.vision_hidden_size * arch.vision_intermediate_size
    )
    prefill = 2 * views * subject.visual_tokens + 3 * factors["device.text_tokens"]
    decode = factors["device.output_tokens"] * size.language_model / factors["device.decode_bytes_per_s"]
    return 2 * (patches * blocks + prefill * linears) / rate + decode


def _layer_parameters(arch: Architecture) -> int:
    keys = arch.num_key_value_heads * arch.head_dim
    return arch.hidden_size * (2 * arch.hidden_size + 2 * keys + 3 * arch.intermediate_size)


def check_resources(estimate: RecipeEstimate, workstation: Workstation) -> None:
    """Refuse a build that would run out of memory or disk.

    Raises:
        ExportError: one line: what is needed, what there is, what to do.
    """
    build = estimate.build
    if build.memory_bytes > workstation.memory_available_bytes:
        raise ExportError(
            f"the {estimate.recipe} build needs {gigabytes(build.memory_bytes)} of memory ({build.memory_stage}), there are "
            f"{gigabytes(workstation.memory_available_bytes)}; close other programs or build on a larger computer"
        )
    if build.disk_bytes > workstation.disk_free_bytes:
        raise ExportError(
            f"the {estimate.recipe} build needs {gigabytes(build.disk_bytes)} of free disk, there are "
            f"{gigabytes(workstation.disk_free_bytes)}; free some or choose --out on another disk"
        )


def gigabytes(count: float) -> str:
    """Return a byte count for a person."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
