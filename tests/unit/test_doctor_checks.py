"""The doctor's looks at the computer: each failure has its class and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.commands import doctor_checks
from edge_agent.commands.doctor import become
from edge_agent.config import CaptureConfig, Config, StorageConfig
from edge_agent.errors import CameraError, ConfigError, StoreError, StoreFull
from edge_agent.installation.layout import Layout


def _config(tmp_path: Path, **more: object) -> Config:
    return Config(state_dir=tmp_path / "s", **more)  # type: ignore[arg-type]


def test_a_folder_that_others_may_enter_is_a_failure(tmp_path: Path) -> None:
    """With the command that mends it."""
    (tmp_path / "s").mkdir(mode=0o755)
    with pytest.raises(StoreError, match="chmod 700"):
        doctor_checks.check_rights(_config(tmp_path))
    (tmp_path / "s").chmod(0o700)
    assert "private" in doctor_checks.check_rights(_config(tmp_path))


def test_a_camera_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    """The device is named, and what to do."""
    config = _config(tmp_path, capture=CaptureConfig(source="/dev/video-none"))
    with pytest.raises(CameraError, match="plug the camera in"):
        doctor_checks.check_camera(config)
    assert "none is configured" in doctor_checks.check_camera(_config(tmp_path))


def test_a_daemon_that_does_not_run_is_no_failure(tmp_path: Path) -> None:
    """The doctor is also for a device that is being set up."""
    assert "not running" in doctor_checks.check_daemon(_config(tmp_path))


def test_an_account_that_does_not_exist_is_one_line() -> None:
    """``--user`` with a slip of the pen."""
    with pytest.raises(ConfigError, match="no account nobody-of-this-name"):
        become("nobody-of-this-name")


@pytest.mark.parametrize(("low", "tight", "stage"), [(4, 3, "ok"), (10**15, 3, "low"), (10**15, 10**14, "tight")])
def test_the_disk_is_judged_by_the_ladder(tmp_path: Path, low: int, tight: int, stage: str) -> None:
    """By the configured thresholds, as in the running daemon: low is said, from tight on it is a failure."""
    storage = StorageConfig(low_bytes=low, tight_bytes=tight, full_bytes=2)
    (tmp_path / "s").mkdir()
    config = _config(tmp_path, storage=storage)
    if stage == "tight":
        with pytest.raises(StoreFull, match=r"storage is tight.*no new pictures"):
            doctor_checks.check_disk(config)
    else:
        assert ("storage is low" in doctor_checks.check_disk(config)) == (stage == "low")


def test_a_browser_without_its_rules_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules stand where an installation puts them; without them the line says that the browser may open anything."""
    assert Layout(Path("/")).system_place("derm-edge.chromium.json") == doctor_checks.BROWSER_RULES
    for name in ("BROWSER", "BROWSER_RULES"):
        monkeypatch.setattr(doctor_checks, name, tmp_path / name)
    with pytest.raises(ConfigError, match="apt install chromium"):
        doctor_checks.check_browser(_config(tmp_path))
    (tmp_path / "BROWSER").touch()
    assert "may open anything" in doctor_checks.check_browser(_config(tmp_path))
    (tmp_path / "BROWSER_RULES").touch()
    assert "opens the own page only" in doctor_checks.check_browser(_config(tmp_path))
