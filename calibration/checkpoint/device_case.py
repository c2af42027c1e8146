"""State a backbone and its usual case as the devices' cost model counts them, from the shapes alone.

A finished bundle is counted by its own manifest (``edge_agent.workload``); this is for deciding before the work.
"""

from __future__ import annotations

from collections.abc import Sequence

from calibration.checkpoint.adapter_folders import AdapterFolder
from calibration.checkpoint.architecture import Architecture
from calibration.checkpoint.factors import Factors
from calibration.checkpoint.sizes import BundleSize
from device_profiles.cost import CaseFacts, ModelFacts, Turn


def model_facts(arch: Architecture, size: BundleSize, adapters: Sequence[AdapterFolder]) -> ModelFacts:
    """Count one model.

    Args:
        arch: the backbone.
        size: what its bundle takes on the disk under a recipe.
        adapters: those of all agents.
    """
    width = arch.vision_hidden_size
    merged = width * arch.spatial_merge_size**2
    blocks = arch.vision_depth * width * (4 * width + 3 * arch.vision_intermediate_size)
    patch = 3 * arch.temporal_patch_size * arch.patch_size**2
    return ModelFacts(
        language_weights=arch.num_hidden_layers * layer_parameters(arch),
        head_weights=arch.vocab_size * arch.hidden_size,
        adapter_weights=sum(one.parameters for one in adapters),
        vision_weights=blocks + patch * width + merged * (merged + arch.vision_out_hidden_size),
        language_bytes=size.language_model,
        adapter_bytes=size.adapters,
        other_bytes=size.vision + size.embeddings,
        layers=arch.num_hidden_layers,
        attention_width=arch.hidden_size,
        kv_width=arch.num_key_value_heads * arch.head_dim,
        mlp_width=arch.intermediate_size,
        vision_layers=arch.vision_depth,
        vision_width=width,
        vision_mlp_width=arch.vision_intermediate_size,
    )


def usual_case(arch: Architecture, max_pixels: int, factors: Factors) -> CaseFacts:
    """Count one case of the paper's inputs: each view alone, all views, text alone.

    Args:
        arch: the backbone.
        max_pixels: px of one view.
        factors: the table; its part ``device`` says how many views, and how much text each agent reads and writes.
    """
    views = round(factors["device.views"])
    view = max_pixels // (arch.patch_size * arch.spatial_merge_size) ** 2
    asked = (("recognition", views, view), ("representation", 1, views * view), ("reasoning", 1, 0))
    turns = tuple(
        Turn(
            rows=rows,
            prefill_tokens=visual + round(factors[f"device.{agent}_text_tokens"]),
            decisions=round(factors[f"device.{agent}_output_tokens"]),
            forced_tokens=0,
        )
        for agent, rows, visual in asked
    )
    return CaseFacts(pictures=views, patches=max_pixels // arch.patch_size**2, turns=turns)


def layer_parameters(arch: Architecture) -> int:
    """Return the weights of one decoder layer's linears."""
    keys = arch.num_key_value_heads * arch.head_dim
    return arch.hidden_size * (2 * arch.hidden_size + 2 * keys + 3 * arch.intermediate_size)
