"""The day of which a program says that it did not exist before: it goes into no package where it was forgotten.

``PROGRAM_DATE`` (edge_agent/store/audit.py) is the earliest day that a kiosk believes of its clock, and with it begins the
time that a new kiosk may lie unused. Left behind, a new kiosk believes clocks that stand months back; ahead by a slip of the
pen, it takes the right day for a wrong one.
"""

from __future__ import annotations

import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from edge_agent.errors import ConfigError

OLDEST: Final = timedelta(days=30)
_PLACE: Final = "PROGRAM_DATE in edge_agent/store/audit.py"


def check_program_day(made: date, *, committed: date) -> None:
    """Refuse a day that was forgotten, or that lies ahead of the program.

    Args:
        made: ``PROGRAM_DATE``, as a day.
        committed: of the last commit that goes into the package, UTC.

    Raises:
        ConfigError: says which day to write where.
    """
    if made > committed:
        raise ConfigError(f"{_PLACE} is {made}, after the last commit ({committed}): write {committed} there")
    if committed - made > OLDEST:
        behind = (committed - made).days
        raise ConfigError(
            f"{_PLACE} is {made}, {behind} days before the last commit: write {committed} there, commit it"
        )


def last_commit(project: Path) -> date:
    """Return the day of the last commit, UTC.

    Raises:
        ConfigError: the folder has no history; a package is made from a clone.
    """
    command = ["git", "-C", str(project), "log", "-1", "--format=%ct"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        return datetime.fromtimestamp(int(said), UTC).date()
    except (OSError, ValueError, subprocess.CalledProcessError) as exc:
        raise ConfigError(f"{project} has no git history to take the day from: make the package in a clone") from exc
