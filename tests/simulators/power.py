"""Sensors that say what a test sets."""

from __future__ import annotations

from device_profiles.host import PowerFacts


class SimulatedPower:
    """Tell what was set last; what is not named is not known."""

    def __init__(
        self, *, is_on_mains: bool | None = None, battery_percent: int | None = None, hottest_c: float | None = None
    ) -> None:
        self.set(is_on_mains=is_on_mains, battery_percent=battery_percent, hottest_c=hottest_c)

    def set(
        self, *, is_on_mains: bool | None = None, battery_percent: int | None = None, hottest_c: float | None = None
    ) -> None:
        """Tell these facts from now on."""
        self.facts = PowerFacts(is_on_mains, battery_percent, hottest_c)

    def read(self) -> PowerFacts:
        """Return the facts."""
        return self.facts
