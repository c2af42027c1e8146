"""Run a checkpoint and its adapters in PyTorch + PEFT, FP32: the only source of expected values in a bundle.

Does not know OpenVINO, the device's engine or a bundle; every pass is fresh (no cache, no reuse, no batch).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from calibration.adapters.peft_loading import load_with_peft
from calibration.export import load_torch_model, quiet_vendors
from calibration.golden import TEXT_TOKENS
from calibration.mapped_model import widen_on_use
from calibration.schema_writer import SchemaWriter, is_writable
from calibration.side_branch.torch_branch import TorchSideBranch
from edge_agent.agents import prompts
from edge_agent.contracts.golden import TOKENS
from edge_agent.contracts.manifest import AgentName, Backbone, PreprocessingSpec, Step

BARE = "bare"
THREADS = 1  # fixed: sums are taken in an order that depends on it


class TorchReference:
    """One checkpoint with its adapters, switched by name; ``bare`` is the backbone alone."""

    def __init__(
        self,
        base: Path,
        *,
        adapters: Mapping[AgentName, Path],
        backbone: Backbone,
        preprocessing: PreprocessingSpec,
        side_branch: TorchSideBranch | None = None,
    ) -> None:
        """Load everything.

        Args:
            base: the checkpoint.
            adapters: PEFT folders by agent.
            backbone: its description.
            preprocessing: of pictures.
            side_branch: the same checkpoint's, None where it has none.

        Raises:
            ExportError: the checkpoint or an adapter cannot be loaded.
        """
        torch.set_num_threads(THREADS)
        self._backbone = backbone
        self.side_branch = side_branch
        self._model: Any = load_torch_model(base)
        widen_on_use(self._model)
        self._adapters = dict(adapters)
        with quiet_vendors():
            self._load_adapters()
            from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

            self._processor = Qwen2VLImageProcessor(
                min_pixels=preprocessing.min_pixels,
                max_pixels=preprocessing.max_pixels,
                image_mean=list(preprocessing.image_mean),
                image_std=list(preprocessing.image_std),
                patch_size=backbone.vision.patch_size,
                temporal_patch_size=backbone.vision.temporal_patch_size,
                merge_size=backbone.vision.spatial_merge_size,
            )
        self.tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))

    def _load_adapters(self) -> None:
        for name, folder in self._adapters.items():
            self._model = load_with_peft(self._model, name=name, folder=folder)
        self._model.eval()

    def prompt_ids(self, text: str, *, pictures: Sequence[Mapping[str, Any]]) -> list[int]:
        """Tokenize a filled prompt and widen each picture's pad token to its merged tokens."""
        pad, merge = self._backbone.image_token_id, self._backbone.vision.spatial_merge_size**2
        counts = iter([int(np.prod(p["image_grid_thw"].numpy())) // merge for p in pictures])
        out: list[int] = []
        for token in self._encode(text):
            out += [pad] * next(counts) if token == pad else [token]
        return out

    def picture(self, pixels: NDArray[np.uint8]) -> dict[str, Any]:
        """Preprocess one picture with transformers' own processor.

        Args:
            pixels: uint8[H, W, 3], RGB.
        """
        batch = self._processor.preprocess(images=[Image.fromarray(pixels)], return_tensors="pt")
        return {"pixel_values": batch["pixel_values"], "image_grid_thw": batch["image_grid_thw"]}

    def logits(
        self,
        ids: Sequence[int],
        *,
        pictures: Sequence[Mapping[str, Any]],
        adapter: AgentName | None,
        is_branched: bool = False,
    ) -> NDArray[np.float32]:
        """Return float32[S, V]: the logits after every position, in one fresh pass.

        Args:
            ids: the prompt's tokens, pictures widened.
            pictures: what ``picture`` returned, in the order of their pads.
            adapter: the adapter that is on; None is the bare backbone.
            is_branched: add the side branch's bias at every position, as a forward pass of its class does.
        """
        inputs: dict[str, Any] = {"input_ids": torch.tensor([list(ids)])}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        if pictures:
            inputs["pixel_values"] = torch.cat([p["pixel_values"] for p in pictures])
            inputs["image_grid_thw"] = torch.cat([p["image_grid_thw"] for p in pictures])
        with torch.no_grad(), quiet_vendors():
            if adapter is None and self._adapters:
                with self._model.disable_adapter():
                    out = self._model(**inputs, use_cache=False).logits
            else:
                if adapter is not None:
                    self._model.set_adapter(adapter)
                out = self._model(**inputs, use_cache=False).logits
            if is_branched and self.side_branch is not None and pictures:
                patches = [one["pixel_values"] for one in pictures]
                out = out + self.side_branch.bias(patches, head=self._model.get_output_embeddings())
        return np.asarray(out[0].float().numpy(), dtype=np.float32)

    def decide(
        self,
        steps: Sequence[Step],
        *,
        pixels: Sequence[NDArray[np.uint8]],
        texts: Mapping[str, str],
        adapter: AgentName | None,
    ) -> dict[str, dict[str, object]]:
        """Answer the steps greedily under their schemas and return the decided fields per step.

        An answer is spelled canonically, as in training, and decided at the first token in which the values part. Of a
        free text the first ``TEXT_TOKENS`` tokens are given, and no step behind it.

        Args:
            steps: the agent's turns; the list ends before a step that is not all enums (``is_comparable``).
            pixels: the pictures, uint8[H, W, 3] RGB.
            texts: the declared text inputs.
            adapter: the adapter that is on.
        """
        pictures = [self.picture(one) for one in pixels]
        ids: list[int] = []
        answers: dict[str, dict[str, object]] = {}
        for step in steps:
            if not is_comparable(step) and (step.contract == "schema" or answers):
                break
            images = len(pictures) if not ids else 0
            text = prompts.fill(step.prompt, images=images, texts=texts)
            ids += self.prompt_ids(text, pictures=pictures[:images])
            # Only at the beginning: what follows rests on a text that devices may write otherwise.
            if step.contract == "text":
                answers[step.name] = {TOKENS: self._begin(ids, pictures=pictures, adapter=adapter)}
                break
            answer = self._answer(step, ids=ids, pictures=pictures, adapter=adapter)
            ids += self._encode(answer)
            value = json.loads(answer)
            answers[step.name] = {field: _at(value, field) for field in step.decided_fields}
        return answers

    def _answer(
        self, step: Step, *, ids: Sequence[int], pictures: Sequence[Mapping[str, Any]], adapter: AgentName | None
    ) -> str:
        """Write the answer greedily; every score is a fresh pass over the whole conversation."""

        # Forced tokens come first, so ``first_token`` never meets a decision.
        is_branched = self.side_branch is not None and self.side_branch.policy == "every_token"

        def score(tokens: Sequence[int]) -> NDArray[np.float32]:
            row: NDArray[np.float32] = self.logits(
                [*ids, *tokens], pictures=pictures, adapter=adapter, is_branched=is_branched
            )[-1]
            return row

        return SchemaWriter(self._encode, score).write(step.output_schema or {})

    def _begin(
        self, ids: Sequence[int], *, pictures: Sequence[Mapping[str, Any]], adapter: AgentName | None
    ) -> list[int]:
        """Write the first tokens of a text greedily; an end token counts as any other."""
        written: list[int] = []
        for place in range(TEXT_TOKENS):
            is_due = self.side_branch is not None and (place == 0 or self.side_branch.policy == "every_token")
            row = self.logits([*ids, *written], pictures=pictures, adapter=adapter, is_branched=is_due)[-1]
            written.append(int(row.argmax()))
        return written

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)


def _at(answer: Any, field: str) -> object:
    """Return a field's value by its dotted name."""
    for key in field.split("."):
        answer = answer[key]
    return answer


def is_comparable(step: Step) -> bool:
    """Tell whether a step's answer is made of enums alone, so that decisions can be compared one by one."""
    return step.contract == "schema" and is_writable(step.output_schema)
