"""The check that a build makes before it starts: a sound checkpoint, all licences, enough memory and disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from calibration.checkpoint.estimates import check_resources
from calibration.checkpoint.inspection import Checkpoint, InspectionRequest, inspect_checkpoint
from calibration.checkpoint.workstation import Workstation, detect_workstation
from calibration.recipe import Recipe
from device_profiles.loader import load_profile, profile_names
from device_profiles.profile import Profile


def device_profiles() -> list[Profile]:
    """Return every profile that a device may have; those for tests only are left out."""
    return [profile for profile in map(load_profile, profile_names()) if not profile.test_only]


def check_before_build(
    base: Path,
    *,
    adapters: Mapping[str, Path],
    recipe: Recipe,
    out: Path,
    workstation: Workstation | None = None,
) -> Checkpoint:
    """Refuse a build that could not end well. Reads headers only; hashes nothing, loads nothing, writes nothing.

    Args:
        base: checkpoint in Hugging Face layout.
        adapters: PEFT folders by agent.
        recipe: what will happen to the weights.
        out: the bundle's folder; IRs and bundle are written beside it.
        workstation: what there is; None reads this computer.

    Returns:
        What was found, for the report.

    Raises:
        ExportError: the first fault of the checkpoint, a licence that is missing, or too little memory or disk.
    """
    there = workstation if workstation is not None else detect_workstation(out)
    request = InspectionRequest(
        folder=base, adapters=adapters, recipes=[recipe], profiles=[], workstation=there, is_hashed=False
    )
    checkpoint = inspect_checkpoint(request)
    checkpoint.require()
    check_resources(checkpoint.estimates[0], there)
    return checkpoint
