"""Measure the readable ceiling: how well a plain CNN names each field on the drawn pictures.

What a plain network cannot read, no vision-language model will; such a sign has to be drawn more clearly. The CNN is
thrown away afterwards. It says nothing about the reference model, and nothing about photographs.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from calibration.reference.agents_spec import REC_VALUES, REP_VALUES
from calibration.reference.cases import RenderedCase, RenderedView, case
from calibration.reference.list_values import leading

SIDE = 168  # as many pixels as the reference model sees of a square picture
# Each field is read where it can be seen: Rec's and the stage from near views, place and symmetry from overviews.
REP_FIELDS = ("distribution", "symmetry", "stage")
FAR_FIELDS = ("distribution", "symmetry")


@dataclass(frozen=True, slots=True)
class FieldCeiling:
    """One row: accuracy of the CNN and of always answering the training pictures' most common value."""

    field: str
    accuracy: float
    majority: float
    pictures: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Pictures uint8[N, 3, SIDE, SIDE] and one label index per field, int64[N] (-100 = the field is not asked)."""

    pixels: NDArray[np.uint8]
    labels: dict[str, NDArray[np.int64]]


def measure_ceiling(
    train_count: int, test_count: int, epochs: int, *, out: Path | None = None, seed: int = 0
) -> list[FieldCeiling]:
    """Train a small CNN on drawn pictures and print each field's accuracy beside the constant answer.

    Args:
        train_count: pictures of split ``ceiling`` to learn from.
        test_count: pictures after them, to measure on; about 12 ms each to draw.
        epochs: passes over the training pictures.
        out: a JSON file for the rows; None writes none.
        seed: of the weights and of the order.
    """
    train, following = _pool(train_count, first=0)
    test, _ = _pool(test_count, first=following)
    torch.manual_seed(seed)
    network = _Heads({name: len(values) for name, values in _values().items()})
    _train(network, train, epochs=epochs, seed=seed)
    rows = _measure(network, train, test)
    print(_table(rows))
    if out is not None:
        out.write_text(json.dumps([_as_json(row) for row in rows], indent=1) + "\n")
    return rows


def _values() -> dict[str, list[Any]]:
    return {**REC_VALUES, **{name: REP_VALUES[name] for name in REP_FIELDS}}


def _pool(count: int, *, first: int) -> tuple[Pool, int]:
    """Draw pictures until there are ``count``; also return the next unused case index.

    Of a list field the leading item is asked.
    """
    values = _values()
    pixels = np.zeros((count, 3, SIDE, SIDE), np.uint8)
    labels = {name: np.full(count, -100, np.int64) for name in values}
    filled, index = 0, first
    while filled < count:
        drawn = case("ceiling", index)
        index += 1
        for view in drawn.views[: count - filled]:
            small = Image.fromarray(view.pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            pixels[filled] = np.asarray(small).transpose(2, 0, 1)
            for name, value in _asked(drawn, view).items():
                labels[name][filled] = values[name].index(leading(value))
            filled += 1
    return Pool(pixels, labels), index


def _asked(drawn: RenderedCase, view: RenderedView) -> dict[str, Any]:
    """Return the true values of the fields that one view can show."""
    if view.shot != "overview":
        stage = {"stage": drawn.representation["stage"]} if drawn.in_scope else {}
        return dict(view.labels) | stage
    if not drawn.in_scope:
        return {}
    return {"colour": view.labels["colour"]} | {name: drawn.representation[name] for name in FAR_FIELDS}


class _Heads(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """A plain CNN of about 0.4 M parameters with one linear head per field."""

    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 160)
        layers: list[nn.Module] = []
        for n, (narrow, wide) in enumerate(itertools.pairwise(widths)):
            layers += [
                nn.Conv2d(narrow, wide, 3, stride=2 if n == 0 else 1, padding=1),
                nn.BatchNorm2d(wide),
                nn.ReLU(),
            ]
            if n:
                layers.append(nn.MaxPool2d(2))
        self.body = nn.Sequential(*layers, nn.Conv2d(160, 128, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(3))
        self.heads = nn.ModuleDict({name: nn.Linear(128 * 9, size) for name, size in sizes.items()})

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return float32[B, values] per field for uint8[B, 3, H, W]."""
        features = self.body(pixels.float() / 127.5 - 1).flatten(1)
        return {name: head(features) for name, head in self.heads.items()}


def _train(network: _Heads, pool: Pool, *, epochs: int, seed: int) -> None:
    order = torch.Generator().manual_seed(seed)
    pixels = torch.from_numpy(pool.pixels)
    labels = {name: torch.from_numpy(column) for name, column in pool.labels.items()}
    steps = max(1, epochs * ((len(pixels) + 31) // 32))
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(pixels), generator=order).split(32):
            scores = network(pixels[batch])
            losses = [
                nn.functional.cross_entropy(scores[name], labels[name][batch])
                for name in labels
                if bool((labels[name][batch] >= 0).any())
            ]
            loss = torch.stack(losses).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(batch)
        print(f"epoch {epoch + 1}/{epochs} loss {total / len(pixels):.3f}", flush=True)


def _measure(network: _Heads, train: Pool, test: Pool) -> list[FieldCeiling]:
    network.eval()
    with torch.no_grad():
        parts = [network(batch) for batch in torch.from_numpy(test.pixels).split(64)]
    rows = []
    for name, column in test.labels.items():
        asked = column >= 0
        said = torch.cat([part[name] for part in parts]).argmax(1).numpy()
        common = Counter(train.labels[name][train.labels[name] >= 0].tolist()).most_common(1)[0][0]
        right, constant = said[asked] == column[asked], column[asked] == common
        rows.append(FieldCeiling(name, float(right.mean()), float(constant.mean()), int(asked.sum())))
    return rows


def _table(rows: list[FieldCeiling]) -> str:
    head = f"{'field':<17}{'ceiling':>9}{'constant':>10}{'pictures':>10}"
    return "\n".join([head, *(f"{r.field:<17}{r.accuracy:>9.3f}{r.majority:>10.3f}{r.pictures:>10}" for r in rows)])


def _as_json(row: FieldCeiling) -> dict[str, Any]:
    return {"field": row.field, "ceiling": row.accuracy, "constant": row.majority, "pictures": row.pictures}
