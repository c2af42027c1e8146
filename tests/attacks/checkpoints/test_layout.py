"""One planted fault each: the preflight names the file, the tensor or setting, and what to do, before any work starts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calibration.checkpoint.preflight import check_before_build
from calibration.checkpoint.workstation import Workstation
from calibration.recipe import load_recipe
from edge_agent.errors import ExportError
from tests.simulators import hf_folder

ROOMY = Workstation(memory_available_bytes=10**12, disk_free_bytes=10**12, cpu_count=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound checkpoint."""
    return hf_folder.write_folder(tmp_path / "base")


def refusal(folder: Path, *, adapters: dict[str, Path] | None = None, there: Workstation = ROOMY) -> str:
    """Return the one line with which a build is refused, and see that it names one fault only."""
    with pytest.raises(ExportError) as caught:
        check_before_build(
            folder,
            adapters=adapters or {},
            recipe=load_recipe("int4-data-free"),
            out=folder.parent / "out",
            workstation=there,
        )
    line = str(caught.value)
    assert "\n" not in line
    assert " more: " not in line  # the planted fault, and nothing that follows from it
    assert not (folder.parent / "out").exists()
    return line


def test_a_sound_checkpoint_passes(folder: Path) -> None:
    """Without a planted fault nothing is refused: the tests below fail for their own reason."""
    found = check_before_build(
        folder, adapters={}, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
    )
    assert found.faults == ()


def test_missing_shard(folder: Path) -> None:
    """A shard that the index names and nobody copied."""
    (folder / hf_folder.SHARDS[1]).unlink()
    count = len(hf_folder.TENSORS) - len(hf_folder.TENSORS) // 2
    assert refusal(folder) == (
        f"shard {hf_folder.SHARDS[1]} is missing ({count} tensors by {hf_folder.INDEX}); download it"
    )


def test_tensor_missing_from_its_shard(folder: Path) -> None:
    """The index promises a tensor that the shard does not hold."""
    names = list(hf_folder.TENSORS)[len(hf_folder.TENSORS) // 2 :]
    names.remove("lm_head.weight")
    hf_folder.write_safetensors(folder / hf_folder.SHARDS[1], {name: hf_folder.TENSORS[name] for name in names})
    line = refusal(folder)
    assert line.startswith(f"tensor lm_head.weight is not in {hf_folder.SHARDS[1]}, where {hf_folder.INDEX} says")
    assert "it is nowhere; download the shard again" in line


def test_tensor_in_another_shard_than_promised(folder: Path) -> None:
    """The index is of another save of the same model."""
    path = folder / hf_folder.INDEX
    document = json.loads(path.read_text())
    document["weight_map"]["lm_head.weight"] = hf_folder.SHARDS[0]
    path.write_text(json.dumps(document))
    assert f"it stands in {hf_folder.SHARDS[1]}" in refusal(folder)


def test_tensor_that_the_index_does_not_know(folder: Path) -> None:
    """transformers would never read it."""
    path = folder / hf_folder.INDEX
    document = json.loads(path.read_text())
    del document["weight_map"]["lm_head.weight"]
    path.write_text(json.dumps(document))
    assert f"tensor lm_head.weight in {hf_folder.SHARDS[1]} is not in {hf_folder.INDEX}" in refusal(folder)


def test_surplus_file_of_weights(folder: Path) -> None:
    """transformers prefers model.safetensors to the shards, and the content digest would count it."""
    hf_folder.write_safetensors(folder / "model.safetensors", {"extra.weight": (2, 2)})
    with pytest.raises(ExportError, match=r"model.safetensors is not in .*; remove the file"):
        check_before_build(
            folder, adapters={}, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
        )


def test_index_that_leads_out_of_the_folder(folder: Path) -> None:
    """No path of an index is followed."""
    document = {"weight_map": {"lm_head.weight": "../other/model.safetensors"}}
    (folder / hf_folder.INDEX).write_text(json.dumps(document))
    assert "names '../other/model.safetensors', which is no file of this folder" in refusal(folder)


@pytest.mark.parametrize("name", [hf_folder.SHARDS[0], "tokenizer.json", "config.json", hf_folder.INDEX])
def test_git_lfs_pointer(folder: Path, name: str) -> None:
    """A clone without git-lfs: the pointer is named, not the parse error that it would cause."""
    (folder / name).write_text(hf_folder.POINTER)
    assert refusal(folder) == f"base/{name} is a Git-LFS pointer, not the file; run git lfs pull in that folder"


def test_git_lfs_pointer_in_an_adapter(folder: Path, tmp_path: Path) -> None:
    """The same for a PEFT folder."""
    adapter = hf_folder.write_peft(tmp_path / "reasoning")
    (adapter / "adapter_model.safetensors").write_text(hf_folder.POINTER)
    assert "reasoning/adapter_model.safetensors is a Git-LFS pointer" in refusal(
        folder, adapters={"reasoning": adapter}
    )


def test_truncated_file(folder: Path) -> None:
    """A download that broke off: the file, both sizes and the tensor that it ends in."""
    path = folder / hf_folder.SHARDS[1]
    whole = path.stat().st_size
    with path.open("r+b") as stream:
        stream.truncate(whole - 100)
    line = refusal(folder)
    assert line.startswith(
        f"{hf_folder.SHARDS[1]} is truncated: {whole - 100} of {whole} bytes, it ends in lm_head.weight"
    )
    assert line.endswith("copy or download the file again")


def test_file_that_is_no_safetensors(folder: Path) -> None:
    """An error page saved under the name of a shard."""
    (folder / hf_folder.SHARDS[0]).write_text("<!DOCTYPE html><title>404</title>" * 40)
    assert f"{hf_folder.SHARDS[0]} is no safetensors file" in refusal(folder)


def test_bytes_behind_the_last_tensor(folder: Path) -> None:
    """The format allows none: something else was appended."""
    with (folder / hf_folder.SHARDS[0]).open("ab") as stream:
        stream.write(bytes(16))
    assert f"{hf_folder.SHARDS[0]} has 16 bytes behind its last tensor" in refusal(folder)


Change = Callable[[dict[str, Any]], dict[str, Any]]


def _tensors(change: Change) -> dict[str, tuple[int, ...]]:
    return change(dict(hf_folder.TENSORS))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda t: {**t, "model.layers.1.mlp.up_proj.weight": (8, 12)},
            "model.layers.1.mlp.up_proj.weight is [8, 12], config.json asks for [12, 8]; mend one",
        ),
        (
            lambda t: {name: shape for name, shape in t.items() if name != "model.layers.0.self_attn.k_proj.bias"},
            "tensor model.layers.0.self_attn.k_proj.bias [4] is in no file; download the checkpoint again",
        ),
        (
            lambda t: {**t, "model.layers.0.self_attn.q_proj.lora_A.weight": (2, 8)},
            "model.layers.0.self_attn.q_proj.lora_A.weight is an adapter's factor",
        ),
        (lambda t: {**t, "score.weight": (2, 8)}, "score.weight belongs to no module of this architecture; remove it"),
        (
            lambda t: {k.replace("model.layers.1.", "model.language_model.layers.1."): v for k, v in t.items()},
            "mix two generations of names",
        ),
    ],
)
def test_tensors_that_do_not_fit_the_config(folder: Path, change: Change, words: str) -> None:
    """A wrong shape, a missing tensor, one of an adapter, one of nobody, two generations of names."""
    hf_folder.write_weights(folder, _tensors(change))
    assert words in refusal(folder)


