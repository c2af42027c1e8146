"""Weights that are not there, or not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.peft_folder import DOWN, assert_says, key, refusal, write_peft


def test_a_git_lfs_pointer_is_refused(tmp_path: Path) -> None:
    """A clone without LFS leaves three lines of text."""
    folder = write_peft(tmp_path / "peft")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"
    (folder / "adapter_model.safetensors").write_text(pointer, encoding="utf-8")
    assert_says(refusal(folder), folder / "adapter_model.safetensors", "Git-LFS pointer", "run git lfs pull")


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    """The tensor in which it ends is named."""
    folder = write_peft(tmp_path / "peft")
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    assert_says(refusal(folder), file, key(DOWN, "B"), "ends inside", "copy the adapter again")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip of some kind", b"\x08\0\0\0\0\0\0\0[1,2,3]"])
def test_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is no safetensors file is named as such."""
    folder = write_peft(tmp_path / "peft")
    (folder / "adapter_model.safetensors").write_bytes(content)
    assert_says(
        refusal(folder), folder / "adapter_model.safetensors", "not a safetensors file", "copy the adapter again"
    )


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The file that is missing is named."""
    folder = write_peft(tmp_path / "peft")
    (folder / "adapter_model.safetensors").unlink()
    assert_says(refusal(folder), folder / "adapter_model.safetensors", "is missing", "PeftModel.save_pretrained")
