"""A side branch that is damaged, exchanged or would be ignored is refused: checkpoint, bundle and IR, each by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from openvino import opset13 as ops

from calibration.side_branch.building import read_branch
from calibration.side_branch.declared import DeclaredSideBranch
from calibration.side_branch.graph import write_graph
from calibration.side_branch.structure import CLASS_NAME, SCALE_KEY
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.side_branch import SideBranchSpec
from edge_agent.errors import EdgeError, ExportError, Incompatible, LengthOrHashRejected, RejectedError
from edge_agent.inference.side_branch import RT_INFO, linear_names, read_mask, split
from tests.simulators.bundles import BACKBONE_DIGEST, SignedFolder, signed_folder
from tests.simulators.skin_checkpoint import (
    INDEX,
    MASK,
    SHARDS,
    TINY,
    BranchFolder,
    branch_tensors,
    declared_block,
    tiny_backbone,
    tiny_structure,
    write_mask,
)

VOCAB = 700  # of the simulated bundle
ROUTER = "distill_head.adapters.1.router_img.weight"
EXPERT = "distill_head.adapters.0.experts.2.net.2.weight"


@pytest.fixture
def checkpoint(tmp_path: Path) -> BranchFolder:
    """A checkpoint whose branch is whole."""
    return BranchFolder.make(tmp_path / "checkpoint")


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


def test_the_whole_checkpoint_is_read(checkpoint: BranchFolder) -> None:
    """These tests could pass on a reader that refuses everything; it does not."""
    branch = read(checkpoint)
    assert set(branch.tensors) == set(tiny_structure().tensors())
    assert branch.scale == 2.5


def test_missing_tensor(checkpoint: BranchFolder) -> None:
    """One expert's weight less: its name and its shard."""
    del checkpoint.tensors[EXPERT]
    checkpoint.write()
    refuses(checkpoint, EXPERT, SHARDS[1], "lacks")


def test_surplus_tensor(checkpoint: BranchFolder) -> None:
    """A fifth expert would be dropped in silence by every loader."""
    checkpoint.tensors["distill_head.adapters.0.experts.4.net.0.weight"] = torch.zeros(16, 48)
    checkpoint.write()
    refuses(checkpoint, "distill_head.adapters.0.experts.4.net.0.weight", SHARDS[1], "no tensor of")


def test_projection_that_only_training_uses(checkpoint: BranchFolder) -> None:
    """`out_proj` belongs to distillation: a checkpoint with it is not the released one."""
    checkpoint.tensors["distill_head.out_proj.weight"] = torch.zeros(7, 48)
    checkpoint.write()
    refuses(checkpoint, "distill_head.out_proj.weight", "distillation")


def test_data_parallel_prefix(checkpoint: BranchFolder) -> None:
    """Keys with torch's `module.` in front match nothing and are named."""
    checkpoint.tensors = {f"module.{name}": tensor for name, tensor in checkpoint.tensors.items()}
    checkpoint.write()
    refuses(checkpoint, "module.", "data-parallel")


@pytest.mark.parametrize("name", [ROUTER, EXPERT, "text_bias.2.weight", SCALE_KEY])
def test_wrong_shape(checkpoint: BranchFolder, name: str) -> None:
    """Each tensor's shape is checked: the message holds both."""
    checkpoint.tensors[name] = torch.zeros(5, 7, dtype=torch.bfloat16)
    checkpoint.write()
    refuses(checkpoint, name, SHARDS[1], "[5, 7]", str(list(tiny_structure().tensors()[name])))


def test_transposed_tensor(checkpoint: BranchFolder) -> None:
    """A transposed weight has another shape and is refused, not turned round."""
    checkpoint.tensors[EXPERT] = checkpoint.tensors[EXPERT].T.contiguous()
    checkpoint.write()
    refuses(checkpoint, EXPERT, "[16, 48]", "[48, 16]")


