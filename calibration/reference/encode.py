"""Encode the views of many cases once with a backbone's vision tower."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.reference.exercises import EncodedCase
from calibration.reference.fast_vision import FastVision, patchify
from calibration.reference.pool import PoolCase
from calibration.reference.sequences import Picture

BATCH = 64


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
def encode_cases(
    model: Qwen2_5_VLForConditionalGeneration,
    cases: Sequence[PoolCase],
    on_progress: Callable[[str, int, int, str], None],
) -> list[EncodedCase]:
    """Return the cases with merged vision tokens, float32[T, hidden] per view; batches hold one grid.

    Args:
        model: the backbone as it is now.
        cases: pool cases, pictures on the 28-px grid.
    """
    tower = FastVision(model)
    flat = [(i, j, view) for i, case in enumerate(cases) for j, view in enumerate(case.views)]
    flat.sort(key=lambda row: row[2].pixels.shape)
    found: dict[tuple[int, int], Picture] = {}
    first = 0
    while first < len(flat):
        shape = flat[first][2].pixels.shape
        group = [row for row in flat[first : first + BATCH] if row[2].pixels.shape == shape]
        pixels = torch.stack(
            [torch.tensor(view.pixels) for _, _, view in group]
        )  # a copy: pickled arrays are read-only
        rows, cols = shape[0] // 14, shape[1] // 14
        tokens = tower(patchify(pixels), rows=rows, cols=cols).float()
        found |= {(i, j): Picture(t, rows, cols) for (i, j, _), t in zip(group, tokens, strict=True)}
        first += len(group)
        on_progress("encode", first, len(flat), "")
    return [EncodedCase(case, tuple(found[i, j] for j in range(len(case.views)))) for i, case in enumerate(cases)]
