"""The command line without a model: errors in one line, exit codes, status and sync on an empty device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent import errors
from edge_agent.cli import run
from edge_agent.errors import EdgeError


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration whose broker answers nobody and whose bundle does not exist."""
    path = tmp_path / "config.toml"
    path.write_text(
        f'state_dir = "{tmp_path / "state"}"\nbundle_dir = "{tmp_path / "none"}"\n'
        '[broker]\nurl = "mqtt://127.0.0.1:9"\nsync_timeout_s = 0.5\n'
    )
    return str(path)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """--help ends 0 and lists what there is."""
    with pytest.raises(SystemExit) as ended:
        run(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for command in ("case", "capture", "run", "sync", "status", "doctor", "bundle"):
        assert f"\n    {command} " in shown


def test_a_wrong_configuration_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """ConfigError: code 10, one line on stderr, nothing on stdout, no traceback."""
    path = tmp_path / "config.toml"
    path.write_text("langage = 'en'\n")
    assert run(["--config", str(path), "status"]) == 10
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [f"derm-edge: {path}, line 1: unknown key 'langage'; did you mean 'language'?"]


def test_debug_shows_the_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--debug adds the traceback and keeps the code."""
    assert run(["--debug", "--config", str(tmp_path / "none"), "status"]) == 10
    assert "Traceback" in capsys.readouterr().err


def test_status_of_a_new_device(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A new device has nothing queued, sent, stored or rejected, and no daemon."""
    assert run(["--config", config, "status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["daemon"] is None
    assert status["outbox"] == {"queued": 0, "sent": 0, "stored": 0, "rejected": 0, "quarantined": 0}
    assert status["pending"] == 0


def test_the_state_folder_is_private(config: str, tmp_path: Path) -> None:
    """Pictures, key and socket lie in a folder that only this account enters."""
    run(["--config", config, "status"])
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "store.key").stat().st_mode & 0o777 == 0o600


def test_sync_without_a_broker_has_the_uplinks_code(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """UplinkError: code 60 and one line."""
    assert run(["--config", config, "sync"]) == 60
    assert capsys.readouterr().err.splitlines()[-1].startswith("derm-edge: ")


def test_an_untrusted_bundle_has_its_own_code(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """SignatureRejected: code 73; the daemon does not start without a trusted bundle."""
    assert run(["--config", config, "run"]) == 73
    assert "Traceback" not in capsys.readouterr().err


def test_doctor_goes_on_after_a_failure(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every check is shown; the code is that of the first failure."""
    assert run(["--config", config, "doctor"]) == 73
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["profile", "bundle", "canary", "store", "broker"]
    assert [line[0] for line in lines] == ["✓", "✗", "–", "✓", "✗"]


def test_every_error_class_has_its_own_code() -> None:
    """A script can tell error classes by their exit code."""
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EdgeError)]
    codes = [kind.exit_code for kind in classes]
    assert len(set(codes)) == len(codes)
    assert all(0 < code < 126 for code in codes)  # 126 and above belong to the shell
