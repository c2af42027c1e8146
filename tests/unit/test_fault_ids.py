"""What every page says of the device: ids with words, the most important first."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.commands.status import _troubles
from edge_agent.kiosk.faults import _KNOWN
from edge_agent.supervision.fault_ids import fault_ids
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
    assert fault_ids({part: DEGRADED}, faults=(), state_dir=None) == (told,)
    assert told in _KNOWN


def test_safe_mode_comes_first() -> None:
    """It explains the rest."""
    assert fault_ids({"web": DEGRADED}, faults=("line 1",), state_dir=None) == ("safe_mode", "restarting_often")


def test_a_part_on_trial_is_still_told_and_a_running_one_not() -> None:
    """Until it has run steadily."""
    assert fault_ids({"web": PartHistory(state=PartState.ON_TRIAL)}, faults=(), state_dir=None)
    assert fault_ids({"web": PartHistory(state=PartState.RUNNING)}, faults=(), state_dir=None) == ()


def test_a_folder_whose_disk_cannot_be_read_is_full(tmp_path: Path) -> None:
    """The safe side: nobody is told that there is room."""
    assert fault_ids({}, faults=(), state_dir=tmp_path / "gone") == ("disk_full",)


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
