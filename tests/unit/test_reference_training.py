"""The reference model's training: same function as the real architecture, honest sequences, resumable, repeatable."""

from __future__ import annotations

import hashlib
import math
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calibration.reference.agents_spec import PLAN_OF, PROMPTS, REC_VALUES  # noqa: E402
from calibration.reference.exercises import Exercises  # noqa: E402
from calibration.reference.fast_vision import FastVision, patchify  # noqa: E402
from calibration.reference.list_values import items  # noqa: E402
from calibration.reference.model import make_model, preprocessor_config  # noqa: E402
from calibration.reference.scores import Scores, Tally, chance_of_tone, wilson  # noqa: E402
from calibration.reference.sequences import Batch, Picture, SequenceMaker, weighted_loss  # noqa: E402
from calibration.reference.tokenizer import output_ids, train_tokenizer  # noqa: E402
from calibration.reference.train import TINY, ReferenceTraining  # noqa: E402

TOKENIZER = train_tokenizer()


@pytest.mark.parametrize("size", [(140, 140), (112, 140), (168, 84)])
def test_fast_vision_is_the_same_function_as_transformers(size: tuple[int, int]) -> None:
    """Training on FastVision trains the very tower that is exported."""
    model = make_model(TOKENIZER, seed=3)
    pixels = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, *size, 3), dtype=np.uint8))
    patches = patchify(pixels)
    rows, cols = size[0] // 14, size[1] // 14
    with torch.no_grad():
        fast = FastVision(model)(patches, rows=rows, cols=cols)
        slow = model.model.visual(patches.reshape(-1, 1176), torch.tensor([[1, rows, cols]] * 2))
    assert torch.allclose(fast.reshape(slow.shape), slow, atol=2e-6)
    assert slow.abs().max() > 0.1


def test_patchify_is_transformers_preprocessing() -> None:
    """The tower is trained on the patches that transformers' own processor makes."""
    from PIL import Image
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

    picture = np.random.default_rng(2).integers(0, 256, (112, 140, 3), dtype=np.uint8)
    config = preprocessor_config()
    processor = Qwen2VLImageProcessor(min_pixels=config["min_pixels"], max_pixels=config["max_pixels"])
    theirs = processor(Image.fromarray(picture), return_tensors="pt").pixel_values
    ours = patchify(torch.from_numpy(picture)[None])[0]
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_every_output_id_is_one_token() -> None:
    """A decision is one sampled token, so that its probability is the value's probability."""
    assert [w for w in output_ids() if len(TOKENIZER.encode(w).ids) != 1] == []


def test_decisions_stand_where_the_values_stand() -> None:
    """The loss is on the value tokens and on the ends of lists: each decision's position holds what was asked for."""
    maker = SequenceMaker(TOKENIZER)
    rng = random.Random(5)
    values = {name: rng.choice(options) for name, options in REC_VALUES.items()}
    values |= {"shape": ("annular",), "special": ("none",), "primary_lesion": ("papule",)}
    values |= {"secondary_change": ("crust", "fissure", "atrophy"), "colour": ("dark_red",)}
    picture = Picture(torch.zeros(25, 192), 10, 10)
    key = ("recognition", "describe")
    row = maker.agent(
        [(key, PROMPTS[key].replace("{images}", "<|vision_start|><|image_pad|><|vision_end|>"), values)], [picture]
    )
    said: dict[str, list[str]] = {}
    for decision in row.decisions:
        said.setdefault(decision.field, []).append(TOKENIZER.decode([row.ids[decision.position]]))
    ends = said.pop("")
    assert said == {
        name: ["null" if one is None else str(one) for one in items(value)] for name, value in values.items()
    }
    # primary_lesion, colour: one item of two; secondary_change: two of three go on; the others leave no choice.
    assert [end.startswith('","') for end in ends] == [False, True, True, False]
    marked = [position for position, weight in enumerate(row.weights) if weight]
    assert marked == [decision.position for decision in row.decisions]
    assert {row.weights[position] for position in marked} == {1.0}


