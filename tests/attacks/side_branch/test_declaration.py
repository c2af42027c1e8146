"""A class without its declaration, a declaration without its class, a branch that hides under the plain class."""

from __future__ import annotations

import pytest

from calibration.side_branch.building import read_branch
from calibration.side_branch.structure import CLASS_NAME
from edge_agent.errors import ExportError
from tests.simulators.side_branch import refuses
from tests.simulators.skin_checkpoint import BranchFolder, tiny_backbone


def test_class_without_declaration(checkpoint: BranchFolder) -> None:
    """A checkpoint of this class whose owner declares nothing would run as the bare backbone."""
    with pytest.raises(ExportError, match="declares no side_branch: it would be ignored"):
        read_branch(checkpoint.path, declared=None, backbone=tiny_backbone())


def test_declaration_without_class(checkpoint: BranchFolder) -> None:
    """A declared branch in a checkpoint of the plain class."""
    checkpoint.config = {"architectures": ["Qwen2_5_VLForConditionalGeneration"]}
    checkpoint.write()
    refuses(checkpoint, "config.json", CLASS_NAME, "Qwen2_5_VLForConditionalGeneration")


def test_branch_under_the_plain_class(checkpoint: BranchFolder) -> None:
    """Renaming the class hides a branch from every loader; its tensors betray it."""
    checkpoint.config = {"architectures": ["Qwen2_5_VLForConditionalGeneration"]}
    checkpoint.write()
    with pytest.raises(ExportError, match=r"model-00002-of-00002.safetensors holds .*would be ignored"):
        read_branch(checkpoint.path, declared=None, backbone=tiny_backbone())