def test_branch_of_other_sizes(checkpoint: BranchFolder) -> None:
    """Without declared dimensions the published ones count, and a smaller branch does not fit them."""
    refuses(checkpoint, SHARDS[1], "the declared structure", "declare the dimensions", dimensions={})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_numbers(checkpoint: BranchFolder, value: float) -> None:
    """One NaN in one router."""
    checkpoint.tensors[ROUTER][0, 0] = value
    checkpoint.write()
    refuses(checkpoint, ROUTER, SHARDS[1], "not numbers")


def test_quantized_tensor(checkpoint: BranchFolder) -> None:
    """Codes without scales are no weights."""
    checkpoint.tensors[EXPERT] = torch.zeros(48, 16, dtype=torch.int8)
    checkpoint.write()
    refuses(checkpoint, EXPERT, SHARDS[1], "I8")


def test_tensor_in_two_shards(checkpoint: BranchFolder) -> None:
    """Two values for one tensor would let the loader choose."""
    (checkpoint.path / SHARDS[0]).write_bytes((checkpoint.path / SHARDS[1]).read_bytes())
    refuses(checkpoint, "more than one file")


def test_git_lfs_pointer(checkpoint: BranchFolder) -> None:
    """A pointer instead of the shard."""
    (checkpoint.path / SHARDS[1]).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    refuses(checkpoint, SHARDS[1], "Git-LFS pointer")


def test_missing_shard(checkpoint: BranchFolder) -> None:
    """A shard that the index names is not there."""
    (checkpoint.path / SHARDS[1]).unlink()
    refuses(checkpoint, SHARDS[1], INDEX)


def test_scale_of_zero(checkpoint: BranchFolder) -> None:
    """A branch that was switched off by its scale is no branch."""
    checkpoint.tensors[SCALE_KEY] = torch.tensor(0.0)
    checkpoint.write()
    refuses(checkpoint, SCALE_KEY, "do nothing")


def test_declared_scale_is_the_checkpoints(checkpoint: BranchFolder) -> None:
    """A declared scale that the checkpoint does not have is refused with both numbers."""
    refuses(checkpoint, SCALE_KEY, "2.0", "2.5", scale=2.0)


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


def _mask(folder: BranchFolder, text: str) -> None:
    (folder.path / MASK).write_text(text, encoding="utf-8")
    folder.mask_sha256 = hashlib.sha256(text.encode()).hexdigest()


def test_missing_mask_file(checkpoint: BranchFolder) -> None:
    """Upstream runs without a mask and does nothing; here that is an error."""
    (checkpoint.path / MASK).unlink()
    refuses(checkpoint, MASK, "does nothing")


def test_other_mask_file(checkpoint: BranchFolder) -> None:
    """Another mask than the declared one."""
    write_mask(checkpoint.path, 60, seed=9)
    refuses(checkpoint, MASK, "sha256", checkpoint.mask_sha256)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (json.dumps([1] * 59), "59 entries"),
        (json.dumps([1] * 61), "61 entries"),
        (json.dumps([0] * 60), "no 1"),
        (json.dumps([2] * 60), "not an array of 0 and 1"),
        (json.dumps([0.5] * 60), "not an array of 0 and 1"),
        (json.dumps(["1"] * 60), "not an array of 0 and 1"),
        (json.dumps({"mask": [1] * 60}), "not an array of 0 and 1"),
        ("[" * 100_000, "not JSON"),
        ("mask", "not JSON"),
    ],
)
def test_mask_that_is_none(checkpoint: BranchFolder, text: str, named: str) -> None:
    """Another length, no 1, not binary, not an array, not JSON: each says so."""
    _mask(checkpoint, text)
    refuses(checkpoint, MASK, named)


# --- bundles -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path: Path) -> SignedFolder:
    """A signed bundle with a side branch whose files hold no model."""
    bundle = signed_folder(tmp_path)
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


def test_bundle_without_its_mask(bundle: SignedFolder) -> None:
    """Signed without a mask: the branch would do nothing."""
    bundle.document["files"].remove(bundle.entry("side_branch.mask"))
    (bundle.path / "side_branch.mask").unlink()
    rejected(bundle, RejectedError, r"no vocabulary mask \(side_branch.mask, role side_branch.mask\)")