def test_a_head_beside_tied_embeddings(folder: Path) -> None:
    """transformers would ignore a trained lm_head in silence."""
    hf_folder.edit(folder / "config.json", {"tie_word_embeddings": True})
    assert "lm_head.weight would be ignored: config.json ties it" in refusal(folder)


def test_quantized_tensor(folder: Path) -> None:
    """Weights in a type that the export cannot start from."""
    names = list(hf_folder.TENSORS)[: len(hf_folder.TENSORS) // 2]
    hf_folder.write_safetensors(folder / hf_folder.SHARDS[0], {n: hf_folder.TENSORS[n] for n in names}, dtype="I8")
    with pytest.raises(ExportError, match=r"model.embed_tokens.weight is I8|\.weight is I8; bring the bf16"):
        check_before_build(
            folder, adapters={}, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
        )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "llava"}, "model_type is 'llava'; this program builds qwen2_5_vl only"),
        (
            {"architectures": ["Qwen2VLForConditionalGeneration"]},
            "class Qwen2VLForConditionalGeneration is not supported",
        ),
        ({"quantization_config": {"quant_method": "awq"}}, "the base is already quantized (awq)"),
        ({"rope_scaling": None, "rope_parameters": {}}, "saved by transformers 5; save the checkpoint again"),
        ({"rope_scaling": {"mrope_section": [1, 1, 1]}}, "mrope_section [1, 1, 1] must add up to 2"),
        ({"architectures": ["SkinVLModelWithAdapter"]}, "no tensor belongs to a side branch"),
    ],
)
def test_foreign_architecture(folder: Path, changes: dict[str, Any], words: str) -> None:
    """Another model, another class, a quantized base, a config of another generation: each by its name."""
    hf_folder.edit(folder / "config.json", changes)
    assert words in refusal(folder)


def test_a_side_branch_is_recognised(folder: Path) -> None:
    """SkinGPT-R1's class passes with tensors of its own; their import checks them."""
    hf_folder.edit(folder / "config.json", {"architectures": ["SkinVLModelWithAdapter"]})
    hf_folder.write_weights(folder, {**hf_folder.TENSORS, "distill_head.in_proj.weight": (4, 6)})
    found = check_before_build(
        folder, adapters={}, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
    )
    assert found.architecture.has_side_branch
    assert found.parameters["side_branch"] == 24
    assert "side branch of 1 tensors" in found.notes[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch_size": 16}, "preprocessor_config.json: patch_size = 16, vision_config.patch_size = 14; mend one"),
        ({"merge_size": 1}, "merge_size = 1, vision_config.spatial_merge_size = 2"),
        ({"temporal_patch_size": None}, "temporal_patch_size = None, vision_config.temporal_patch_size = 2"),
        ({"image_std": [0.27, 0.0, 0.28]}, "image_mean and image_std need three values each, std above 0"),
        ({"image_mean": None}, "'image_mean' is missing or wrong"),
        ({"resample": 2}, "resample is not 3 (bicubic)"),
        ({"min_pixels": 999_999}, "min_pixels 999999 exceeds max_pixels 200704"),
    ],
)
def test_preprocessor_of_another_model(folder: Path, changes: dict[str, Any], words: str) -> None:
    """Sizes that differ from the vision tower's, no normalisation, another filter."""
    hf_folder.edit(folder / "preprocessor_config.json", changes)
    assert words in refusal(folder)


