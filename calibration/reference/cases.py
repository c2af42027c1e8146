"""Render reference cases: pictures, intake and labels as a pure function of a split and an index.

The splits never share a seed. The pictures are drawings that teach the reference model to name signs; they are not
photographs and prove nothing about people.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import lit
from calibration.reference.drawing_artefacts import spoil
from calibration.reference.drawing_body import overview
from calibration.reference.drawing_objects import thing
from calibration.reference.drawing_skin import skin
from calibration.reference.drawing_view import NOTHING, draw_signs
from calibration.reference.labels import readable, reasoning_labels, representation_labels, view_labels
from calibration.reference.signs import DARK_TONES, Sample, Signs, sample_in_scope
from calibration.reference.signs_other import other_family_signs, sample_out_of_scope
from calibration.reference.steps_truth import true_record, true_steps
from edge_agent.agents.evidence.record import Record
from edge_agent.agents.evidence.signs_table import SignTable

SPLITS = ("train", "calibration", "test", "ceiling")
TONES = (1, 2, 3, 4, 5)
_IN_SCOPE_SHARE = 0.58  # 60 % of what is skin; the rest are other families, healthy skin and things
_TWO_DISEASES = 0.1  # of the cases with two near views: about 3 % of all psoriasis-like visits
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
    """One picture: ``pixels`` uint8[H, W, 3] RGB, its distance, and the fields that Rec shall decide."""

    pixels: NDArray[np.uint8]
    shot: str
    labels: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RenderedCase:
    """One case with everything the three agents read and everything they should say.

    ``views`` is empty for a case made by ``text_case``. ``shots`` names the distance of every view either way.
    ``record`` is what Reason reads when Rec and Rep are right; ``previous`` what an earlier visit found, or None.
    ``odd_view`` is a view that shows another disease (two diseases in one visit), or None.
    """

    case_id: str
    tone: int
    views: tuple[RenderedView, ...]
    shots: tuple[str, ...]
    intake: Mapping[str, Any]
    previous: Mapping[str, str] | None
    representation: Mapping[str, Any]
    reasoning: Mapping[str, Any]
    record: Record
    signs: Signs
    in_scope: bool
    odd_view: int | None = None


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
    bare = text_case(split, index, tone=tone)
    rng = Random(_seed(split, index, "odd"))
    other = other_family_signs(rng, dark=bare.tone in DARK_TONES)
    views = tuple(
        _view(
            np.random.default_rng(_seed(split, index, f"view{n}")),
            other if n == bare.odd_view else bare.signs,
            bare.tone,
            shot=shot,
            size=size,
        )
        for n, shot in enumerate(bare.shots)
    )
    return replace(bare, views=views)


def text_case(split: str, index: int, *, tone: int | None = None) -> RenderedCase:
    """Return the same case as ``case`` without drawing: ``views`` is empty. For training Reason on many records.

    Raises:
        RuntimeError: unknown split or tone.
    """
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
    odd = _odd_view(Random(_seed(split, index, "two")), shots) if in_scope else None
    return _labelled(f"{split}-{index:06d}", sample, shots=shots, tone=tone, in_scope=in_scope, odd=odd)


def _labelled(
    case_id: str, sample: Sample, *, shots: tuple[str, ...], tone: int, in_scope: bool, odd: int | None
) -> RenderedCase:
    """Put the labels to a sampled case."""
    signs = sample.signs
    representation = representation_labels(signs, sample.mechanism, in_scope=in_scope, has_overview="overview" in shots)
    told = [(shot, view_labels(signs, shot, count=1, share=0.2)) for shot in shots]
    record = readable(
        true_record(
            told,
            representation=representation,
            intake=sample.intake,
            previous=sample.previous,
            rng=Random(case_id),
        )
    )
    reasoning = reasoning_labels(signs, representation, sample.syndrome, sample.previous)
    return RenderedCase(
        case_id=case_id,
        tone=tone,
        views=(),
        shots=shots,
        intake=sample.intake,
        previous=sample.previous,
        representation=representation,
        reasoning=reasoning | {"reasoning_steps": true_steps(record, _table())},
        record=record,
        signs=signs,
        in_scope=in_scope and odd is None,
        odd_view=odd,
    )


@functools.cache
def _table() -> SignTable:
    return SignTable.load()


def _odd_view(rng: Random, shots: tuple[str, ...]) -> int | None:
    """Draw whether one of several near views shows another disease (section 16: two diseases in one visit)."""
    near = [n for n, shot in enumerate(shots) if shot != "overview"]
    return near[-1] if len(near) > 1 and rng.random() < _TWO_DISEASES else None


def _seed(split: str, index: int, purpose: str) -> int:
    """Derive a seed that differs by split, index and purpose."""
    digest = hashlib.sha256(f"derm-edge reference 2/{split}/{index}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


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
    drawn = NOTHING
    if signs.applicability == "not_skin":
        pixels = thing(rng, height=height, width=width, kind=signs.variant)
    elif far:
        pixels = lit(overview(rng, height=height, width=width, tone=tone, signs=signs))
    else:
        surface = skin(rng, height=height, width=width, tone=tone)
        drawn = draw_signs(rng, surface, signs, close=shot == "close_up")
        pixels = lit(surface)
    labels = view_labels(signs, shot, count=drawn.count, share=drawn.share)
    return RenderedView(pixels=spoil(rng, pixels, tone=tone, far=far), shot=shot, labels=labels)
