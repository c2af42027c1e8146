"""Load a profile by its name from the files beside this module."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from importlib.resources.abc import Traversable

from pydantic import ValidationError

from device_profiles.profile import Profile


class ProfileError(ValueError):
    """Say which profile cannot be used, why, and what to name instead."""


def profile_names(*, folder: Traversable | None = None) -> list[str]:
    """List the names of all profiles, sorted. Does not read the files.

    Args:
        folder: where the TOML files lie; None means this package.
    """
    place = folder if folder is not None else resources.files("device_profiles")
    return sorted(entry.name.removesuffix(".toml") for entry in place.iterdir() if entry.name.endswith(".toml"))


def load_profiles(*, folder: Traversable | None = None) -> list[Profile]:
    """Load every profile that a device may have, the smallest first; those for tests only are left out.

    Smaller is who has less memory for inference, then who computes less.

    Raises:
        ProfileError: as for ``load_profile``.
    """
    found = (load_profile(name, folder=folder) for name in profile_names(folder=folder))
    return sorted((one for one in found if not one.test_only), key=_size)


def _size(profile: Profile) -> tuple[int, float, str]:
    return (profile.inference.memory_budget_bytes, profile.rates.gemm_flops_per_s, profile.name)


def load_profile(name: str, *, folder: Traversable | None = None) -> Profile:
    """Load one profile. Does not check it against this computer (``detection`` does).

    Args:
        name: file name without ``.toml``.
        folder: where the TOML files lie; None means this package.

    Raises:
        ProfileError: there is no such profile, or its file is not a complete profile.
    """
    place = folder if folder is not None else resources.files("device_profiles")
    names = profile_names(folder=place)
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}" if close else f"choose one of {', '.join(names)}"
        raise ProfileError(f"no device profile is named {name!r}; {hint}")
    try:
        profile = Profile.model_validate(tomllib.loads((place / f"{name}.toml").read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as exc:
        raise ProfileError(f"profile {name!r} is not TOML: {exc}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "profile"
        raise ProfileError(f"profile {name!r}: {where}: {first['msg']}") from exc
    if profile.name != name:
        raise ProfileError(f"profile file {name!r} calls itself {profile.name!r}; make them equal")
    return profile
