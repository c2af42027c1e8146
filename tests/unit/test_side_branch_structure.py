"""The structure is the published one: names, shapes, number of parameters, and what the formulas give by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch

from calibration.declaration import parse_declaration
from calibration.side_branch.declared import Dimensions
from calibration.side_branch.graph import check_census, write_graph
from calibration.side_branch.mask import write_mask
from calibration.side_branch.structure import SCALE_KEY, Structure
from calibration.side_branch.torch_branch import TorchSideBranch
from edge_agent.errors import CompressionError, ExportError
from tests.simulators.skin_checkpoint import TINY, branch_tensors, declared_block, skin_declaration, tiny_structure

F32 = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}


def tensors(seed: int = 5) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """Random float32 tensors of the tiny branch."""
    return {name: tensor.float().numpy() for name, tensor in branch_tensors(tiny_structure(), seed=seed).items()}


def test_the_published_sizes_have_the_published_number_of_parameters() -> None:
    """5,826,916 at hidden 3584, as the paper's digest says: no tensor is missing and none is too large."""
    structure = Structure(dimensions=Dimensions(), patch_features=1176, hidden_size=3584)
    assert structure.parameters() == 5_826_916


def test_the_published_keys() -> None:
    """Keys and shapes of the published class, written down by hand."""
    found = Structure(dimensions=Dimensions(), patch_features=1176, hidden_size=3584).tensors()
    assert len(found) == 4 + 1 + 4 * (2 + 8 * 4) + 2 + 1
    assert found["distill_head.in_proj.weight"] == (1024, 1176)
    assert "distill_head.in_proj.bias" not in found
    assert found["distill_head.skin_classifier.2.bias"] == (3,)
    assert found["distill_head.adapters.3.router_img.weight"] == (8, 1024)
    assert found["distill_head.adapters.0.router_skin.weight"] == (8, 3)
    assert found["distill_head.adapters.2.experts.7.net.0.weight"] == (64, 1024)
    assert found["distill_head.adapters.2.experts.7.net.2.bias"] == (1024,)
    assert found["text_bias.0.weight"] == (64, 1024)
    assert found["text_bias.2.weight"] == (3584, 64)
    assert "text_bias.2.bias" not in found
    assert found[SCALE_KEY] == ()


