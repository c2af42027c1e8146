"""Predict seconds and memory of one case from the shapes of a model and the rates of a profile.

Arithmetic only: products at the rate of matrix products, weights read once per decoded token at the rate of memory, a fixed
cost per call. What the model counts and how far it was from what was measured: docs/profiles.md. A prediction is a reason to
refuse a bundle before a person waits for it, never a result.
"""

from __future__ import annotations

from dataclasses import dataclass

from device_profiles.profile import Profile

# A chunk of a few tokens runs at about half the rate of a long product.
# Source: measured at the 0.6b shape, a forced token costs 14 ms in a chunk where its products alone take 7 ms.
SMALL_CHUNK_FACTOR = 2.0
# The vision model's graph, as exported, takes two float32 masks of patches x patches.
MASK_BYTES_PER_PAIR = 8
ACTIVATION_BYTES = 4  # OpenVINO computes in f32 on a CPU without bf16; with it, the prediction is above
KV_BYTES = {"f32": 4, "f16": 2, "u8": 1}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Count what one model is made of, whatever runs it: weights in numbers, files in bytes, widths in values.

    ``language_weights`` meet every token, ``head_weights`` (lm_head) only tokens that are decided. ``adapter_weights`` are
    those of all agents together: the grafted branch computes all of them. ``other_bytes``: vision and embeddings.
    """

    language_weights: int
    head_weights: int
    adapter_weights: int
    vision_weights: int
    language_bytes: int
    adapter_bytes: int
    other_bytes: int
    layers: int
    attention_width: int
    kv_width: int
    mlp_width: int
    vision_layers: int
    vision_width: int
    vision_mlp_width: int

    @property
    def weights_bytes(self) -> int:
        """Return the bytes of all files of weights."""
        return self.language_bytes + self.adapter_bytes + self.other_bytes


@dataclass(frozen=True, slots=True)
class Turn:
    """One question to an agent, for ``rows`` views at once: tokens read, then decisions and the tokens between them.

    ``seen_tokens``: what stands in the cache of each row before it. All but ``rows`` count one row.
    """

    rows: int
    prefill_tokens: int
    decisions: int
    forced_tokens: int
    seen_tokens: int = 0

    @property
    def context_tokens(self) -> int:
        """Return the length of one row at its end."""
        return self.seen_tokens + self.prefill_tokens + self.decisions + self.forced_tokens


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """One case: pictures that are encoded (every look counts), patches of each, and the turns."""

    pictures: int
    patches: int
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds of the phases of one case, and resident memory in bytes."""

    vision_s: float
    prefill_s: float
    decode_s: float
    memory_bytes: int

    @property
    def seconds(self) -> float:
        """Return the whole case."""
        return self.vision_s + self.prefill_s + self.decode_s


def predict(model: ModelFacts, case: CaseFacts, profile: Profile) -> Prediction:
    """Predict one case on the CPU of a profile. Runs nothing; a device that must earn its place is not counted on."""
    rates = profile.rates
    memory = resident_bytes(
        model,
        case,
        weights_factor=rates.weights_memory_factor,
        runtime_bytes=rates.runtime_bytes,
        kv_bytes_per_value=KV_BYTES[profile.inference.kv_precision],
    )
    vision = case.pictures * (_vision_flops(model, case.patches) / rates.gemm_flops_per_s + rates.call_s)
    prefill = sum(_prefill_flops(model, turn) / rates.gemm_flops_per_s + rates.call_s for turn in case.turns)
    decode = sum(_decode_seconds(model, turn, profile) for turn in case.turns)
    return Prediction(vision, prefill, decode, memory)


def resident_bytes(
    model: ModelFacts, case: CaseFacts, *, weights_factor: float, runtime_bytes: float, kv_bytes_per_value: int
) -> int:
    """Return the memory of a running engine: weights as it holds them, cache, masks, activations, the process."""
    cached = max((turn.rows * turn.context_tokens for turn in case.turns), default=0)
    longest = max((turn.rows * turn.prefill_tokens for turn in case.turns), default=0)
    text = longest * (6 * model.attention_width + 2 * model.mlp_width)
    vision = case.patches * (4 * model.vision_width + 2 * model.vision_mlp_width)
    return round(
        model.weights_bytes * weights_factor
        + cached * 2 * model.layers * model.kv_width * kv_bytes_per_value
        + case.patches**2 * MASK_BYTES_PER_PAIR
        + max(text, vision) * ACTIVATION_BYTES
        + runtime_bytes
    )


def exceeds(found: Prediction, profile: Profile) -> list[str]:
    """List what a prediction takes more of than a profile allows, each with both figures; empty when it fits."""
    limits = profile.inference
    lines = []
    if found.memory_bytes > limits.memory_budget_bytes:
        lines.append(f"memory {sized(found.memory_bytes)} of {sized(limits.memory_budget_bytes)}")
    if found.seconds > limits.max_case_s:
        lines.append(f"time {found.seconds:.0f} s of {limits.max_case_s:.0f} s")
    return lines


def sized(count_bytes: float) -> str:
    """Return a byte count for a person."""
    return f"{count_bytes / 1e9:.1f} GB" if count_bytes >= 1e8 else f"{count_bytes / 1e6:.1f} MB"


def _vision_flops(model: ModelFacts, patches: int) -> float:
    """Count one picture as the exported graph does, which masks the pairs of different windows: every block counts whole.

    An upper bound: the engine leaves those pairs out of a graph that it knows.
    """
    return 2 * patches * model.vision_weights + 4 * model.vision_layers * patches**2 * model.vision_width


def _prefill_flops(model: ModelFacts, turn: Turn) -> float:
    linear = 2 * turn.prefill_tokens * (model.language_weights + model.adapter_weights)
    pairs = turn.prefill_tokens * (turn.seen_tokens + turn.prefill_tokens)
    return turn.rows * (linear + 4 * model.layers * pairs * model.attention_width)


def _decode_seconds(model: ModelFacts, turn: Turn, profile: Profile) -> float:
    """Read all weights once per step; further rows and forced tokens of the step add their products."""
    rates = profile.rates
    cache = (
        turn.rows * turn.context_tokens * 2 * model.layers * model.kv_width * KV_BYTES[profile.inference.kv_precision]
    )
    step = (model.language_bytes + model.adapter_bytes + cache) / rates.read_bytes_per_s + rates.call_s
    token = 2 * (model.language_weights + model.adapter_weights) / rates.gemm_flops_per_s
    others = (turn.rows - 1) * (token + 2 * model.head_weights / rates.gemm_flops_per_s)
    return turn.decisions * (step + others) + turn.rows * turn.forced_tokens * SMALL_CHUNK_FACTOR * token
