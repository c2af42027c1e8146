"""The governor: holds new runs of the agents while the device is too warm or its battery too low, and lets them go again.

Only the agents wait. Pictures, rules, forms and the page go on, and a case that runs is brought to its end. What no sensor
tells is not known and holds nothing. Measures nothing itself: ``PowerSensor`` does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

from device_profiles.host import PowerFacts, read_power
from device_profiles.profile import Power


class Strain(StrEnum):
    """Name what may hold the agents; also the ids of the page's banners (``kiosk.faults``)."""

    HEAT = "too_hot"
    BATTERY = "battery_low"


class Pace(StrEnum):
    """Say whether one strain holds the agents."""

    WORKING = "working"
    RESTING = "resting"


class Sign(StrEnum):
    """Name what a sensor says, against the two bounds of the profile."""

    STRAINED = "strained"  # at the pause or beyond
    BETWEEN = "between"  # past neither bound: whatever was goes on
    EASED = "eased"  # at the bound where work goes on, or better
    UNKNOWN = "unknown"  # no sensor, or none that answers


TRANSITIONS: Final[Mapping[tuple[Pace, Sign], Pace]] = MappingProxyType(
    {
        (Pace.WORKING, Sign.STRAINED): Pace.RESTING,
        (Pace.WORKING, Sign.BETWEEN): Pace.WORKING,
        (Pace.WORKING, Sign.EASED): Pace.WORKING,
        (Pace.WORKING, Sign.UNKNOWN): Pace.WORKING,
        (Pace.RESTING, Sign.STRAINED): Pace.RESTING,
        (Pace.RESTING, Sign.BETWEEN): Pace.RESTING,
        (Pace.RESTING, Sign.EASED): Pace.WORKING,
        (Pace.RESTING, Sign.UNKNOWN): Pace.WORKING,  # a sensor that was lost must not hold the agents for ever
    }
)


def step(pace: Pace, sign: Sign) -> Pace:
    """Return how one strain goes on after what its sensor says."""
    return TRANSITIONS[pace, sign]


def signs(facts: PowerFacts, limits: Power) -> dict[Strain, Sign]:
    """Judge what was measured against the profile's bounds; mains make every charge of a battery good.

    Args:
        facts: percent and degrees Celsius, None where nobody tells.
        limits: where work stops and where it goes on.
    """
    return {
        Strain.HEAT: _sign(facts.hottest_c, stop=limits.thermal_pause_c, go=limits.thermal_resume_c),
        Strain.BATTERY: Sign.EASED
        if facts.is_on_mains
        else _sign(
            None if facts.battery_percent is None else -facts.battery_percent,
            stop=-limits.battery_pause_percent,
            go=-limits.battery_resume_percent,
        ),
    }


def reason(strain: Strain, facts: PowerFacts, limits: Power) -> str:
    """Say in one line for a technician why the agents wait, and until when."""
    if strain is Strain.HEAT:
        return (
            f"the device is at {_told(facts.hottest_c)} degrees: keep it out of the sun and its openings free;"
            f" cases go on at {limits.thermal_resume_c:.0f}"
        )
    return (
        f"the battery is at {_told(facts.battery_percent)} %: plug the device in;"
        f" cases go on then, or at {limits.battery_resume_percent} %"
    )


class PowerSensor(Protocol):
    """Tell heat, battery and mains; tests bring their own."""

    def read(self) -> PowerFacts:
        """Return what is known now; quick, never fails."""
        ...


class SystemPower:
    """This computer's sensors, as the kernel shows them; see ``device_profiles.host.read_power``.

    Args:
        root: the folder that holds ``sys``.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def read(self) -> PowerFacts:
        """Read the thermal zones and the power supplies."""
        return read_power(self._root)


class Governor:
    """Remember which strains hold the agents. May be asked by any thread.

    Args:
        limits: of the device's profile.
        sensor: None: this computer tells nothing, and nothing is ever held.
    """

    def __init__(self, limits: Power | None = None, *, sensor: PowerSensor | None = None) -> None:
        self._limits = limits
        self._sensor = sensor
        self._lock = threading.Lock()
        self._paces = dict.fromkeys(Strain, Pace.WORKING)
        self._facts = PowerFacts()

    def look(self) -> None:
        """Read the sensors and follow them."""
        if self._limits is None or self._sensor is None:
            return
        facts = self._sensor.read()
        found = signs(facts, self._limits)
        with self._lock:
            self._facts = facts
            self._paces = {strain: step(pace, found[strain]) for strain, pace in self._paces.items()}

    def hold(self) -> str:
        """Look now, and return why no case is begun; empty: it may be."""
        self.look()
        return self.line()

    @property
    def strains(self) -> tuple[Strain, ...]:
        """Return what held the agents at the last look."""
        with self._lock:
            return tuple(strain for strain, pace in self._paces.items() if pace is Pace.RESTING)

    def line(self) -> str:
        """Return why the agents wait, as of the last look; empty where they do not."""
        limits = self._limits
        return "" if limits is None else "; ".join(reason(one, self._facts, limits) for one in self.strains)

    def status(self) -> dict[str, Any]:
        """Return what was found at the last look, ready for JSON; None where nobody tells."""
        facts = self._facts
        return {
            "holds": [str(one) for one in self.strains],
            "line": self.line(),
            "hottest_c": facts.hottest_c,
            "battery_percent": facts.battery_percent,
            "is_on_mains": facts.is_on_mains,
        }


def _sign(value: float | None, *, stop: float, go: float) -> Sign:
    """Judge a value of which more is worse."""
    if value is None:
        return Sign.UNKNOWN
    if value >= stop:
        return Sign.STRAINED
    return Sign.EASED if value <= go else Sign.BETWEEN


def _told(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
