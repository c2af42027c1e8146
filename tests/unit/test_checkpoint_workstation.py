"""How much memory a build may take here: the computer's, or what a container's limit leaves of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.checkpoint.workstation import control_group_room


def write_group(folder: Path, *, limit: str, used: int = 0, cached: int = 0) -> None:
    """Write one control group's files as the kernel shows them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon {used - cached}\ninactive_file {cached}\nactive_file 0\n")


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    """A process in the group /pod/build."""
    path = tmp_path / "self"
    path.write_text("0::/pod/build\n")
    return path


def test_every_limit_above_the_process_counts(tmp_path: Path, membership: Path) -> None:
    """The container has 6 of 8 GB left, the pod above it 3 of 10; cached files are not used."""
    root = tmp_path / "cgroup"
    write_group(root / "pod" / "build", limit="8000", used=4000, cached=2000)
    write_group(root / "pod", limit="10000", used=7000)
    assert sorted(control_group_room(root, membership=membership)) == [3000, 6000]


def test_no_limit_is_no_room_to_speak_of(tmp_path: Path, membership: Path) -> None:
    """An unlimited group, and a system without cgroup v2."""
    write_group(tmp_path / "cgroup" / "pod" / "build", limit="max")
    assert control_group_room(tmp_path / "cgroup", membership=membership) == []
    assert control_group_room(tmp_path / "cgroup", membership=tmp_path / "none") == []
