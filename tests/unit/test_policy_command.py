"""``derm-edge policy show | verify`` and ``derm-calibrate sign-policy``: what a person at a terminal sees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibration.cli import main as calibrate
from edge_agent.cli import run
from edge_agent.errors import RejectedError, SignatureRejected
from tests.simulators.policies import Ministry, ministry, policy_text


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ministry:
    """A configured device; its configuration is named by the environment."""
    found = ministry(tmp_path)
    lines = [f'state_dir = "{tmp_path / "state"}"', f'policy_keys_dir = "{tmp_path / "keys"}"']
    (tmp_path / "config.toml").write_text("\n".join([*lines, f'policy_file = "{found.file}"']))
    monkeypatch.setenv("DERM_EDGE_CONFIG", str(tmp_path / "config.toml"))
    return found


def test_show_prints_every_value_and_who_signed(device: Ministry, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a key, also for what the file leaves out."""
    device.publish(policy_text('emergency_number = "120"', version=4))
    assert run(["policy", "show"]) == 0
    shown = capsys.readouterr().out
    assert "policy 4: Ministry of the tests (signed by the ministry key)" in shown
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in shown.splitlines() if line.startswith("  ")}
    assert lines["emergency_number"] == "120"
    assert lines["intimate_photo_minor"] == "never"
    assert lines["safeguarding_contact"] == "–"
    assert "training 1" in lines["consent_versions"]


def test_show_names_a_refused_file_and_what_holds_instead(device: Ministry, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code says that something is wrong; stdout stays what holds."""
    device.publish(policy_text("session_timeout_min = 90"))
    assert run(["policy", "show", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["origin"], told["policy"]["session_timeout_min"]) == ("built_in", 10)
    assert "session_timeout_min" in told["refusal"]


def test_show_accepts_nothing(device: Ministry) -> None:
    """Looking leaves no copy behind."""
    device.publish(policy_text(version=8))
    assert run(["policy", "show"]) == 0
    assert list((device.folder / "state").iterdir()) == []


def test_verify_says_whether_the_device_would_take_it(device: Ministry, capsys: pytest.CaptureFixture[str]) -> None:
    """It also knows what was accepted before."""
    device.publish(policy_text(version=4))
    device.load()
    assert run(["policy", "verify", str(device.file)]) == 0
    assert "this device would accept it" in capsys.readouterr().out
    device.publish(policy_text(version=3))
    assert run(["policy", "verify", str(device.file)]) == 75  # VersionRejected
    assert "this device accepted 4 before" in capsys.readouterr().err
    device.file.write_text(policy_text(version=5))
    assert run(["policy", "verify", str(device.file)]) == SignatureRejected.exit_code


def test_verify_names_its_own_argument(device: Ministry, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the pen on the command line is no fault of the configuration."""
    assert run(["policy", "verify", str(device.folder / "nosuch")]) == SignatureRejected.exit_code
    said = capsys.readouterr().err
    assert "nosuch cannot be read" in said and "name a signed policy file" in said
    assert "policy_file" not in said


def test_a_ministry_signs_and_a_device_loads(device: Ministry, capsys: pytest.CaptureFixture[str]) -> None:
    """From the text to the value in force, with the two commands alone."""
    source = device.folder / "policy.toml"
    source.write_text(policy_text("screen_blank_s = 20"))
    assert calibrate(["sign-policy", str(source), "--key", str(device.private_key)]) == 0
    assert "signed" in capsys.readouterr().err
    assert device.load().policy.screen_blank_s == 20


def test_signing_a_laxer_text_is_one_line(device: Ministry, capsys: pytest.CaptureFixture[str]) -> None:
    """The key that is too lax is named."""
    source = device.folder / "policy.toml"
    source.write_text(policy_text("screen_blank_s = 600"))
    code = calibrate(["sign-policy", str(source), "--key", str(device.private_key)])
    assert code == RejectedError.exit_code
    assert "screen_blank_s" in capsys.readouterr().err
