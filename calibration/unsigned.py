"""Open a bundle as a build left it: unsigned, so that it can be measured before anybody vouches for it."""

from __future__ import annotations

from pathlib import Path

from calibration.package import UNSIGNED_NAME
from edge_agent.contracts.bundle import Bundle, check_files, check_manifest, open_bundle, parse_manifest
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import Manifest
from edge_agent.errors import RejectedError

NOBODY = "nobody"


def is_unsigned(folder: Path) -> bool:
    """Say whether a folder holds what a build left there and nobody has signed."""
    return (folder / UNSIGNED_NAME).is_file()


def read_unsigned(folder: Path) -> Manifest:
    """Return the manifest that a build left in its folder; says nothing about the files.

    Raises:
        RejectedError: missing or malformed.
    """
    try:
        payload = (folder / UNSIGNED_NAME).read_bytes()
    except OSError as exc:
        raise RejectedError(f"{folder / UNSIGNED_NAME} cannot be read: {exc.strerror}; build the bundle again") from exc
    return parse_manifest(payload)


def open_unsigned(folder: Path) -> Bundle:
    """Open an unsigned bundle as a device opens a signed one: every file is compared with the manifest.

    Raises:
        RejectedError: a file or the manifest is not what the build wrote.
    """
    manifest = read_unsigned(folder)
    check_manifest(manifest)
    check_files(folder, manifest.files, ignored=(UNSIGNED_NAME,))
    return Bundle(path=folder.resolve(), manifest=manifest, signed_by=NOBODY)


def open_built(folder: Path, *, keys: Path | None) -> Bundle:
    """Open a bundle as a build left it, or signed by somebody trusted.

    Args:
        folder: the bundle's.
        keys: folder of NAME.pub.pem, asked where it is signed; None takes the development key.

    Raises:
        RejectedError: signed by nobody trusted, or not what was built.
        ConfigError: a key cannot be read.
    """
    if is_unsigned(folder):
        return open_unsigned(folder)
    return open_bundle(folder, keys=load_keys(keys or shipped_key_folder()))
