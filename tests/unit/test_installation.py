"""Installing, upgrading, going back and resetting a kiosk that lives in a folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edge_agent.errors import ActivationError, Incompatible, StoreFull, UpdateError, VersionRejected
from edge_agent.installation import steps
from edge_agent.installation.layout import Layout
from edge_agent.installation.manifest import is_older
from edge_agent.installation.steps import Event, Stage, step
from tests.simulators.policies import ministry, policy_text
from tests.simulators.slot_program import KEYS, NOON, Kiosk
from tests.simulators.tiny_package import program_package


@pytest.fixture
def kiosk(tmp_path: Path) -> Kiosk:
    """A computer without the program."""
    root = tmp_path / "root"
    root.mkdir()
    return Kiosk(Layout(root))


@pytest.fixture
def used(kiosk: Kiosk, tmp_path: Path) -> Kiosk:
    """A kiosk with program 1.0 (schema 2) and one case."""
    kiosk.installer().bring(program_package(tmp_path, version="1.0"), keys=KEYS)
    kiosk.program.take_case("first")
    return kiosk


def test_a_first_installation(kiosk: Kiosk, tmp_path: Path) -> None:
    """Program, units, settings with this computer's folders, and a running service."""
    kiosk.installer().bring(program_package(tmp_path, version="1.0"), keys=KEYS, profile="atom")
    assert kiosk.version() == "1.0"
    assert tomllib.loads(kiosk.layout.config.read_text()) == {
        "state_dir": str(kiosk.layout.state),
        "profile": "atom",
        "policy_keys_dir": str(kiosk.layout.policy_keys),
    }
    assert list(kiosk.layout.policy_keys.iterdir()) == []  # whoever releases programs does not say who makes the rules
    assert (kiosk.layout.root / "usr/lib/systemd/system/derm-edge.service").read_text() == "# unit of 1.0\n"
    assert kiosk.layout.command.readlink() == kiosk.layout.current / "venv" / "bin" / "derm-edge"
    kiosk.check_whole()


def test_a_policy_in_the_package_is_laid_once(kiosk: Kiosk, tmp_path: Path) -> None:
    """A new kiosk gets the ministry's file byte by byte; one that a person replaced stays, whatever a later package brings."""
    authority = ministry(tmp_path / "ministry")
    authority.publish(policy_text(version=1))
    kiosk.installer().bring(program_package(tmp_path, version="1.0", policy=authority.file), keys=KEYS)
    laid = kiosk.layout.settings / "policy.dsse.json"
    assert laid.read_bytes() == authority.file.read_bytes()
    laid.write_text("of a person")
    kiosk.installer().bring(program_package(tmp_path, version="1.1", policy=authority.file), keys=KEYS)
    assert laid.read_text() == "of a person"


def test_an_upgrade_keeps_settings_and_cases(used: Kiosk, tmp_path: Path) -> None:
    """What the operator wrote and what was recorded stay; units are the new program's."""
    used.layout.config.write_text("# mine\n")
    used.installer().bring(program_package(tmp_path, version="1.1", schema=3), keys=KEYS)
    assert used.version() == "1.1"
    assert used.layout.config.read_text() == "# mine\n"
    assert used.program.store() == {"schema": 3, "cases": ["first"]}
    used.check_whole()


def test_a_program_that_does_not_work_is_left_again(used: Kiosk, tmp_path: Path) -> None:
    """Its doctor fails after it migrated the store: the old program is back, and reads its store."""
    bad = program_package(tmp_path, version="1.1", schema=3, works=False)
    with pytest.raises(ActivationError, match=r"it is broken .*1\.0 is in use"):
        used.installer().bring(bad, keys=KEYS)
    assert used.program.store() == {"schema": 2, "cases": ["first"]}
    assert used.version() == "1.0"
    used.check_whole()


def test_a_first_installation_that_fails_leaves_nothing_in_use(kiosk: Kiosk, tmp_path: Path) -> None:
    """No command, no units, no slot in use; the next package is a first installation again."""
    with pytest.raises(ActivationError, match="nothing is installed"):
        kiosk.installer().bring(program_package(tmp_path, version="1.0", works=False), keys=KEYS)
    assert not kiosk.layout.command.is_symlink()
    assert not kiosk.layout.system_place("derm-edge.service").exists()
    kiosk.installer().bring(program_package(tmp_path, version="1.1"), keys=KEYS)
    kiosk.check_whole()


def test_a_rollback_with_the_same_schema_loses_nothing(used: Kiosk, tmp_path: Path) -> None:
    """The older program reads today's store: cases taken since stay."""
    used.installer().bring(program_package(tmp_path, version="1.1"), keys=KEYS)
    used.program.take_case("second")
    assert used.installer().losses() == ""
    assert used.installer().roll_back() == "1.0"
    assert used.program.store()["cases"] == ["first", "second"]
    used.check_whole()


def test_a_rollback_over_a_migration_says_what_is_lost(used: Kiosk, tmp_path: Path) -> None:
    """The older program cannot read the newer store: its backup comes back, without the cases since."""
    used.installer().bring(program_package(tmp_path, version="1.1", schema=3), keys=KEYS)
    used.program.take_case("second")
    assert used.installer().losses() == "1 cases"
    assert used.system.is_running()
    used.installer().roll_back()
    assert used.program.store() == {"schema": 2, "cases": ["first"]}
    used.check_whole()


def test_there_is_one_way_back(used: Kiosk, tmp_path: Path) -> None:
    """After a rollback there is no older program; the newer one comes back by its package."""
    package = program_package(tmp_path, version="1.1")
    used.installer().bring(package, keys=KEYS)
    used.installer().roll_back()
    with pytest.raises(UpdateError, match="no program before"):
        used.installer().roll_back()
    used.installer().bring(package, keys=KEYS)
    used.check_whole()


