"""Say how a device that must earn its place is driven: OpenVINO's name for it, its arithmetic, the child's program.

The table is an argument wherever it is used: a test puts another device in the graphics' place, a device in use cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from device_profiles.profile import Profile
from edge_agent.engine_bootstrap import Arithmetic


@dataclass(frozen=True, slots=True)
class Candidate:
    """Describe one device before the CPU in a profile's ``device_order``.

    ``name`` as the profile spells it; ``openvino_device`` as OpenVINO does. ``threads`` 0 leaves them to the plugin.
    ``module`` is the child's program and ``arguments`` what it gets after the usual ones.
    """

    name: str
    openvino_device: str
    arithmetic: Arithmetic
    threads: int = 0
    module: str = "edge_agent.inference.worker"
    arguments: tuple[str, ...] = ()


# Half precision is what the graphics are faster in. Named in full, so that another default in a later OpenVINO is no other
# arithmetic than the one that was tested. Untested on hardware.
# Source: OpenVINO, src/plugins/intel_gpu/include/intel_gpu/runtime/options.inl: f16, f32 or dynamic; no bf16.
CANDIDATES: Final[Mapping[str, Candidate]] = MappingProxyType(
    {"GPU": Candidate("GPU", "GPU", Arithmetic("f16", kv_precision="f16", activation_group_size=0))}
)


def candidate_of(profile: Profile, candidates: Mapping[str, Candidate] = CANDIDATES) -> Candidate | None:
    """Return the device that the profile would rather use than its last one, the CPU; None where it names no other."""
    first = profile.inference.device_order[0]
    return None if first == profile.inference.device else candidates[first]
