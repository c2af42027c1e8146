"""Decide whether a bundle fits a device class: what the model needs against what the hardware has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from device_profiles.cost import Prediction, exceeds, predict
from device_profiles.detection import check_processor
from device_profiles.host import read_host
from device_profiles.loader import ProfileError
from device_profiles.profile import Profile
from edge_agent.contracts.manifest import Manifest
from edge_agent.errors import Incompatible
from edge_agent.workload import case_facts, model_facts


def check_compatible(manifest: Manifest, profile: Profile, *, others: Sequence[Profile] = ()) -> None:
    """Refuse a bundle that this device class is predicted not to carry. Reads nothing but its arguments.

    Args:
        manifest: of a verified bundle.
        profile: of this device.
        others: profiles to look for one that fits, the smallest first.

    Raises:
        Incompatible: says what is too large and by how much, and names the smallest profile that fits.
    """
    reasons = shortfalls(manifest, profile)
    if not reasons:
        return
    fitting = next((one for one in others if not shortfalls(manifest, one)), None)
    advice = "no profile fits it" if fitting is None else f"the smallest profile that fits is {fitting.name}"
    raise Incompatible(
        f"bundle {manifest.name} does not fit device profile {profile.name}: {'; '.join(reasons)}; {advice}: install a "
        "smaller bundle or use such a computer"
    )


def check_this_processor() -> None:
    """Refuse a computer on which no bundle can run.

    Raises:
        Incompatible: its processor has no AVX2.
    """
    try:
        check_processor(read_host(Path.cwd()))
    except ProfileError as exc:
        raise Incompatible(str(exc)) from exc


def predicted(manifest: Manifest, profile: Profile, *, views: int | None = None) -> Prediction:
    """Predict one case of a bundle on a device class; ``views`` None takes the class's usual number."""
    count = profile.camera.views if views is None else views
    return predict(model_facts(manifest), case_facts(manifest, views=count), profile)


def shortfalls(manifest: Manifest, profile: Profile) -> list[str]:
    """List what a bundle needs more of than a device class has, each with both figures; empty when it fits.

    A bundle's pixels are not cut to the device's budget: it was evaluated at its own.
    """
    limits = profile.inference
    lines = []
    if manifest.preprocessing.max_pixels > limits.max_pixels:
        lines.append(f"pixels of a view {manifest.preprocessing.max_pixels:,} of {limits.max_pixels:,}")
    longest = max(step.generation.max_tokens for spec in manifest.agents.values() for step in spec.steps)
    if longest > limits.max_new_tokens:
        lines.append(f"tokens of an answer {longest:,} of {limits.max_new_tokens:,}")
    return lines + exceeds(predicted(manifest, profile), profile)
