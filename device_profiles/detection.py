"""Choose the profile of a computer, and say of every other one why it is not it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from device_profiles.host import ISA_VARIABLE, HostFacts
from device_profiles.loader import ProfileError
from device_profiles.profile import Profile

LEAST_FLAG = "avx2"


@dataclass(frozen=True, slots=True)
class Detection:
    """Hold the chosen profile (None: no class holds this computer) and per other profile why it was not chosen."""

    chosen: Profile | None
    why: str
    others: dict[str, tuple[str, ...]]


def check_processor(host: HostFacts) -> None:
    """Refuse a processor on which the engine's models cannot be compiled.

    Raises:
        ProfileError: it has no AVX2, or a variable hides it; names the processor and what is needed.
    """
    if host.isa_cap is not None:
        raise ProfileError(
            f"{ISA_VARIABLE}={host.isa_cap} takes AVX2 away from {host.cpu_model}, as on a processor without it; models "
            f"need AVX2: unset {ISA_VARIABLE}"
        )
    if LEAST_FLAG not in host.cpu_flags:
        raise ProfileError(
            f"{host.cpu_model} ({host.architecture}) has no AVX2, and models do not compile without it; use an Intel Core "
            f"of the 4th generation or later, an N100 or an N305 ({ISA_VARIABLE}=SSE41 tries this out on any computer)"
        )


def mismatches(profile: Profile, host: HostFacts) -> tuple[str, ...]:
    """List, one line each, why a computer is not of a profile's class; empty when it is."""
    wanted = profile.hardware
    missing = [flag for flag in wanted.cpu_flags if flag not in host.cpu_flags]
    lines = []
    if host.architecture != wanted.architecture:
        lines.append(f"architecture is {host.architecture}, the profile is for {wanted.architecture}")
    if wanted.cpu_models and not any(re.search(pattern, host.cpu_model) for pattern in wanted.cpu_models):
        lines.append(f"the processor is {host.cpu_model}, the profile is for {' or '.join(wanted.cpu_models)}")
    if missing:
        lines.append(f"the processor has no {', '.join(missing)}")
    if host.cpu_count < wanted.cpu_count_min:
        lines.append(f"{host.cpu_count} usable cores, the profile needs {wanted.cpu_count_min}")
    if host.memory_total_bytes < wanted.memory_total_min_bytes:
        lines.append(
            f"{_size(host.memory_total_bytes)} of memory, the profile needs {_size(wanted.memory_total_min_bytes)}"
        )
    if host.disk_free_bytes < wanted.disk_free_min_bytes:
        lines.append(
            f"{_size(host.disk_free_bytes)} of free disk, the profile needs {_size(wanted.disk_free_min_bytes)}"
        )
    if wanted.is_igpu_required and not host.igpus:
        lines.append("no render node of the processor's own graphics (/dev/dri/renderD*); load its driver, i915 or xe")
    return tuple(lines)


def detect(host: HostFacts, profiles: Sequence[Profile]) -> Detection:
    """Choose the nearest profile: one that names the processor before one that does not, then the one that asks for most.

    Args:
        host: what was read from the computer.
        profiles: those to choose from.

    Raises:
        ProfileError: the processor has no AVX2.
    """
    check_processor(host)
    reasons = {profile.name: mismatches(profile, host) for profile in profiles}
    fitting = sorted((one for one in profiles if not reasons[one.name]), key=_nearness, reverse=True)
    if not fitting:
        return Detection(None, "no profile holds this computer", reasons)
    chosen = fitting[0]
    names = bool(chosen.hardware.cpu_models)
    why = f"it names this processor, {host.cpu_model}" if names else "no profile that names this processor fits"
    for other in fitting[1:]:
        is_named = names and not other.hardware.cpu_models
        nearer = "it names this processor" if is_named else "it asks for more of it"
        reasons[other.name] = (f"fits too; {chosen.name} is nearer: {nearer}",)
    return Detection(chosen, why, {name: lines for name, lines in reasons.items() if name != chosen.name})


def _nearness(profile: Profile) -> tuple[bool, int, int, str]:
    wanted = profile.hardware
    return (bool(wanted.cpu_models), wanted.memory_total_min_bytes, wanted.cpu_count_min, profile.name)


def _size(count_bytes: int) -> str:
    return f"{count_bytes / 1e9:.1f} GB"