def test_a_failed_upgrade_ends_the_older_way_back(used: Kiosk, tmp_path: Path) -> None:
    """Its slot was filled with the program that failed: going there is refused."""
    used.installer().bring(program_package(tmp_path, version="1.1"), keys=KEYS)
    with pytest.raises(ActivationError):
        used.installer().bring(program_package(tmp_path, version="1.2", works=False), keys=KEYS)
    with pytest.raises(UpdateError, match="no program before"):
        used.installer().roll_back()


def test_the_same_version_may_be_installed_again(used: Kiosk, tmp_path: Path) -> None:
    """That mends a damaged program."""
    used.installer().bring(tmp_path / "derm-edge-1.0.tar", keys=KEYS)
    used.check_whole()


def test_a_downgrade_is_refused(used: Kiosk, tmp_path: Path) -> None:
    """An older version may be an attack; nothing is touched."""
    with pytest.raises(VersionRejected, match="--allow-downgrade"):
        used.installer().bring(program_package(tmp_path, version="0.9.9"), keys=KEYS)
    used.check_whole()


def test_a_downgrade_that_was_asked_for(used: Kiosk, tmp_path: Path) -> None:
    """A person may insist."""
    used.installer().bring(program_package(tmp_path, version="0.9"), keys=KEYS, allow_downgrade=True)
    assert used.version() == "0.9"


def test_what_fails_on_the_way_back_waits_for_a_person(used: Kiosk, tmp_path: Path) -> None:
    """The service does not start, before and after: the journal stays there, and a resume ends it once that is mended."""
    (used.layout.root / "refuses").touch()
    with pytest.raises(UpdateError, match="install --resume"):
        used.installer().bring(program_package(tmp_path, version="1.1"), keys=KEYS)
    assert used.installer().entry().stage is Stage.STARTING_BACK
    with pytest.raises(UpdateError, match="under way"):
        used.installer().roll_back()
    (used.layout.root / "refuses").unlink()
    with pytest.raises(ActivationError, match=r"1\.0 is in use"):
        used.installer().resume()
    used.check_whole()


def test_a_reset_deletes_state_and_sealed_key(used: Kiosk) -> None:
    """Key, store, backups and the sealed key go; program and settings stay."""
    used.layout.sealed_key.parent.mkdir(parents=True)
    used.layout.sealed_key.write_text("sealed")
    used.installer().reset()
    assert list(used.layout.state.iterdir()) == []
    assert not used.layout.sealed_key.exists()
    assert used.version() == "1.0"
    assert used.layout.config.exists()


def test_the_key_goes_first(used: Kiosk, monkeypatch: pytest.MonkeyPatch) -> None:
    """When something later cannot be deleted, the key is gone already."""
    from edge_agent.installation import reset

    def refuse(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(reset, "_remove", refuse)
    with pytest.raises(UpdateError, match="install --resume"):
        used.installer().reset()
    assert not (used.layout.state / "store.key").exists()
    assert (used.layout.state / "store.db").exists()


def test_another_python_is_refused(kiosk: Kiosk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheels of one Python do not load in another."""
    package = program_package(tmp_path, version="1.0")
    monkeypatch.setattr("edge_agent.installation.installer.sys.version_info", type("V", (), {"major": 3, "minor": 14}))
    with pytest.raises(Incompatible, match=r"this is 3\.14"):
        kiosk.installer().bring(package, keys=KEYS)
    assert not kiosk.layout.prefix.exists()


def test_too_little_room_is_said_before(kiosk: Kiosk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is found before anything is written."""
    package = program_package(tmp_path, version="1.0")
    monkeypatch.setattr(
        "edge_agent.installation.installer.shutil.disk_usage", lambda _place: type("U", (), {"free": 10})
    )
    with pytest.raises(StoreFull):
        kiosk.installer().bring(package, keys=KEYS)
    assert not kiosk.layout.prefix.exists()


def test_the_way_back_is_dated(used: Kiosk, tmp_path: Path) -> None:
    """The journal says which version, when it was left, and which backup it can read."""
    used.installer().bring(program_package(tmp_path, version="1.1", schema=3), keys=KEYS)
    way = used.installer().entry().way_back
    assert way is not None
    assert (way.version, way.left, way.backup) == ("1.0", NOON, "store.db.v2.bak")


@pytest.mark.parametrize(
    ("version", "than", "answer"),
    [("1.9", "1.10", True), ("1.10", "1.9", False), ("1.0", "1.0.0", False), ("0.9.9", "1.0", True)],
)
def test_versions_are_compared_by_numbers(version: str, than: str, answer: bool) -> None:
    """1.10 comes after 1.9, and 1.0 is 1.0.0."""
    assert is_older(version, than=than) is answer


def test_every_stage_has_a_failure_edge_and_a_resume() -> None:
    """Whatever fails or is cut off, the table says where it goes."""
    for stage in set(Stage) - {Stage.IDLE}:
        assert (stage, Event.FAIL) in steps.TRANSITIONS
        assert (stage, Event.DONE) in steps.TRANSITIONS
    assert set(steps.RESUME) == set(Stage)


def test_every_stage_leads_to_rest() -> None:
    """From each stage, doing what it says ends in idle: no circle."""
    for stage in Stage:
        reached, here = 0, stage
        while here is not Stage.IDLE:
            here, reached = step(here, Event.DONE), reached + 1
            assert reached < len(Stage)


def test_an_impossible_event_is_a_mistake() -> None:
    """Nothing goes from idle by being done."""
    with pytest.raises(RuntimeError, match="idle"):
        step(Stage.IDLE, Event.DONE)
