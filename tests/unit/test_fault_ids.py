"""What every page says of the device: ids with words, the most important first."""

from __future__ import annotations

import pytest

from edge_agent.commands.status import _troubles
from edge_agent.kiosk.faults import _KNOWN
from edge_agent.store.space import Stage
from edge_agent.supervision.fault_ids import fault_ids
from edge_agent.supervision.governor import Strain
from edge_agent.supervision.restarts import PartHistory, PartState

DEGRADED = PartHistory(state=PartState.DEGRADED)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("inference", "inference_down"),
        ("uplink", "uplink_degraded"),
        ("camera", "camera_down"),
        ("web", "restarting_often"),
        ("cases", "restarting_often"),
    ],
)
def test_a_degraded_part_has_words(part: str, told: str) -> None:
    """Each part's id is one that the pages know."""
    assert fault_ids({part: DEGRADED}, faults=(), stage=None) == (told,)
    assert told in _KNOWN


def test_safe_mode_comes_first() -> None:
    """It explains the rest."""
    assert fault_ids({"web": DEGRADED}, faults=("line 1",), stage=None) == ("safe_mode", "restarting_often")


def test_a_part_on_trial_is_still_told_and_a_running_one_not() -> None:
    """Until it has run steadily."""
    assert fault_ids({"web": PartHistory(state=PartState.ON_TRIAL)}, faults=(), stage=None)
    assert fault_ids({"web": PartHistory(state=PartState.RUNNING)}, faults=(), stage=None) == ()


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        (Stage.OK, ()),
        (Stage.LOW, ("disk_low",)),
        (Stage.TIGHT, ("disk_tight",)),
        (Stage.FULL, ("disk_full",)),
        (None, ()),
    ],
)
def test_the_room_is_what_the_ladder_says(stage: Stage | None, told: tuple[str, ...]) -> None:
    """Each stage below OK has one id that the pages know; nothing is told before anybody has looked."""
    assert fault_ids({}, faults=(), stage=stage) == told
    assert set(told) <= set(_KNOWN)


def test_what_holds_the_agents_is_told() -> None:
    """After what explains it, before what is lost."""
    strains = (Strain.HEAT, Strain.BATTERY)
    found = fault_ids({"camera": DEGRADED}, faults=(), stage=Stage.LOW, strains=strains)
    assert found == ("disk_low", "too_hot", "battery_low", "camera_down")
    assert set(found) <= set(_KNOWN)


def test_status_names_lines_and_parts() -> None:
    """The technician's command says the same as the page."""
    part = {"is_degraded": True, "fault": "the web server ended", "restarts": 5, "again_in_s": 42.0}
    lines = _troubles(
        {"faults": ["config.toml, line 3: x"], "parts": {"web": part, "camera": part | {"is_degraded": False}}}
    )
    assert lines == [
        "safe mode: cases are stored and wait",
        "mend     config.toml, line 3: x",
        "degraded web: the web server ended; 5 restarts, tried again in 42 s",
    ]


def test_status_names_a_lack_of_room() -> None:
    """Not where there is room, and not from a daemon that has not looked yet."""
    assert _troubles({"storage": "low"}) == ["storage  low: derm-edge doctor says what to do"]
    assert _troubles({"storage": "ok"}) == _troubles({"storage": None}) == []
