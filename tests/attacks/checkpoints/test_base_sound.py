"""A checkpoint without a fault: the attacks beside this file fail for their own reason."""

from __future__ import annotations

from pathlib import Path

from calibration.checkpoint.preflight import check_before_build
from calibration.recipe import load_recipe
from tests.simulators.preflight import ROOMY


def test_a_sound_checkpoint_passes(folder: Path) -> None:
    """Without a planted fault nothing is refused: the tests below fail for their own reason."""
    found = check_before_build(
        folder, adapters={}, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
    )
    assert found.faults == ()
