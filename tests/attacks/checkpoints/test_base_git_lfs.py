"""A clone without git-lfs: pointers where files should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators import hf_folder
from tests.simulators.preflight import refusal


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
