"""Safe mode: a broken configuration still takes cases and keeps them; what must be mended is said, line by line.

What the daemon starts with is the configuration file; else the copy of the last one that worked; else the defaults. With
any fault nothing is inferred: a model under settings that nobody meant is worse than none. Never for the store's key:
without it nothing can be kept, so that ends the daemon.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from edge_agent.config import Config, chosen_path, load_config, parse_config, read_text
from edge_agent.config_lines import line_of
from edge_agent.errors import ConfigError, StoreError, UpdateError
from edge_agent.store.durable import write_whole

LAST_GOOD: Final = "config.last-good.toml"
_STATE_DIR = re.compile(r"""^\s*state_dir\s*=\s*["']([^"'\0]+)["']""", re.MULTILINE)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wish:
    """Hold the configuration to start with, and what is wrong with the file: one line each, naming file and line.

    ``text`` is the file's own; empty where there is none or it cannot be read.
    """

    config: Config
    faults: tuple[str, ...] = ()
    path: Path | None = None
    text: str = ""

    def checked(self, key: str, check: Callable[[], T], *, default: T) -> tuple[Wish, T]:
        """Return what a check of one key's value gives, or the default and a wish with one fault more.

        Args:
            key: of the configuration file, such as ``bundle_dir``; dots between section and key.
            check: returns what the value stands for.
            default: stands in for it.
        """
        try:
            return self, check()
        except (ConfigError, UpdateError) as exc:
            return self.with_fault(key, str(exc)), default

    def with_fault(self, key: str, message: str) -> Wish:
        """Add a fault of one key's value; names the line where the key stands."""
        place = ""
        if self.path is not None and str(self.path) not in message:
            number = line_of(self.text, key.split("."))
            has_line = key.rsplit(".", maxsplit=1)[-1] in self.text
            place = f"{self.path}, line {number}: " if has_line else f"{self.path}, {key} (not set): "
        return Wish(self.config, (*self.faults, f"{place}{message}"), self.path, self.text)


def read_wish(path: Path | None, *, environment: Mapping[str, str] | None = None) -> Wish:
    """Read the configuration to start with, whatever the file holds. Checks no value that names something else.

    Args:
        path: the file given on the command line.
        environment: None means the process environment.
    """
    variables = os.environ if environment is None else environment
    chosen = chosen_path(path, environment=variables)
    text = ""
    with suppress(ConfigError):
        text = "" if chosen is None else read_text(chosen)
    try:
        return Wish(load_config(path, environment=variables), path=chosen, text=text)
    except ConfigError as exc:
        state_dir = _state_dir(text, variables)
        return Wish(_last_good(state_dir), (str(exc),), chosen, text)


def keep_last_good(wish: Wish) -> None:
    """Keep a copy of a configuration file under which everything started. A copy that cannot be written is left out."""
    if wish.faults or not wish.text:
        return
    path = wish.config.state_dir / LAST_GOOD
    with suppress(OSError, StoreError):
        if not path.is_file() or path.read_text(encoding="utf-8") != wish.text:
            write_whole(path, wish.text)


def _state_dir(text: str, variables: Mapping[str, str]) -> Path:
    """Find where the cases lie, in a file that cannot be used as it is: they must not go into another store."""
    named: object = None
    with suppress(tomllib.TOMLDecodeError):
        named = tomllib.loads(text).get("state_dir")
    if not isinstance(named, str) and (found := _STATE_DIR.search(text)):
        named = found[1]
    if isinstance(named, str) and named.strip():
        with suppress(ValueError):
            return Config(state_dir=Path(named)).state_dir
    return Path(variables["STATE_DIRECTORY"]) if variables.get("STATE_DIRECTORY") else Config().state_dir


def _last_good(state_dir: Path) -> Config:
    path = state_dir / LAST_GOOD
    with suppress(OSError, UnicodeDecodeError, ConfigError):
        config = parse_config(path.read_text(encoding="utf-8"), name=str(path))
        return config.model_copy(update={"state_dir": state_dir})
    return Config(state_dir=state_dir)
