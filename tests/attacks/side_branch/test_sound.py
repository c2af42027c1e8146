"""A whole branch is read, opened and split: the refusals beside this file are no reader that refuses everything."""

from __future__ import annotations

from pathlib import Path

import openvino as ov

from edge_agent.contracts.bundle import open_bundle
from edge_agent.inference.side_branch import linear_names, split
from tests.simulators.bundles import SignedFolder
from tests.simulators.side_branch import opened, read
from tests.simulators.skin_checkpoint import TINY, BranchFolder, tiny_structure


def test_the_whole_checkpoint_is_read(checkpoint: BranchFolder) -> None:
    """These tests could pass on a reader that refuses everything; it does not."""
    branch = read(checkpoint)
    assert set(branch.tensors) == set(tiny_structure().tensors())
    assert branch.scale == 2.5


def test_a_whole_bundle_opens(bundle: SignedFolder) -> None:
    """With the block, and without block and files: both are bundles."""
    found = open_bundle(bundle.path, keys=bundle.keys).manifest.side_branch
    assert found is not None
    assert (found.policy, found.images, found.scale) == ("first_token", "one", 2.5)
    for role in ("side_branch.xml", "side_branch.bin", "side_branch.mask"):
        bundle.document["files"].remove(bundle.entry(role))
        (bundle.path / role).unlink()
    bundle.document["side_branch"] = None
    bundle.sign()
    assert open_bundle(bundle.path, keys=bundle.keys).manifest.side_branch is None
    del bundle.document["side_branch"]  # as written before the block existed
    bundle.sign()
    assert open_bundle(bundle.path, keys=bundle.keys).manifest.side_branch is None


def test_a_whole_ir_is_split(graph: Path, bundle: SignedFolder) -> None:
    """Two parts, one per input."""
    model, manifest = ov.Core().read_model(graph), opened(bundle)
    picture, text = split(model, manifest=manifest, spec=manifest.side_branch, name="side_branch.xml")
    assert [len(part.inputs) for part in (picture, text)] == [1, 1]
    assert [len(part.outputs) for part in (picture, text)] == [2, 1]


def test_names_are_the_checkpoints() -> None:
    """Every linear that the device looks for is a tensor of the published checkpoint, and the other way round."""
    keys = {name.removesuffix(".weight") for name in tiny_structure().tensors() if name.endswith(".weight")}
    assert set(linear_names(layers=TINY.layers, experts=TINY.experts)) == keys