def by_hand(weights: dict[str, np.ndarray], patch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """One patch in float64, from the paper's formulas: (vision_embed, tone logits)."""

    def linear(x: np.ndarray, path: str) -> np.ndarray:  # type: ignore[type-arg]
        bias = weights.get(f"{path}.bias", np.float64(0))
        return np.asarray(weights[f"{path}.weight"].astype(np.float64) @ x + bias)

    h = linear(patch.astype(np.float64), "distill_head.in_proj")
    tone = linear(np.maximum(linear(h, "distill_head.skin_classifier.0"), 0), "distill_head.skin_classifier.2")
    skin = np.exp(tone) / np.exp(tone).sum()
    for layer in range(TINY.layers):
        above = f"distill_head.adapters.{layer}"
        scores = linear(h, f"{above}.router_img") + linear(skin, f"{above}.router_skin")
        share = np.exp(scores) / np.exp(scores).sum()
        best = np.argsort(-share)[:2]
        out = np.zeros_like(h)
        for expert in best:
            inner = np.maximum(linear(h, f"{above}.experts.{expert}.net.0"), 0)
            out += share[expert] / (share[best].sum() + 1e-6) * linear(inner, f"{above}.experts.{expert}.net.2")
        h = h + out
    return h, tone


def test_one_patch_by_hand() -> None:
    """PyTorch and OpenVINO both give what the formulas give for a single patch."""
    weights, patch = tensors(), np.random.default_rng(2).normal(size=1176).astype(np.float32)
    embed, tone = by_hand(weights, patch)
    branch = TorchSideBranch(weights, dimensions=TINY, mask=np.ones(9, bool), policy="every_token", images="one")
    seen = branch.see(torch.from_numpy(patch[np.newaxis]))
    np.testing.assert_allclose(seen.embed.numpy(), embed, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen.tone_logits.numpy(), tone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("precision", "bound"), [("f32", 1e-5), ("int8", 0.03)])
def test_the_ir_is_pytorchs_branch(tmp_path: Path, precision: str, bound: float) -> None:
    """Relative error of the embedding: 1e-5 in f32, 3 % in INT8; tone logits and hidden row as well."""
    weights = tensors()
    census = write_graph(
        weights, structure=tiny_structure(), base_digest="a" * 64, precision=precision, folder=tmp_path  # type: ignore[arg-type]
    )  # fmt: skip
    patches = np.random.default_rng(3).normal(size=(40, 1176)).astype(np.float32)
    seen = TorchSideBranch(
        weights, dimensions=TINY, mask=np.ones(9, bool), policy="every_token", images="one"
    ).see(torch.from_numpy(patches))  # fmt: skip
    model = ov.Core().compile_model(tmp_path / "side_branch.xml", "CPU", F32)
    out = model({"pixel_values": patches, "pooled_embed": seen.embed.numpy()[np.newaxis]})
    for name, expected in (("vision_embed", seen.embed.numpy()), ("tone_logits", seen.tone_logits.numpy())):
        assert np.linalg.norm(out[name][0] - expected) < bound * np.linalg.norm(expected)
    hidden = weights["text_bias.2.weight"] @ np.tanh(weights["text_bias.0.weight"] @ seen.embed.numpy())
    assert np.linalg.norm(out["bias_hidden"][0] - hidden) < bound * np.linalg.norm(hidden)
    codes = sum(row.tensors for row in census if row.element_type == "i8")
    assert codes == (0 if precision == "f32" else 3 + 2 * (4 * 2) + 2)  # all linears but the routers


def test_a_router_that_nncf_touched_fails_the_census(tmp_path: Path) -> None:
    """Planted damage: an f32 graph declared as INT8, and the other way round, end the build."""
    write_graph(tensors(), structure=tiny_structure(), base_digest="a" * 64, precision="f32", folder=tmp_path)
    model = ov.Core().read_model(tmp_path / "side_branch.xml")
    with pytest.raises(CompressionError, match=r"distill_head.in_proj.weight is f32, declared is i8"):
        check_census(model, dimensions=TINY, precision="int8")
    with pytest.raises(CompressionError, match=r"adapters.2.router_img.weight is missing"):
        check_census(model, dimensions=TINY.model_copy(update={"layers": 3}), precision="f32")


def test_the_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    """IR and mask of two builds in one process are equal byte for byte."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_graph(
            tensors(), structure=tiny_structure(), base_digest="a" * 64, precision="int8", folder=tmp_path / name
        )  # fmt: skip
        write_mask(np.arange(30) % 3 == 0, tmp_path / name, source_sha256="b" * 64)
    for file in ("side_branch.xml", "side_branch.bin", "side_branch.mask"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_tone_moves_the_routing() -> None:
    """The tone head is inside the branch: turning it round changes the embedding."""
    weights = tensors()
    patches = torch.from_numpy(np.random.default_rng(3).normal(size=(40, 1176)).astype(np.float32))
    seen = []
    for sign in (1, -1):
        turned = {
            **weights,
            "distill_head.skin_classifier.2.weight": sign * weights["distill_head.skin_classifier.2.weight"],
        }
        branch = TorchSideBranch(turned, dimensions=TINY, mask=np.ones(9, bool), policy="every_token", images="one")
        seen.append(branch.see(patches).embed.numpy())
    assert np.abs(seen[0] - seen[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"policy": "sometimes"}, "side_branch.policy"),
        ({"images": "one"}, "takes one picture, but representation sees all"),
        ({"mask": {"file": "../mask.json", "sha256": "a" * 64}}, "side_branch.mask.file"),
        ({"mask": {"file": "mask.json"}}, "side_branch.mask.sha256"),
        ({"scale": None, "strength": 2}, "side_branch.strength"),
    ],
)
def test_declarations_that_are_refused(change: dict[str, object], message: str) -> None:
    """Policy, pictures and mask must be declared, and fit the agents, before anything is exported."""
    block = {**declared_block("a" * 64), **change}
    with pytest.raises(ExportError, match=message):
        parse_declaration(skin_declaration(block), source="derm_edge.json")


def test_a_declaration_that_fits() -> None:
    """The tests above could pass on a reader that refuses everything."""
    found = parse_declaration(skin_declaration(declared_block("a" * 64)), source="derm_edge.json").side_branch
    assert found is not None
    assert (found.policy, found.images) == ("first_token", "mean")
