"""Read from a manifest what its model and one case on it cost, as the cost model (``device_profiles.cost``) counts.

Loads nothing: census, file sizes, prompts and schemas of the signed manifest are enough. Lists in answers are taken as half
full and free texts as long as they may get, since the promise of a time must hold for the long ones too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from device_profiles.cost import CaseFacts, ModelFacts, Turn, predict
from device_profiles.profile import Profile
from edge_agent.contracts.manifest import AGENTS, AgentName, AgentSpec, Manifest, Step

# Source: measured, prompts and records of the reference model have 4.5 to 5.3 bytes of UTF-8 per token of its tokenizer.
BYTES_PER_TOKEN = 4.5
# Source: measured, the records in the reference bundle's golden cases have 6 to 7 tokens per field that they hold.
RECORD_TOKENS_PER_FIELD = 7
OTHER_TEXT_TOKENS = 100  # assumption: history, symptoms, tongue, pulse, findings of one view
# Assumption: the coder's question beside the text itself, and its answer about fifteen open fields, two decisions each.
CODER_PROMPT_TOKENS, CODER_DECISIONS, CODER_FORCED_TOKENS = 600, 30, 150
_FEWEST_BITS = 4  # what a weight takes at least where an older bundle has no census
_CODES = frozenset({"i4", "u4", "i8", "u8", "nf4"})
_FLOATS = frozenset({"f32", "f16", "bf16"})


def predicted_s(manifest: Manifest, profile: Profile, views: int) -> float:
    """Predict the seconds of one case of so many pictures on a profile's CPU."""
    return predict(model_facts(manifest), case_facts(manifest, views=views), profile).seconds


def model_facts(manifest: Manifest) -> ModelFacts:
    """Count the model of a bundle. Zero points count as weights, at most three in a hundred too many."""
    spine, vision = manifest.backbone, manifest.backbone.vision
    size = {entry.role: entry.size_bytes for entry in manifest.files if entry.role.endswith(".bin")}
    adapters = [f"adapter.{one.name}" for one in manifest.adapters]
    language_bytes = size.get("language_model.bin", 0)
    adapter_bytes = sum(size.get(f"{part}.bin", 0) for part in adapters)
    head = spine.vocab_size * spine.hidden_size
    linears = max(0, _weights(manifest, "language_model") - head)
    seen = _weights(manifest, "vision_embeddings") + _weights(manifest, "vision_merger")
    kv_width = spine.hidden_size // spine.num_attention_heads * spine.num_key_value_heads
    depth = max(vision.fullatt_block_indexes, default=0) + 1  # the last block is one of those without windows
    rows = linears / spine.num_hidden_layers / spine.hidden_size - 2 * (spine.hidden_size + kv_width)
    vision_rows = seen / depth / vision.hidden_size - 4 * vision.hidden_size
    return ModelFacts(
        language_weights=linears,
        head_weights=head,
        adapter_weights=sum(_weights(manifest, part) for part in adapters),
        vision_weights=seen,
        language_bytes=language_bytes,
        adapter_bytes=adapter_bytes,
        other_bytes=sum(size.values()) - language_bytes - adapter_bytes,
        layers=spine.num_hidden_layers,
        attention_width=spine.hidden_size,
        kv_width=kv_width,
        mlp_width=max(0, round(rows / 3)),
        vision_layers=depth,
        vision_width=vision.hidden_size,
        vision_mlp_width=max(0, round(vision_rows / 3)),
    )


def case_facts(manifest: Manifest, *, views: int) -> CaseFacts:
    """Count one case of so many views at the bundle's full pixel budget, each view looked at as often as declared."""
    vision = manifest.backbone.vision
    patches = manifest.preprocessing.max_pixels // vision.patch_size**2
    looks = manifest.thresholds.scope_looks
    turns: list[Turn] = []
    for name in AGENTS:
        spec = manifest.agents[name]
        is_each = spec.inputs.images == "one"
        asked = [views] + ([looks - 1] * views if is_each and name == "recognition" and looks > 1 else [])
        for rows in asked if is_each else [1]:
            turns += _agent_turns(manifest, name, rows=rows, views=views)
    return CaseFacts(pictures=views * looks, patches=patches, turns=tuple(turns))


