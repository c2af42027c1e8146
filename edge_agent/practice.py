"""Read ``practice.toml``: the switches that the clinical lead of a practice sets, apart from the technical configuration.

The file stands beside the configuration and is named there (``practice_file``), so that whoever answers for the clinic
can sign it without touching addresses and paths. Without a file the strict defaults hold.
"""

from __future__ import annotations

from pathlib import Path

from edge_agent.config import DEFAULT_PATH, parse_as
from edge_agent.contracts.practice import Practice
from edge_agent.errors import ConfigError

DEFAULT_FILE = DEFAULT_PATH.with_name("practice.toml")


def load_practice(path: Path | None = None, *, default: Path = DEFAULT_FILE) -> Practice:
    """Load the switches.

    Args:
        path: the configuration's ``practice_file``; it must exist.
        default: read where ``path`` is None and this file exists; else the built-in defaults hold.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has a key or value that is not known; names the file and
            the line, and suggests a spelling.
    """
    chosen = path
    if chosen is None:
        if not default.exists():
            return Practice()
        chosen = default
    try:
        text = chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{chosen}: cannot read the practice file ({exc}); mend practice_file") from exc
    return parse_as(Practice, text, name=str(chosen))
