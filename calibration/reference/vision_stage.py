"""Stage 1 of the reference training: warm the vision tower up with one classification head per sign.

The language loss alone stays at chance for hundreds of steps; a tower that already separates the signs is read by
the language model within a hundred. The heads (attention pooling over the merged tokens) are thrown away afterwards.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.reference.agents_spec import REC_VALUES, REP_VALUES
from calibration.reference.fast_vision import FastVision, patchify
from calibration.reference.optimiser import MatrixOptimiser
from calibration.reference.pool import PoolCase, PoolView

# One head per field (of a list: its leading item), one per item of the lists that hold several independent ones.
ITEM_FIELDS = ("secondary_change", "special")
HEAD_VALUES: dict[str, list[Any]] = {
    **{name: values for name, values in REC_VALUES.items() if name not in ITEM_FIELDS},
    **{f"{name}:{item}": [False, True] for name in ITEM_FIELDS for item in REC_VALUES[name] if item != "cannot_tell"},
    **{name: REP_VALUES[name] for name in ("distribution", "symmetry", "stage")},
    "shot": ["overview", "regional", "close_up"],
}
IGNORED = -100
PLACE_WAVES = 8
FAR_FIELDS = ("distribution", "symmetry")
FAR_WEIGHT = 3.0  # only a quarter of the pictures shows these


@dataclass(frozen=True, slots=True)
class VisionSettings:
    """Length and speed of a warm-up; ``steps`` counts batches of ``batch`` pictures.

    ``overviews`` is the share of batches that hold overviews; None takes pictures as often as they were drawn.
    """

    steps: int
    batch: int = 48
    learning_rate: float = 5e-3
    seed: int = 1
    save_every: int = 200
    overviews: float | None = None


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures of one grid, all overviews or none: uint8[N, H, W, 3] and int64[N, heads] (IGNORED: no label)."""

    pixels: Tensor
    labels: Tensor
    far: bool


