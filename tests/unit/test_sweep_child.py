"""How a worker's end reaches the sweep: its own error class, a kill, no result at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.sweep.child import run_worker
from calibration.sweep.lock import locked
from calibration.sweep.tasks import At, ExportTask, Say
from edge_agent.errors import CalibrationError, ExportError


def _run(task: ExportTask, folder: Path) -> list[Say | At]:
    heard: list[Say | At] = []
    with locked(folder) as lock:
        run_worker(task, hear=heard.append, log=folder / "logs" / "x.log", lock=lock)
    return heard


@pytest.mark.slow
def test_an_error_keeps_its_class_and_its_words(tmp_path: Path) -> None:
    """A checkpoint that is none: the exit code of the sweep is that of the cause."""
    pytest.importorskip("torch")
    (tmp_path / "base").mkdir()
    with pytest.raises(ExportError, match=r"has no config\.json"):
        _run(ExportTask(base=tmp_path / "base", target=tmp_path), tmp_path)


def test_a_worker_that_cannot_start_says_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a result there is a log."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(CalibrationError, match=r"ended with code 1 and no result; .*x\.log"):
        _run(ExportTask(base=tmp_path, target=tmp_path), tmp_path)


def test_a_killed_worker_does_not_end_the_sweep_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system kills for lack of memory."""
    killer = tmp_path / "killer"
    killer.write_text("#!/bin/sh\nkill -9 $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(killer))
    with pytest.raises(CalibrationError, match="killed by signal 9, probably for lack of memory"):
        _run(ExportTask(base=tmp_path, target=tmp_path), tmp_path)
