"""The governor: agents wait in heat and on a low battery, go on by themselves, and never wait for what nobody measures."""

from __future__ import annotations

import threading
from itertools import product
from pathlib import Path

import pytest

from device_profiles.host import PowerFacts
from device_profiles.profile import Power
from edge_agent.commands import doctor_checks
from edge_agent.commands.status import _troubles
from edge_agent.config import Config
from edge_agent.daemon_bootstrap import open_daemon
from edge_agent.errors import DaemonError
from edge_agent.kiosk.faults import RESTING, fault_words, resting_words
from edge_agent.kiosk.language import load_languages
from edge_agent.kiosk.pages.consultation.progress import SILENT_WORDS, silent_words
from edge_agent.supervision.governor import TRANSITIONS, Governor, Pace, Sign, Strain, SystemPower, signs, step
from edge_agent.supervision.safe_mode import Wish
from tests.simulators.kiosk import ROOT
from tests.simulators.power import SimulatedPower
from tests.simulators.recorded_computer import ULTRA

LIMITS = Power(thermal_pause_c=90.0, thermal_resume_c=80.0, battery_pause_percent=15, battery_resume_percent=25)


def test_every_pace_and_sign_has_its_next() -> None:
    """A table with a hole would be an error on a device in the sun."""
    assert set(TRANSITIONS) == set(product(Pace, Sign))


@pytest.mark.parametrize(
    ("pace", "sign", "after"),
    [
        (Pace.WORKING, Sign.STRAINED, Pace.RESTING),
        (Pace.WORKING, Sign.BETWEEN, Pace.WORKING),
        (Pace.RESTING, Sign.BETWEEN, Pace.RESTING),
        (Pace.RESTING, Sign.EASED, Pace.WORKING),
        (Pace.RESTING, Sign.UNKNOWN, Pace.WORKING),
        (Pace.WORKING, Sign.UNKNOWN, Pace.WORKING),
    ],
)
def test_a_pause_ends_only_at_the_other_bound(pace: Pace, sign: Sign, after: Pace) -> None:
    """Between the bounds whatever was goes on; what is not known never holds."""
    assert step(pace, sign) is after


@pytest.mark.parametrize(
    ("facts", "heat", "battery"),
    [
        (PowerFacts(), Sign.UNKNOWN, Sign.UNKNOWN),
        (PowerFacts(hottest_c=90.0), Sign.STRAINED, Sign.UNKNOWN),
        (PowerFacts(hottest_c=89.9), Sign.BETWEEN, Sign.UNKNOWN),
        (PowerFacts(hottest_c=80.1), Sign.BETWEEN, Sign.UNKNOWN),
        (PowerFacts(hottest_c=80.0), Sign.EASED, Sign.UNKNOWN),
        (PowerFacts(is_on_mains=False, battery_percent=15), Sign.UNKNOWN, Sign.STRAINED),
        (PowerFacts(is_on_mains=False, battery_percent=16), Sign.UNKNOWN, Sign.BETWEEN),
        (PowerFacts(is_on_mains=False, battery_percent=25), Sign.UNKNOWN, Sign.EASED),
        (PowerFacts(is_on_mains=None, battery_percent=3), Sign.UNKNOWN, Sign.STRAINED),
        (PowerFacts(is_on_mains=True, battery_percent=0), Sign.UNKNOWN, Sign.EASED),  # a dead battery on the mains
        (PowerFacts(is_on_mains=False, battery_percent=None), Sign.UNKNOWN, Sign.UNKNOWN),
    ],
)
def test_what_is_measured_is_judged_by_the_profiles_bounds(facts: PowerFacts, heat: Sign, battery: Sign) -> None:
    """Each bound itself counts as reached; mains make every charge good."""
    assert signs(facts, LIMITS) == {Strain.HEAT: heat, Strain.BATTERY: battery}


def test_the_governor_holds_and_lets_go_by_itself() -> None:
    """Up to the pause, back into the middle, down to where work goes on: one hold, not a flicker."""
    sensor = SimulatedPower()
    governor = Governor(LIMITS, sensor=sensor)
    told = []
    for degrees in (70.0, 89.0, 91.0, 85.0, 81.0, 80.0, 85.0):
        sensor.set(hottest_c=degrees)
        told.append(bool(governor.hold()))
    assert told == [False, False, True, True, True, False, False]


