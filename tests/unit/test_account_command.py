"""Rules of ``derm-edge account`` and ``derm-edge audit``."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from edge_agent.cli import run
from tests.simulators.kiosk_parts import PIN


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.toml"
    path.write_text(f'state_dir = "{tmp_path / "state"}"\n', encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def _pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PIN}\n"))


def _add(config: str, name: str, role: str) -> int:
    return run(["--config", config, "account", "add", name, "--role", role, "--pin-stdin"])


def test_the_first_account_is_made_from_the_command_line(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An installer needs no browser; the PIN is not echoed, and the owner must change it."""
    assert _add(config, "Zhang Wei", "maintainer") == 0
    assert run(["--config", config, "account", "list", "--json"]) == 0
    told = capsys.readouterr()
    [row] = json.loads(told.out)
    assert (row["name"], row["roles"], row["state"]) == ("zhang.wei", ["maintainer"], "active")
    assert PIN not in told.out + told.err


def test_the_last_maintainer_cannot_be_disabled_here_either(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The rule holds whoever asks; the line says what to do."""
    _add(config, "Zhang Wei", "maintainer")
    assert run(["--config", config, "account", "disable", "zhang.wei"]) == 23
    assert "make another one first" in capsys.readouterr().err


def test_an_unknown_name_is_told_in_one_line(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the command that shows the names."""
    assert run(["--config", config, "account", "reset-pin", "nobody", "--pin-stdin"]) == 23
    assert "account list" in capsys.readouterr().err


def test_the_trail_is_exported_whole_with_its_hashes(config: str, tmp_path: Path) -> None:
    """The copy has every row, and the export itself is noted afterwards."""
    _add(config, "Zhang Wei", "maintainer")
    out = tmp_path / "trail.jsonl"
    assert run(["--config", config, "audit", "export", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(row["who"], row["action"]) for row in rows] == [("(command line)", "account_added")]
    assert run(["--config", config, "audit", "verify"]) == 0
