"""Read the list of third-party software (``soup.toml``) and the versions installed at the build.

Holds no versions itself: what is pinned stands in constraints.txt, what was used is asked of the running interpreter.

Source: IEC 62304:2006+A1:2015, 8.1.2 (title, manufacturer, unique designator of each SOUP item).
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import Field

from edge_agent.contracts.manifest import Strict
from edge_agent.errors import ExportError

Used = Literal["build", "device"]


class SoupItem(Strict):
    """One third-party distribution: its name on PyPI, who makes it, its licence, and what we use it for."""

    name: str
    manufacturer: str
    licence: str
    used: list[Used] = Field(min_length=1)
    purpose: str


class _List(Strict):
    schema_version: Literal[1]
    soup: list[SoupItem]


def load_soup() -> tuple[SoupItem, ...]:
    """Return the items of ``soup.toml`` in its order."""
    path = Path(__file__).resolve().parent / "soup.toml"
    return tuple(_List.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).soup)


def installed_version(name: str) -> str:
    """Return the version of an installed distribution without its local part ("+cpu" says how a wheel was made).

    Raises:
        ExportError: it is not installed.
    """
    try:
        return metadata.version(name).split("+")[0]
    except metadata.PackageNotFoundError as exc:
        raise ExportError(f"{name} is not installed, so its version is unknown; install the calibration extra") from exc
