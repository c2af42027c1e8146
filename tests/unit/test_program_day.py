"""``scripts/package`` and the day before which the program says it did not exist."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from edge_agent.errors import ConfigError
from edge_agent.store.audit import PROGRAM_DATE
from scripts import package_main
from scripts.packaging.program_day import check_program_day, last_commit

COMMITTED = date(2027, 3, 31)


@pytest.mark.parametrize("made", [date(2027, 3, 1), COMMITTED])
def test_a_day_of_this_release_is_taken(made: date) -> None:
    """Up to thirty days before the last commit."""
    check_program_day(made, committed=COMMITTED)


def test_a_forgotten_day_is_refused_and_says_what_to_write() -> None:
    """One day more than thirty."""
    with pytest.raises(ConfigError, match=r"31 days before the last commit: write 2027-03-31 there"):
        check_program_day(date(2027, 2, 28), committed=COMMITTED)


def test_a_day_ahead_of_the_program_is_refused() -> None:
    """Kiosks would take today for a wrong day."""
    with pytest.raises(ConfigError, match="after the last commit"):
        check_program_day(date(2027, 4, 1), committed=COMMITTED)


def _clone(folder: Path, *, seconds: int) -> Path:
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    dates = {"GIT_AUTHOR_DATE": f"{seconds} +1400", "GIT_COMMITTER_DATE": f"{seconds} +1400", "PATH": "/usr/bin:/bin"}
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True, env=dates)
    return folder


def test_the_day_is_the_commit_s_in_utc(tmp_path: Path) -> None:
    """1806537599 is 2027-03-31 23:59:59 UTC (date -u -d @1806537599), the next day where it was committed."""
    assert last_commit(_clone(tmp_path, seconds=1806537599)) == COMMITTED


def test_without_a_history_nothing_is_packed(tmp_path: Path) -> None:
    """An exported folder cannot say how old it is."""
    with pytest.raises(ConfigError, match="in a clone"):
        last_commit(tmp_path)


def test_no_package_is_made_of_a_program_whose_day_was_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command itself stops before it fetches anything; a year after the day that stands in the source now."""
    late = PROGRAM_DATE.replace(year=PROGRAM_DATE.year + 1)
    monkeypatch.setattr(package_main, "PROJECT", _clone(tmp_path / "clone", seconds=int(late.timestamp())))
    assert package_main.main(["--out", str(tmp_path / "out"), "--no-debian-list"]) == ConfigError.exit_code
    assert "days before the last commit" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.tar"))
