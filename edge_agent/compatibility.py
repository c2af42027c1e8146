"""Decide whether a bundle fits a device class: what the model needs against what the hardware has."""

from __future__ import annotations

from device_profiles.profile import Profile
from edge_agent.contracts.manifest import Manifest
from edge_agent.errors import Incompatible


def check_compatible(manifest: Manifest, profile: Profile) -> None:
    """Refuse a bundle that cannot run on this device class. Reads nothing but its arguments.

    The weights must fit the profile's memory budget; activations and the key-value cache are the engine's own
    limits and are not estimated here.

    Raises:
        Incompatible: says what is too large and by how much.
    """
    weights_bytes = sum(entry.size_bytes for entry in manifest.files if entry.role.endswith(".bin"))
    if weights_bytes > profile.inference.memory_budget_bytes:
        raise Incompatible(
            f"bundle {manifest.name} has {weights_bytes / 1e6:.0f} MB of weights, device profile {profile.name} allows "
            f"{profile.inference.memory_budget_bytes / 1e6:.0f} MB; install a smaller bundle or name another profile"
        )
