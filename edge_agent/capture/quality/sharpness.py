"""Measure focus and movement: how much finer detail a picture keeps than the same picture a little blurred.

Gradients are taken at two scales, one twice the other. Where an edge is sharp, the finer scale holds far more gradient
energy; where it is already blurred wider than both scales, the two are alike. Their ratio does not depend on contrast,
so it is the same for smooth and rough, dark and light skin. It is taken in eight directions: defocus lowers all of them,
movement lowers those along the movement. Only the quarter of the tiles with the most energy counts, because most of the
skin in a sharp picture may be smooth. The share of white noise is taken off before the ratio. White blobs are left out
with their surroundings: a reflection has a soft edge in the sharpest picture.

Does not tell defocus from a smeared lens, nor fine texture from noise that has the grain of texture.

Sources: blur from the gradient ratio of a re-blurred picture: Zhuo and Sim, Pattern Recognition 44:1852 (2011); blur by
re-blurring: Crete et al., SPIE 6492 (2007). Noise: Immerkaer, CVIU 64:300 (1996), with the median for the mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.quality.working import Plane, Working

FINE_SIGMA_PX = 1.0
DIRECTIONS = 8
TILES = 12  # per side
SHARPEST_TILES = TILES * TILES // 4
# Share of noise above which the finer scale is not relied on. Set on the pictures of limits.toml: photographs 0.01 and
# less, drawn originals of the darker tones 0.07 and less for 19 of 20, in the grainiest 0.5.
GRAINY = 0.1
_LEAST_ENERGY = 0.05  # grey levels squared per pixel: below it a tile shows nothing
_NOISE_ROWS = 8  # of every sixteen rows are looked at: noise is the same everywhere
_WHITE = 235  # of 255, in all three channels
_BLOB_PX = 3  # of the coarse picture: a glint on a hair or a skin line is narrower, and sharp
_AROUND_PX = 9  # of the coarse picture: how far the soft edge of a reflection reaches
_NOISE_MASK = np.asarray([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOISE_GAIN = 6.0  # standard deviation of the mask's answer to unit white noise
_MEDIAN_TO_SIGMA = 0.6745


@dataclass(frozen=True, slots=True)
class Scale:
    """A grey plane blurred to ``sigma`` pixels of the picture; one pixel of it is ``pixel`` pixels of the picture."""

    plane: Plane
    sigma: float
    pixel: int


@dataclass(frozen=True, slots=True)
class Sharpness:
    """Focus and movement of one picture.

    ``fine`` and ``coarse``: gradient energy at sigma 1 px over that at 2 px, and at 2 px over 4 px, in the worst of
    eight directions; about 1 when blurred away, 2 and more when sharp. ``evenness``: the worst direction over the best,
    1 when all directions are alike. ``noise``: of one pixel, grey levels. ``grain``: how much of what is seen at sigma
    1 px is noise, 0 to 1; where it is much, ``fine`` is not to be relied on.
    """

    fine: float
    coarse: float
    evenness: float
    noise: float
    grain: float


def sharpness(picture: Working) -> Sharpness:
    """Measure focus and movement of a picture."""
    noise = pixel_noise(picture.grey)
    weight = _outside_reflections(picture)
    scales = _scales(_in_whole_tiles(picture.grey))
    tensors = [_tensor(scale, weight=weight, noise=noise) for scale in scales]
    fine, coarse = _ratios(tensors[0], tensors[1]), _ratios(tensors[1], tensors[2])
    grain = _grain(tensors[0], noise=noise)
    evenness = _evenness(coarse) if grain > GRAINY else min(_evenness(fine), _evenness(coarse))
    return Sharpness(float(fine.min()), float(coarse.min()), evenness, noise, grain)


def pixel_noise(grey: Plane) -> float:
    """Return the standard deviation of the noise of one pixel, from the median answer to a second-difference mask."""
    rows = grey[: grey.shape[0] // _NOISE_ROWS * _NOISE_ROWS]
    middle = np.ascontiguousarray(rows.reshape(-1, _NOISE_ROWS, grey.shape[1])[::2].reshape(-1, grey.shape[1]))
    answer = cv2.filter2D(middle if len(middle) else grey, cv2.CV_32F, _NOISE_MASK)
    return float(np.median(np.abs(answer[:, ::2]))) / _MEDIAN_TO_SIGMA / _NOISE_GAIN


def _in_whole_tiles(grey: Plane) -> Plane:
    """Cut the right and lower edge so that tiles have whole pixels at half the size too: their means cost a tenth then."""
    rows, columns = (max(n // (2 * TILES), 1) * 2 * TILES for n in grey.shape)
    return np.ascontiguousarray(grey[:rows, :columns])


def _scales(grey: Plane) -> tuple[Scale, Scale, Scale]:
    """Blur a plane to sigma 1, 2 and 4 px, each from the one before; the last at half the size, which costs a quarter."""
    step = math.sqrt(3) * FINE_SIGMA_PX  # from sigma s to 2 s
    first = cv2.GaussianBlur(grey, (0, 0), FINE_SIGMA_PX)
    second = cv2.GaussianBlur(first, (0, 0), step)
    half = cv2.resize(second, (max(1, grey.shape[1] // 2), max(1, grey.shape[0] // 2)), interpolation=cv2.INTER_AREA)
    third = cv2.GaussianBlur(half, (0, 0), step)
    return Scale(first, FINE_SIGMA_PX, 1), Scale(second, 2 * FINE_SIGMA_PX, 1), Scale(third, 4 * FINE_SIGMA_PX, 2)


def _outside_reflections(picture: Working) -> Plane:
    """Return 1 for every tile that no white blob touches and 0 for the others, float32[TILES, TILES]."""
    white = (picture.coarse.min(axis=2) >= _WHITE).astype(np.uint8)
    blobs = cv2.morphologyEx(white, cv2.MORPH_OPEN, np.ones((_BLOB_PX, _BLOB_PX), np.uint8))
    if not blobs.any():
        return np.ones((TILES, TILES), np.float32)
    around = cv2.dilate(blobs, np.ones((_AROUND_PX, _AROUND_PX), np.uint8)).astype(np.float32)
    weight = (cv2.resize(around, (TILES, TILES), interpolation=cv2.INTER_AREA) == 0).astype(np.float32)
    return np.asarray(weight if weight.any() else np.ones_like(weight), np.float32)


def _grain(tensor: NDArray[np.float32], *, noise: float) -> float:
    """Return the share of noise in the gradient energy of the most energetic tiles."""
    energy = float(np.sort(np.maximum(tensor[0] + tensor[1], 0))[-SHARPEST_TILES:].mean())
    of_noise = 2 * _noise_energy(noise, FINE_SIGMA_PX)
    return of_noise / max(energy + of_noise, 1e-9)


def _noise_energy(noise: float, sigma: float) -> float:
    """Return the energy of one derivative of a Gaussian on white noise, per pixel."""
    return noise * noise / (8 * math.pi * sigma**4)


def _evenness(ratios: NDArray[np.float64]) -> float:
    return float(ratios.min() / max(ratios.max(), 1e-6))


def _tensor(scale: Scale, *, weight: Plane, noise: float) -> NDArray[np.float32]:
    """Return the gradient energy of the tiles at one scale, float32[3, TILES * TILES]: xx, yy, xy, without noise."""
    gx = cv2.Sobel(scale.plane, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8 / scale.pixel)
    gy = cv2.Sobel(scale.plane, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8 / scale.pixel)
    planes = (cv2.multiply(gx, gx), cv2.multiply(gy, gy), cv2.multiply(gx, gy))
    tiles = [cv2.resize(plane, (TILES, TILES), interpolation=cv2.INTER_AREA) * weight for plane in planes]
    of_noise = weight * np.float32(_noise_energy(noise, scale.sigma))
    return np.asarray([(tiles[0] - of_noise).ravel(), (tiles[1] - of_noise).ravel(), tiles[2].ravel()], np.float32)


def _ratios(finer: NDArray[np.float32], coarser: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the energy ratio in each direction over its most energetic tiles, float64[DIRECTIONS]."""
    out = np.zeros(DIRECTIONS)
    for n in range(DIRECTIONS):
        c, s = math.cos(n * math.pi / DIRECTIONS), math.sin(n * math.pi / DIRECTIONS)
        weights = np.asarray([c * c, s * s, 2 * c * s], np.float32)
        along, wider = np.maximum(weights @ finer, 0), np.maximum(weights @ coarser, 0)
        best = np.argsort(along)[-SHARPEST_TILES:]
        energy = float(wider[best].sum())
        out[n] = float(along[best].sum()) / energy if energy > _LEAST_ENERGY * SHARPEST_TILES else 0.0
    return out
