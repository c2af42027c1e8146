"""``derm-edge store``: what a maintainer types, and what they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from device_profiles.loader import load_profile
from edge_agent import cli
from edge_agent.commands import store as store_command
from edge_agent.config import Config
from edge_agent.errors import DaemonError, StoreCorrupt, StoreError
from edge_agent.state_dir import StateLock
from edge_agent.store.space import Stage
from edge_agent.store.vault import ImageVault
from edge_agent.store_bootstrap import build_storage_room, open_store
from tests.simulators.pages import PAGE_BYTES
from tests.simulators.records import a_case, a_consent

Run = Callable[..., int]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Configure a state folder with three cases of one picture each."""
    config = Config(state_dir=tmp_path / "state")
    with open_store(config) as store:
        for name in ("a", "b", "c"):
            store.cases.add(a_case(name, consent=a_consent(), views=1), language="en")
    return config


@pytest.fixture
def run(config: Config, tmp_path: Path) -> Run:
    """Run the command line with that configuration; return its exit code."""
    file = tmp_path / "config.toml"
    file.write_text(f'state_dir = "{config.state_dir}"\n')
    return lambda *words: cli.run(["--config", str(file), "store", *words])


def _break_picture(config: Config) -> None:
    with open_store(config) as store:
        image_id = store.cases.views("b")[0].image_id
        ImageVault(store.database).path_of(str(image_id)).write_bytes(b"damaged")


def test_a_whole_store_is_called_whole(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Check counts cases and pictures and ends 0."""
    assert run("check") == 0
    assert capsys.readouterr().out.splitlines()[0] == "cases     3"


def test_a_damaged_picture_is_found(run: Run, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """Check ends with StoreCorrupt's code and names the next step; salvage then names the case."""
    _break_picture(config)
    assert run("check") == StoreCorrupt.exit_code
    assert "store salvage --into" in capsys.readouterr().err
    assert run("salvage", "--into", str(config.state_dir.with_name("new"))) == 0
    out = capsys.readouterr().out
    assert "cases lost     0" in out
    assert "pictures lost  1, saved 2" in out


def test_a_damaged_page_is_found(run: Run, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad page of the database ends with StoreCorrupt's code and the original stays for salvage."""
    path = config.state_dir / "store.db"
    content = bytearray(path.read_bytes())
    content[-PAGE_BYTES + 50] ^= 1
    path.write_bytes(bytes(content))
    assert run("check") == StoreCorrupt.exit_code
    assert "damaged" in capsys.readouterr().err


def test_backup_and_restore(run: Run, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """A backup is listed and restored; where cases came later it is refused until that is said."""
    assert run("backup") == 0
    assert run("restore") == 0
    name = capsys.readouterr().out.splitlines()[-1]
    with open_store(config) as store:
        store.cases.add(a_case("later"), language="en")
    assert run("restore", name) == StoreError.exit_code
    assert "1 cases came after this backup (later)" in capsys.readouterr().err
    assert run("restore", name, "--drop-later-cases") == 0
    assert "restored 3 cases and 3 pictures" in capsys.readouterr().out
    with open_store(config) as store:
        assert store.cases.pending() == ["a", "b", "c"]
        assert len(store.cases.load("b").views) == 1


def test_an_unknown_backup_is_told(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name says how to see the right ones."""
    assert run("restore", "nothing.bak") == StoreError.exit_code
    assert "lists them" in capsys.readouterr().err


def test_retention_counts_without_deleting(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run names each class with its count."""
    assert run("retention", "--dry-run") in {0, StoreError.exit_code}  # the second where this computer's clock is wrong
    shown = capsys.readouterr()
    assert "picture_after_signoff  0 due" in shown.out or "nothing was deleted" in shown.err


def test_the_ladder_takes_the_profiles_budget(config: Config) -> None:
    """The storage value of the device profile is what the store may take, unless the configuration says less."""
    small = config.model_copy(update={"storage": config.storage.model_copy(update={"budget_bytes": 1})})
    with open_store(small) as store:
        assert build_storage_room(small, store, profile=load_profile("generic")).look().stage is Stage.FULL
    wide = config.model_copy(
        update={"storage": config.storage.model_copy(update={"low_bytes": 3, "tight_bytes": 2, "full_bytes": 1})}
    )
    with open_store(wide) as store:
        assert build_storage_room(wide, store, profile=load_profile("generic")).look().stage is Stage.OK


def test_a_second_user_of_the_folder_is_told(
    run: Run, config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another process holds the state folder nothing is restored."""
    monkeypatch.setattr(store_command, "_WAIT_S", 0.0)
    with StateLock(config.state_dir, wait_s=0.0):
        assert run("check") == DaemonError.exit_code
    assert "another derm-edge uses" in capsys.readouterr().err
