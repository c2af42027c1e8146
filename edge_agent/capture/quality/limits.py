"""Read the limits of the quality gate: values with what they were set on, checked once when the gate is built."""

from __future__ import annotations

import functools
import tomllib
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_agent.errors import ConfigError

FILE = "limits.toml"


class Limit(BaseModel):
    """One limit. ``warn`` and ``refuse`` are in the unit that the file's comment names; one may be missing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    warn: float | None = None
    refuse: float | None = None
    source: str = Field(min_length=5)

    def below(self, value: float) -> int:
        """Return 2 if the value lies below the refusing limit, 1 if below the warning one, else 0."""
        if self.refuse is not None and value < self.refuse:
            return 2
        return int(self.warn is not None and value < self.warn)

    def above(self, value: float) -> int:
        """Return 2 if the value lies above the refusing limit, 1 if above the warning one, else 0."""
        if self.refuse is not None and value > self.refuse:
            return 2
        return int(self.warn is not None and value > self.warn)


class Limits(BaseModel):
    """All limits by name; ``limits.toml`` says what each is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    focus_fine: Limit
    focus_coarse: Limit
    focus_sure: Limit
    movement_fine: Limit
    movement_evenness: Limit
    movement_name: Limit
    dark_top: Limit
    dark_middle: Limit
    bright_cut: Limit
    glare: Limit
    skin_least: Limit
    foreign: Limit
    grey: Limit
    cast_hue_low: Limit
    cast_hue_high: Limit
    cast_least_chroma: Limit
    cast_chroma: Limit
    near_share: Limit
    far_share: Limit
    cut_stretch: Limit
    cut_share: Limit
    covered: Limit


def read_limits(text: str) -> Limits:
    """Read limits from the text of a file.

    Raises:
        ConfigError: not TOML, or a limit is missing, unknown or without its source.
    """
    try:
        return Limits.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{FILE} is not TOML: {exc}; put back the released file") from exc
    except ValidationError as exc:
        place = ".".join(str(part) for part in exc.errors()[0]["loc"])
        raise ConfigError(f"{FILE}: {place}: {exc.errors()[0]['msg']}; put back the released file") from exc


@functools.cache
def released_limits() -> Limits:
    """Return the limits of this release, read once."""
    return read_limits(files("edge_agent.capture.quality").joinpath(FILE).read_text(encoding="utf-8"))