def _agent_turns(manifest: Manifest, name: AgentName, *, rows: int, views: int) -> Iterator[Turn]:
    """Yield the steps of one agent as one conversation, and the coder's question about what it wrote."""
    spec, vision = manifest.agents[name], manifest.backbone.vision
    tokens_per_view = manifest.preprocessing.max_pixels // (vision.patch_size * vision.spatial_merge_size) ** 2
    pictures = {"one": 1, "all": views, "none": 0}[spec.inputs.images]
    asked = pictures * tokens_per_view + len(spec.rendered_prompt.token_ids) + _text_tokens(manifest, spec, views)
    seen = 0
    for number, step in enumerate(spec.steps):
        prefill = _tokens_of(step.prompt) if number else asked
        decisions, forced = _answer(step)
        turn = Turn(rows, prefill, decisions, forced, seen)
        yield turn
        seen = turn.context_tokens
    if manifest.coder is not None and (written := _written_tokens(spec)):
        yield Turn(rows, written + CODER_PROMPT_TOKENS, CODER_DECISIONS, CODER_FORCED_TOKENS)


def _text_tokens(manifest: Manifest, spec: AgentSpec, views: int) -> int:
    """Count the texts that an agent is handed, by their names."""
    fields = spec.inputs.record_fields
    per_view = sum(field.startswith("view.") for field in fields)
    known = {
        "record": RECORD_TOKENS_PER_FIELD * (per_view * views + len(fields) - per_view),
        "recognition_text": views * _written_tokens(manifest.agents["recognition"]),
        "representation_text": _written_tokens(manifest.agents["representation"]),
        "findings": views * OTHER_TEXT_TOKENS,
    }
    return sum(known.get(name, OTHER_TEXT_TOKENS) for name in spec.inputs.text)


def _written_tokens(spec: AgentSpec) -> int:
    return sum(step.generation.max_tokens for step in spec.steps if step.contract == "text")


def _answer(step: Step) -> tuple[int, int]:
    """Return the decisions of an answer and the tokens that its schema leaves no choice about."""
    limit = step.generation.max_tokens
    if step.contract == "text" or step.output_schema is None:
        return limit, 0
    decisions, length = _counted(step.output_schema)
    chosen = min(limit, round(decisions))
    return chosen, max(0, min(limit, round(length / BYTES_PER_TOKEN)) - chosen)


def _counted(rule: Any) -> tuple[float, float]:
    """Return decisions and bytes of a usual answer to one rule of a schema; a rule that is none counts nothing."""
    if not isinstance(rule, Mapping):
        return 0.0, 0.0
    if isinstance(values := rule.get("enum"), list) and values:
        lengths = [len(json.dumps(value, ensure_ascii=False).encode()) for value in values]
        return float(len(values) > 1), sum(lengths) / len(lengths)
    if rule.get("type") == "array":
        least, most = (int(rule.get(name) or 0) for name in ("minItems", "maxItems"))
        count = (least + max(least, most)) / 2
        inner, length = _counted(rule.get("items"))
        ends = count - least + 1 if most > least else 0.0
        return count * inner + ends, count * (length + 1) + 1
    if isinstance(properties := rule.get("properties"), Mapping):
        parts = [(len(key.encode()) + 4, *_counted(inner)) for key, inner in properties.items()]
        return sum(part[1] for part in parts), 1 + sum(part[0] + part[2] for part in parts)
    length = float(rule.get("maxLength") or BYTES_PER_TOKEN)
    return length / BYTES_PER_TOKEN, length + 2


def _weights(manifest: Manifest, part: str) -> int:
    """Count the weights of a part: its codes, or its floats where it is not compressed."""
    rows = [row for row in manifest.census if row.part == part]
    codes = sum(row.elements for row in rows if row.element_type in _CODES)
    floats = sum(row.elements for row in rows if row.element_type in _FLOATS)
    held = sum(entry.size_bytes for entry in manifest.files if entry.role == f"{part}.bin")
    return max(codes, floats) if rows else held * 8 // _FEWEST_BITS


def _tokens_of(text: str) -> int:
    return round(len(text.encode()) / BYTES_PER_TOKEN)
