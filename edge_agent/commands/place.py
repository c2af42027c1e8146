"""Say where in the configuration an error has its cause: file and line of the key that it names."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from edge_agent.config import chosen_path, read_text
from edge_agent.config_lines import line_of
from edge_agent.errors import ConfigError, EdgeError


def placed(error: EdgeError, path: Path | None) -> str:
    """Return an error's line, with file and line before it where it names a key (detail ``key``) of the configuration.

    Args:
        error: of any part.
        path: the file given on the command line; None: the usual one.
    """
    key = error.details.get("key")
    chosen = chosen_path(path, environment=os.environ)
    if not isinstance(key, str) or chosen is None:
        return str(error)
    with suppress(ConfigError):
        return f"{chosen}, line {line_of(read_text(chosen), key.split('.'))}: {error}"
    return str(error)
