"""Run the preflight on a folder with room for everything, and take the one line with which it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.checkpoint.preflight import check_before_build
from calibration.checkpoint.workstation import Workstation
from calibration.recipe import load_recipe
from edge_agent.errors import ExportError

ROOMY = Workstation(memory_available_bytes=10**12, disk_free_bytes=10**12, cpu_count=2)


def refusal(folder: Path, *, adapters: dict[str, Path] | None = None, there: Workstation = ROOMY) -> str:
    """Return the one line with which a build is refused, and see that it names one fault only."""
    with pytest.raises(ExportError) as caught:
        check_before_build(
            folder,
            adapters=adapters or {},
            recipe=load_recipe("int4-data-free"),
            out=folder.parent / "out",
            workstation=there,
        )
    line = str(caught.value)
    assert "\n" not in line
    assert " more: " not in line  # the planted fault, and nothing that follows from it
    assert not (folder.parent / "out").exists()
    return line
