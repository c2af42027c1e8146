"""Judge whether a picture is worth reading: accepted, accepted with a warning, or refused, and why.

Pure: frames in, a verdict out. Limits are data (``limits.toml``). When a measure is unsure it warns; only what a person
would take again is refused. Does not judge ``no_lesion_visible`` (the recognition agent does) nor ``frozen_frame`` (the
camera does).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_agent.capture.quality.limits import Limits, released_limits
from edge_agent.capture.quality.measures import Measures, measure
from edge_agent.capture.quality.sharpness import GRAINY
from edge_agent.contracts.case import Frame
from edge_agent.contracts.intake_values import ViewQuality

MAX_REASONS = 4  # of the list quality_reason
FAR_SHOTS = frozenset({"overview"})  # whose framing, and whose share of skin, say nothing
_MUCOSA_SHOTS = frozenset({"tongue"})  # wet: glints are expected, and the picture is meant to be filled
_CENTRAL = 0.6  # half the way and more to the edge: what lies further out is not what the person points at
_VERDICTS: tuple[ViewQuality, ...] = ("accepted", "accepted_with_warning", "refused")

Remark = tuple[str, int]  # an id of quality_reason, and 1 for a warning or 2 for a refusal


@dataclass(frozen=True, slots=True)
class Quality:
    """The verdict on a picture.

    ``reasons``: at most four ids of ``quality_reason``, what refuses first; empty when accepted. ``best``: which of the
    frames it is about. ``measures``: of that frame.
    """

    verdict: ViewQuality
    reasons: tuple[str, ...]
    best: int
    measures: Measures


def judge(
    frames: Sequence[Frame], *, shot: str | None = None, site: str | None = None, limits: Limits | None = None
) -> Quality:
    """Judge the best of some frames of one scene.

    Args:
        frames: uint8[H, W, 3], BGR; one picture, or a burst of which one will be kept.
        shot: an id of the list ``shot``; None when nobody said.
        site: an id of the list ``body_site``. Nothing depends on it yet.
        limits: None for those of this release.

    Returns:
        The verdict on the frame with the least serious remarks, the sharper one of equals.

    Raises:
        RuntimeError: no frame, or one that is not uint8[H, W, 3] (a programmer's mistake).
    """
    del site  # part of the agreed call
    if not frames:
        raise RuntimeError("there is no frame to judge")
    own = released_limits() if limits is None else limits
    judged = [(measures, remarks(measures, shot=shot, limits=own)) for measures in map(measure, frames)]
    best = min(range(len(judged)), key=lambda n: (_worst(judged[n][1]), -judged[n][0].sharpness.fine))
    measures, found = judged[best]
    ordered = sorted(found, key=lambda remark: -remark[1])  # stable: the order of the rules within one weight
    return Quality(_VERDICTS[_worst(found)], tuple(reason for reason, _ in ordered[:MAX_REASONS]), best, measures)


def remarks(measures: Measures, *, shot: str | None, limits: Limits) -> tuple[Remark, ...]:
    """Return everything there is to say against a picture, in the order of the rules."""
    return tuple(remark for remark in _rules(measures, shot=shot, limits=limits) if remark[1])


def _worst(found: Sequence[Remark]) -> int:
    return max((weight for _, weight in found), default=0)


def _rules(measures: Measures, *, shot: str | None, limits: Limits) -> Iterator[Remark]:
    """Yield each rule's remark, also those of weight 0.

    What is too dark or too bright to show anything is called that alone: its focus and colour mean nothing.
    """
    light = measures.light
    dark = max(limits.dark_top.below(light.top), limits.dark_middle.below(light.middle))
    bright = limits.bright_cut.above(light.cut)
    yield "too_dark", dark
    yield "too_bright", bright
    if max(dark, bright) == 2:
        return
    yield _blur(measures, limits=limits)
    yield "not_skin", 0 if shot in FAR_SHOTS else _not_skin(measures, limits=limits)
    yield "obstructed", limits.covered.above(measures.framing.covered)
    glare = limits.glare.above(light.glare)
    yield "glare", min(glare, 1) if shot in _MUCOSA_SHOTS else glare
    if shot not in FAR_SHOTS:
        yield "colour_cast", _cast(measures, limits=limits)
    if shot not in FAR_SHOTS | _MUCOSA_SHOTS:
        yield from _framing(measures, shot=shot, limits=limits)


def _blur(measures: Measures, *, limits: Limits) -> Remark:
    """Judge focus and movement together: which of the two it is names the reason and decides nothing.

    In a grainy picture the finer scale shows noise more than skin, most of all on dark skin in a dim room, so it only
    warns there and the coarser scale decides.
    """
    found = measures.sharpness
    fine, coarse = limits.focus_fine.below(found.fine), limits.focus_coarse.below(found.coarse)
    if found.grain > GRAINY:
        weight = max(min(fine, 1), coarse)
    else:
        if limits.focus_sure.below(found.fine) < 2:
            coarse = min(coarse, 1)
        is_uneven = limits.movement_evenness.below(found.evenness) == 2
        weight = max(fine, coarse, limits.movement_fine.below(found.fine) if is_uneven else 0)
    return ("blur_motion" if limits.movement_name.below(found.evenness) else "blur_focus"), weight


def _not_skin(measures: Measures, *, limits: Limits) -> int:
    """Refuse only where no colour of skin is left and the other colours are sure."""
    skin = measures.skin
    return min(
        limits.skin_least.below(skin.skin), max(limits.foreign.above(skin.foreign), limits.grey.above(skin.grey))
    )


def _cast(measures: Measures, *, limits: Limits) -> int:
    light = measures.light
    if limits.cast_least_chroma.below(light.chroma):
        return 0
    hue = max(limits.cast_hue_low.below(light.hue), limits.cast_hue_high.above(light.hue))
    return max(hue, limits.cast_chroma.above(light.chroma))


def _framing(measures: Measures, *, shot: str | None, limits: Limits) -> Iterator[Remark]:
    """Warn about framing; at most one of the three, and never a refusal: eruptions have no middle."""
    found = measures.framing
    if found.sides >= 3 and limits.near_share.above(found.share):
        yield "too_near", 1
    elif limits.cut_stretch.above(found.cut) and limits.cut_share.above(found.share):
        yield "lesion_cut_off", 1
    elif shot == "close_up" and found.share > 0 and limits.far_share.below(found.share) and is_central(measures):
        yield "too_far", 1


def is_central(measures: Measures) -> bool:
    """Say whether what stands out lies in the middle of the picture."""
    return max(abs(measures.framing.x), abs(measures.framing.y)) < _CENTRAL
