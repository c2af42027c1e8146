"""Every kind of adapter that the import takes: the device's logits are PyTorch + PEFT's, and so are the canary's.

Expected values: the adapter that PEFT saved, loaded alone by PEFT's own ``from_pretrained``. Where a variant was derived
from a saved one by renaming (old keys, a doubled prefix), the saved one is the judge.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from calibration.adapters.base import read_base_shape
from calibration.adapters.importing import import_adapter
from calibration.adapters.peft_loading import load_with_peft
from calibration.export import read_backbone, read_preprocessing
from calibration.torch_reference import TorchReference
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.errors import ExportError
from edge_agent.inference.engine import Engine, EngineSettings
from tests.parity.toy_model import DIGEST, PEFT_PREFIX, SPECIAL, ToyModel, make_bundle

BOUND = 1e-4  # largest |logit difference|; measured: 4e-6 to 8e-6, with logits in a range of 9
LOUD = 0.5  # every adapter moves some logit further than this: 5,000 times the bound; measured: 0.7 to 4.9
REPRESENT = SPECIAL.index("<|represent|>")
TEXT = "<|im_start|>user\ndescribe the view <|represent|>colour scale 舌红苔黄<|im_end|>\n"
LAYERS = r"model\.language_model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj"
# By agent, three variants to a bundle. The first of all has no task_type: PEFT would build a model that never activates.
SETS: list[dict[AgentName, str]] = [
    {"recognition": "lora", "representation": "activated", "reasoning": "old"},
    {"recognition": "rslora", "representation": "patterns", "reasoning": "old_patterns"},
    {"recognition": "bf16", "representation": "f16", "reasoning": "doubled"},
    {"recognition": "all_linear", "representation": "old_activated", "reasoning": "some_layers"},
]
SAVED: dict[str, dict[str, Any]] = {
    # This expression matches both generations: its old twin is the one that PEFT's load_adapter leaves bare in silence.
    "lora": {"task_type": None, "target_modules": r"(?!.*visual).*\.layers\..*_proj"},
    "activated": {"alora_invocation_tokens": [REPRESENT]},
    "rslora": {"use_rslora": True},
    "patterns": {
        "use_rslora": True,
        "rank_pattern": {r"^model\.language_model\.layers\.0\.self_attn\.q_proj": 8, "down_proj": 4},
        "alpha_pattern": {r"^model\.language_model\.layers\.1\.mlp\.up_proj": 90, "v_proj": 50, "layers.2.*v_proj": 1},
    },
    "bf16": {},
    "f16": {},
    "all_linear": {"target_modules": "all-linear", "exclude_modules": ".*visual.*"},
    "some_layers": {
        "target_modules": ["q_proj", "down_proj"],
        "exclude_modules": ["visual.blocks.1.mlp.down_proj"],
        "layers_to_transform": [0, 2],
        "layers_pattern": "layers",
    },
}
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}
RENAMED = {"old": "lora", "old_patterns": "patterns", "old_activated": "activated", "doubled": "patterns"}
Floats = NDArray[np.float32]


def save_variant(base: Any, folder: Path, *, variant: str, seed: int) -> Path:
    """Let PEFT save one adapter with noise in lora_B."""
    torch.manual_seed(seed)
    settings = {"r": 16, "lora_alpha": 32, "target_modules": LAYERS, "task_type": "CAUSAL_LM"} | SAVED[variant]
    model = get_peft_model(base, LoraConfig(**settings))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
        if "lora_" in name and variant in DTYPES:
            parameter.data = parameter.data.to(DTYPES[variant])
    model.save_pretrained(str(folder))
    model.unload()
    if variant == "all_linear":  # PEFT saves the names that it found; other trainers keep the word
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"target_modules": "all-linear"}))
    return folder


def rename(source: Path, folder: Path, *, variant: str) -> Path:
    """Write a saved adapter as transformers before 4.52, or as a model that was wrapped twice, would have."""
    folder.mkdir()
    text = (source / "adapter_config.json").read_text()
    tensors = load_file(source / "adapter_model.safetensors")
    if variant == "doubled":
        tensors = {PEFT_PREFIX + key: tensor for key, tensor in tensors.items()}
        text = text.replace(r"model\\.language_model", r"base_model\\.model\\.model\\.language_model")
    else:
        tensors = {key.replace("language_model.", ""): tensor for key, tensor in tensors.items()}
        text = text.replace(r"language_model\\.", "")
    (folder / "adapter_config.json").write_text(text)
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


@pytest.fixture(scope="module")
def base(toy: ToyModel) -> Any:
    """The toy backbone in PyTorch."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    return Qwen2_5_VLForConditionalGeneration.from_pretrained(toy.hf, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def folders(base: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every variant's folder by name."""
    root = tmp_path_factory.mktemp("variants")
    saved = {name: save_variant(base, root / name, variant=name, seed=seed) for seed, name in enumerate(SAVED)}
    return saved | {name: rename(saved[source], root / name, variant=name) for name, source in RENAMED.items()}


