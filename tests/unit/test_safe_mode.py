"""A broken configuration still gives a daemon that keeps cases, in the right store, and names the line to mend."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge_agent.casework_bootstrap import check_wish
from edge_agent.config import Config
from edge_agent.daemon_bootstrap import open_daemon
from edge_agent.supervision.safe_mode import LAST_GOOD, keep_last_good, read_wish


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(f'state_dir = "{tmp_path}/state"\n{text}')
    (tmp_path / "state").mkdir(exist_ok=True)
    return path


def test_a_typo_names_its_line_and_keeps_the_store(tmp_path: Path) -> None:
    """The cases go into the store that the file names, not into another one."""
    wish = read_wish(_file(tmp_path, 'languge = "zh"\n'), environment={})
    assert wish.config.state_dir == tmp_path / "state"
    assert "line 2" in wish.faults[0]
    assert "'language'" in wish.faults[0]


def test_a_file_that_is_no_toml_keeps_the_store(tmp_path: Path) -> None:
    """Even then the line with the state folder is found."""
    wish = read_wish(_file(tmp_path, "[broker\nurl = \n"), environment={})
    assert wish.config.state_dir == tmp_path / "state"
    assert len(wish.faults) == 1


def test_the_last_good_copy_is_taken(tmp_path: Path) -> None:
    """What worked last stands in for a broken file: here the language and nothing else tells them apart."""
    path = _file(tmp_path, 'language = "zh"\n')
    keep_last_good(read_wish(path, environment={}))
    path.write_text(path.read_text() + "oops = 1\n")
    wish = read_wish(path, environment={})
    assert wish.config.language == "zh"
    assert wish.faults


def test_a_broken_file_is_never_the_last_good_one(tmp_path: Path) -> None:
    """The copy stays as it was."""
    path = _file(tmp_path, 'language = "zh"\n')
    keep_last_good(read_wish(path, environment={}))
    path.write_text(path.read_text() + "oops = 1\n")
    keep_last_good(read_wish(path, environment={}))
    assert "oops" not in (tmp_path / "state" / LAST_GOOD).read_text()


def test_without_a_file_that_can_be_read_the_service_folder_is_used(tmp_path: Path) -> None:
    """systemd names it; nobody's home folder gets a second store."""
    wish = read_wish(tmp_path / "none.toml", environment={"STATE_DIRECTORY": str(tmp_path / "var")})
    assert wish.config.state_dir == tmp_path / "var"
    assert "cannot read" in wish.faults[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('profile = "no-such"', "line 2: "),
        ('bundle_dir = "/no/such/bundle"', "line 2: "),
        ('practice_file = "/no/such.toml"', "/no/such.toml"),
    ],
)
def test_what_a_value_names_is_looked_at(tmp_path: Path, line: str, words: str) -> None:
    """Missing profile, bundle and practice file are faults with their place, and nothing may be inferred."""
    checked = check_wish(read_wish(_file(tmp_path, f"{line}\n"), environment={}))
    assert len(checked.wish.faults) == 1
    assert words in checked.wish.faults[0]
    assert checked.manifest is None


def test_a_sound_configuration_has_no_fault(tmp_path: Path) -> None:
    """Else every device would run in safe mode."""
    checked = check_wish(read_wish(_file(tmp_path, ""), environment={}))
    assert checked.wish.faults == ()
    assert checked.manifest is not None
    assert checked.wish.config == Config(state_dir=tmp_path / "state")


@pytest.mark.parametrize(
    "line", ['profile = "no-such"', 'bundle_dir = "/no/such/bundle"', 'practice_file = "/no/such.toml"']
)
def test_the_daemon_is_built_all_the_same(tmp_path: Path, line: str) -> None:
    """Whatever a value names wrongly, cases are taken and the page says that it is safe mode."""
    wish = read_wish(_file(tmp_path, f"{line}\n"), environment={})
    with open_daemon(wish, stop=threading.Event()) as daemon:
        assert "safe_mode" in daemon.fault_ids()
