"""OpenVINO GenAI's VLMPipeline as a contender: the bundle's own IR files, the same adapters, its best settings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import openvino as ov
import openvino_genai as genai

from edge_agent.agents.prompts import IMAGE_BLOCK
from edge_agent.contracts.manifest import AGENTS
from scripts.speed.contender import Phases
from scripts.speed.workload import Turn, Workload, prompt_of

Backend = Literal["SDPA", "PA"]
_NAMES = {
    "language_model": "openvino_language_model",
    "text_embeddings": "openvino_text_embeddings_model",
    "vision_embeddings": "openvino_vision_embeddings_model",
    "vision_merger": "openvino_vision_embeddings_merger_model",
}
_PREPROCESSOR = "preprocessor_config.json"
_FILES = ("config.json", "generation_config.json", _PREPROCESSOR, "tokenizer.json", "tokenizer_config.json")
LARGEST_PIXELS = 896 * 896
_SCHEDULER_TOKENS = 4096  # a prompt goes through in one piece
_CACHE_GB = 1


def write_folder(bundle: Path, checkpoint: Path, out: Path) -> Path:
    """Lay a bundle's models out as GenAI reads them: links to the same files, and the tokenizer as two models."""
    from openvino_tokenizers import convert_tokenizer  # type: ignore[import-untyped]
    from transformers import AutoTokenizer

    if out.is_dir():
        return out
    staging = out.with_name(f"{out.name}.tmp-{os.getpid()}")
    staging.mkdir(parents=True)
    for ours, theirs in _NAMES.items():
        for end in ("xml", "bin"):
            (staging / f"{theirs}.{end}").symlink_to((bundle / f"{ours}.{end}").resolve())
    for name in _FILES:
        shutil.copy(checkpoint / name, staging / name)
    config = json.loads((staging / _PREPROCESSOR).read_text(encoding="utf-8"))
    config["max_pixels"] = max(config["max_pixels"], LARGEST_PIXELS)  # as ours: no picture is shrunk
    (staging / _PREPROCESSOR).write_text(json.dumps(config), encoding="utf-8")
    pair = convert_tokenizer(AutoTokenizer.from_pretrained(str(staging)), with_detokenizer=True)
    for model, name in zip(pair, ("openvino_tokenizer", "openvino_detokenizer"), strict=True):
        ov.save_model(model, staging / f"{name}.xml")
    staging.rename(out)
    return out


class GenAi:
    """VLMPipeline with one attention backend; ``adapters`` None is the bare backbone."""

    def __init__(self, folder: Path, *, adapters: Path | None, backend: Backend, properties: dict[str, Any]) -> None:
        self.note = "bare backbone" if adapters is None else ""
        self._folder, self._backend, self._properties = folder, backend, dict(properties)
        self._adapters = (
            {}
            if adapters is None
            else {name: genai.Adapter(str(adapters / name / "adapter_model.safetensors")) for name in AGENTS}
        )
        self._pipe: Any = None
        self._texts: dict[str, str] = {}

    def load(self) -> None:
        """Build the pipeline; paged attention gets prefix caching."""
        more: dict[str, Any] = {"ATTENTION_BACKEND": self._backend}
        if self._backend == "PA":
            scheduler = genai.SchedulerConfig()
            scheduler.enable_prefix_caching, scheduler.cache_size = True, _CACHE_GB
            scheduler.max_num_batched_tokens = _SCHEDULER_TOKENS
            more["scheduler_config"] = scheduler
        if self._adapters:
            more["adapters"] = genai.AdapterConfig(list(self._adapters.values()))
        self._pipe = genai.VLMPipeline(str(self._folder), "CPU", **self._properties, **more)

    def run(self, workload: Workload, case: int) -> Phases:
        """Ask turn by turn; a turn that goes on is a chat's second message, so that nothing is encoded twice for it."""
        phases = Phases()
        if not self._texts:
            self._texts = workload.texts(self.encode)
        images = [ov.Tensor(np.ascontiguousarray(frame[np.newaxis, :, :, ::-1])) for frame in workload.frames(case)]
        started = perf_counter()
        history = genai.ChatHistory()
        for turn in workload.turns:
            text = self._texts[turn.step]
            if self._is_chat(turn, workload):
                history = self._say(history, turn, text, images, phases)
                continue
            shown = {"each": [[one] for one in images], "all": [images], "none": [[]]}[turn.pictures]
            for seen in shown:
                self._generate(turn, phases, prompt_of(turn, text, views=len(images)), seen)
        phases.total = perf_counter() - started
        return phases

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text."""
        return [int(one) for one in self._pipe.get_tokenizer().encode(text).input_ids.data[0]]

    @staticmethod
    def _is_chat(turn: Turn, workload: Workload) -> bool:
        """Tell whether a turn goes on, or another one goes on with it."""
        number = workload.turns.index(turn)
        following = workload.turns[number + 1 : number + 2]
        return turn.pictures == "before" or any(one.pictures == "before" for one in following)

    def _say(self, history: Any, turn: Turn, text: str, images: list[ov.Tensor], phases: Phases) -> Any:
        """Say one message of a chat and keep the answer in its history."""
        is_first = turn.pictures != "before"
        if is_first:
            history = genai.ChatHistory()
            history.append({"role": "system", "content": "skin"})
        history.append({"role": "user", "content": (IMAGE_BLOCK * len(images) if is_first else "") + text})
        result = self._generate(turn, phases, history, images if is_first else [])
        history.append({"role": "assistant", "content": result.texts[0]})
        if not is_first:
            self._pipe.finish_chat()  # else the next prompt is appended to this conversation
        return history

    def _generate(self, turn: Turn, phases: Phases, prompt: Any, images: Sequence[ov.Tensor]) -> Any:
        """Generate one answer and add what GenAI's own metrics say of it."""
        config = genai.GenerationConfig()
        config.max_new_tokens, config.do_sample, config.ignore_eos = turn.answer_tokens, False, True
        config.apply_chat_template = not isinstance(prompt, str)
        if self._adapters:
            config.adapters = genai.AdapterConfig(self._adapters[turn.agent])
        keeper = _keeper()
        started = perf_counter()
        more = {"images": list(images)} if images else {}
        result = self._pipe.generate(prompt, **more, generation_config=config, streamer=keeper)
        spent = perf_counter() - started
        metrics = result.perf_metrics
        vision = metrics.get_prepare_embeddings_duration().mean / 1000 if images else 0.0
        first = metrics.get_ttft().mean / 1000
        for phase, seconds in {"vision": vision, "prefill": first - vision, "decode": spent - first}.items():
            phases.seconds[phase] += seconds
        phases.tokens["prefill"] += metrics.get_num_input_tokens()
        phases.tokens["decode"] += turn.answer_tokens - 1
        phases.calls["prefill"] += 1
        phases.calls["decode"] += turn.answer_tokens - 1
        phases.answers.append(keeper.ids)
        return result


def _keeper() -> Any:
    """Return a streamer that keeps every token id."""

    class Keeper(genai.StreamerBase):  # type: ignore[misc]
        """Keeps ids."""

        def __init__(self) -> None:
            super().__init__()
            self.ids: list[int] = []

        def write(self, token: int | list[int]) -> Any:
            self.ids.extend(token if isinstance(token, list) else [token])
            return genai.StreamingStatus.RUNNING

        def end(self) -> None:
            return None

    return Keeper()
