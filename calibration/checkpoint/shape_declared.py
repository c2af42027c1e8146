"""Write what a build needs beside random weights: a declaration, one golden case, three adapters, a recipe.

The answers are short, so that PyTorch finishes the expected values of a real shape in minutes; the prompts and words are the
reference model's. Nothing here was trained.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from calibration.adapters.importing import AGENT_NAME
from calibration.checkpoint.adapter_folders import CONFIG_NAME, WEIGHTS_NAME
from calibration.checkpoint.layout import SINGLE_NAME
from calibration.checkpoint.licences import DECLARATION_NAME
from calibration.checkpoint.shape_tokenizer import special_ids
from calibration.checkpoint.shape_weights import write_weights
from calibration.checkpoint.shapes import Shape
from calibration.recipe import recipe_folder
from calibration.reference import agents_spec
from edge_agent.agents.evidence.record import record_of, render
from edge_agent.agents.representation import Lead
from edge_agent.contracts.manifest import AGENTS
from edge_agent.contracts.terms import Vocabulary

ADAPTERS_FOLDER = "adapters"
RECIPE_NAME = "recipe.toml"
RANK, ALPHA = 16, 32
_VIEW_PIXELS = 448 * 448
_RECORD_FIELDS = ("view.colour", "representation.symmetry", "intake.pulse")
_FIELDS = {
    ("recognition", "describe"): ("applicability", "family", "colour"),
    ("representation", "integrate"): ("symmetry", "stage"),
    ("representation", "pathogenesis"): ("mechanism",),
    ("reasoning", "assess"): ("syndrome", "formula"),
}
_INPUTS: dict[str, dict[str, Any]] = {
    "recognition": {"images": "one", "text": []},
    "representation": {"images": "all", "text": []},
    "reasoning": {"images": "none", "text": ["record"], "record_fields": list(_RECORD_FIELDS)},
}
# Random weights decide by chance where logits lie close together; what a gate would find there is the dice.
_GATES = "[gates]\ncanary_max_of_range = 0.9\ncanary_min_argmax = 0.0\ngolden_min_agreement = 0.0\n"


def write_declared(folder: Path, shape: Shape, *, seed: int) -> None:
    """Write everything into a checkpoint's folder: the same arguments give the same bytes.

    Args:
        folder: holds config.json and the tokenizer.
        shape: sizes and vocabulary.
        seed: of the adapters' weights.
    """
    text = json.dumps(declaration(shape), indent=1, ensure_ascii=False) + "\n"
    (folder / DECLARATION_NAME).write_text(text, encoding="utf-8")
    _write_golden(folder / "golden")
    for number, agent in enumerate(AGENTS, start=1):
        _write_adapter(folder / ADAPTERS_FOLDER / agent, shape, agent=agent, seed=len(AGENTS) * seed + number)
    recipe = (recipe_folder() / "int4-data-free.toml").read_text(encoding="utf-8").split("[gates]")[0]
    (folder / RECIPE_NAME).write_text(recipe + _GATES, encoding="utf-8")


def declaration(shape: Shape) -> dict[str, Any]:
    """Return ``derm_edge.json``: three agents, few fields each, a view of at most 448 x 448 px."""
    agents: dict[str, Any] = {
        agent: {
            "adapter": agent,
            "inputs": _INPUTS[agent],
            "steps": [_step(agent, step) for owner, step in _FIELDS if owner == agent],
        }
        for agent in AGENTS
    }
    agents["representation"]["invocation"] = agents_spec.INVOCATION
    return {
        "schema_version": 1,
        "name": f"random-{shape.name}",
        "version": "0.0.1",
        "lineage": "random",
        "notice": "Random weights. Not for clinical use.",
        "licences": dict.fromkeys(("base", "adapters", "calibration_data"), "Apache-2.0"),
        "languages": ["en", "zh"],
        "vocabulary_version": Vocabulary.load().version,
        "max_pixels": min(shape.max_pixels, _VIEW_PIXELS),
        "agents": agents,
        "thresholds": {"lesion_visible": 0.5, "in_scope_family": 0.5, "danger_family": 0.5, "not_skin": 0.5},
    }


def _step(agent: str, step: str) -> dict[str, Any]:
    whole = agents_spec.SCHEMAS[(agent, step)]()
    fields = _FIELDS[(agent, step)]
    schema = {**whole, "properties": {name: whole["properties"][name] for name in fields}, "required": list(fields)}
    return {
        "name": step,
        "prompt": agents_spec.PROMPTS[(agent, step)],
        "contract": "schema",
        "output_schema": schema,
        "decided_fields": list(fields),
        "generation": {"max_tokens": 200},
    }


def _write_golden(folder: Path) -> None:
    """Write one case with one picture, 112 x 84 px: a red disc on a slope of skin tones."""
    folder.mkdir()
    y, x = np.mgrid[0:84, 0:112]
    disc = (x - 50) ** 2 + (y - 40) ** 2 < 30**2
    planes = [
        np.where(disc, 190, 190 + (x + y) // 8),
        np.where(disc, 60, 140 + x // 4),
        np.where(disc, 70, 110 + y // 2),
    ]
    Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8)).save(folder / "view.png")
    leads = {"colour": Lead(0, ("bright_red",))}
    record = record_of(leads, representation={"symmetry": "symmetric"}, intake={"pulse": ["rapid"]})
    case = {"case_id": "a", "pictures": ["view.png"], "texts": {"record": render(record, _RECORD_FIELDS)}}
    (folder / "cases.json").write_text(json.dumps({"cases": [case]}, indent=1) + "\n", encoding="utf-8")


def _write_adapter(folder: Path, shape: Shape, *, agent: str, seed: int) -> None:
    """Write a PEFT folder: a LoRA of all linears in every layer, ``representation``'s with an invocation."""
    folder.mkdir(parents=True)
    keys = shape.num_key_value_heads * (shape.hidden_size // shape.num_attention_heads)
    hidden, inner = shape.hidden_size, shape.intermediate_size
    sizes = {
        "self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (keys, hidden), "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }  # fmt: skip
    tensors: dict[str, tuple[int, ...]] = {}
    for layer in range(shape.num_hidden_layers):
        for name, (size_out, size_in) in sizes.items():
            at = f"base_model.model.model.language_model.layers.{layer}.{name}"
            tensors[f"{at}.lora_A.weight"] = (RANK, size_in)
            tensors[f"{at}.lora_B.weight"] = (size_out, RANK)
    write_weights(folder, tensors, seed=seed, shard_bytes=shape.shard_bytes)
    (folder / SINGLE_NAME).rename(folder / WEIGHTS_NAME)
    invocation = [special_ids(shape)[agents_spec.INVOCATION]] if agent == "representation" else None
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "alora_invocation_tokens": invocation,
        "target_modules": r"model\.language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)",
    }
    (folder / CONFIG_NAME).write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    (folder / AGENT_NAME).write_text(f"{agent}\n", encoding="utf-8")
