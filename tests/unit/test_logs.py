"""The daemon's log files: bounded, private, and without what patients said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge_agent.supervision.logs import FILE_NAME, LogFiles, LogLimits, build_log

NAME = "Zhang San, allergic to penicillin"


def test_an_exceptions_text_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its class and places are written; its text may quote a form. Neither stderr nor the file has it."""
    log = build_log(tmp_path)
    try:
        raise ValueError(NAME)
    except ValueError:
        log.exception("failed")
    written = (tmp_path / FILE_NAME).read_text()
    assert "Zhang" not in written + capsys.readouterr().err
    event = json.loads(written)
    assert event["exception"] == "ValueError"
    assert event["places"][0].startswith("test_logs.py:")


def test_files_are_bounded_in_number_and_size(tmp_path: Path) -> None:
    """Three files of 10 kB, however much is logged; a percent sign is no format."""
    files = LogFiles(tmp_path, LogLimits(file_bytes=10_000, files=3, days=30))
    for _ in range(1000):
        files.write("100 % " + "x" * 94 + "\n")
    kept = sorted(tmp_path.iterdir())
    assert [path.name for path in kept] == [FILE_NAME, f"{FILE_NAME}.1", f"{FILE_NAME}.2"]
    assert all(path.stat().st_size <= 10_000 for path in kept)
    assert kept[0].read_text().startswith("100 % x")


def test_old_files_go(tmp_path: Path) -> None:
    """A file last written 31 days ago is deleted at the next start; a younger one stays."""
    for name, age_days in ((f"{FILE_NAME}.1", 29), (f"{FILE_NAME}.2", 31)):
        (tmp_path / name).write_text("{}\n")
        os.utime(tmp_path / name, (1e9 - age_days * 86_400, 1e9 - age_days * 86_400))
    LogFiles(tmp_path, LogLimits(days=30), clock=lambda: 1e9)
    assert [path.name for path in tmp_path.iterdir()] == [f"{FILE_NAME}.1"]


def test_only_this_account_reads_them(tmp_path: Path) -> None:
    """Folder 0700, file 0600, whatever the umask."""
    before = os.umask(0)
    try:
        build_log(tmp_path / "logs").info("ready")
    finally:
        os.umask(before)
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "logs" / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_costs_the_files_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stderr, the journal, still has every line."""
    (tmp_path / "logs").write_text("a file in the way")
    build_log(tmp_path / "logs").info("ready")
    assert '"event": "ready"' in capsys.readouterr().err


def test_a_full_disk_loses_lines_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log file on a full device: nothing is raised, and nothing is said on stderr about it."""
    (tmp_path / FILE_NAME).symlink_to("/dev/full")
    files = LogFiles(tmp_path, LogLimits())
    assert files.write("a line\n") == 7
    assert capsys.readouterr().err == ""
