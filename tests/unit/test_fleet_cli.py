"""Rules of the command line: one line on stderr, the exit code of the error's class, JSON on stdout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent.errors import ConfigError, HubError
from fleet.cli import default_database, main
from fleet.database import open_database
from fleet.hub import BrokerAddress


def test_status_of_an_empty_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON status is one object with every count."""
    url = f"sqlite:///{tmp_path}/hub.db"
    open_database(url).dispose()
    assert main(["status", "--json", "--database", url]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema_version": 1,
        "stored": 0,
        "withdrawn": 0,
        "rejected": 0,
        "conflicts": 0,
        "missing": 0,
        "refused_payloads": {},
        "devices": [],
    }


def test_status_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The status for people says how many results are stored."""
    url = f"sqlite:///{tmp_path}/hub.db"
    open_database(url).dispose()
    assert main(["status", "--database", url]) == 0
    assert "stored at hub: 0" in capsys.readouterr().out


def test_error_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error is one line that says what to do, with the exit code of its class and no traceback."""
    assert main(["status", "--database", f"sqlite:///{tmp_path}/none.db"]) == HubError.exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "derm-fleet serve" in captured.err


def test_debug_shows_the_error_whole(tmp_path: Path) -> None:
    """With --debug the exception comes through."""
    with pytest.raises(HubError):
        main(["--debug", "status", "--database", f"sqlite:///{tmp_path}/none.db"])


@pytest.mark.parametrize(
    "url",
    ["http://h", "mqtt://", "mqtt://h:99999", "mqtts://h", "h:1883", "mqtt://u:p@h", "mqtt://h/topic", "mqtt://["],
)
def test_unusable_broker_url(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broker URL that cannot be used is a configuration error before the database is touched."""
    database = tmp_path / "hub.db"
    code = main(["serve", "--broker", url, "--database", f"sqlite:///{database}"])
    assert code == ConfigError.exit_code
    assert "mqtt://HOST:PORT" in capsys.readouterr().err
    assert not database.exists()


def test_broker_port_has_a_default() -> None:
    """Without a port it is MQTT's registered one."""
    assert BrokerAddress.parse("mqtt://hub.example") == BrokerAddress("hub.example", 1883)


@pytest.mark.parametrize("count", ["0", "-1", "two"])
def test_once_stored_needs_a_count(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--once-stored takes a whole number from 1 on."""
    with pytest.raises(SystemExit):
        main(["serve", "--broker", "mqtt://h", "--once-stored", count])
    assert "at least 1" in capsys.readouterr().err


def test_ready_file_must_be_writable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A ready file in a folder that does not exist is told at once."""
    arguments = ["serve", "--broker", "mqtt://127.0.0.1:1", "--database", f"sqlite:///{tmp_path}/hub.db"]
    assert main([*arguments, "--ready-file", str(tmp_path / "none" / "ready")]) == ConfigError.exit_code
    assert "--ready-file" in capsys.readouterr().err


def test_default_database_is_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without --database the file is below XDG_STATE_HOME."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_database() == f"sqlite:///{tmp_path}/derm-fleet/hub.db"
