"""What must survive a power cut is flushed, the folders around it included."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.store.durable import publish_once


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