def test_mask_file_deleted_after_signing(bundle: SignedFolder) -> None:
    """The file is gone, the manifest still lists it."""
    (bundle.path / "side_branch.mask").unlink()
    rejected(bundle, LengthOrHashRejected, "side_branch.mask is missing")


def test_mask_of_another_digest(bundle: SignedFolder) -> None:
    """A well signed file that is not the declared mask."""
    bundle.document["side_branch"]["mask"]["sha256"] = "e" * 64
    rejected(bundle, RejectedError, "side_branch.mask has sha256 .*declares eeee.*another mask")


def test_one_changed_bit_of_the_mask(bundle: SignedFolder) -> None:
    """One token more or less is found before anything is loaded."""
    data = bytearray((bundle.path / "side_branch.mask").read_bytes())
    data[3] ^= 1
    (bundle.path / "side_branch.mask").write_bytes(data)
    rejected(bundle, LengthOrHashRejected, "side_branch.mask differs")


@pytest.mark.parametrize("length", [0, VOCAB - 1, VOCAB + 1])
def test_mask_of_another_length(bundle: SignedFolder, length: int) -> None:
    """A mask of another vocabulary, signed and with the right digest."""
    data = (b"\1" * (VOCAB + 1))[:length]
    (bundle.path / "side_branch.mask").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    bundle.entry("side_branch.mask").update(size_bytes=length, sha256=digest)
    bundle.document["side_branch"]["mask"]["sha256"] = digest
    rejected(bundle, Incompatible, f"side_branch.mask has {length} entries, the vocabulary has {VOCAB} tokens")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda d: d.update(side_branch=None), RejectedError, "does not declare: it would be ignored"),
        (lambda d: d["side_branch"].update(base_digest="c" * 64), Incompatible, "another backbone"),
        (lambda d: d["side_branch"].update(patch_features=588), Incompatible, "patches of 588 values.*1176"),
        (lambda d: d["side_branch"].update(files=["x.xml", "side_branch.bin"]), RejectedError, "role side_branch.xml"),
        (lambda d: d["side_branch"].update(scale=0), RejectedError, "side_branch.*do nothing"),
        (lambda d: d["side_branch"].update(policy="always"), RejectedError, "side_branch.policy"),
        (lambda d: d["side_branch"].update(images="all"), RejectedError, "side_branch.images"),
        (lambda d: d["side_branch"].pop("policy"), RejectedError, "side_branch.policy"),
        (lambda d: d["side_branch"].pop("mask"), RejectedError, "side_branch.mask"),
        (lambda d: d["side_branch"].update(news=1), RejectedError, "side_branch.news"),
    ],
)
def test_block_that_does_not_fit(
    bundle: SignedFolder, change: Callable[[dict[str, Any]], object], error: type[EdgeError], match: str
) -> None:
    """Undeclared, of another backbone or patch size, switched off, or without a declared policy: refused by name."""
    change(bundle.document)
    rejected(bundle, error, match)


def test_policies_that_would_ignore_the_branch(bundle: SignedFolder) -> None:
    """One picture where an agent sees all; a first token that a schema forces; no picture at all."""
    bundle.document["agents"]["representation"]["inputs"] = {"images": "all"}
    rejected(bundle, RejectedError, "takes one picture, but representation sees all")
    step = bundle.document["agents"]["recognition"]["steps"][0]
    for agent in bundle.document["agents"].values():
        agent["inputs"] = {"images": "one"}
        agent["steps"] = [{**step, "contract": "schema", "output_schema": {"type": "object", "properties": {}}}]
    rejected(bundle, RejectedError, "first_token` would be ignored")
    for agent in bundle.document["agents"].values():
        agent["inputs"] = {"images": "none"}
    rejected(bundle, RejectedError, "no agent sees a picture")