@pytest.fixture(scope="module")
def ids(toy: ToyModel) -> list[int]:
    """A prompt with an invocation in its middle."""
    return list(Tokenizer.from_file(str(toy.hf / "tokenizer.json")).encode(TEXT).ids)


@pytest.fixture(scope="module")
def expected(base: Any, folders: dict[str, Path], ids: list[int]) -> Callable[[str], Floats]:
    """PEFT's logits of a variant, float32[S, V], and of ``bare``; each computed once."""
    inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids)), "use_cache": False}
    known: dict[str, Floats] = {}

    def get(variant: str) -> Floats:
        saved = RENAMED.get(variant, variant)
        if saved not in known:
            model = base if saved == "bare" else PeftModel.from_pretrained(base, str(folders[saved])).eval()
            with torch.no_grad():
                known[saved] = np.asarray(model(**inputs).logits[0].numpy())
            if saved != "bare":
                model.unload()
        return known[saved]

    return get


@pytest.fixture(scope="module", params=SETS, ids=lambda chosen: "-".join(chosen.values()))
def engine(
    request: pytest.FixtureRequest, toy: ToyModel, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[AgentName, str], Engine]]:
    """The device's engine with three variants grafted, FP32, strict."""
    adapters = {agent: folders[variant] for agent, variant in request.param.items()}
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    bundle = make_bundle(dataclasses.replace(toy, peft=adapters), folder, backbone="f32", adapters="f32")
    with Engine(bundle, settings=EngineSettings(strict=True)) as opened:
        yield request.param, opened


@pytest.mark.parametrize("agent", AGENTS)
def test_the_devices_logits_are_pefts(
    engine: tuple[dict[AgentName, str], Engine], expected: Callable[[str], Floats], ids: list[int], agent: AgentName
) -> None:
    """Within 1e-4 at every position, while the adapter itself moves the logits 5,000 times as far."""
    variants, opened = engine
    wanted = expected(variants[agent])
    found = opened.logits(ids, adapter=agent, last=len(ids))
    assert np.abs(found - wanted).max() < BOUND
    assert np.abs(wanted - expected("bare")).max() > LOUD
    assert np.abs(opened.logits(ids, adapter=None, last=len(ids)) - expected("bare")).max() < BOUND


@pytest.mark.parametrize("chosen", SETS, ids=lambda chosen: "-".join(chosen.values()))
def test_the_canarys_logits_are_pefts(
    toy: ToyModel,
    folders: dict[str, Path],
    expected: Callable[[str], Floats],
    ids: list[int],
    chosen: dict[AgentName, str],
) -> None:
    """What the build expects of each adapter is PEFT's answer for it alone, whatever else is loaded beside it."""
    reference = TorchReference(
        toy.hf,
        adapters={agent: folders[variant] for agent, variant in chosen.items()},
        backbone=read_backbone(toy.hf),
        preprocessing=read_preprocessing(toy.hf),
    )
    for agent, variant in chosen.items():
        found = reference.logits(ids, pictures=[], adapter=agent)
        np.testing.assert_allclose(found, expected(variant), atol=2e-5)
    np.testing.assert_allclose(reference.logits(ids, pictures=[], adapter=None), expected("bare"), atol=2e-5)


def test_an_activated_adapter_is_off_before_its_invocation(expected: Callable[[str], Floats], ids: list[int]) -> None:
    """The judge itself tells both sides of the gate apart, so that parity with it means something."""
    difference = np.abs(expected("activated") - expected("bare")).max(axis=-1)
    start = ids.index(REPRESENT)
    assert difference[:start].max() < 1e-5
    assert difference[start:].min() > 1e-2


def test_every_variant_is_covered_and_recorded(toy: ToyModel, folders: dict[str, Path]) -> None:
    """Coverage 1.0 by count: seven linears of three layers, or two linears of two."""
    shape = read_base_shape(toy.hf)
    for variant, folder in folders.items():
        record = import_adapter(folder, name="reasoning", base=shape, base_digest=DIGEST).record
        assert record.coverage == 1.0
        assert record.targets_found == (4 if variant == "some_layers" else 21)
        assert record.dtype == (variant if variant in DTYPES else "f32")
        assert (record.key_generation == "model.layers") == variant.startswith("old")
        assert (record.remap != "none") == (variant in RENAMED)


def test_a_tensor_that_peft_drops_ends_the_load(base: Any, folders: dict[str, Path], tmp_path: Path) -> None:
    """The judge is judged too: PEFT ignores a key with the adapter's name in silence, the reference does not."""
    folder = tmp_path / "named"
    folder.mkdir()
    (folder / "adapter_config.json").write_text((folders["lora"] / "adapter_config.json").read_text())
    tensors = load_file(folders["lora"] / "adapter_model.safetensors")
    save_file(
        {k.replace(".weight", ".other.weight"): t for k, t in tensors.items()}, folder / "adapter_model.safetensors"
    )
    with pytest.raises(ExportError, match=r"PEFT left base_model\.model\..* out"):
        load_with_peft(base, name="reasoning", folder=folder)
