"""The side branch on the device equals its PyTorch re-implementation: features, logits, policies, pictures, INT8.

Bounds: f32 branch on the f32 backbone 1e-3 per logit, as for adapters; INT8 branch 5 % of the bias; the INT8 head of an
INT4 backbone 5 % of the bias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calibration.side_branch.building import Branch, write_branch
from calibration.side_branch.declared import DeclaredMask, DeclaredSideBranch
from edge_agent.agents.prompts import fill
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import Request
from edge_agent.contracts.manifest import FileEntry, Manifest
from edge_agent.contracts.side_branch import BranchPolicy, ImagePolicy
from edge_agent.errors import InferenceError
from edge_agent.inference.branched import BranchedModel
from edge_agent.inference.engine import EncodedView, Engine, EngineSettings
from edge_agent.inference.turns import Turns
from tests.parity.conftest import BundleOf
from tests.parity.test_logits import PAD, expected_logits, pixels_of, widened
from tests.parity.toy_model import DIGEST, PROMPTS, VOCAB, ToyModel, picture
from tests.simulators.skin_checkpoint import TINY, branch_tensors, tiny_structure

STRICT = EngineSettings(strict=True)
HIDDEN = 192
STEPS = 8
LETTERS = slice(8, 102)  # the toy tokenizer's printable ASCII characters
LOUD = 20.0  # a scale at which the bias alone decides, so that what it decides can be read
FRAMES = [picture(21), picture(22, height=100, width=180)]
ONE = PROMPTS["recognition"].replace("{images}", "<|vision_start|><|image_pad|><|vision_end|>")
TWO = PROMPTS["recognition"].replace("{images}", "<|vision_start|><|image_pad|><|vision_end|>" * 2)
BranchOf = Callable[[BranchPolicy, ImagePolicy], Branch]
SkinBundle = Callable[..., Bundle]


def make_branch(policy: BranchPolicy, images: ImagePolicy, *, scale: float = 2.5) -> Branch:
    """A random branch for the toy model; the mask holds half of the letters."""
    structure = tiny_structure(HIDDEN)
    tensors = {name: tensor.float().numpy() for name, tensor in branch_tensors(structure, scale=scale).items()}
    mask = np.zeros(VOCAB, dtype=bool)
    mask[LETTERS] = np.random.default_rng(4).integers(0, 2, LETTERS.stop - LETTERS.start).astype(bool)
    declared = DeclaredSideBranch(
        mask=DeclaredMask(file="mask.json", sha256="b" * 64), policy=policy, images=images, dimensions=TINY
    )
    return Branch(declared, structure, tensors, mask)


@pytest.fixture(scope="module")
def skin_bundle(bundle_of: BundleOf, tmp_path_factory: pytest.TempPathFactory) -> SkinBundle:
    """Return a toy bundle with a side branch: Rec answers in free text on the bare backbone."""

    def get(
        policy: BranchPolicy = "every_token",
        images: ImagePolicy = "mean",
        *,
        backbone: str = "f32",
        precision: Any = "f32",
        scale: float = 2.5,
    ) -> Bundle:
        base = bundle_of(backbone, "int8" if backbone == "int4" else "f32")
        folder: Path = tmp_path_factory.mktemp("branch")
        spec, _ = write_branch(
            make_branch(policy, images, scale=scale), base_digest=DIGEST, precision=precision, folder=folder
        )
        document = base.manifest.model_dump()
        step = document["agents"]["recognition"]["steps"][0]
        step |= {"contract": "text", "output_schema": None, "decided_fields": [], "generation": {"max_tokens": STEPS}}
        document["agents"]["recognition"]["adapter"] = None
        document["files"] += [
            FileEntry(path=str(path), role=path.name, size_bytes=path.stat().st_size, sha256="0" * 64).model_dump()
            for path in folder.iterdir()
        ]
        assert spec is not None
        manifest = Manifest.model_validate({**document, "side_branch": spec.model_dump()})
        return Bundle(base.path, manifest, signed_by="nobody: a test bundle")

    return get


@pytest.fixture(scope="module")
def engine(skin_bundle: SkinBundle) -> Iterator[Engine]:
    """The strict engine with an f32 branch on every token, several pictures averaged."""
    with Engine(skin_bundle(), settings=STRICT) as engine:
        yield engine


def patches_of(frames: Sequence[NDArray[np.uint8]]) -> list[Any]:
    """Return each picture's raw patches from transformers' own processor."""
    return [pixels_of([frame])[0] for frame in frames]


def bias_of(
    model: Any, frames: Sequence[NDArray[np.uint8]], *, images: ImagePolicy = "mean", scale: float = 2.5
) -> NDArray[np.float32]:
    """Return PyTorch's bias of some pictures, float32[V]."""
    head = model.get_output_embeddings()
    bias = make_branch("every_token", images, scale=scale).torch().bias(patches_of(frames), head=head)
    return np.asarray(bias.numpy(), dtype=np.float32)


