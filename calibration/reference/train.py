"""Train the reference model from nothing: seeded, resumable, in named stages.

    tokenizer -> reading -> pool -> vision -> overviews -> refine -> encode -> describe -> backbone -> adapters

Each stage leaves files in the work folder; a stage whose files are complete is not run again, an interrupted one goes
on from its last checkpoint. Nothing here looks at the ``test`` split.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.reference import pool
from calibration.reference.agents_spec import INVOCATION
from calibration.reference.encode import encode_cases
from calibration.reference.exercises import EncodedCase, Exercises
from calibration.reference.language_stage import SequenceSource, TextSettings, TextStage
from calibration.reference.model import make_model, save_backbone
from calibration.reference.optimiser import initialise
from calibration.reference.sequences import SequenceMaker
from calibration.reference.tokenizer import save_tokenizer, train_tokenizer
from calibration.reference.vision_stage import PictureSet, VisionSettings, VisionStage, picture_sets

Progress = Callable[[str, int, int, str], None]  # stage, done, in all, a remark
TARGETS = r"model\.language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long each stage runs; ``cases`` of the train split are drawn."""

    cases: int
    reading: TextSettings
    vision: VisionSettings
    overviews: VisionSettings
    refine: VisionSettings
    describe: TextSettings
    recognition: TextSettings
    representation: TextSettings
    reasoning: TextSettings
    processes: int = 2


FULL = Schedule(
    cases=9000,
    reading=TextSettings(steps=500, batch=32, learning_rate=4e-3, seed=11),
    vision=VisionSettings(steps=2000),
    overviews=VisionSettings(steps=600, learning_rate=3e-3, seed=2, overviews=0.6),
    refine=VisionSettings(steps=2400, learning_rate=4e-3, seed=3, overviews=0.25),
    describe=TextSettings(steps=600, batch=40, learning_rate=3e-3, seed=13),
    recognition=TextSettings(steps=2400, batch=40, learning_rate=3e-3, seed=17),
    representation=TextSettings(steps=1200, batch=40, learning_rate=3e-3, seed=19),
    reasoning=TextSettings(steps=1100, batch=32, learning_rate=3e-3, seed=23),
)


def _tiny(steps: int, seed: int) -> TextSettings:
    return TextSettings(steps=steps, batch=4, learning_rate=1e-3, seed=seed, save_every=2)


TINY = Schedule(
    cases=6,
    reading=_tiny(3, 11),
    vision=VisionSettings(steps=3, batch=4, save_every=2),
    overviews=VisionSettings(steps=3, batch=4, save_every=2, seed=2, overviews=0.6),
    refine=VisionSettings(steps=3, batch=4, save_every=2, seed=3, overviews=0.25),
    describe=_tiny(3, 13),
    recognition=_tiny(3, 17),
    representation=_tiny(3, 19),
    reasoning=_tiny(3, 23),
    processes=1,
)


