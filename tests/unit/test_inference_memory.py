"""Giving memory back: only pages that come back unchanged, and only of the files that were named."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.inference.memory import MappedFiles, available_bytes, trim_heap
from tests.simulators.kiosk import wait_until
from tests.simulators.mappings import resident_bytes

SIZE = 256 * 4096
CONTENT = bytes(range(256)) * (SIZE // 256)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of 1 MiB."""
    path = tmp_path / "weights.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def mapped(weights: Path) -> Iterator[mmap.mmap]:
    """The file as the runtime maps it: read-only and shared, every page read."""
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as found:
        assert found[:] == CONTENT
        yield found


def named(path: Path) -> MappedFiles:
    """Return the mappings of one file."""
    files = MappedFiles()
    files.add(path)
    return files


def test_dropped_pages_leave_memory_and_come_back_from_the_file(mapped: mmap.mmap, weights: Path) -> None:
    """1 MiB resident, none after the drop, and every byte as before when it is read again."""
    assert resident_bytes(weights) == SIZE
    assert named(weights).drop() == SIZE
    assert resident_bytes(weights) == 0
    assert mapped[:] == CONTENT


def test_a_file_that_nobody_named_keeps_its_pages(mapped: mmap.mmap, weights: Path, tmp_path: Path) -> None:
    """Another file's name drops nothing."""
    assert len(mapped) == SIZE
    assert named(tmp_path / "other.bin").drop() == 0
    assert resident_bytes(weights) == SIZE


def test_changed_private_pages_are_never_dropped(weights: Path) -> None:
    """A private writable mapping of a named file keeps what was written into it."""
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as private:
        private[:4] = b"mine"
        assert named(weights).drop() == 0
        assert private[:4] == b"mine"


def test_pages_are_dropped_while_a_block_runs_and_at_its_end(mapped: mmap.mmap, weights: Path) -> None:
    """Inside the block they go without a call; read once more, they are gone when it ends."""
    with named(weights).dropping(interval_s=0.001):
        wait_until(lambda: resident_bytes(weights) == 0, what="the pages to go")
        assert mapped[:] == CONTENT
    assert resident_bytes(weights) == 0


def test_a_failing_block_ends_the_dropping(mapped: mmap.mmap, weights: Path) -> None:
    """The block's error passes through, and nothing drops afterwards."""
    with pytest.raises(ValueError, match="broken"), named(weights).dropping(interval_s=0.001):
        raise ValueError("broken")
    assert mapped[:] == CONTENT
    trim_heap()
    assert resident_bytes(weights) == SIZE


def test_without_proc_nothing_is_dropped(weights: Path, tmp_path: Path) -> None:
    """Where the system does not list mappings, dropping does nothing and says so."""
    files = MappedFiles(process=tmp_path / "none")
    files.add(weights)
    assert files.drop() == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MemTotal:  16 kB\nMemAvailable:   1234 kB\n", 1234 * 1024),
        ("MemTotal:  16 kB\nMemFree:   9 kB\n", None),
        ("MemAvailable:   lots kB\n", None),
    ],
)
def test_available_memory_is_the_kernels_word(text: str, expected: int | None, tmp_path: Path) -> None:
    """MemAvailable in bytes; None where it is missing or no number."""
    (tmp_path / "meminfo").write_text(text, encoding="utf-8")
    assert available_bytes(tmp_path / "meminfo") == expected
    assert available_bytes(tmp_path / "missing") is None