def greedy(model: Any, toy: ToyModel, view: EncodedView, *, policy: BranchPolicy | None) -> list[int]:
    """Generate in PyTorch, a fresh pass per token, as the policies are defined; None is the bare backbone."""
    text = fill(PROMPTS["recognition"], images=1, texts={})
    ids = widened(toy, text, [view])
    bias = bias_of(model, FRAMES[:1], scale=LOUD)
    start = len(ids)
    while len(ids) < start + STEPS:
        scores = expected_logits(model, ids, adapter=None, pixels=pixels_of(FRAMES[:1]))[-1]
        if policy == "every_token" or (policy == "first_token" and len(ids) == start):
            scores = scores + bias
        ids.append(int(scores.argmax()))
    return ids[start:]


def test_features_are_the_published_structures(engine: Engine) -> None:
    """Embedding and tone logits of two pictures: within 1e-4 of PyTorch, and not the same for both."""
    reference = make_branch("every_token", "mean").torch()
    found = [engine.encode(frame).branch for frame in FRAMES]
    for one, patches in zip(found, patches_of(FRAMES), strict=True):
        expected = reference.see(patches)
        assert one is not None
        np.testing.assert_allclose(one.embed, expected.embed.numpy(), atol=1e-4)
        np.testing.assert_allclose(one.tone_logits, expected.tone_logits.numpy(), atol=1e-4)
    assert np.abs(found[0].embed - found[1].embed).max() > 1e-2  # type: ignore[union-attr]


@pytest.mark.parametrize(("text", "count"), [(ONE, 1), (TWO, 2)])
def test_logits_with_the_branch_are_pytorchs(
    engine: Engine, toy: ToyModel, torch_model: Any, text: str, count: int
) -> None:
    """f32, every position, one picture and two: within 1e-3, the same argmax."""
    views = [engine.encode(frame) for frame in FRAMES[:count]]
    ids = widened(toy, text, views)
    found = engine.logits(ids, adapter=None, views=views, last=len(ids), is_branched=True)
    expected = expected_logits(torch_model, ids, adapter=None, pixels=pixels_of(FRAMES[:count]))
    expected = expected + bias_of(torch_model, FRAMES[:count])
    assert np.abs(found - expected).max() < 1e-3
    assert (found.argmax(-1) == expected.argmax(-1)).all()


def test_the_branch_beside_an_adapter(engine: Engine, toy: ToyModel, torch_model: Any) -> None:
    """An adapter that is on and the branch add up: neither switches the other off."""
    views = [engine.encode(FRAMES[0])]
    ids = widened(toy, ONE, views)
    found = engine.logits(ids, adapter="recognition", views=views, is_branched=True)
    expected = expected_logits(torch_model, ids, adapter="recognition", pixels=pixels_of(FRAMES[:1]))[-1:]
    assert np.abs(found - expected - bias_of(torch_model, FRAMES[:1])).max() < 1e-3


