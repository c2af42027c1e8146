"""Read what a verdict rests on from this computer, without loading OpenVINO and without touching the graphics."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from device_profiles.graphics import driver_version
from device_profiles.host import read_host
from device_profiles.profile import Profile
from edge_agent.contracts.manifest import Manifest
from edge_agent.devices.verdict import Key

NOT_INSTALLED = "(not installed)"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return NOT_INSTALLED


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Say where facts are read: the root of ``proc``, ``sys`` and packages, kernel release, versions installed here."""

    root: Path = Path("/")
    kernel: str = field(default_factory=lambda: os.uname().release)
    openvino: str = field(default_factory=lambda: _installed("openvino"))
    program: str = field(default_factory=lambda: _installed("derm-edge"))

    def graphics(self) -> tuple[str, ...]:
        """Return the render nodes of the processor's own graphics."""
        return read_host(self.root, root=self.root).igpus

    def memory_bytes(self) -> int:
        """Return the memory of the computer."""
        return read_host(self.root, root=self.root).memory_total_bytes

    def key(self, profile: Profile, manifest: Manifest, *, device: str = "") -> Key:
        """Return the key of this computer, profile and bundle; ``device`` as the runtime tells it, once it is loaded.

        A profile counts with its values for inference: one that was edited is another. ``driver`` is empty where it
        cannot be read.
        """
        return Key(
            profile=f"{profile.name} ({_digest(profile.inference.model_dump_json())})",
            driver=driver_version(root=self.root) or "",
            kernel=self.kernel,
            openvino=self.openvino,
            program=self.program,
            bundle=f"{manifest.name} {manifest.version} ({_digest(manifest.model_dump_json())})",
            device=device,
        )


def _digest(text: str) -> str:
    """Return the beginning of a digest: enough to tell two apart, short enough for a line."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
