"""Publish bundles that a sweep's own stages built."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from calibration.package import UNSIGNED_NAME
from calibration.sign import sign_bundle
from calibration.sweep import durable
from edge_agent.contracts.bundle import ENVELOPE_NAME
from edge_agent.contracts.dsse import seal
from edge_agent.contracts.manifest import PAYLOAD_TYPE
from edge_agent.errors import CalibrationError


def publish(built: Path, target: Path, *, key: Path | None) -> None:
    """Give a built bundle its place, signed if there is a key. The files are links: they take no room twice.

    Args:
        built: the bundle in its stage; it stays as it is.
        target: the bundle's folder; an older one is replaced, the same one is left alone.
        key: PEM to sign with.

    Raises:
        CalibrationError: the disk is full.
        RejectedError: a file is not what the build wrote.
    """
    if _is_there(built, target, key=key):
        return
    temporary = durable.temporary_of(target)
    try:
        target.parent.mkdir(exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for path in sorted(built.iterdir()):
            _link(path, temporary / path.name)
        if key is not None:
            sign_bundle(temporary, private_key=key)
        durable.commit_folder(temporary, target)
    except OSError as exc:
        raise CalibrationError(f"cannot write {target}: {exc.strerror}; free space and start again") from exc


def withdraw(target: Path) -> None:
    """Remove a bundle of an earlier run whose recipe has failed since."""
    durable.discard(target)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _is_there(built: Path, target: Path, *, key: Path | None) -> bool:
    """Tell whether the target is this very bundle, with this very signature (or none)."""
    payload = (built / UNSIGNED_NAME).read_bytes()
    name = UNSIGNED_NAME if key is None else ENVELOPE_NAME
    wanted = payload if key is None else seal(payload, payload_type=PAYLOAD_TYPE, private_key=key)
    names = {path.name for path in built.iterdir()} - {UNSIGNED_NAME} | {name}
    if not target.is_dir() or {path.name for path in target.iterdir()} != names:
        return False
    return (target / name).read_bytes() == wanted and all(
        (target / one).stat().st_size == (built / one).stat().st_size for one in names - {name}
    )