def test_switched_off_it_is_the_bare_backbone(
    engine: Engine, skin_bundle: SkinBundle, toy: ToyModel, torch_model: Any
) -> None:
    """Off: within 1e-3 of the bare model and no branch computed. On: far away, but never where the mask is 0."""
    with Engine(skin_bundle(), settings=STRICT, side_branch=False) as bare:
        view = bare.encode(FRAMES[0])
        ids = widened(toy, ONE, [view])
        off = bare.logits(ids, adapter=None, views=[view])
        assert view.branch is None
        assert bare.run("recognition", [Request((view,), {})])[0][0].tone_logits == ()
    expected = expected_logits(torch_model, ids, adapter=None, pixels=pixels_of(FRAMES[:1]))[-1:]
    assert np.abs(off - expected).max() < 1e-3
    on = engine.logits(ids, adapter=None, views=[engine.encode(FRAMES[0])], is_branched=True)
    difference, mask = np.abs(on - off)[0], make_branch("every_token", "mean").mask
    assert difference[mask].max() > 0.1
    assert difference[~mask].max() < 1e-5


@pytest.mark.parametrize("policy", ["first_token", "every_token"])
def test_generation_follows_the_policy(
    skin_bundle: SkinBundle, toy: ToyModel, torch_model: Any, policy: BranchPolicy
) -> None:
    """Greedy text equals PyTorch's under the same policy, and differs from the other policy's and the bare one's."""
    with Engine(skin_bundle(policy, scale=LOUD), settings=STRICT) as engine:
        view = engine.encode(FRAMES[0])
        (output,) = engine.run("recognition", [Request((view,), {})])[0]
    answers = {name: greedy(torch_model, toy, view, policy=name) for name in ("first_token", "every_token", None)}  # type: ignore[arg-type]
    count = output.tokens_sampled  # fewer where the loop detector ends a text of one repeated token
    assert count >= STEPS - 2
    assert len({tuple(answer[:count]) for answer in answers.values()}) == 3  # else this test could not tell them apart
    tokenizer = Tokenizer.from_file(str(toy.hf / "tokenizer.json"))
    assert output.text == tokenizer.decode(answers[policy][:count], skip_special_tokens=False)
    assert output.text.strip()


@pytest.mark.parametrize("policy", ["first_token", "every_token"])
def test_rows_of_a_batch_get_their_own_bias(
    engine: Engine, toy: ToyModel, torch_model: Any, policy: BranchPolicy
) -> None:
    """Two pictures of different sizes in one batch: each row PyTorch's within 1e-3, behind the prompt and one token on."""
    loaded = engine._open()
    assert loaded.side_branch is not None
    branch = copy(loaded.side_branch)
    branch.spec = branch.spec.model_copy(update={"policy": policy})
    views = [engine.encode(frame) for frame in FRAMES]
    prompts = [widened(toy, ONE, [view]) for view in views]
    turns = Turns(engine.bundle.manifest, loaded)
    rows = [turns.of_ids(ids, views=[view], gate=loaded.gates[None]) for ids, view in zip(prompts, views, strict=True)]
    biases = [bias_of(torch_model, [frame]) for frame in FRAMES]
    assert np.abs(biases[0] - biases[1]).max() > 0.01
    model = BranchedModel(loaded.language, branch=branch)
    loaded.language.begin()
    for more, is_on in (([], True), ([40], policy == "every_token")):
        found = model.advance([row.with_tokens(more) for row in rows])
        for row, (ids, frame) in enumerate(zip(prompts, FRAMES, strict=True)):
            expected = expected_logits(torch_model, [*ids, *more], adapter=None, pixels=pixels_of([frame]))[-1]
            assert np.abs(found[row, 0] - expected - is_on * biases[row]).max() < 1e-3


def test_one_picture_is_one_picture(skin_bundle: SkinBundle, toy: ToyModel, torch_model: Any) -> None:
    """The policy `one` equals PyTorch on one picture and refuses two; PyTorch's own re-implementation refuses them too."""
    with Engine(skin_bundle("every_token", "one"), settings=STRICT) as engine:
        views = [engine.encode(frame) for frame in FRAMES]
        ids = widened(toy, ONE, views[:1])
        found = engine.logits(ids, adapter=None, views=views[:1], is_branched=True)
        bare = expected_logits(torch_model, ids, adapter=None, pixels=pixels_of(FRAMES[:1]))[-1:]
        assert np.abs(found - bare - bias_of(torch_model, FRAMES[:1], images="one")).max() < 1e-3
        with pytest.raises(InferenceError, match="takes one picture, but 2 were given"):
            engine.logits(widened(toy, TWO, views), adapter=None, views=views, is_branched=True)


