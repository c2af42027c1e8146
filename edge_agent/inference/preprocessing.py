"""Turn a frame into the patches that the vision tower was trained on.

Every step is bit-equal to transformers' slow ``Qwen2VLImageProcessor`` on the same picture
(tests/parity/test_preprocessing.py). The resize is Pillow's bicubic, as in training: OpenCV's does not
antialias, so the same picture would give other patches.

Source: transformers 4.57.6, models/qwen2_vl/image_processing_qwen2_vl.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_agent.contracts.case import Frame
from edge_agent.contracts.manifest import PreprocessingSpec, VisionSpec
from edge_agent.errors import InferenceError

_MAX_ASPECT_RATIO = 200  # transformers refuses beyond it
_RESCALE = 1 / 255


@dataclass(frozen=True, slots=True)
class Patches:
    """One picture, cut: ``pixel_values`` float32[P, C*T*p*p] in merge order and its grid (t, h, w) in patches."""

    pixel_values: NDArray[np.float32]
    grid_thw: tuple[int, int, int]


def smart_resize(height: int, width: int, *, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Choose the size on the ``factor`` grid inside the pixel budget that keeps the aspect ratio best.

    Does not resize anything. Rounds half to even, as Python and the training stack do.

    Args:
        height: px, as captured.
        width: px, as captured.
        factor: px of one visual token's side (patch_size * spatial_merge_size).
        min_pixels: least height * width.
        max_pixels: largest height * width.

    Returns:
        (height, width) in px, both multiples of ``factor``.

    Raises:
        InferenceError: a side is zero or the picture is a strip.
    """
    if min(height, width) <= 0 or max(height, width) / min(height, width) > _MAX_ASPECT_RATIO:
        raise InferenceError(f"a picture of {width} x {height} px is too narrow to read; crop it", width=width)
    h, w = round(height / factor) * factor, round(width / factor) * factor
    if h * w > max_pixels:
        beta = math.sqrt((height * width) / max_pixels)
        h = max(factor, math.floor(height / beta / factor) * factor)
        w = max(factor, math.floor(width / beta / factor) * factor)
    elif h * w < min_pixels:
        beta = math.sqrt(min_pixels / (height * width))
        h = math.ceil(height * beta / factor) * factor
        w = math.ceil(width * beta / factor) * factor
    return h, w


def resize(frame_rgb: NDArray[np.uint8], *, height: int, width: int) -> NDArray[np.uint8]:
    """Resize with Pillow's antialiased bicubic.

    Args:
        frame_rgb: uint8[H, W, 3], RGB.
        height: px of the result.
        width: px of the result.

    Returns:
        uint8[height, width, 3], RGB.
    """
    image = Image.fromarray(frame_rgb)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


def preprocess(frame: Frame, *, spec: PreprocessingSpec, vision: VisionSpec) -> Patches:
    """Cut one frame into normalised patches. Does not judge its quality.

    Args:
        frame: uint8[H, W, 3], BGR, as captured.
        spec: pixel budget, mean and std of the bundle.
        vision: patch, merge and temporal sizes of the bundle.

    Returns:
        float32[P, 1176] for Qwen2.5-VL, one row per patch in merge order, and the grid.

    Raises:
        InferenceError: the frame is empty or not three channels of uint8.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.size == 0:
        raise InferenceError(f"a frame must be uint8[H, W, 3], not {frame.dtype}{list(frame.shape)}")
    h, w = smart_resize(
        frame.shape[0],
        frame.shape[1],
        factor=vision.patch_size * vision.spatial_merge_size,
        min_pixels=spec.min_pixels,
        max_pixels=spec.max_pixels,
    )
    rgb = resize(np.ascontiguousarray(frame[:, :, ::-1]), height=h, width=w)
    return _cut(_normalise(rgb, spec=spec), vision=vision)


def _normalise(rgb: NDArray[np.uint8], *, spec: PreprocessingSpec) -> NDArray[np.float32]:
    """Return float32[3, H, W]. One table per channel: 256 possible inputs, the training stack's own arithmetic."""
    levels = (np.arange(256, dtype=np.float64) * _RESCALE).astype(np.float32)
    out = np.empty((3, rgb.shape[0], rgb.shape[1]), dtype=np.float32)
    for channel in range(3):
        table = (levels - np.float32(spec.image_mean[channel])) / np.float32(spec.image_std[channel])
        out[channel] = table[rgb[:, :, channel]]
    return out


def _cut(chw: NDArray[np.float32], *, vision: VisionSpec) -> Patches:
    """Cut float32[3, H, W] into rows of (channel, time, y, x), 2 x 2 patches of one visual token side by side."""
    p, m, t = vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size
    channels, height, width = chw.shape
    grid_h, grid_w = height // p, width // p
    frames = np.repeat(chw[np.newaxis], t, axis=0)  # a still is repeated over the temporal patch
    cut = frames.reshape(1, t, channels, grid_h // m, m, p, grid_w // m, m, p)
    cut = cut.transpose(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return Patches(cut.reshape(grid_h * grid_w, channels * t * p * p), (1, grid_h, grid_w))
