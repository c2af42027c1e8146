"""The doctor's looks at the computer: each failure has its class and says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.cli import run
from edge_agent.commands import capture, doctor_checks
from edge_agent.commands.doctor import become, checked, checks_of
from edge_agent.commands.screen import Screen
from edge_agent.config import DEFAULT_PATH, CaptureConfig, Config, StorageConfig, load_config
from edge_agent.errors import CameraError, ConfigError, PictureError, StoreError, StoreFull
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


def _line(name: str, path: Path, text: str) -> tuple[int, str]:
    """Return the line of one check under a configuration file."""
    path.write_text(text, encoding="utf-8")
    check = dict(checks_of(is_quick=True))[name]
    return checked(name, check, load_config(path), path=path)


def test_numbers_that_nobody_has_set_have_no_tick(tmp_path: Path) -> None:
    """*This device* shows them as missing; the doctor says the same, and it is no failure of the program."""
    practice = tmp_path / "practice.toml"
    practice.write_text('[contacts]\nemergency_number = "120"\n', encoding="utf-8")
    text = f'state_dir = "{tmp_path}/s"\npractice_file = "{practice}"\n'
    code, line = _line("practice", tmp_path / "c.toml", text)
    assert code == 0
    assert line.startswith("! practice ")
    assert "safeguarding_contact" in line and "emergency_number" not in line
    whom = "".join(
        f'{name} = {{ name = "A", phone = "1" }}\n'
        for name in ("referral_contact", "safeguarding_contact", "crisis_contact")
    )
    practice.write_text(f'[contacts]\nemergency_number = "120"\n{whom}', encoding="utf-8")
    assert _line("practice", tmp_path / "c.toml", text)[1].startswith("✓ practice ")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('\nprofile = "n10"\n', 3, "did you mean 'n100'"),
        ('\nprofile = "tiny"\n', 3, "only for tests"),
        ("\n[inference]\nthreads = 6400\n", 4, "usable cores"),
    ],
)
def test_a_value_that_does_not_fit_names_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    """Where to mend it, in the doctor and in every other command."""
    path = tmp_path / "c.toml"
    code, said = _line("profile", path, f'state_dir = "{tmp_path}/s"\n{text}')
    assert code == ConfigError.exit_code
    assert f"{path}, line {line}: " in said
    assert words in said


def test_other_commands_name_file_and_line_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one line of any command, as for a key that is not known."""
    path = tmp_path / "c.toml"
    path.write_text(f'state_dir = "{tmp_path}/s"\nprofile = "n10"\n', encoding="utf-8")
    assert run(["--config", str(path), "device", "status"]) == ConfigError.exit_code
    assert f"derm-edge: {path}, line 2: no device profile is named 'n10'" in capsys.readouterr().err


def test_help_names_the_file_that_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    """As in README: the file, not its folder."""
    with pytest.raises(SystemExit):
        run(["--help"])
    assert str(DEFAULT_PATH) in capsys.readouterr().out


def test_a_folder_with_fewer_pictures_than_asked_for_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A camera that gave one picture of five would be an error too."""
    config, folder = tmp_path / "c.toml", tmp_path / "pictures"
    config.write_text(f'state_dir = "{tmp_path}/s"\n', encoding="utf-8")
    folder.mkdir()
    Image.new("RGB", (64, 64), "brown").save(folder / "a.png")
    words = ["--config", str(config), "capture", "--source", str(folder), "--views", "5"]
    assert run(words) == PictureError.exit_code
    assert "holds 1 pictures, --views asks for 5" in " ".join(capsys.readouterr().err.split())


def test_of_a_folder_with_more_pictures_the_first_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """As many as were asked for, by name, and it is said."""
    frames = [np.full((64, 64, 3), mark, np.uint8) for mark in range(3)]
    kept = capture._of_folder(frames, 2, source="d", screen=Screen())
    assert [int(frame[0, 0, 0]) for frame in kept] == [0, 1]
    assert "the first 2 by name" in capsys.readouterr().err
    assert capture._of_folder(frames, None, source="d", screen=Screen()) is frames