class ReferenceTraining:
    """Run the stages in one work folder.

    Args:
        work: folder of checkpoints and pools.
        schedule: lengths.
        on_progress: told of every step worth showing.
    """

    def __init__(self, work: Path, *, schedule: Schedule, on_progress: Progress) -> None:
        self.work, self._schedule, self.tell = work, schedule, on_progress
        work.mkdir(parents=True, exist_ok=True)
        self.tokenizer: Tokenizer = train_tokenizer()
        self.maker = SequenceMaker(self.tokenizer)
        self.exercises = Exercises(self.maker)
        self._encoded: list[EncodedCase] = []
        self.pad = int(self.tokenizer.token_to_id("<|endoftext|>"))

    def _step(self, stage: str) -> Callable[[int, int, float], None]:
        return lambda done, total, loss: self.tell(stage, done, total, f"loss {loss:.3f}")

    def backbone(self) -> Qwen2_5_VLForConditionalGeneration:
        """Return the trained backbone, running the stages that are missing."""
        base = self.work / "base"
        if not (base / "model.safetensors").exists():
            model = make_model(self.tokenizer, seed=7)
            initialise(model, seed=7)
            self._reading(model)
            cases = self.pool("train", self._schedule.cases)
            self._vision(model, picture_sets(cases))
            self._describe(model, self._encode(model, cases))
            save_tokenizer(self.tokenizer, base)
            save_backbone(model, base)
        return Qwen2_5_VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32).eval()

    def _encode(self, model: Qwen2_5_VLForConditionalGeneration, cases: Sequence[pool.PoolCase]) -> list[EncodedCase]:
        """Encode the pool with the tower as it is shipped: rounded to bf16 first, so that one encoding serves all."""
        if not self._encoded:
            with torch.no_grad():
                for parameter in model.model.visual.parameters():
                    parameter.copy_(parameter.to(torch.bfloat16).float())
            self._encoded = encode_cases(model, cases, self.tell)
        return self._encoded

    def pool(self, split: str, cases: int) -> list[pool.PoolCase]:
        """Draw (or read) the first ``cases`` cases of a split."""
        shards = pool.draw_pool(
            self.work / "pool",
            split=split,
            cases=cases,
            processes=self._schedule.processes,
            on_progress=lambda done, total: self.tell(f"draw {split}", done, total, ""),
        )
        return list(pool.read_pool(shards))

    def _vision(self, model: Qwen2_5_VLForConditionalGeneration, sets: Sequence[PictureSet]) -> None:
        """Warm the tower up on all pictures, then mostly on overviews, whose signs come late, then on all again."""
        first = VisionStage(model, checkpoint=self.work / "vision.pt", settings=self._schedule.vision)
        first.train(sets, on_step=self._step("vision"))
        for name, before in (("overviews", "vision"), ("refine", "overviews")):
            stage = VisionStage(
                model,
                checkpoint=self.work / f"{name}.pt",
                settings=getattr(self._schedule, name),
                start=self.work / f"{before}.pt",
            )
            stage.train(sets, on_step=self._step(name))

    def _text_stage(
        self, name: str, model: torch.nn.Module, backbone: Qwen2_5_VLForConditionalGeneration, draw: SequenceSource
    ) -> None:
        stage = TextStage(
            model,
            backbone,
            checkpoint=self.work / f"{name}.pt",
            settings=getattr(self._schedule, name),
            pad=self.pad,
        )
        stage.train(draw, on_step=self._step(name))

    def _reading(self, model: Qwen2_5_VLForConditionalGeneration) -> None:
        with _trainable(model, model.model.language_model.parameters()):
            self._text_stage("reading", model, model, self.exercises.reading)

    def _describe(self, model: Qwen2_5_VLForConditionalGeneration, cases: Sequence[EncodedCase]) -> None:
        def draw(rng: random.Random) -> Any:
            if rng.random() < 0.25:
                return self.exercises.reading(rng)
            return self.exercises.describing(rng, cases=cases)

        with _trainable(model, model.model.language_model.parameters()):
            self._text_stage("describe", model, model, draw)

    def adapters(self) -> None:
        """Train the three adapters on the shipped backbone and save them in PEFT's format."""
        backbone = self.backbone()
        cases = self._encode(backbone, self.pool("train", self._schedule.cases))
        views = [(case, number) for case in cases for number in range(len(case.pictures))]
        inside = [case for case in cases if case.case.in_scope]
        outside = [case for case in cases if case.case.signs.applicability != "not_skin" and not case.case.in_scope]
        shape = self.exercises
        sources: dict[str, SequenceSource] = {
            "recognition": lambda rng: shape.recognition(*rng.choice(views)),
            "representation": lambda rng: shape.representation(rng.choice(inside if rng.random() < 0.8 else outside)),
            "reasoning": shape.drawn_reasoning,
        }
        for name, draw in sources.items():
            folder = self.work / "adapters" / name
            if (folder / "adapter_model.safetensors").exists():
                continue
            torch.manual_seed(31)
            fresh = Qwen2_5_VLForConditionalGeneration.from_pretrained(self.work / "base", dtype=torch.float32)
            wrapped = get_peft_model(fresh, self.lora(name))
            self._text_stage(name, wrapped, fresh, draw)
            self._save_adapter(wrapped, folder)

    def lora(self, name: str) -> LoraConfig:
        """Return the LoRA of one agent; ``task_type`` is needed, or activated LoRA trains nothing in silence."""
        ids = self.tokenizer.encode(INVOCATION, add_special_tokens=False).ids
        return LoraConfig(
            r=16,
            lora_alpha=32,
            target_modules=TARGETS,
            task_type="CAUSAL_LM",
            alora_invocation_tokens=ids if name == "representation" else None,
        )

    @staticmethod
    def _save_adapter(wrapped: PeftModel, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.data = parameter.data.to(torch.bfloat16)
        wrapped.peft_config["default"].base_model_name_or_path = "derm-edge-reference"
        wrapped.save_pretrained(str(folder))
        (folder / "README.md").unlink(missing_ok=True)


def load_adapter(base: Path, adapter: Path) -> tuple[torch.nn.Module, Qwen2_5_VLForConditionalGeneration]:
    """Load a backbone and a PEFT adapter in float32: the wrapped model and the backbone inside."""
    backbone = Qwen2_5_VLForConditionalGeneration.from_pretrained(base, dtype=torch.float32)
    wrapped = PeftModel.from_pretrained(backbone, str(adapter)).float().eval()
    return wrapped, backbone


class _trainable:  # noqa: N801 - reads as a with-statement
    """Let only these parameters learn inside the block."""

    def __init__(self, model: torch.nn.Module, parameters: Iterable[torch.nn.Parameter]) -> None:
        self._model, self._chosen = model, {id(p) for p in parameters}

    def __enter__(self) -> None:
        for parameter in self._model.parameters():
            parameter.requires_grad_(id(parameter) in self._chosen)

    def __exit__(self, *_: object) -> None:
        self._model.requires_grad_(True)