class Heads(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """One attention-pooled classifier per sign over the merged tokens (B, T, hidden).

    The tower turns by relative positions only; the heads add absolute ones, as the language model's M-RoPE does, so
    that ``distribution`` and ``symmetry`` can be learned.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.place = nn.Linear(4 * PLACE_WAVES, hidden)
        self.queries = nn.Parameter(torch.randn(len(HEAD_VALUES), hidden) / math.sqrt(hidden))
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.out = nn.ModuleList(nn.Linear(hidden, len(values)) for values in HEAD_VALUES.values())

    def forward(self, tokens: Tensor, *, rows: int, cols: int) -> list[Tensor]:
        """Return one logits tensor (B, values) per head; ``rows`` and ``cols`` count merged tokens."""
        x = self.norm(tokens) + self.place(place_waves(rows, cols))
        scores = torch.einsum("hd,btd->bht", self.queries, self.key(x)) / math.sqrt(x.shape[-1])
        pooled = torch.einsum("bht,btd->bhd", scores.softmax(-1), self.value(x))
        return [layer(pooled[:, i]) for i, layer in enumerate(self.out)]


def place_waves(rows: int, cols: int) -> Tensor:
    """Return where each merged token lies as sines and cosines, float32[rows * cols, 4 * PLACE_WAVES]."""
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(cols) + 0.5) / cols, indexing="ij")
    turns = math.pi * torch.arange(1, PLACE_WAVES + 1)
    angles = [axis.reshape(-1, 1) * turns for axis in (y, x)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)


def picture_sets(cases: Sequence[PoolCase]) -> list[PictureSet]:
    """Group the pictures of the cases by grid and distance, with head labels."""
    pixels: dict[tuple[Any, ...], list[Tensor]] = defaultdict(list)
    labels: dict[tuple[Any, ...], list[list[int]]] = defaultdict(list)
    for case in cases:
        for view in case.views:
            seen = overview_labels(case, view)
            row = [values.index(seen[name]) if name in seen else IGNORED for name, values in HEAD_VALUES.items()]
            key = (*view.pixels.shape, view.shot == "overview")
            pixels[key].append(torch.tensor(view.pixels))
            labels[key].append(row)
    return [PictureSet(torch.stack(pixels[key]), torch.tensor(labels[key]), key[-1]) for key in sorted(pixels)]


def overview_labels(case: PoolCase, view: PoolView) -> dict[str, Any]:
    """Return what one picture truly shows: Rec's fields, its distance, the stage, and from afar where the lesions stand."""
    seen: dict[str, Any] = {"shot": view.shot}
    for name, told in view.labels.items():
        if name in ITEM_FIELDS:
            items = {} if "cannot_tell" in told else {f"{name}:{item}": item in told for item in REC_VALUES[name][:-1]}
            seen |= items
        else:
            seen[name] = told[0] if isinstance(told, tuple) else told
    if case.signs.family == "papulosquamous" and not view.is_odd and view.shot != "overview":
        seen["stage"] = case.signs.activity
    if view.shot == "overview" and view.labels["applicability"] != "normal_skin":
        seen |= {name: getattr(case.signs, name) for name in FAR_FIELDS}
    return seen


def augment(pixels: Tensor, *, generator: torch.Generator, upright: bool) -> Tensor:
    """Turn, mirror, shift and re-light a batch, uint8[B, H, W, 3]; keeps every label true.

    A near view has no right way up; an overview (``upright``) has and is only mirrored.
    """
    batch = pixels.shape[0]
    x = pixels.float()
    if not upright:
        x = torch.rot90(x, int(torch.randint(4, (), generator=generator)), dims=(1, 2))
        x = torch.where((torch.rand(batch, generator=generator) < 0.5)[:, None, None, None], x.flip(1), x)
    flip = torch.rand(batch, generator=generator) < 0.5
    x = torch.where(flip[:, None, None, None], x.flip(2), x)
    dy, dx = (int(v) for v in torch.randint(-8, 9, (2,), generator=generator))
    x = F.pad(x.permute(0, 3, 1, 2), (8, 8, 8, 8), mode="reflect")
    height, width = x.shape[2] - 16, x.shape[3] - 16
    x = x[:, :, 8 + dy : 8 + dy + height, 8 + dx : 8 + dx + width].permute(0, 2, 3, 1)
    gain = 1 + 0.12 * torch.randn(batch, 1, 1, 1, generator=generator)
    cast = 1 + 0.03 * torch.randn(batch, 1, 1, 3, generator=generator)
    return (x * gain * cast).clamp(0, 255).to(torch.uint8)


class VisionStage:
    """Train the tower of ``model`` in place, resumably.

    Args:
        model: the backbone.
        checkpoint: file that holds tower, heads, optimiser and step.
        start: checkpoint of an earlier stage whose tower and heads this one goes on with.
    """

    def __init__(
        self,
        model: Qwen2_5_VLForConditionalGeneration,
        *,
        checkpoint: Path,
        settings: VisionSettings,
        start: Path | None = None,
    ) -> None:
        self._model, self._settings, self._path = model, settings, checkpoint
        torch.manual_seed(settings.seed)
        self.heads = Heads(model.config.vision_config.out_hidden_size)
        self.tower = FastVision(model)
        heads = ((f"heads_embed.{name}", p) for name, p in self.heads.named_parameters())
        self._optimiser = MatrixOptimiser([*model.model.visual.named_parameters(), *heads], weight_decay=0.02)
        self.step = 0
        if self._path.exists():
            self._load(self._weights(self._path))
        elif start is not None:
            self._weights(start)

    def _weights(self, path: Path) -> dict[str, Any]:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self._model.model.visual.load_state_dict(state["visual"])
        self.heads.load_state_dict(state["heads"])
        return state

    def _load(self, state: Mapping[str, Any]) -> None:
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])

    def _save(self) -> None:
        state = {
            "visual": self._model.model.visual.state_dict(),
            "heads": self.heads.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
        }
        temporary = self._path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self._path)

    def _rate(self) -> float:
        s = self._settings
        warm = min(1.0, (self.step + 1) / 150)
        return s.learning_rate * warm * max(0.02, 0.5 * (1 + math.cos(math.pi * self.step / s.steps)))

    def train(self, sets: Sequence[PictureSet], *, on_step: Callable[[int, int, float], None]) -> None:
        """Run the remaining steps; ``on_step`` gets step, steps and the mean loss since the last call."""
        weights = self._chances(sets)
        running, since = 0.0, time.monotonic()
        while self.step < self._settings.steps:
            generator = torch.Generator().manual_seed(self._settings.seed * 1_000_003 + self.step)
            chosen = sets[int(torch.multinomial(weights, 1, generator=generator))]
            rows = torch.randint(0, len(chosen.labels), (self._settings.batch,), generator=generator)
            pixels = augment(chosen.pixels[rows], generator=generator, upright=chosen.far)
            loss = self._one(pixels, chosen.labels[rows])
            running = loss if running == 0 else 0.95 * running + 0.05 * loss
            self.step += 1
            if self.step % self._settings.save_every == 0 or self.step == self._settings.steps:
                self._save()
            if time.monotonic() - since > 10 or self.step == self._settings.steps:
                on_step(self.step, self._settings.steps, running)
                since = time.monotonic()

    def _chances(self, sets: Sequence[PictureSet]) -> Tensor:
        """Return how often each set is drawn from."""
        counts = torch.tensor([float(len(s.labels)) for s in sets])
        far = torch.tensor([s.far for s in sets])
        if self._settings.overviews is None or not bool(far.any()) or bool(far.all()):
            return counts
        share = self._settings.overviews
        return torch.where(far, share * counts / counts[far].sum(), (1 - share) * counts / counts[~far].sum())

    def _one(self, pixels: Tensor, labels: Tensor) -> float:
        rows, cols = pixels.shape[1] // 14, pixels.shape[2] // 14
        with torch.autocast("cpu", torch.bfloat16):
            tokens = self.tower(patchify(pixels), rows=rows, cols=cols)
        logits = self.heads(tokens.float(), rows=rows // 2, cols=cols // 2)
        losses = [
            (FAR_WEIGHT if name in FAR_FIELDS else 1.0) * F.cross_entropy(part, labels[:, i], ignore_index=IGNORED)
            for i, (name, part) in enumerate(zip(HEAD_VALUES, logits, strict=True))
            if bool((labels[:, i] != IGNORED).any())
        ]
        loss = torch.stack(losses).mean()
        self._optimiser.descend(loss, rate=self._rate())
        return float(loss.detach())

    @torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
    def accuracy(self, sets: Sequence[PictureSet]) -> dict[str, tuple[float, float]]:
        """Return per head: accuracy and the majority share, on pictures not trained on."""
        hits: dict[str, list[Tensor]] = defaultdict(list)
        truth: dict[str, list[Tensor]] = defaultdict(list)
        for group in sets:
            for first in range(0, len(group.labels), 64):
                pixels, labels = group.pixels[first : first + 64], group.labels[first : first + 64]
                rows, cols = pixels.shape[1] // 14, pixels.shape[2] // 14
                tokens = self.tower(patchify(pixels), rows=rows, cols=cols)
                parts = self.heads(tokens, rows=rows // 2, cols=cols // 2)
                for i, (name, part) in enumerate(zip(HEAD_VALUES, parts, strict=True)):
                    known = labels[:, i] != IGNORED
                    hits[name].append((part.argmax(-1) == labels[:, i])[known])
                    truth[name].append(labels[known, i])
        out = {}
        for name in HEAD_VALUES:
            known = torch.cat(truth[name])
            majority = float(torch.bincount(known).max()) / max(1, len(known)) if len(known) else 0.0
            out[name] = (float(torch.cat(hits[name]).float().mean()), majority)
        return out
