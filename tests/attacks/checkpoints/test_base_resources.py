"""A build that memory or disk would not last for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from calibration.checkpoint.workstation import Workstation
from tests.simulators import hf_folder
from tests.simulators.preflight import refusal


def test_not_enough_memory(folder: Path) -> None:
    """What is needed, what there is, what to do; nothing was started."""
    line = refusal(folder, there=Workstation(3 * 10**8, 10**12, 2))
    assert re.fullmatch(
        r"the int4-data-free build needs 0\.\d GB of memory \(\w+\), there are 0\.3 GB; close other programs or build on a "
        r"larger computer",
        line,
    )


def test_not_enough_disk(folder: Path) -> None:
    """The same for the FP32 IRs and the bundle."""
    line = refusal(folder, there=Workstation(10**12, 10**5, 2))
    assert "of free disk, there are 0.1 MB; free some or choose --out on another disk" in line


@pytest.mark.parametrize("pixels", [0, -5, 10**400])
def test_pixels_that_no_picture_has(folder: Path, pixels: int) -> None:
    """Nothing can be estimated for such a view; the line names the declaration."""
    hf_folder.edit(folder / "derm_edge.json", {"max_pixels": pixels})
    line = refusal(folder)
    assert line.startswith(f"{folder / 'derm_edge.json'}: max_pixels = ")
    assert line.endswith("is no number of pixels; mend it")
