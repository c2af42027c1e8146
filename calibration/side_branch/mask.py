"""Read the vocabulary mask that a checkpoint's owner brings, and write the bundle's.

Source: SkinGPT-R1's evaluation settings: a JSON array with one binary value per position of the model's vocabulary.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.side_branch.declared import DeclaredMask
from edge_agent.contracts.side_branch import MASK_ROLE, VocabularyMask
from edge_agent.errors import ExportError


def read_mask(folder: Path, *, declared: DeclaredMask, vocab_size: int) -> NDArray[np.bool_]:
    """Return bool[V].

    Args:
        folder: the checkpoint.
        declared: file name and digest.
        vocab_size: config.json's: the rows of lm_head, not the tokenizer's tokens.

    Raises:
        ExportError: missing, another digest, not a JSON array of 0 and 1, another length, or without any 1.
    """
    path = folder / declared.file
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ExportError(
            f"{path} is missing: without its vocabulary mask the side branch does nothing; bring the mask that the "
            "checkpoint was trained with"
        ) from exc
    found = hashlib.sha256(data).hexdigest()
    if found != declared.sha256:
        raise ExportError(
            f"{path} has sha256 {found}, derm_edge.json declares {declared.sha256}; bring the declared mask"
        )
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise ExportError(f"{path} is not JSON; a mask is an array of 0 and 1, one per token") from exc
    if not isinstance(values, list) or any(type(value) not in (int, bool) or value not in (0, 1) for value in values):
        raise ExportError(f"{path} is not an array of 0 and 1; a mask is binary")
    if len(values) != vocab_size:
        raise ExportError(
            f"{path} has {len(values)} entries, config.json a vocabulary of {vocab_size}; bring its own mask"
        )
    mask = np.array(values, dtype=np.bool_)
    if not mask.any():
        raise ExportError(f"{path} holds no 1, so the side branch would do nothing; bring the mask of the training")
    return mask


def write_mask(mask: NDArray[np.bool_], folder: Path, *, source_sha256: str) -> VocabularyMask:
    """Write the mask as one byte per token below a bundle's folder and return its declaration.

    Args:
        mask: bool[V].
        folder: the bundle under construction.
        source_sha256: digest of the JSON array that it came from.
    """
    data = mask.astype(np.uint8).tobytes()
    (folder / MASK_ROLE).write_bytes(data)
    return VocabularyMask(
        file=MASK_ROLE, sha256=hashlib.sha256(data).hexdigest(), ones=int(mask.sum()), source_sha256=source_sha256
    )