def test_two_pictures_are_their_mean_and_not_one_of_them(torch_model: Any) -> None:
    """Averaging is not the same as taking the first, the last or the mean of the finished biases."""
    both = bias_of(torch_model, FRAMES)
    first, last = bias_of(torch_model, FRAMES[:1]), bias_of(torch_model, FRAMES[1:])
    for other in (first, last, (first + last) / 2):
        assert np.abs(both - other).max() > 1e-3


def test_int8_branch_stays_close(skin_bundle: SkinBundle, toy: ToyModel, torch_model: Any) -> None:
    """INT8 branch on the f32 backbone: what it adds is within 5 % of what PyTorch's f32 branch adds."""
    with Engine(skin_bundle(precision="int8"), settings=STRICT) as engine:
        views = [engine.encode(frame) for frame in FRAMES]
        ids = widened(toy, TWO, views)
        on = engine.logits(ids, adapter=None, views=views, is_branched=True)
        off = engine.logits(ids, adapter=None, views=views)
    expected = bias_of(torch_model, FRAMES)
    assert np.linalg.norm(on - off - expected) < 0.05 * np.linalg.norm(expected)


def test_int4_backbone_with_int8_branch_in_production_settings(
    skin_bundle: SkinBundle, toy: ToyModel, torch_model: Any
) -> None:
    """What devices run: INT4 layers, INT8 head and branch, dynamic quantisation; the bias within 10 % of PyTorch's."""
    with Engine(skin_bundle(backbone="int4", precision="int8")) as engine:
        views = [engine.encode(frame) for frame in FRAMES]
        ids = widened(toy, TWO, views)
        on = engine.logits(ids, adapter=None, views=views, is_branched=True)
        off = engine.logits(ids, adapter=None, views=views)
    expected = bias_of(torch_model, FRAMES)
    assert np.linalg.norm(on - off - expected) < 0.10 * np.linalg.norm(expected)


def test_tone_logits_stand_beside_the_answer(engine: Engine) -> None:
    """One mapping per picture, light to dark, PyTorch's numbers; an agent without pictures has none."""
    view = engine.encode(FRAMES[0])
    (output,) = engine.run("recognition", [Request((view,), {})])[0]
    expected = make_branch("every_token", "mean").torch().see(patches_of(FRAMES[:1])[0]).tone_logits
    assert list(output.tone_logits[0]) == ["light", "medium", "dark"]
    np.testing.assert_allclose(list(output.tone_logits[0].values()), expected.numpy(), atol=1e-4)
    texts = {"representation": "red", "intake": "none"}
    (reasoned,) = engine.run("reasoning", [Request((), texts)])[0]
    assert reasoned.tone_logits == ()


def test_tone_does_not_touch_a_decision(engine: Engine) -> None:
    """Turning the tone head's logits round after encoding leaves the answer as it was: nothing reads them."""
    view = engine.encode(FRAMES[0])
    assert view.branch is not None
    turned = replace(view, branch=replace(view.branch, tone_logits=-view.branch.tone_logits))
    texts = []
    for one in (view, turned):
        engine.forget()
        texts.append(engine.run("recognition", [Request((one,), {})])[0][0].text)
    assert texts[0] == texts[1]


def test_text_without_a_picture_is_untouched(engine: Engine, toy: ToyModel, torch_model: Any) -> None:
    """Without a picture there is no bias, whatever the policy says."""
    ids = Tokenizer.from_file(str(toy.hf / "tokenizer.json")).encode("describe the view colour scale").ids
    assert PAD not in ids
    found = engine.logits(ids, adapter=None, is_branched=True)
    expected = expected_logits(torch_model, list(ids), adapter=None)[-1:]
    assert np.abs(found - expected).max() < 1e-3