def test_both_strains_are_told_and_end_one_by_one() -> None:
    """Heat and a low battery together: each goes at its own bound."""
    sensor = SimulatedPower(hottest_c=95.0, battery_percent=9, is_on_mains=False)
    governor = Governor(LIMITS, sensor=sensor)
    assert "95 degrees" in governor.hold()
    assert "9 %" in governor.line()
    assert governor.strains == (Strain.HEAT, Strain.BATTERY)
    sensor.set(hottest_c=60.0, battery_percent=9, is_on_mains=False)
    assert "degrees" not in governor.hold()
    sensor.set(hottest_c=60.0, battery_percent=9, is_on_mains=True)
    assert governor.hold() == ""


def test_without_a_sensor_nothing_is_ever_held() -> None:
    """A computer that tells nothing, and a daemon that was given no sensor."""
    assert Governor(LIMITS, sensor=SimulatedPower()).hold() == ""
    assert Governor().hold() == ""
    assert Governor().status()["hottest_c"] is None


def test_the_computers_own_sensors_are_read(tmp_path: Path) -> None:
    """As the kernel writes them, at each look anew."""
    root = ULTRA.with_(mains=0, battery=12, millidegrees=(91_000,)).write(tmp_path)
    governor = Governor(LIMITS, sensor=SystemPower(root))
    governor.hold()
    assert governor.strains == (Strain.HEAT, Strain.BATTERY)
    (root / "sys/class/thermal/thermal_zone0/temp").write_text("45000\n")
    (root / "sys/class/power_supply/AC/online").write_text("1\n")
    assert governor.hold() == ""


def test_the_page_has_words_for_every_strain_in_every_language() -> None:
    """None is called by its id, none left in English, and the documentation says the same."""
    assert tuple(Strain) == RESTING
    assert resting_words(("disk_low", "too_hot")) == fault_words(("too_hot",))[0]
    assert resting_words(("disk_low",)) is None
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    for [words] in (fault_words((one,)) for one in Strain):
        assert f'"{words.what} {words.do}"' in page
        for code, language in load_languages(("zh", "ar", "es")).items():
            assert language.gettext(words.what) != str(words.what), code
            assert language.gettext(words.do) != str(words.do), code


def test_who_waits_at_a_case_reads_why_nothing_comes() -> None:
    """Not "it is watched: if it hangs it is started again" while the agents rest."""
    words = resting_words(("battery_low",))
    assert words is not None
    assert silent_words(("disk_low", "battery_low")) == (words.what, words.do)
    assert silent_words(("disk_low",)) == (SILENT_WORDS,)


def test_the_daemon_asks_this_profile_and_tells_everywhere(tmp_path: Path) -> None:
    """From the sensors to banner, status and metrics, by the bounds of the configured profile (generic: 95 degrees)."""
    sensor = SimulatedPower(hottest_c=94.0)
    with open_daemon(Wish(Config(state_dir=tmp_path / "s")), stop=threading.Event(), sensor=sensor) as daemon:
        assert daemon.desk.resting == ""
        sensor.set(hottest_c=95.0)
        assert "95 degrees" in daemon.desk.resting
        assert "too_hot" in daemon.fault_ids()
        status = daemon.status()
        assert status["power"]["holds"] == ["too_hot"]
        assert b'derm_edge_cases_held{reason="too_hot"} 1.0' in daemon.metrics.text()
        assert b"derm_edge_temperature_celsius 95.0" in daemon.metrics.text()
    [line] = _troubles({"power": status["power"]})
    assert line.startswith("waits    new cases are stored and wait: the device is at 95 degrees")
    assert _troubles({"power": {"line": ""}}) == []


def test_the_doctor_says_that_cases_wait(tmp_path: Path) -> None:
    """With what to do; else the figures and the bounds."""
    config = Config(state_dir=tmp_path / "s")
    sensor = SimulatedPower(hottest_c=41.0, battery_percent=80, is_on_mains=False)
    said = doctor_checks.check_power(config, sensor=sensor)
    assert said.startswith("hottest zone 41 degrees, battery 80 %, not on mains; ")
    sensor.set(hottest_c=97.0)
    with pytest.raises(DaemonError, match="out of the sun"):
        doctor_checks.check_power(config, sensor=sensor)
