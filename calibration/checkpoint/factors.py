"""The one table of factors behind every estimate: ``factors.toml``, each value with its source."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_agent.errors import CalibrationError

_PATH = Path(__file__).resolve().with_name("factors.toml")


@dataclass(frozen=True, slots=True)
class Factors:
    """Values and sources by ``section.name``."""

    values: Mapping[str, float]
    sources: Mapping[str, str]

    def __getitem__(self, name: str) -> float:
        """Return one value; a wrong name is a programmer's mistake."""
        return self.values[name]


def load_factors() -> Factors:
    """Read the table.

    Raises:
        CalibrationError: a value has no source; the installation is damaged.
    """
    values: dict[str, float] = {}
    sources: dict[str, str] = {}
    for section, table in tomllib.loads(_PATH.read_text(encoding="utf-8")).items():
        for name, entry in table.items():
            if not isinstance(entry, dict) or not str(entry.get("source", "")).strip():
                raise CalibrationError(f"{_PATH.name}: {section}.{name} has no source; write one")
            values[f"{section}.{name}"] = float(entry["value"])
            sources[f"{section}.{name}"] = str(entry["source"])
    return Factors(values, sources)
