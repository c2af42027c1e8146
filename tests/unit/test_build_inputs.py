"""Whatever would end a build is found while only headers and small files were read: no weight, no export, no digest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.build_inputs import check_inputs, read_inputs
from calibration.recipe import Recipe, load_recipe
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.errors import CompressionError, ExportError
from tests.simulators import hf_folder
from tests.simulators.declaration import declaration, write_declared
from tests.simulators.peft_folder import assert_says, entries, safetensors_bytes

R = 2


def write_adapter(folder: Path, **config: Any) -> Path:
    """Write a PEFT folder that covers q_proj of both layers of ``hf_folder``'s base."""
    folder.mkdir(parents=True)
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": R, "lora_alpha": 4, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(settings | config))
    tensors = {}
    for layer in range(2):
        path = f"base_model.model.model.language_model.layers.{layer}.self_attn.q_proj"
        tensors[f"{path}.lora_A.weight"] = np.ones((R, 8), np.float32)
        tensors[f"{path}.lora_B.weight"] = np.ones((8, R), np.float32)
    (folder / "adapter_model.safetensors").write_bytes(safetensors_bytes(entries(tensors)))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A checkpoint of zeros that declares the reference model's agents."""
    folder = hf_folder.write_folder(tmp_path / "base")
    write_declared(folder)
    return folder


@pytest.fixture
def adapters(tmp_path: Path) -> dict[AgentName, Path]:
    """A sound adapter per agent."""
    return {agent: write_adapter(tmp_path / agent) for agent in AGENTS}


def declare(base: Path, **changes: Any) -> None:
    """Write the declaration with changes."""
    (base / "derm_edge.json").write_text(json.dumps(declaration() | changes))


def data_aware() -> Recipe:
    """int4-se with one scale per row, which fits the zeros' 8 columns."""
    recipe = load_recipe("int4-se")
    return recipe.model_copy(update={"language_model": recipe.language_model.model_copy(update={"group_size": -1})})


def refusal(base: Path, adapters: dict[AgentName, Path], *, recipe: str | Recipe = "int8", **more: Any) -> str:
    """Return the line with which reading ends."""
    found = load_recipe(recipe) if isinstance(recipe, str) else recipe
    with pytest.raises((ExportError, CompressionError)) as caught:
        read_inputs(base, adapters=adapters, recipe=found, out=base.parent / "out", **more)
    return str(caught.value)


def test_what_is_sound_is_read_on(base: Path, adapters: dict[AgentName, Path]) -> None:
    """The tests below could pass on a reader that refuses everything; this one ends behind them, at the toy tokenizer."""
    line = refusal(base, adapters, recipe=data_aware(), later={"reasoning": adapters["reasoning"]})
    assert_says(line, base / "tokenizer.json", "cannot be read")


def test_an_adapter_that_cannot_be_carried(base: Path, adapters: dict[AgentName, Path], tmp_path: Path) -> None:
    """The import's own words, before the weights of the base are read."""
    dora = write_adapter(tmp_path / "dora", use_dora=True)
    assert_says(refusal(base, adapters | {"reasoning": dora}), dora / "adapter_config.json", "use_dora", "train with")


def test_a_later_adapter_that_cannot_be_carried(base: Path, adapters: dict[AgentName, Path], tmp_path: Path) -> None:
    """It is only measured, after the export; what it lacks is said before."""
    dora = write_adapter(tmp_path / "dora", use_dora=True)
    assert_says(refusal(base, adapters, recipe=data_aware(), later={"reasoning": dora}), dora, "use_dora")


def test_a_later_adapter_that_nobody_would_measure(base: Path, adapters: dict[AgentName, Path]) -> None:
    """A recipe without cases has no conversations to measure it on; it must not be dropped in silence."""
    later = {"reasoning": adapters["reasoning"]}
    line = refusal(base, adapters, recipe="int8", later=later)
    assert_says(line, "the recipe int8 looks at no cases", "later adapter reasoning would not be measured", "--later")


def test_a_later_adapter_of_an_agent_without_one(base: Path, adapters: dict[AgentName, Path]) -> None:
    """Its agent's conversations run on the bare backbone: there would be nothing beside which to measure it."""
    document = declaration()
    document["agents"]["reasoning"]["adapter"] = None
    (base / "derm_edge.json").write_text(json.dumps(document))
    later = {"reasoning": adapters.pop("reasoning")}
    line = refusal(base, adapters, recipe=data_aware(), later=later)
    assert_says(line, "the later adapter reasoning has no adapter reasoning", "add --adapter reasoning=DIR")


def test_another_vocabulary(base: Path, adapters: dict[AgentName, Path]) -> None:
    """The version is known before the work; the message names both."""
    declare(base, vocabulary_version="0.2")
    assert_says(refusal(base, adapters), base / "derm_edge.json", "vocabulary 0.2, this program has 0.1")


def test_a_schema_with_an_unknown_id(base: Path, adapters: dict[AgentName, Path]) -> None:
    """An id that no vocabulary has would be refused by every device."""
    document = declaration()
    properties = document["agents"]["recognition"]["steps"][0]["output_schema"]["properties"]
    field = next(name for name, rule in properties.items() if "enum" in rule)
    properties[field]["enum"] = [*properties[field]["enum"], "mauve_with_stripes"]
    (base / "derm_edge.json").write_text(json.dumps(document))
    line = refusal(base, adapters)
    assert_says(line, base / "derm_edge.json", "recognition", "mauve_with_stripes", "mend the schema")


@pytest.mark.parametrize("folder", ["golden", "calibration"])
def test_a_case_without_a_text(base: Path, adapters: dict[AgentName, Path], folder: str) -> None:
    """What an agent reads must stand in every case, golden or for calibration: file, case and text are named."""
    if folder == "calibration":
        shutil.copytree(base / "golden", base / folder)
    path = base / folder / "cases.json"
    document = json.loads(path.read_text())
    document["cases"][1]["texts"] = {}
    path.write_text(json.dumps(document))
    line = refusal(base, adapters, recipe=data_aware())
    assert_says(line, path, "case b lacks the text 'record', which reasoning reads", "add it to its texts")


def test_a_missing_mask_is_found_before_any_weight_is_read(base: Path, adapters: dict[AgentName, Path]) -> None:
    """SkinGPT-R1's branch does nothing without its mask; hours of export would come first otherwise."""
    hf_folder.edit(base / "config.json", {"architectures": ["SkinVLModelWithAdapter"]})
    hf_folder.write_weights(base, {**hf_folder.TENSORS, "distill_head.in_proj.weight": (4, 6)})
    block = {
        "mask": {"file": "tone_mask.json", "sha256": "a" * 64},
        "policy": "every_token",
        "images": "mean",
        "dimensions": {"embed_size": 8, "layers": 1, "experts": 2},
    }
    declare(base, side_branch=block)
    with pytest.raises(ExportError, match=r"tone_mask\.json"):
        check_inputs(base, adapters=adapters, recipe=load_recipe("int8"), out=base.parent / "out")
