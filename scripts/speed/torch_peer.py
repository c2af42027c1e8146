"""PyTorch + PEFT as a contender: the checkpoint itself in floats, one LoRA per agent, transformers' own generate."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import AGENTS
from edge_agent.inference.preprocessing import preprocess
from edge_agent.inference.tokenizer import Tokenizer
from scripts.speed.contender import Phases
from scripts.speed.workload import Turn, Workload, prompt_of


class Generator:
    """Whatever has transformers' ``generate`` on the prompts of a case; what loads it stands in a subclass."""

    note = ""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._tokenizer = Tokenizer(bundle.path_of("tokenizer"), backbone=bundle.manifest.backbone)
        self.model: Any = None

    def use(self, turn: Turn) -> None:
        """Switch to the turn's adapter, where there are adapters."""

    def run(self, workload: Workload, case: int) -> Phases:
        """Ask turn by turn; a turn that goes on is read from its beginning: ``generate`` takes one whole prompt."""
        phases, manifest, frames = Phases(), self._bundle.manifest, workload.frames(case)
        texts = workload.texts(self._tokenizer.encode)
        started = perf_counter()
        with phases.timed("vision"):
            cut = [preprocess(frame, spec=manifest.preprocessing, vision=manifest.backbone.vision) for frame in frames]
        before: tuple[list[int], list[Any]] = ([], [])
        for turn in workload.turns:
            ids = list(self._tokenizer.encode(prompt_of(turn, texts[turn.step], views=len(cut))))
            groups: dict[str, list[list[Any]]]
            groups = {"each": [[one] for one in cut], "all": [cut], "none": [[]], "before": [before[1]]}
            for shown in groups[turn.pictures]:
                whole = (before[0] if turn.pictures == "before" else []) + self._widened(ids, shown, turn)
                answer = self._generate(turn, whole, shown, phases)
                before = (whole + answer, shown)
        phases.total = perf_counter() - started
        return phases

    def _widened(self, ids: list[int], shown: list[Any], turn: Turn) -> list[int]:
        """Repeat every picture's pad once per merged token."""
        if turn.pictures == "before":
            return ids
        pad, merge = self._bundle.manifest.backbone.image_token_id, self._bundle.manifest.backbone.vision
        sizes = iter([int(np.prod(one.grid_thw)) // merge.spatial_merge_size**2 for one in shown])
        return [token for one in ids for token in ([pad] * next(sizes) if one == pad else [one])]

    def _generate(self, turn: Turn, ids: list[int], shown: list[Any], phases: Phases) -> list[int]:
        """Generate one answer; the first token's time holds vision and prefill, which transformers does not part."""
        import torch

        self.use(turn)
        more: dict[str, Any] = {}
        if shown:
            more["pixel_values"] = torch.from_numpy(np.concatenate([one.pixel_values for one in shown]))
            more["image_grid_thw"] = torch.tensor([one.grid_thw for one in shown])
        clock = _FirstToken()
        started = perf_counter()
        tokens = self.model.generate(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones((1, len(ids)), dtype=torch.long),
            do_sample=False,
            max_new_tokens=turn.answer_tokens,
            min_new_tokens=turn.answer_tokens,
            streamer=clock,
            **more,
        )
        phases.seconds["prefill"] += clock.first - started
        phases.seconds["decode"] += perf_counter() - clock.first
        phases.tokens["prefill"] += len(ids)
        phases.tokens["decode"] += turn.answer_tokens - 1
        phases.calls["prefill"] += 1
        phases.calls["decode"] += turn.answer_tokens - 1
        answer = [int(one) for one in tokens[0][-turn.answer_tokens :]]
        phases.answers.append(answer)
        return answer


class TorchPeft(Generator):
    """PyTorch in float32 with the three adapters side by side."""

    def __init__(self, bundle: Bundle, *, checkpoint: Path, threads: int) -> None:
        super().__init__(bundle)
        self._checkpoint, self._threads = checkpoint, threads

    def load(self) -> None:
        """Read the checkpoint and its adapters."""
        import torch
        from peft import PeftModel
        from transformers import Qwen2_5_VLForConditionalGeneration

        torch.set_num_threads(self._threads)
        base = Qwen2_5_VLForConditionalGeneration.from_pretrained(str(self._checkpoint), dtype=torch.float32)
        folders = {name: str(self._checkpoint / "adapters" / name) for name in AGENTS}
        self.model = PeftModel.from_pretrained(base, folders[AGENTS[0]], adapter_name=AGENTS[0])
        for name in AGENTS[1:]:
            self.model.load_adapter(folders[name], adapter_name=name)
        self.model.eval()

    def use(self, turn: Turn) -> None:
        """Switch PEFT's active adapter."""
        self.model.set_adapter(turn.agent)


class Optimum(Generator):
    """optimum-intel on the bundle's own files; it knows no adapters, so this is the bare backbone."""

    note = "bare backbone: optimum-intel runs no adapters"

    def __init__(self, bundle: Bundle, *, folder: Path, properties: dict[str, Any]) -> None:
        super().__init__(bundle)
        self._folder, self._properties = folder, properties

    def load(self) -> None:
        """Read and compile the four models."""
        from optimum.intel import OVModelForVisualCausalLM

        self.model = OVModelForVisualCausalLM.from_pretrained(str(self._folder), ov_config=dict(self._properties))


class _FirstToken:
    """A streamer that notes when the first new token came; the prompt is put before it."""

    def __init__(self) -> None:
        self._puts = 0
        self.first = 0.0

    def put(self, value: Any) -> None:
        del value
        self._puts += 1
        if self._puts == 2:
            self.first = perf_counter()

    def end(self) -> None:
        """Nothing is kept."""
