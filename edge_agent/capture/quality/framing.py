"""Find what stands out from the skin around it, and say where it lies: for framing, never for a diagnosis.

The edge of the picture is taken for the skin around; what differs from it in colour is the lesion or whatever else the
person points the camera at. Cautious: many eruptions have no middle, so nothing found means nothing said.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.quality.working import Lab, Plane

_RING_SHARE = 0.1  # of the shorter side: the edge that stands for the skin around
_LEAST_DIFFERENCE = 9.0  # CIE units beyond which a pixel can stand out
_SPREADS = 3.0  # and by so many median deviations of the ring
_SMOOTH_SIGMA = 2.0  # px of the coarse picture: hairs and pores are no lesion
_CENTRAL = 0.45  # a component in the middle outweighs an equal one in a corner: sigma, of half the picture
_BLACK_L = 9.0  # CIE L* of what is covered: a finger on the lens, a sleeve
_LIT_L = 35.0


@dataclass(frozen=True, slots=True)
class Framing:
    """What stands out: ``share`` of the picture (0: nothing), its middle ``x`` and ``y`` (-1 to 1, right and down).

    ``sides``: how many edges of the picture it runs over; ``cut``: the longest stretch on one edge, share of that edge.
    ``covered``: share of the picture under one black area that comes in from an edge while the rest is lit.
    """

    share: float
    x: float
    y: float
    sides: int
    cut: float
    covered: float


def framing(lab: Lab) -> Framing:
    """Measure the framing of a picture, float32[h, w, 3] CIE Lab."""
    h, w = lab.shape[:2]
    mask = _main(_standing_out(lab))
    if not mask.any():
        return Framing(0.0, 0.0, 0.0, 0, 0.0, _covered(lab))
    rows, columns = np.nonzero(mask)
    stretches = [float(edge.mean()) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1])]
    return Framing(
        share=float(mask.mean()),
        x=float(columns.mean() / (w - 1) * 2 - 1),
        y=float(rows.mean() / (h - 1) * 2 - 1),
        sides=sum(stretch > 0.02 for stretch in stretches),
        cut=max(stretches),
        covered=_covered(lab),
    )


def _standing_out(lab: Lab) -> NDArray[np.uint8]:
    """Return what differs from the edge of the picture, uint8[h, w] (0/1)."""
    smooth = cv2.GaussianBlur(lab, (0, 0), _SMOOTH_SIGMA)
    ring = np.ones(lab.shape[:2], bool)
    width = max(2, round(_RING_SHARE * min(lab.shape[:2])))
    ring[width:-width, width:-width] = False
    around = np.median(smooth[ring], axis=0)
    weights = np.asarray([0.5, 1.0, 1.0], np.float32)  # shade changes lightness first
    distance: Plane = np.linalg.norm((smooth - around) * weights, axis=2).astype(np.float32)
    spread = float(np.median(distance[ring]))
    return (distance > max(_LEAST_DIFFERENCE, _SPREADS * spread)).astype(np.uint8)


def _main(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the component that weighs most, pixels near the middle weighing more."""
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    if count < 2:
        return np.zeros(mask.shape, bool)
    yy, xx = (np.linspace(-1, 1, n, dtype=np.float32) for n in mask.shape)
    weight = np.exp(-(yy[:, None] ** 2 + xx[None, :] ** 2) / (2 * _CENTRAL**2))
    sums = np.bincount(labels.ravel(), weights=weight.ravel(), minlength=count)
    sums[0] = 0
    return np.asarray(labels == int(sums.argmax()))


def _covered(lab: Lab) -> float:
    """Return the share of the largest black area that comes in from an edge; 0 where nothing else is lit."""
    lightness = lab[..., 0]
    if float(np.percentile(lightness, 95)) < _LIT_L:
        return 0.0
    black = (cv2.GaussianBlur(lightness, (0, 0), _SMOOTH_SIGMA) < _BLACK_L).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(black, connectivity=8)
    at_edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    areas = [int(stats[n, cv2.CC_STAT_AREA]) for n in at_edge if 0 < n < count]
    return float(max(areas, default=0) / black.size)
