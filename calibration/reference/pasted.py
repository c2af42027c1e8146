"""Draw lesions onto real bare skin, so that a decider meets the light, grain and texture of a camera.

A lesion is drawn on an even surface of its tone and lit; the same surface without it is lit too. The ratio of the two
pictures is what the lesion does to the light, and the photograph is multiplied by it: pores, hairs, shadows and colour
cast of the photograph stay. Signs, labels and distances are those of the drawn cases; only the skin is another.

What this does not show: a real lesion. Source: ratio images, Shashua & Riklin-Raviv, IEEE TPAMI 23 (2001) 129.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.cases import RenderedCase, RenderedView, text_case
from calibration.reference.drawing import blank, lit
from calibration.reference.drawing_outline import Drawn
from calibration.reference.drawing_skin import tone_colour
from calibration.reference.drawing_view import draw_signs
from calibration.reference.labels import view_labels
from calibration.reference.signs import Signs
from calibration.reference.skin_patches import SkinPatch

SIDE = 280  # px, as drawn cases
SPLIT = "test"
FIRST = 120_000  # of that split: no benchmark, demo or test reads here
MOST_RATIO = 3.0


@dataclass(frozen=True, slots=True)
class PastedCase:
    """One case on real skin: near views only, all on squares of one photograph. ``tone`` is the skin's apparent one."""

    case_id: str
    image_id: str
    patient_id: str
    tone: int
    views: tuple[RenderedView, ...]
    signs: Signs
    in_scope: bool


def pasted_cases(
    patches: Sequence[SkinPatch], *, count: int, wanted: Callable[[RenderedCase], bool], first: int = FIRST
) -> list[PastedCase]:
    """Draw the first ``count`` cases of the far test split that are wanted, each on one photograph's skin in turn.

    Args:
        patches: of one half of the photographs; their order decides which case stands on which skin.
        count: how many cases.
        wanted: chooses among the cases before anything is drawn, such as only those in scope.
        first: index in the test split.

    Raises:
        RuntimeError: there is no skin to draw on.
    """
    photos = list(dict.fromkeys(patch.image_id for patch in patches))
    if not photos:
        raise RuntimeError("no patch of bare skin was found")
    rows: list[PastedCase] = []
    index = first
    while len(rows) < count:
        own = [patch for patch in patches if patch.image_id == photos[len(rows) % len(photos)]]
        drawn = text_case(SPLIT, index, tone=own[0].tone)
        shots = [shot for shot in drawn.shots if shot != "overview"]
        if wanted(drawn) and shots:
            rng = np.random.default_rng(_seed(index))
            places = rng.permutation(len(own))
            views = tuple(
                paste(rng, own[int(places[n % len(own)])], drawn.signs, shot=shot) for n, shot in enumerate(shots)
            )
            rows.append(
                PastedCase(
                    case_id=f"pasted-{index:06d}",
                    image_id=own[0].image_id,
                    patient_id=own[0].patient_id,
                    tone=own[0].tone,
                    views=views,
                    signs=drawn.signs,
                    in_scope=drawn.in_scope,
                )
            )
        index += 1
    return rows


def paste(rng: np.random.Generator, patch: SkinPatch, signs: Signs, *, shot: str) -> RenderedView:
    """Draw one near view onto one square of skin.

    Args:
        rng: the view's generator.
        patch: enlarged or reduced to ``SIDE``.
        signs: of a case that was sampled for the patch's tone.
        shot: ``close_up`` or ``regional``; decides the size of the lesions.
    """
    skin = _turned(rng, _to_side(patch.pixels))
    ratio, drawn = lesion_ratio(rng, signs, tone=patch.tone, close=shot == "close_up")
    pixels = np.clip(skin.astype(np.float32) * ratio, 0, 255)
    labels = view_labels(signs, shot, count=drawn.count, share=drawn.share)
    return RenderedView(pixels=pixels.astype(np.uint8), shot=shot, labels=labels)


def lesion_ratio(
    rng: np.random.Generator, signs: Signs, *, tone: int, close: bool
) -> tuple[NDArray[np.float32], Drawn]:
    """Return what lesions do to the light of even skin of a tone, and what is truly visible of them.

    Returns:
        float32[S, S, 3], 1 where there is no lesion; the lesions' count and share.
    """
    surface = blank(rng, height=SIDE, width=SIDE, tone=tone, base=tone_colour(rng, tone))
    bare = lit(surface).astype(np.float32)
    drawn = draw_signs(rng, surface, signs, close=close)
    return np.asarray(np.clip(lit(surface) / np.maximum(bare, 1), 0, MOST_RATIO), np.float32), drawn


def _to_side(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    way = cv2.INTER_AREA if pixels.shape[0] > SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=way), np.uint8)


def _turned(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn and mirror the skin, so that one square serves several cases."""
    turned: NDArray[Any] = np.rot90(pixels, int(rng.integers(0, 4)))
    return np.ascontiguousarray(turned[:, ::-1] if rng.random() < 0.5 else turned)


def _seed(index: int) -> int:
    return int.from_bytes(hashlib.sha256(f"derm-edge pasted 1/{index}".encode()).digest()[:8], "big")
