"""A whole build of a checkpoint of SkinGPT-R1's class: folder in, bundle with a checked side branch out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from calibration.build import BuildRequest, build
from calibration.gates import check_gates
from calibration.recipe import Recipe, load_recipe
from calibration.side_branch.graph import write_graph
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import AGENTS
from edge_agent.errors import QualityGateError
from tests.simulators.skin_checkpoint import MASK, branch_tensors, tiny_structure, write_skin_checkpoint

pytestmark = pytest.mark.slow
# Tight where arithmetic is judged; random decisions lie close together, so few of them need to agree.
RECIPE = """
name = "tight-canary"
[language_model]
mode = "none"
[vision]
mode = "none"
[embeddings]
mode = "none"
[adapters]
mode = "none"
[gates]
canary_max_of_range = 0.0001
canary_min_argmax = 0.99
golden_min_agreement = 0.3
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The recipe above."""
    path = tmp_path_factory.mktemp("recipe") / "tight.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return load_recipe(str(path))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> Bundle:
    """Build once: strict canary within 1e-4 of the logits' range, the side branch among its rows."""
    folder = tmp_path_factory.mktemp("skin")
    base = write_skin_checkpoint(folder / "checkpoint")
    manifest = build(BuildRequest(base, {}, recipe, folder / "bundle"), announce=lambda _line: None)
    return Bundle(folder / "bundle", manifest, signed_by="nobody: a test bundle")


def test_the_bundle_declares_its_branch(bundle: Bundle) -> None:
    """Mask with digest and length, scale, policies, census and files stand in the manifest."""
    branch = bundle.manifest.side_branch
    assert branch is not None
    assert (branch.scale, branch.policy, branch.images, branch.precision) == (2.5, "first_token", "mean", "f32")
    assert branch.base_digest == bundle.manifest.backbone.content_digest
    mask = np.frombuffer(bundle.path_of("side_branch.mask").read_bytes(), dtype=np.uint8)
    assert (len(mask), int(mask.sum())) == (bundle.manifest.backbone.vocab_size, branch.mask.ones)
    assert any(row.part == "side_branch" and row.tensors > 0 for row in bundle.manifest.census)
    assert not any(entry.path == MASK for entry in bundle.manifest.files)  # the source's form stays behind
    assert [bundle.manifest.agents[name].adapter for name in AGENTS] == [None, None, None]


def test_the_canary_shows_the_branch(bundle: Bundle) -> None:
    """Expected logits with and without the branch on one prompt differ by far more than the gate's bound."""
    with np.load(bundle.path_of("canary")) as archive:
        difference = np.abs(archive["side_branch.0.logits"] - archive["bare.0.logits"]).max()
    assert difference > 100 * bundle.manifest.canary.bounds.strict_max_abs


def test_the_gate_finds_another_branch(bundle: Bundle, recipe: Recipe, tmp_path: Path) -> None:
    """Planted damage: a branch of other random weights, whole in every form, ends the build."""
    folder = Path(shutil.copytree(bundle.path, tmp_path / "exchanged"))
    tensors = {name: tensor.float().numpy() for name, tensor in branch_tensors(tiny_structure(), seed=6).items()}
    digest = bundle.manifest.backbone.content_digest
    write_graph(tensors, structure=tiny_structure(), base_digest=digest, precision="f32", folder=folder)
    with pytest.raises(QualityGateError, match="side_branch: logits differ by"):
        check_gates(folder, manifest=bundle.manifest, recipe=recipe)


def test_the_gate_finds_a_canary_without_the_branch(bundle: Bundle, recipe: Recipe, tmp_path: Path) -> None:
    """A canary that shows nothing of the branch judges nothing: refused, not passed."""
    folder = Path(shutil.copytree(bundle.path, tmp_path / "blind"))
    path = folder / bundle.manifest.canary.file
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if not name.startswith("side_branch.")}
    np.savez(path, **arrays)
    with pytest.raises(QualityGateError, match="the canary shows nothing of the side branch"):
        check_gates(folder, manifest=bundle.manifest, recipe=recipe)
