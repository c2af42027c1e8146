"""Check that every file of a bundle is what its role says, so that nothing else travels inside.

Calibration cases, pictures and the language model's captured inputs must never leave the workstation. A list of what is
forbidden would have gaps; here every file has a role that the format knows, and its bytes are positively that: an IR whose
weights file is used to the last byte by the IR's constants, JSON, text, a mask, an archive with known members only.

Does not load a model, does not judge values (``expected_values`` looks into canary and golden cases).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from calibration.trust.outcome import Findings, findings
from calibration.trust.reading import MAX_TEXT_BYTES, read_role, read_text
from edge_agent.contracts.bundle import (
    CHANGE_PLAN_ROLE,
    IR_ROLES,
    LICENCE_ROLE_PREFIX,
    SBOM_ROLE,
    SINGLE_ROLES,
    Bundle,
)
from edge_agent.contracts.manifest import Manifest
from edge_agent.contracts.side_branch import IR_STEM, MASK_ROLE
from edge_agent.errors import RejectedError

# OpenVINO writes <data element_type=… shape=… offset="0" size="64" /> into every constant of an IR (version 11).
_CONSTANT = re.compile(rb'<data [^>]*?\boffset="(\d+)" size="(\d+)"')
_PADDING_BYTES = 64  # a writer may align a constant; more than this between two constants is no padding
_MAX_IR_BYTES = 512 * 1024 * 1024
_JSON_BYTES = 64 * 1024 * 1024
_KINDS = (
    (b"\x93NUMPY", "a NumPy array"),
    (b"PK\x03\x04", "an archive (npz, zip or PyTorch)"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"),
    (b"RIFF", "a picture or a recording"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
    (b"SQLite format 3", "a database"),
    (b"\x1f\x8b", "a compressed file"),
    (b"\x28\xb5\x2f\xfd", "a compressed file"),
)


def ir_stems(manifest: Manifest) -> tuple[str, ...]:
    """Return the role stems of every IR that a manifest declares, in the order in which they are checked."""
    branch = (IR_STEM,) if manifest.side_branch is not None else ()
    return (*IR_ROLES, *(f"adapter.{adapter.name}" for adapter in manifest.adapters), *branch)


def check_contents(bundle: Bundle) -> Findings:
    """Check the role and the kind of every listed file."""
    stems = ir_stems(bundle.manifest)
    known = {f"{stem}.{kind}" for stem in stems for kind in ("xml", "bin")} | {
        *SINGLE_ROLES,
        SBOM_ROLE,
        CHANGE_PLAN_ROLE,
    }
    if bundle.manifest.side_branch is not None:
        known.add(MASK_ROLE)
    faults = [
        _unknown(bundle.path / entry.path, entry.path, entry.role)
        for entry in bundle.manifest.files
        if entry.role not in known and not entry.role.startswith(LICENCE_ROLE_PREFIX)
    ]
    for stem in stems:
        faults += _ir_faults(bundle, stem)
    faults += _text_faults(bundle)
    if bundle.manifest.side_branch is not None:
        faults += _mask_faults(bundle)
    return findings(
        f"{len(bundle.manifest.files)} files of known roles, {len(stems)} IRs used to the last byte", faults
    )


def _unknown(path: Path, name: str, role: str) -> RejectedError:
    start = _start_of(path)
    kind = next((f", and it is {text}" for magic, text in _KINDS if start.startswith(magic)), "")
    return RejectedError(
        f"{name} has the role {role!r}, which no bundle has{kind}: captured data stays on the workstation; remove it and "
        "build the bundle again"
    )


def _start_of(path: Path) -> bytes:
    """Return a file's first bytes, nothing where it cannot be read: the files' own check says so."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(16)
    except OSError:
        return b""


def _ir_faults(bundle: Bundle, stem: str) -> Iterator[RejectedError]:
    try:
        text = read_role(bundle, f"{stem}.xml", limit=_MAX_IR_BYTES)
        size_bytes = bundle.path_of(f"{stem}.bin").lstat().st_size
    except RejectedError as fault:
        yield fault
        return
    except OSError as exc:
        yield RejectedError(f"{stem}.bin cannot be read ({exc.strerror}); build the bundle again")
        return
    if not text.lstrip().startswith(b"<?xml") or b"<net " not in text[:4096]:
        yield RejectedError(f"{stem}.xml is no OpenVINO IR; build the bundle again")
        return
    end = 0
    for start, length in sorted({(int(start), int(length)) for start, length in _CONSTANT.findall(text)}):
        if start - end >= _PADDING_BYTES:
            break
        end = max(end, start + length)
    if end > size_bytes:
        yield RejectedError(f"{stem}.bin is shorter than the constants of {stem}.xml; build the bundle again")
    elif size_bytes - end >= _PADDING_BYTES:
        yield RejectedError(
            f"{stem}.bin holds bytes from {end} on that no constant of {stem}.xml uses ({size_bytes - end} to its end): "
            "captured data stays on the workstation; build the bundle again"
        )


def _text_faults(bundle: Bundle) -> Iterator[RejectedError]:
    """Check the files that are text: JSON where the role says so, plain UTF-8 elsewhere."""
    for entry in bundle.manifest.files:
        is_json = entry.role in {"tokenizer", "recipe", SBOM_ROLE}
        is_text = entry.role in {"model_card", CHANGE_PLAN_ROLE} or entry.role.startswith(LICENCE_ROLE_PREFIX)
        if not is_json and not is_text:
            continue
        try:
            text = read_text(bundle, entry.role, limit=_JSON_BYTES if is_json else MAX_TEXT_BYTES)
            if is_json and not isinstance(json.loads(text), dict):
                raise ValueError("not an object")
        except RejectedError as fault:
            yield fault
        except (ValueError, RecursionError):
            yield RejectedError(f"{entry.path} is no JSON object; build the bundle again")


def _mask_faults(bundle: Bundle) -> Iterator[RejectedError]:
    """Check that the side branch's mask is one byte, 0 or 1, per token, with the declared digest and count."""
    branch = bundle.manifest.side_branch
    if branch is None:
        return
    try:
        data = read_role(bundle, MASK_ROLE, limit=_JSON_BYTES)
    except RejectedError as fault:
        yield fault
        return
    if data.strip(b"\0\1") or len(data) != bundle.manifest.backbone.vocab_size:
        yield RejectedError(f"{branch.mask.file} is not one byte, 0 or 1, per token; build the bundle again")
    elif data.count(1) != branch.mask.ones or hashlib.sha256(data).hexdigest() != branch.mask.sha256:
        yield RejectedError(f"{branch.mask.file} is another mask than the manifest declares; build the bundle again")
