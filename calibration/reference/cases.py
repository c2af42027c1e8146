"""Render reference cases: pictures, intake and labels as a pure function of a split and an index.

The splits never share a seed. The pictures are drawings that teach the reference model to name signs; they are not
photographs and prove nothing about people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.reference.agents_spec import PLAN_OF
from calibration.reference.drawing import Surface, lit
from calibration.reference.drawing_artefacts import spoil
from calibration.reference.drawing_body import overview
from calibration.reference.drawing_growths import eczema_marks, nodule, pigmented, stains
from calibration.reference.drawing_lesions import patch, place, plaques
from calibration.reference.drawing_objects import thing
from calibration.reference.drawing_scale import scale
from calibration.reference.drawing_skin import skin
from calibration.reference.signs import Sample, Signs, sample_in_scope
from calibration.reference.signs_other import sample_out_of_scope

SPLITS = ("train", "calibration", "test", "ceiling")
TONES = (1, 2, 3, 4, 5)
_IN_SCOPE_SHARE = 0.58  # 60 % of what is skin; the rest are other families, healthy skin and things
_SHOTS_IN_SCOPE = (
    (("overview", "regional", "close_up"), 20),
    (("overview", "close_up"), 20),
    (("overview", "regional"), 20),
    (("regional", "close_up"), 10),
    (("close_up",), 17),
    (("regional",), 13),
)
_SHOTS_OTHER = (
    (("close_up",), 44),
    (("regional",), 30),
    (("regional", "close_up"), 14),
    (("overview", "close_up"), 12),
)


@dataclass(frozen=True, slots=True)
class RenderedView:
    """One picture: ``pixels`` uint8[H, W, 3] RGB, its distance, and the eight fields Rec shall decide."""

    pixels: NDArray[np.uint8]
    shot: str
    labels: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RenderedCase:
    """One case with everything the three agents read and everything they should say.

    ``views`` is empty for a case made by ``text_case``. ``shots`` names the distance of every view either way.
    """

    case_id: str
    tone: int
    views: tuple[RenderedView, ...]
    shots: tuple[str, ...]
    intake: Mapping[str, Any]
    representation: Mapping[str, str]
    reasoning: Mapping[str, str]
    signs: Signs
    in_scope: bool


def case(split: str, index: int, *, size: int = 280, tone: int | None = None) -> RenderedCase:
    """Render one case with its pictures.

    Args:
        split: one of ``SPLITS``.
        index: 0 and up.
        size: the shorter or only side in pixels.
        tone: 1-5; None draws it. The tone changes the colours of a case and, because colour carries no points on
            dark skin, its other signs; never the odds of a syndrome.

    Raises:
        RuntimeError: unknown split or tone.
    """
    bare, sample = _sampled(split, index, tone=tone)
    views = tuple(
        _view(np.random.default_rng(_seed(split, index, f"view{n}")), sample.signs, bare.tone, shot=shot, size=size)
        for n, shot in enumerate(bare.shots)
    )
    return RenderedCase(
        case_id=bare.case_id,
        tone=bare.tone,
        views=views,
        shots=bare.shots,
        intake=bare.intake,
        representation=bare.representation,
        reasoning=bare.reasoning,
        signs=bare.signs,
        in_scope=bare.in_scope,
    )


def text_case(split: str, index: int, *, tone: int | None = None) -> RenderedCase:
    """Return the same case as ``case`` without drawing: ``views`` is empty. For training Reason on many records."""
    return _sampled(split, index, tone=tone)[0]


def view_labels(signs: Signs, shot: str) -> dict[str, Any]:
    """Say what Rec shall answer on one view.

    From an overview only applicability and colour can be told; the other fields are ``cannot_tell`` (induration
    None) on every overview, whatever is truly there.
    """
    far = shot == "overview"
    return {
        "applicability": signs.applicability,
        "family": "cannot_tell" if far else signs.family,
        "colour": signs.colour,
        "scale_type": "cannot_tell" if far else signs.scale_type,
        "induration": None if far else signs.induration,
        "border": "cannot_tell" if far else signs.border,
        "shape": "cannot_tell" if far else signs.shape,
        "arrangement": "cannot_tell" if far else signs.arrangement,
    }


def _seed(split: str, index: int, purpose: str) -> int:
    """Derive a seed that differs by split, index and purpose."""
    digest = hashlib.sha256(f"derm-edge reference 1/{split}/{index}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _sampled(split: str, index: int, *, tone: int | None) -> tuple[RenderedCase, Sample]:
    if split not in SPLITS:
        raise RuntimeError(f"unknown split {split!r}; use one of {', '.join(SPLITS)}")
    if tone is not None and tone not in TONES:
        raise RuntimeError(f"unknown tone {tone!r}; use 1 to 5")
    drawn = Random(_seed(split, index, "tone")).choice(TONES)
    tone = drawn if tone is None else tone
    in_scope = Random(_seed(split, index, "scope")).random() < _IN_SCOPE_SHARE
    rng = Random(_seed(split, index, "signs"))
    sample = sample_in_scope(rng, tone=tone) if in_scope else sample_out_of_scope(rng, tone=tone)
    shots = _shots(Random(_seed(split, index, "shots")), sample.signs, in_scope=in_scope)
    seen = in_scope and "overview" in shots
    principle, formula = PLAN_OF[sample.syndrome]
    bare = RenderedCase(
        case_id=f"{split}-{index:06d}",
        tone=tone,
        views=(),
        shots=shots,
        intake=sample.intake,
        representation={
            "distribution": sample.signs.distribution if seen else "cannot_tell",
            "symmetry": sample.signs.symmetry if seen else "cannot_tell",
            "mechanism": sample.mechanism,
        },
        reasoning={"syndrome": sample.syndrome, "principle": principle, "formula": formula},
        signs=sample.signs,
        in_scope=in_scope,
    )
    return bare, sample


def _shots(rng: Random, signs: Signs, *, in_scope: bool) -> tuple[str, ...]:
    table = _SHOTS_IN_SCOPE if in_scope else _SHOTS_OTHER
    shots = rng.choices([row[0] for row in table], [row[1] for row in table])[0]
    return tuple(s for s in shots if s != "overview") if signs.applicability == "not_skin" else shots


def _view(rng: np.random.Generator, signs: Signs, tone: int, *, shot: str, size: int) -> RenderedView:
    height, width = size, size
    far = shot == "overview"
    form = rng.random()
    if form < 0.2 and not far:  # a standing person is photographed upright
        width = size * 4 // 3
    elif form < 0.4 or far:
        height = size * 4 // 3
    if signs.applicability == "not_skin":
        pixels = thing(rng, height=height, width=width, kind=signs.variant)
    elif far:
        pixels = lit(overview(rng, height=height, width=width, tone=tone, signs=signs))
    else:
        surface = skin(rng, height=height, width=width, tone=tone)
        _lesions(rng, surface, signs, close=shot == "close_up")
        pixels = lit(surface)
    return RenderedView(pixels=spoil(rng, pixels, tone=tone, far=far), shot=shot, labels=view_labels(signs, shot))


def _lesions(rng: np.random.Generator, surface: Surface, signs: Signs, *, close: bool) -> None:
    """Put what the case shows on bare skin."""
    if signs.applicability == "normal_skin":
        return
    if signs.family == "pigmented_lesion":
        pigmented(rng, surface, signs)
        return
    if signs.family == "nodule_tumour":
        nodule(rng, surface, signs)
        return
    spots = place(rng, surface, shape=signs.shape, arrangement=signs.arrangement, close=close)
    area = patch(rng, surface, spots, shape=signs.shape, border=signs.border)
    if signs.applicability == "pigment_change_only":
        stains(rng, surface, area)
        return
    plaques(rng, surface, area, signs)
    scale(rng, surface, area, kind=signs.scale_type)
    if signs.family == "eczematous":
        eczema_marks(rng, surface, area)
