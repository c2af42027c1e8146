"""A whole checkpoint, a whole bundle and a whole IR for every attack to damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.side_branch.graph import write_graph
from tests.simulators.bundles import BACKBONE_DIGEST, SignedFolder
from tests.simulators.side_branch import branch_bundle
from tests.simulators.skin_checkpoint import BranchFolder, branch_tensors, tiny_structure


@pytest.fixture
def checkpoint(tmp_path: Path) -> BranchFolder:
    """A checkpoint whose branch is whole."""
    return BranchFolder.make(tmp_path / "checkpoint")


@pytest.fixture
def bundle(tmp_path: Path) -> SignedFolder:
    """A signed bundle with a side branch whose files hold no model."""
    return branch_bundle(tmp_path)


@pytest.fixture(scope="session")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid f32 IR of the tiny branch."""
    folder = tmp_path_factory.mktemp("ir")
    tensors = {name: tensor.float().numpy() for name, tensor in branch_tensors(tiny_structure()).items()}
    write_graph(tensors, structure=tiny_structure(), base_digest=BACKBONE_DIGEST, precision="f32", folder=folder)
    return folder / "side_branch.xml"
