"""The state folder: durable before anything lies in it, private, and locked or refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.errors import ConfigError, DaemonError
from edge_agent.state_dir import StateLock, prepare_state_dir


def test_a_new_folder_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder that got a new entry is flushed, else a power cut takes the whole store with its folder."""
    flushed = []
    fsync = os.fsync

    def record(handle: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", record)
    prepare_state_dir(tmp_path / "a" / "b")
    assert flushed == [tmp_path, tmp_path / "a"]
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o600, 0o755])
def test_a_file_in_its_place_is_named(tmp_path: Path, mode: int) -> None:
    """Also a file that may be executed, which looks like a folder that may be entered."""
    (tmp_path / "state").write_text("x", encoding="utf-8")
    (tmp_path / "state").chmod(mode)
    with pytest.raises(ConfigError, match="is a file; set state_dir"):
        prepare_state_dir(tmp_path / "state")
    with pytest.raises(ConfigError, match="cannot create the state folder"):
        prepare_state_dir(tmp_path / "state" / "below")


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A folder where the lock file should be."""
    (tmp_path / "lock").mkdir()
    with pytest.raises(ConfigError, match=r"cannot lock .*/lock: Is a directory"):
        StateLock(tmp_path, wait_s=0)


def test_a_held_lock_is_the_other_process(tmp_path: Path) -> None:
    """Held: a DaemonError; given back: free again."""
    with StateLock(tmp_path, wait_s=0), pytest.raises(DaemonError, match="another derm-edge"):
        StateLock(tmp_path, wait_s=0)
    StateLock(tmp_path, wait_s=0).close()
