"""What a package says about itself: version, platform, and every file with size and digest."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from edge_agent.errors import VersionRejected

ENVELOPE_NAME = "package.dsse.json"
PAYLOAD_TYPE = "application/vnd.derm-edge.package+json"
_PART = re.compile(r"[A-Za-z0-9_%+~][A-Za-z0-9._%+~-]*")
_VERSION = r"^\d+(\.\d+){1,3}$"


class PackageFile(BaseModel):
    """One file: its path inside the package, with ``/`` and without any way out of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    size_bytes: int = Field(ge=0)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if not all(_PART.fullmatch(part) for part in value.split("/")):
            raise ValueError("a path inside the package has plain names between slashes")
        return value


class PackageManifest(BaseModel):
    """The signed list of a package; anything that it does not list does not belong to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    name: Literal["derm-edge"] = "derm-edge"
    version: Annotated[str, Field(pattern=_VERSION)]
    python: Annotated[str, Field(pattern=r"^3\.\d+$")]
    architecture: str
    debian: str
    signed_with: Literal["development key", "own key"]
    debian_packages: tuple[str, ...] = ()  # NAME=VERSION, as they were where the package was made
    files: tuple[PackageFile, ...]


def parse_manifest(payload: bytes) -> PackageManifest:
    """Read a verified payload.

    Raises:
        VersionRejected: it is of another schema, or malformed.
    """
    try:
        manifest = PackageManifest.model_validate_json(payload)
    except ValidationError as exc:
        error = exc.errors()[0]
        place = ".".join(str(part) for part in error["loc"])
        raise VersionRejected(
            f"the package's list cannot be used ({place}: {error['msg']}); make the package again"
        ) from exc
    if len({entry.path for entry in manifest.files}) != len(manifest.files):
        raise VersionRejected("the package's list names a file twice; make the package again")
    return manifest


def is_older(version: str, than: str) -> bool:
    """Tell whether a version (digits between dots) comes before another one."""
    return _numbers(version) < _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))
