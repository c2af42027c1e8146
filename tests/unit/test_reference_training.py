"""The reference model's training: same function as the real architecture, honest sequences, resumable, repeatable."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from calibration.reference.agents_spec import PLAN_OF, PROMPTS, REC_VALUES  # noqa: E402
from calibration.reference.exercises import Exercises  # noqa: E402
from calibration.reference.fast_vision import FastVision, patchify  # noqa: E402
from calibration.reference.model import make_model, preprocessor_config  # noqa: E402
from calibration.reference.scores import Scores, Tally, chance_of_tone  # noqa: E402
from calibration.reference.sequences import Picture, SequenceMaker  # noqa: E402
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
    """The loss is on the value tokens: each decision's position holds the value that was asked for."""
    maker = SequenceMaker(TOKENIZER)
    rng = random.Random(5)
    values = {name: rng.choice(options) for name, options in REC_VALUES.items()}
    picture = Picture(torch.zeros(25, 192), 10, 10)
    key = ("recognition", "describe")
    row = maker.agent(
        [(key, PROMPTS[key].replace("{images}", "<|vision_start|><|image_pad|><|vision_end|>"), values)], [picture]
    )
    said = {d.field: TOKENIZER.decode([row.ids[d.position]]) for d in row.decisions}
    assert said == {name: "null" if value is None else str(value) for name, value in values.items()}
    assert [row.weights[d.position] for d in row.decisions] == [1.0] * len(values)


def test_reasoning_never_trains_on_a_case_out_of_scope() -> None:
    """Reason runs only in scope; its syndrome decides principle and formula."""
    exercises = Exercises(SequenceMaker(TOKENIZER))
    for seed in range(20):
        row = exercises.drawn_reasoning(random.Random(seed))
        syndrome, principle, formula = (TOKENIZER.decode([row.ids[d.position]]) for d in row.decisions)
        assert (principle, formula) == PLAN_OF[syndrome]


def test_tally_counts_against_the_constant_answer() -> None:
    """Accuracy, constant answer and per-tone accuracy are plain shares."""
    tally = Tally()
    for tone, truth, answer in [(1, "a", "a"), (1, "a", "b"), (2, "a", "a"), (2, "b", "b")]:
        tally.add(tone, truth, answer)
    assert (tally.accuracy(), tally.constant(), tally.accuracy(1)) == (0.75, 0.75, 0.5)


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
