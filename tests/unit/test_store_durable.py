"""What must survive a power cut is flushed, the folders around it included."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.errors import StoreError
from edge_agent.store.durable import publish_once, replace_file


def test_new_folders_are_flushed_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder that had to be made is entered durably in the one above it, before the file gets its name there."""
    flushed: list[tuple[int, bool]] = []
    path = tmp_path / "new" / "newer" / "store.key"
    fsync = os.fsync

    def record(handle: int) -> None:
        flushed.append((os.fstat(handle).st_ino, path.exists()))
        fsync(handle)

    monkeypatch.setattr("os.fsync", record)
    publish_once(path, b"key")
    above, inner = tmp_path.stat().st_ino, path.parent.parent.stat().st_ino
    assert [inode for inode, _ in flushed] == [above, inner, path.stat().st_ino, path.parent.stat().st_ino]
    assert [has_name for _, has_name in flushed] == [False, False, False, True]


def test_a_replaced_file_is_flushed_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new content is on the disk while the old one still has the name; then the folder is flushed."""
    path = tmp_path / "verdict"
    path.write_bytes(b"old")
    flushed: list[tuple[bool, bytes]] = []
    fsync = os.fsync

    def record(handle: int) -> None:
        flushed.append((os.fstat(handle).st_ino == tmp_path.stat().st_ino, path.read_bytes()))
        fsync(handle)

    monkeypatch.setattr("os.fsync", record)
    replace_file(path, b"new")
    assert flushed == [(False, b"old"), (True, b"new")]
    assert [entry.name for entry in tmp_path.iterdir()] == ["verdict"]


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails at the last moment leaves the old content and nothing beside it."""
    path = tmp_path / "verdict"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StoreError, match="Input/output error"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["verdict"]
