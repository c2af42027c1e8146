"""The command line without a model: errors in one line, exit codes, status and sync on an empty device."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent import errors
from edge_agent.cli import UNEXPECTED, run
from edge_agent.errors import ConfigError, EdgeError
from tests.simulators.kiosk import ROOT


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
    for command in ("case", "capture", "run", "sync", "status", "doctor", "device", "bundle"):
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


def test_status_names_the_policy_that_holds(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, in doctor's words: the built-in rules, then what is wrong with a file that was refused."""
    monkeypatch.setattr("edge_agent.policy.load.DEFAULT_FILE", tmp_path / "none")
    assert run(["--config", config, "status"]) == 0
    assert (
        "policy   no authority has signed a policy for this device: the built-in strict rules hold"
        in capsys.readouterr().out.splitlines()
    )
    with Path(config).open("r+") as stream:
        text = stream.read()
        stream.seek(0)
        stream.write(f'policy_file = "{tmp_path / "gone.json"}"\n{text}')
    assert run(["--config", config, "status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["policy"]
    assert told.startswith("mend: ") and told.endswith("meanwhile the built-in strict rules hold")


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
    """LengthOrHash and Signature: code 73 and one line. (``derm-edge run`` starts all the same, in safe mode.)"""
    assert run(["--config", config, "bundle", "show"]) == 73
    assert "Traceback" not in capsys.readouterr().err


def test_doctor_goes_on_after_a_failure(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every check is shown; the code is that of the first failure."""
    assert run(["--config", config, "doctor"]) == 73
    lines = capsys.readouterr().out.splitlines()
    named = [line.split()[1] for line in lines]
    assert named[:7] == ["profile", "bundle", "device", "canary", "store", "broker", "disk"]
    assert named[7:] == ["rights", "power", "clock", "daemon", "practice", "policy", "camera", "fonts", "browser"]
    assert [line[0] for line in lines][:6] == ["✓", "✗", "–", "–", "✓", "✗"]


def test_every_error_class_has_its_own_code() -> None:
    """A script can tell error classes by their exit code."""
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EdgeError)]
    codes = [kind.exit_code for kind in classes]
    assert len(set(codes)) == len(codes)
    assert UNEXPECTED not in codes
    assert all(0 < code < 126 for code in codes)  # 126 and above belong to the shell


@pytest.mark.parametrize("views", ["13", "0", "-1", "two"])
def test_a_count_of_views_out_of_range_is_a_wrong_argument(views: str, config: str) -> None:
    """argparse's own code 2, before anything is opened."""
    with pytest.raises(SystemExit) as ended:
        run(["--config", config, "capture", "--source", "x.avi", f"--views={views}"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["case", "--image", "a" * 300 + ".png"], 21),
        (["case", "--folder", "b" * 300], 21),
        (["capture", "--source", "rtsp://127.0.0.1:9/" + "c" * 300], 20),
        (["capture", "--source", "d" * 300], 20),
    ],
)
def test_a_name_that_is_too_long_is_one_line(
    words: list[str], code: int, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """More than a file system's 255 bytes: the error of a missing picture or camera."""
    assert run(["--config", config, *words]) == code
    assert capsys.readouterr().err.splitlines()[-1].startswith("derm-edge: ")


def test_a_mistake_in_the_program_is_one_line(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Planted: whatever no class names has code 70, its type, its words on one line, and what to do."""

    def fail(_config: object) -> None:
        raise KeyError("first line\nsecond")

    monkeypatch.setattr("edge_agent.commands.status.read_status", fail)
    assert run(["--config", config, "status"]) == 70
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 1
    assert shown[0].startswith("derm-edge: unexpected error: KeyError: ")
    assert shown[0].endswith("run again with --debug and report it")
    assert run(["--debug", "--config", config, "status"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_output_to_a_full_disk_is_one_line(config: str) -> None:
    """Nothing was written, so the code is not 0; Python adds no complaint of its own."""
    words = [sys.executable, "-m", "edge_agent", "--config", config, "status", "--json"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(words, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 51
    assert done.stderr.splitlines() == [
        "derm-edge: cannot write the output, no space is left: free disk space and try again"
    ]


def test_an_error_line_that_cannot_be_written_keeps_its_exit_code() -> None:
    """Stderr on a full disk: nobody can read the line, but the code still names the class of the error."""
    words = [sys.executable, "-m", "edge_agent", "--config", "/nowhere.toml", "status"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=full, check=False)
    assert done.returncode == ConfigError.exit_code
