"""Check canary and golden cases: present, complete, finite, and nothing but what belongs there.

Replays nothing: the build's gates and ``derm-edge doctor`` do. The expected values must not be a hiding place either: a
canary holds three short prompts per adapter and one small drawn frame, golden cases at most twelve small pictures.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.trust.outcome import Findings, findings
from calibration.trust.reading import read_role
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.golden import GoldenSet, read_golden
from edge_agent.contracts.manifest import AGENTS, Manifest
from edge_agent.contracts.side_branch import IR_STEM
from edge_agent.errors import RejectedError

BARE = "bare"
MAX_GOLDEN_CASES = 12
_PROMPTS = 3
_ROWS = 4
_FRAME_PX = 65_536
_MAX_TOKENS = 4096
_NAME = re.compile(r"([a-z_]+)\.(\d)\.(input_ids|logits|frame)")
_MAX_CANARY_BYTES = 512 * 1024 * 1024
_PNG = b"\x89PNG\r\n\x1a\n"
# What a PNG needs to be drawn; every other chunk may say where a picture comes from (PNG, third edition, section 11).
_DRAWN = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"sRGB", b"gAMA", b"cHRM", b"sBIT", b"bKGD", b"pHYs"})
_MAX_PICTURE_BYTES = 4 * 1024 * 1024


def labels_of(manifest: Manifest) -> tuple[str, ...]:
    """Return what a canary must show: every adapter, the bare backbone, and the side branch where there is one."""
    branch = (IR_STEM,) if manifest.side_branch is not None else ()
    return (*sorted(adapter.name for adapter in manifest.adapters), BARE, *branch)


def check_canary(bundle: Bundle) -> Findings:
    """Check the canary's members, shapes and values."""
    arrays = _arrays(bundle)
    labels = labels_of(bundle.manifest)
    faults = [*_surplus_faults(arrays, labels), *_missing_faults(arrays, labels)]
    faults += _shape_faults(arrays, vocab_size=bundle.manifest.backbone.vocab_size)
    return findings(f"expected logits of {', '.join(labels)}", faults)


def check_golden(bundle: Bundle) -> Findings:
    """Check the golden cases: as many as declared, with decisions of every agent and small pictures only."""
    read_role(bundle, "golden", limit=_MAX_CANARY_BYTES)  # a plain file, before anything opens it by its path
    golden = read_golden(bundle.path_of("golden"))
    return findings(f"{len(golden.cases)} cases, {len(golden.pictures)} pictures", _golden_faults(bundle, golden))


def _arrays(bundle: Bundle) -> dict[str, NDArray[Any]]:
    read_role(bundle, "canary", limit=_MAX_CANARY_BYTES)
    try:
        with np.load(bundle.path_of("canary"), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as exc:
        raise RejectedError("the canary is no npz archive of plain arrays; build the bundle again") from exc


def _surplus_faults(arrays: Mapping[str, NDArray[Any]], labels: tuple[str, ...]) -> Iterator[RejectedError]:
    for name, array in arrays.items():
        match = _NAME.fullmatch(name)
        if match is None or match.group(1) not in labels or int(match.group(2)) >= _PROMPTS:
            shape = " x ".join(map(str, array.shape))
            yield RejectedError(
                f"the canary holds {name!r} ({array.dtype}, {shape}), which no canary has: captured data stays on the "
                "workstation; build the bundle again"
            )


def _missing_faults(arrays: Mapping[str, NDArray[Any]], labels: tuple[str, ...]) -> Iterator[RejectedError]:
    for label in labels:
        if not any(f"{label}.{k}.input_ids" in arrays for k in range(_PROMPTS)):
            yield RejectedError(f"the canary shows nothing of {label}; build the bundle again")
        for k in range(_PROMPTS):
            if (f"{label}.{k}.input_ids" in arrays) != (f"{label}.{k}.logits" in arrays):
                yield RejectedError(f"the canary has only half of {label}.{k}; build the bundle again")


def _shape_faults(arrays: Mapping[str, NDArray[Any]], *, vocab_size: int) -> Iterator[RejectedError]:
    for name, array in arrays.items():
        kind = name.rpartition(".")[2]
        if kind == "logits":
            is_sound = array.dtype == np.float32 and array.ndim == 2 and 0 < len(array) <= _ROWS
            is_sound = is_sound and array.shape[1] == vocab_size and bool(np.isfinite(array).all())
        elif kind == "input_ids":
            is_sound = array.dtype == np.int64 and array.ndim == 1 and 0 < array.size <= _MAX_TOKENS
        elif kind == "frame":
            is_sound = array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3
            is_sound = is_sound and array.shape[0] * array.shape[1] <= _FRAME_PX
        else:
            continue
        if not is_sound:
            yield RejectedError(f"the canary's {name} is not what a canary holds; build the bundle again")


def _golden_faults(bundle: Bundle, golden: GoldenSet) -> Iterator[RejectedError]:
    declared = bundle.manifest.golden.count
    if not 1 <= len(golden.cases) <= MAX_GOLDEN_CASES or len(golden.cases) != declared:
        yield RejectedError(
            f"golden.zip holds {len(golden.cases)} cases, the manifest declares {declared}, at most {MAX_GOLDEN_CASES} may "
            "be there; build the bundle again"
        )
    for case in golden.cases:
        for agent in AGENTS:
            if not case.expected.get(agent):
                yield RejectedError(f"golden case {case.case_id} has no decision of {agent}; build the bundle again")
    named = {name for case in golden.cases for name in case.pictures}
    for name, data in sorted(golden.pictures.items()):
        if name not in named:
            yield RejectedError(
                f"golden.zip holds {name!r}, which no case names: captured data stays on the workstation; build again"
            )
        elif not data.startswith(_PNG) or len(data) > _MAX_PICTURE_BYTES:
            yield RejectedError(f"golden picture {name} is no small PNG; draw it again and build the bundle again")
        elif (surplus := _surplus_chunk(data)) is not None:
            yield RejectedError(
                f"golden picture {name} carries notes about its origin ({surplus}); draw it again, without metadata"
            )


def _surplus_chunk(data: bytes) -> str | None:
    """Return what a PNG holds besides its pixels, None where there is nothing: a chunk's name, or bytes behind the end."""
    place = len(_PNG)
    while place + 8 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if kind not in _DRAWN:
            return kind.decode("ascii", "replace")
        place += 12 + length  # length, kind, the chunk, its checksum
        if kind == b"IEND":
            break
    return None if place == len(data) else "bytes that are no chunk"
