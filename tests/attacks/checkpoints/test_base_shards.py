"""Shards and their index: one is missing, one is surplus, or the two do not tell the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibration.checkpoint.preflight import check_before_build
from calibration.recipe import load_recipe
from edge_agent.errors import ExportError
from tests.simulators import hf_folder
from tests.simulators.preflight import ROOMY, refusal


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


def test_shards_without_their_index(folder: Path) -> None:
    """transformers would not find them."""
    (folder / hf_folder.INDEX).unlink()
    assert f"stand there without {hf_folder.INDEX}; copy the index" in refusal(folder)


def test_folder_without_weights(folder: Path) -> None:
    """Only the small files were copied."""
    for path in [*folder.glob("*.safetensors"), folder / hf_folder.INDEX]:
        path.unlink()
    with pytest.raises(ExportError, match=r"has no safetensors weights; it needs model\.safetensors"):
        check_before_build(
            folder, adapters={}, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
        )
