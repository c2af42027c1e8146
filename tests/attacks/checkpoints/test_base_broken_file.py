"""Weights that are no safetensors file, or not a whole one."""

from __future__ import annotations

from pathlib import Path

from tests.simulators import hf_folder
from tests.simulators.preflight import refusal


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
