"""Read side branches as build and device do, and take the one line with which they are refused."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.side_branch.building import read_branch
from calibration.side_branch.declared import DeclaredSideBranch
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.side_branch import SideBranchSpec
from edge_agent.errors import EdgeError, ExportError
from tests.simulators.bundles import BACKBONE_DIGEST, SignedFolder, signed_folder
from tests.simulators.skin_checkpoint import TINY, BranchFolder, declared_block, tiny_backbone

VOCAB = 700  # of the simulated bundle
ROUTER = "distill_head.adapters.1.router_img.weight"
EXPERT = "distill_head.adapters.0.experts.2.net.2.weight"


def read(folder: BranchFolder, **changed: Any) -> Any:
    """Read the branch as the build does."""
    declared = DeclaredSideBranch.model_validate({**declared_block(folder.mask_sha256), **changed})
    return read_branch(folder.path, declared=declared, backbone=tiny_backbone())


def refuses(folder: BranchFolder, *named: str, **changed: Any) -> None:
    """Check that reading ends in one line that names everything in ``named``."""
    with pytest.raises(ExportError) as caught:
        read(folder, **changed)
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in named if word not in message] == []


def branch_bundle(folder: Path) -> SignedFolder:
    """Write a signed bundle with a side branch whose files hold no model."""
    bundle = signed_folder(folder)
    mask = np.random.default_rng(1).integers(0, 2, VOCAB).astype(np.uint8)
    for role, data in {
        "side_branch.xml": b"<net/>",
        "side_branch.bin": b"weights",
        "side_branch.mask": mask.tobytes(),
    }.items():
        (bundle.path / role).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        bundle.document["files"].append({"path": role, "role": role, "size_bytes": len(data), "sha256": digest})
    bundle.document["side_branch"] = spec_of(mask).model_dump(mode="json")
    bundle.sign()
    return bundle


def spec_of(mask: Any, **changed: Any) -> SideBranchSpec:
    """Return the block for a mask of bytes."""
    data = np.asarray(mask, dtype=np.uint8).tobytes()
    block: dict[str, Any] = {
        "structure": "skingpt_r1", "base_digest": BACKBONE_DIGEST, "precision": "f32", "patch_features": 1176,
        "embed_size": TINY.embed_size, "layers": TINY.layers, "experts": TINY.experts,
        "files": ["side_branch.xml", "side_branch.bin"], "scale": 2.5, "policy": "first_token", "images": "one",
        "mask": {
            "file": "side_branch.mask", "sha256": hashlib.sha256(data).hexdigest(), "ones": int(np.sum(mask)),
            "source_sha256": "d" * 64,
        },
    }  # fmt: skip
    return SideBranchSpec.model_validate(block | changed)


def rejected(bundle: SignedFolder, error: type[EdgeError], match: str) -> None:
    """Sign what was changed and check that opening raises exactly this class, in one line."""
    bundle.sign()
    with pytest.raises(error, match=match) as caught:
        open_bundle(bundle.path, keys=bundle.keys)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def opened(bundle: SignedFolder) -> Any:
    """Return the simulated bundle's manifest."""
    return open_bundle(bundle.path, keys=bundle.keys).manifest
