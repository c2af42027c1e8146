"""The measuring command: what a process tree holds is counted, and the section says what was measured."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.scale_doc import printed, scale
from scripts.scale_memory import run_measured

CHILD = """
import mmap, subprocess, sys, time
print("stage maps", flush=True)
with open(sys.argv[1], "rb") as stream:
    pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    sum(pages[::4096])
    time.sleep(0.5)
print("stage holds", flush=True)
held = b"x" * 100_000_000
time.sleep(0.5)
print("last line")
"""
PARENT = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode + 3)"
FIGURES = {
    "shape": "qwen2.5-vl-3b",
    "date": "2026-11-21",
    "cpu_count": 2,
    "memory_bytes": 25_000_000_000,
    "bf16_bytes": 7_500_000_000,
    "estimate": {"memory_bytes": 8_000_000_000, "memory_stage": "compression", "disk_bytes": 1, "seconds": 1.0},
    "steps": {"build": {"seconds": 600.0, "anonymous_bytes": 6_000_000_000, "resident_bytes": 17_000_000_000}},
    "stages": {"build": {"gates": {"seconds": 60.0, "anonymous_bytes": 3_000_000_000, "resident_bytes": 1}}},
    "plain": {"seconds": 324.0, "anonymous_bytes": None, "resident_bytes": 23_800_000_000},
}


def test_children_count_and_mapped_files_only_as_resident(tmp_path: Path) -> None:
    """A grandchild's 100 MB of bytes are anonymous, its 200 MB of a mapped file are not; each stage has its own peak."""
    file, program = tmp_path / "file", tmp_path / "child.py"
    file.write_bytes(bytes(200_000_000))
    program.write_text(CHILD)
    seen: list[str] = []
    run = run_measured([sys.executable, "-c", PARENT, str(program), str(file)], on_stage=seen.append)
    assert run.code == 3
    assert seen == ["maps", "holds"]
    assert run.lines[-1] == "last line"
    assert run.stages["maps"].anonymous_bytes < 60_000_000
    assert run.stages["maps"].resident_bytes > 200_000_000
    assert 100_000_000 < run.stages["holds"].anonymous_bytes < 160_000_000
    assert run.whole.anonymous_bytes == run.stages["holds"].anonymous_bytes
    assert run.whole.seconds > 1


def test_the_section_divides_by_the_weights_in_bf16() -> None:
    """6 GB over 7.5 GB is 0.80; what nobody measured is a dash."""
    rows = printed(FIGURES).splitlines()
    assert "| build | 600 | 6.00 GB | 17.00 GB | 0.80 |" in rows
    assert "| optimum-cli | 324 | – | 23.80 GB | – |" in rows
    assert "Not measured" in scale([])
    assert printed(FIGURES) in scale([FIGURES])


def test_a_run_that_failed_says_so() -> None:
    """The figures until then stay, with the reason."""
    assert "**Not finished**: build ended with code 76: no room" in printed(
        {**FIGURES, "failed": "build ended with code 76: no room"}
    )
