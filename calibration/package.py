"""Put the parts of a bundle together: file list, manifest, atomic move into place.

Does not sign: ``calibration.sign`` does, with a key that the building machine need not have.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_agent.contracts.bundle import (
    CHANGE_PLAN_ROLE,
    ENVELOPE_NAME,
    LICENCE_ROLE_PREFIX,
    SBOM_ROLE,
    check_manifest,
)
from edge_agent.contracts.manifest import FileEntry, Manifest
from edge_agent.errors import ExportError

UNSIGNED_NAME = "manifest.json"
SBOM_NAME = "sbom.cdx.json"
CHANGE_PLAN_NAME = "pccp.toml"
LICENCE_FILE_PREFIX = "LICENCE."
_ROLES = {
    "tokenizer.json": "tokenizer",
    "canary.npz": "canary",
    "golden.zip": "golden",
    "recipe.json": "recipe",
    "MODEL_CARD.md": "model_card",
    SBOM_NAME: SBOM_ROLE,
    CHANGE_PLAN_NAME: CHANGE_PLAN_ROLE,
}


def role_of(name: str) -> str:
    """Return the role of a file that the build wrote: IRs and adapters are called by their role, licences by their id."""
    if name.startswith(LICENCE_FILE_PREFIX):
        return LICENCE_ROLE_PREFIX + name.removeprefix(LICENCE_FILE_PREFIX).removesuffix(".txt")
    return _ROLES.get(name, name)


def file_entries(folder: Path) -> list[FileEntry]:
    """Return every file of a bundle under construction, by path; manifests are not listed in themselves."""
    entries = []
    for path in sorted(folder.iterdir()):
        if path.name in {UNSIGNED_NAME, ENVELOPE_NAME}:
            continue
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
        entries.append(
            FileEntry(
                path=path.name,
                role=role_of(path.name),
                size_bytes=path.stat().st_size,
                sha256=digest.hexdigest(),
            )
        )
    return entries


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the payload that is signed: JSON with sorted keys, UTF-8, the same bytes for the same manifest."""
    return dump_json(manifest.model_dump(mode="json"))


def dump_json(document: Any) -> bytes:
    """Return indented JSON with sorted keys as UTF-8.

    The properties of an output schema keep the order of generation: they are the one place where order means
    something, so every object below ``output_schema`` is left as it is.
    """
    return (json.dumps(_sorted(document), indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: value[key] if key == "output_schema" else _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def write_unsigned(folder: Path, manifest: Manifest) -> None:
    """Check the manifest as a device would and write it as ``manifest.json``, which no device accepts.

    Raises:
        RejectedError: the manifest contradicts itself.
    """
    check_manifest(manifest)
    (folder / UNSIGNED_NAME).write_bytes(manifest_bytes(manifest))


@contextlib.contextmanager
def staged(out: Path, *, replace: bool) -> Iterator[Path]:
    """Yield an empty folder beside ``out`` that becomes ``out`` when the block ends well and vanishes otherwise.

    Args:
        out: the bundle's folder.
        replace: an existing ``out`` is put aside first and removed after the move.

    Raises:
        ExportError: ``out`` exists and may not be replaced, is not a bundle, or a file cannot be written (full disk).
    """
    if out.exists() and not replace:
        raise ExportError(f"{out} exists; choose another --out or add --replace")
    if out.exists() and not any((out / name).is_file() for name in (ENVELOPE_NAME, UNSIGNED_NAME)):
        raise ExportError(f"{out} exists and is not a bundle; it is left alone, choose another --out")
    staging = out.parent / f"{out.name}.tmp-{os.getpid()}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
    except OSError as exc:
        raise ExportError(f"cannot write to {out.parent}: {exc.strerror}; choose another --out") from exc
    try:
        yield staging
        _move(staging, out)
    except OSError as exc:
        raise ExportError(f"the bundle cannot be written: {exc.strerror or exc}; nothing was changed") from exc
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move(staging: Path, out: Path) -> None:
    for path in (*staging.iterdir(), staging):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    aside = out.parent / f"{out.name}.old-{os.getpid()}"
    if out.exists():
        out.rename(aside)
    try:
        staging.rename(out)
    except OSError:
        if aside.exists():
            aside.rename(out)  # the older bundle stays in use
        raise
    descriptor = os.open(out.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    shutil.rmtree(aside, ignore_errors=True)