@pytest.mark.parametrize(
    ("data", "ones", "match"),
    [
        (b"\1" * 59, 59, "59 entries"),
        (b"\2" * 60, 60, "not a mask of 0 and 1"),
        (b"\1" * 60, 59, "with 59 ones"),
    ],
)
def test_mask_read_by_the_engine(tmp_path: Path, data: bytes, ones: int, match: str) -> None:
    """The engine trusts its own reading, not the manifest's sizes: length, values and count again."""
    (tmp_path / "m").write_bytes(data)
    spec = spec_of(np.arange(60) % 2)
    mask = spec.mask.model_copy(update={"sha256": hashlib.sha256(data).hexdigest(), "ones": ones})
    with pytest.raises(RejectedError, match=match):
        read_mask(tmp_path / "m", spec=spec.model_copy(update={"mask": mask}), vocab_size=60)
    with pytest.raises(RejectedError, match="sha256"):
        read_mask(tmp_path / "m", spec=spec, vocab_size=60)
    with pytest.raises(RejectedError, match="cannot be read"):
        read_mask(tmp_path / "nothing", spec=spec, vocab_size=60)


# --- the IR ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid f32 IR of the tiny branch."""
    folder = tmp_path_factory.mktemp("ir")
    tensors = {name: tensor.float().numpy() for name, tensor in branch_tensors(tiny_structure()).items()}
    write_graph(tensors, structure=tiny_structure(), base_digest=BACKBONE_DIGEST, precision="f32", folder=folder)
    return folder / "side_branch.xml"


def opened(bundle: SignedFolder) -> Any:
    """Return the simulated bundle's manifest."""
    return open_bundle(bundle.path, keys=bundle.keys).manifest


def test_a_whole_ir_is_split(graph: Path, bundle: SignedFolder) -> None:
    """Two parts, one per input."""
    model, manifest = ov.Core().read_model(graph), opened(bundle)
    picture, text = split(model, manifest=manifest, spec=manifest.side_branch, name="side_branch.xml")
    assert [len(part.inputs) for part in (picture, text)] == [1, 1]
    assert [len(part.outputs) for part in (picture, text)] == [2, 1]


@pytest.mark.parametrize(
    ("changed", "error", "match"),
    [
        ({"base_digest": "c" * 64}, Incompatible, "side_branch.xml says base_digest = aaaa"),
        ({"precision": "int8"}, RejectedError, "distill_head.in_proj.weight is f32, declared is i8"),
        ({"layers": 3}, RejectedError, r"lacks the tensor distill_head.adapters.2.router_img.weight"),
        ({"experts": 3}, RejectedError, r"holds distill_head.adapters.0.experts.3.net.0, which is no part"),
        ({"embed_size": 64}, Incompatible, "vision_embed has width 48, the manifest needs 64"),
        ({"patch_features": 588}, Incompatible, "pixel_values has width 1176, the manifest needs 588"),
    ],
)
def test_ir_that_is_not_the_declared_one(
    graph: Path, bundle: SignedFolder, changed: dict[str, Any], error: type[EdgeError], match: str
) -> None:
    """Another backbone, precision, number of layers or experts, or size: file and tensor are named."""
    manifest = opened(bundle)
    spec = manifest.side_branch.model_copy(update=changed)
    with pytest.raises(error, match=match):
        split(ov.Core().read_model(graph), manifest=manifest, spec=spec, name="side_branch.xml")


def test_ir_of_nothing(bundle: SignedFolder) -> None:
    """A model that is no side branch at all, whatever it says about itself."""
    manifest = opened(bundle)
    x = ops.parameter([-1, 4], np.float32, name="x")
    model = ov.Model([ops.result(ops.relu(x))], [x], "other")
    with pytest.raises(Incompatible, match="says format = nothing"):
        split(model, manifest=manifest, spec=manifest.side_branch, name="side_branch.xml")
    for key, value in (("format", "1"), ("structure", "skingpt_r1"), ("base_digest", BACKBONE_DIGEST)):
        model.set_rt_info(value, [RT_INFO, key])
    with pytest.raises(RejectedError, match=r"lacks the tensor distill_head.in_proj.weight"):
        split(model, manifest=manifest, spec=manifest.side_branch, name="side_branch.xml")


def test_names_are_the_checkpoints() -> None:
    """Every linear that the device looks for is a tensor of the published checkpoint, and the other way round."""
    keys = {name.removesuffix(".weight") for name in tiny_structure().tensors() if name.endswith(".weight")}
    assert set(linear_names(layers=TINY.layers, experts=TINY.experts)) == keys
