"""``derm-edge device``: words, exit codes and lines, on computers that are recorded."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from edge_agent.cli import run
from edge_agent.commands import device
from edge_agent.commands.screen import Screen
from edge_agent.commands.status import read_status
from edge_agent.config import Config, load_config
from edge_agent.device_bootstrap import choose, open_verdicts
from edge_agent.devices.verdict import Event
from edge_agent.errors import ConfigError, DaemonError
from edge_agent.state_dir import StateLock, prepare_state_dir
from tests.simulators.cases import manifest
from tests.simulators.second_device import devices, key, stand_in


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A cart's configuration."""
    path = tmp_path / "config.toml"
    path.write_text(f'state_dir = "{tmp_path / "state"}"\nprofile = "core-ultra"\n')
    return path


def earned(config: Config) -> None:
    """Write an earned verdict of made-up parts."""
    held = open_verdicts(config)
    held.begin_test("GPU", key())
    held.end_test(key(), reasons=(), figures={"ratio": 0.5})


@pytest.mark.parametrize("words", [("--cases", "5"), ("--minutes", "0"), ("--minutes", "nan"), ("--cases", "x")])
def test_a_soak_test_is_long_enough_to_say_something(config: Path, words: tuple[str, str]) -> None:
    """Too few cases, no time: a mistake in the words."""
    with pytest.raises(SystemExit) as ended:
        run(["--config", str(config), "device", "soak", *words])
    assert ended.value.code == 2


def test_a_profile_of_one_device_has_nothing_to_test(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 10, and what the profile is."""
    config.write_text(config.read_text().replace("core-ultra", "generic"))
    assert run(["--config", str(config), "device", "soak"]) == 10
    assert "profile generic names no second device" in capsys.readouterr().err
    assert run(["--config", str(config), "device", "status"]) == 0
    assert "names no second device; cases run on the CPU" in capsys.readouterr().out


def test_a_running_daemon_is_not_disturbed(config: Path, tmp_path: Path) -> None:
    """Two more engines beside its own would say nothing about either."""
    loaded = load_config(config)
    prepare_state_dir(loaded.state_dir)
    options = argparse.Namespace(cases=None, minutes=None)
    with (
        StateLock(loaded.state_dir, wait_s=0.0),
        pytest.raises(DaemonError, match="stop derm-edge run first"),
    ):
        device.soak(options, loaded, Screen(), devices=devices(tmp_path / "root", stand_in()))
    assert open_verdicts(loaded).read() is None


def test_two_engines_must_fit(config: Path, tmp_path: Path) -> None:
    """The CPU's figures are taken beside the other's: a computer that would swap says nothing about either."""
    loaded = load_config(config)
    known = devices(tmp_path / "root", stand_in())
    (tmp_path / "root/proc/meminfo").write_text("MemTotal:       400000 kB\n")
    with pytest.raises(ConfigError, match=r"two engines, 0\.\d GB, and this computer has 0\.4 GB"):
        device.soak(argparse.Namespace(cases=None, minutes=None), loaded, Screen(), devices=known)
    assert open_verdicts(loaded).read() is None


def test_status_shows_the_verdict_and_whether_it_holds(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """First the line about now, then what was decided, on what, with figures."""
    loaded = load_config(config)
    earned(loaded)
    known = devices(tmp_path / "root", stand_in())
    assert device.status(argparse.Namespace(json=False), loaded, devices=known) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("GPU: its verdict does not hold any more: profile was core-ultra (1) at the soak test")
    assert lines[1].startswith("verdict    GPU earned, ")
    assert "kernel     6.8.0-45" in lines
    assert "ratio          0.5" in lines
    assert device.status(argparse.Namespace(json=True), loaded, devices=known) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["may_run"], facts["verdict"]["standing"]) == (False, "earned")


def test_revoke_takes_the_place_away(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason that was given; without a verdict it is a mistake."""
    assert run(["--config", str(config), "device", "revoke"]) == 10
    assert "no verdict to take away" in capsys.readouterr().err
    loaded = load_config(config)
    earned(loaded)
    assert run(["--config", str(config), "device", "revoke", "--reason", "the fan is broken"]) == 0
    held = open_verdicts(loaded).read()
    assert held is not None
    assert (held.standing, held.reasons, held.revocations) == ("revoked", ("the fan is broken",), 1)


def test_status_and_doctor_name_a_device_that_lost_its_place(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator who looks at the device sees it, whichever command he takes."""
    loaded = load_config(config)
    earned(loaded)
    open_verdicts(loaded).revoke("the inference child was too slow", by=Event.FAULT)
    assert read_status(loaded)["second_device"] == "GPU revoked; the inference child was too slow"
    assert run(["--config", str(config), "status"]) == 0
    assert "device   GPU revoked; the inference child was too slow" in capsys.readouterr().out
    choice = choose(loaded, manifest(), devices=devices(tmp_path / "root", stand_in()))
    assert choice is not None
    assert choice.line == (
        "GPU: revoked: the inference child was too slow; run derm-edge device soak; cases run on the CPU"
    )