@pytest.mark.parametrize("lost", ["<|image_pad|>", "<|im_end|>", "<|vision_start|>"])
def test_missing_special_token(folder: Path, lost: str) -> None:
    """A tokenizer without one of the tokens that prompts and pictures need."""
    path = folder / "tokenizer.json"
    added = [token for token in json.loads(path.read_text())["added_tokens"] if token["content"] != lost]
    hf_folder.edit(path, {"added_tokens": added})
    assert refusal(folder).startswith(f"tokenizer.json lacks {lost}")


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        (
            "config.json",
            {"image_token_id": 53},
            "image_token_id = 53, but <|image_pad|> is 55 in tokenizer.json; mend one",
        ),
        ("config.json", {"vision_start_token_id": None}, "config.json lacks vision_start_token_id; write 53"),
        ("generation_config.json", {"eos_token_id": [50]}, "eos_token_id [50] lacks <|im_end|> = 52"),
    ],
)
def test_special_tokens_with_other_ids(folder: Path, file: str, changes: dict[str, Any], words: str) -> None:
    """Ids that disagree between tokenizer, model and generation settings."""
    hf_folder.edit(folder / file, changes)
    assert words in refusal(folder)


def test_tokenizer_with_more_tokens_than_rows(folder: Path) -> None:
    """A tokenizer that was extended after the weights were saved."""
    path = folder / "tokenizer.json"
    added = json.loads(path.read_text())["added_tokens"]
    hf_folder.edit(path, {"added_tokens": [*added, {"id": 64, "content": "<|new|>", "special": True}]})
    assert "tokenizer.json has the id 64, the embeddings 64 rows" in refusal(folder)


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ("base", "no licence for the base: write licences.base into"),
        ("adapters", "no licence for the adapters: write licences.adapters into"),
        ("calibration_data", "no licence for the calibration data: write licences.calibration_data into"),
    ],
)
def test_no_licence(folder: Path, tmp_path: Path, owner: str, words: str) -> None:
    """Each of the three has to be licensed by somebody; the line says where to write it."""
    licences = {name: text for name, text in hf_folder.LICENCES.items() if name != owner}
    hf_folder.edit(folder / "derm_edge.json", {"licences": licences})
    (folder / "README.md").write_text("# A card without front matter\n")
    line = refusal(folder, adapters={"reasoning": hf_folder.write_peft(tmp_path / "reasoning")})
    assert line.startswith(words)
    assert str(folder / "derm_edge.json") in line


def test_adapter_of_another_backbone(folder: Path, tmp_path: Path) -> None:
    """The preflight with digests compares the note beside an adapter with the weights."""
    from calibration.checkpoint.inspection import InspectionRequest, inspect_checkpoint

    adapter = hf_folder.write_peft(tmp_path / "reasoning", digest="0" * 64)
    request = InspectionRequest(
        folder=folder, adapters={"reasoning": adapter}, recipes=[], profiles=[], workstation=ROOMY
    )
    (line,) = inspect_checkpoint(request).faults
    assert line.startswith("adapter reasoning was trained on the backbone 0000000000000000, this one is ")


def test_not_enough_memory(folder: Path) -> None:
    """What is needed, what there is, what to do; nothing was started."""
    line = refusal(folder, there=Workstation(3 * 10**8, 10**12, 2))
    assert re.fullmatch(
        r"the int4-data-free build needs 0\.\d GB of memory \(\w+\), there are 0\.3 GB; close other programs or build on a "
        r"larger computer",
        line,
    )


def test_not_enough_disk(folder: Path) -> None:
    """The same for the FP32 IRs and the bundle."""
    line = refusal(folder, there=Workstation(10**12, 10**5, 2))
    assert "of free disk, there are 0.1 MB; free some or choose --out on another disk" in line


def test_folder_without_weights(folder: Path) -> None:
    """Only the small files were copied."""
    for path in [*folder.glob("*.safetensors"), folder / hf_folder.INDEX]:
        path.unlink()
    with pytest.raises(ExportError, match=r"has no safetensors weights; it needs model\.safetensors"):
        check_before_build(
            folder, adapters={}, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
        )


def test_shards_without_their_index(folder: Path) -> None:
    """transformers would not find them."""
    (folder / hf_folder.INDEX).unlink()
    assert f"stand there without {hf_folder.INDEX}; copy the index" in refusal(folder)