def test_a_decision_is_learnt_among_its_candidates_only() -> None:
    """Worked by hand: with equal logits the loss of a choice of four is log 4, whatever the vocabulary's size."""
    ids = torch.tensor([[0, 1, 2]])
    weights = torch.tensor([[0.0, 0.0, 1.0]])
    batch = Batch(ids, torch.ones_like(ids), weights, torch.zeros(0, 0), torch.zeros(0, 3), ((2, 5, 6, 7),))
    assert weighted_loss(torch.zeros(1, 3, 100), batch).item() == pytest.approx(math.log(4))


def test_reasoning_never_trains_on_a_case_out_of_scope() -> None:
    """Reason runs only in scope; its syndrome decides principle and formula, and it writes at least three steps."""
    exercises = Exercises(SequenceMaker(TOKENIZER))
    for seed in range(20):
        row = exercises.drawn_reasoning(random.Random(seed))
        said: dict[str, list[str]] = {}
        for decision in row.decisions:
            said.setdefault(decision.field, []).append(TOKENIZER.decode([row.ids[decision.position]]))
        assert (tuple(said["principle"]), *said["formula"]) == PLAN_OF[said["syndrome"][0]]
        assert said["biomedical.working"] != ["other_or_unknown"]
        assert 3 <= len(said["reasoning_steps.claim"]) == len(said["reasoning_steps.stance"]) <= 8


def test_tally_counts_against_the_constant_answer() -> None:
    """Accuracy, constant answer and per-tone accuracy are plain shares."""
    tally = Tally()
    for tone, truth, answer in [(1, "a", "a"), (1, "a", "b"), (2, "a", "a"), (2, "b", "b")]:
        tally.add(tone, truth, answer)
    assert (tally.accuracy(), tally.constant(), tally.accuracy(1)) == (0.75, 0.75, 0.5)


def test_an_interval_never_leaves_its_range() -> None:
    """Nothing found of 42: the lower bound is 0 and no rounding makes it negative; the upper one mirrors it."""
    low, high = wilson(0, 42)
    assert (low, math.copysign(1, low)) == (0.0, 1.0)
    assert wilson(42, 42) == (pytest.approx(1 - high), 1.0)


def test_missing_answers_do_not_count_as_right() -> None:
    """A field that nobody decided is not scored at all, never scored as right."""
    scores = Scores()
    scores.add("recognition", tone=1, truth={"colour": "brown", "shape": "annular"}, answer={"colour": "brown"})
    assert scores.names("recognition") == ["recognition.colour"]


def test_chance_of_tone_sees_a_dependence() -> None:
    """An answer that follows the tone gives a high score; one that does not gives a low one (planted both ways)."""
    follows = [(tone, "x" if tone < 3 else "y") for tone in range(1, 6) for _ in range(40)]
    free = [(tone, answer) for tone in range(1, 6) for answer in "xy" for _ in range(20)]
    assert chance_of_tone(follows)["z"] > 5
    assert chance_of_tone(free)["z"] < 0


class _Interrupted(Exception):
    pass


def _digest(folder: Path) -> str:
    names = [
        "base/model.safetensors",
        *(f"adapters/{a}/adapter_model.safetensors" for a in ("recognition", "reasoning")),
    ]
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()


def test_training_is_repeatable_and_goes_on_after_an_interruption(tmp_path: Path) -> None:
    """The same command gives the same bytes, also when it was stopped in two stages and started again."""

    def stop_at(stages: set[str]) -> ReferenceTraining:
        def progress(stage: str, *_progress: object) -> None:
            if stage in stages:
                raise _Interrupted

        return ReferenceTraining(tmp_path / "stopped", schedule=TINY, on_progress=progress)

    ReferenceTraining(tmp_path / "whole", schedule=TINY, on_progress=lambda *_: None).adapters()
    for stages in ({"vision"}, {"reasoning"}):
        with pytest.raises(_Interrupted):
            stop_at(stages).adapters()
    stop_at(set()).adapters()
    assert _digest(tmp_path / "whole") == _digest(tmp_path / "stopped")
