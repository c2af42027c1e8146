"""Encode one view, once: the vision tower and its inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_agent.contracts.case import Frame
from edge_agent.contracts.manifest import PreprocessingSpec, VisionSpec
from edge_agent.inference.memory import trim_heap
from edge_agent.inference.positions import Grid, rotary_angles, window_index, window_mask
from edge_agent.inference.preprocessing import Patches, preprocess
from edge_agent.inference.runtime import infer
from edge_agent.inference.side_branch import BranchFeatures, SideBranch
from edge_agent.inference.windows import FULL_MASK, WINDOW_MASK, window_size, window_tensors


@dataclass(frozen=True, slots=True)
class EncodedView:
    """One view as the language model sees it.

    ``embeddings`` is float32[N, H], one row per merged token; ``grid_thw`` is in patches; ``key`` (62 bits of the
    patches' SHA-256) lets the prefix cache tell two pictures apart. Lives in memory only: ``key`` would identify
    the picture and must never be stored or sent. ``branch`` is what a side branch saw, None without one.
    """

    embeddings: NDArray[np.float32]
    grid_thw: Grid
    key: int
    branch: BranchFeatures | None = None


@dataclass(frozen=True, slots=True)
class VisionModels:
    """The compiled parts: patch ``embeddings``, and the ViT with its ``merger``.

    ``has_split_windows``: ``windows.split_windows`` rewrote the merger, which so has other inputs.
    """

    embeddings: ov.InferRequest
    merger: ov.InferRequest
    has_split_windows: bool = False


class VisionTower:
    """Patch embedding and ViT with merger, and the side branch beside them. Encodes; keeps no picture.

    Its models may be dropped between two pictures (``rest``) and are then compiled again for the next one.
    """

    def __init__(
        self,
        load: Callable[[], VisionModels],
        *,
        vision: VisionSpec,
        preprocessing: PreprocessingSpec,
        settle: Callable[[Callable[[], None]], None],
        is_dropped: Callable[[], bool],
        side_branch: SideBranch | None = None,
    ) -> None:
        """Load the models.

        Args:
            load: reads and compiles them; called again after they were dropped.
            vision: sizes.
            preprocessing: how frames become patches.
            settle: called with a first run behind every ``load``: when the runtime packs the weights.
            is_dropped: asked at ``rest`` whether the models go, too.
            side_branch: sees the same patches; None without one.

        Raises:
            InferenceError: the device cannot compile them.
        """
        self._load, self._settle, self._is_dropped = load, settle, is_dropped
        self._side_branch = side_branch
        self._vision = vision
        self._preprocessing = preprocessing
        self._models: VisionModels | None = None
        self._loaded()
        self._is_used = False

    @property
    def is_loaded(self) -> bool:
        """Tell whether the models are in memory."""
        return self._models is not None

    def rest(self) -> None:
        """Drop the models after the last picture for now, where that is wished; encoding goes on as before.

        Does nothing when nothing was encoded since the last time. The runtime's own way to free its buffers
        (``CompiledModel.release_memory``) is not used: measured with OpenVINO 2026.4.1, it corrupts the heap.
        """
        if self._is_used and self._is_dropped():
            self._models, self._is_used = None, False
            trim_heap()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the models while the block runs, whatever ``rest`` would do."""
        before, self._is_dropped = self._is_dropped, lambda: False
        try:
            yield
        finally:
            self._is_dropped = before

    def _loaded(self) -> VisionModels:
        """Return the models, loaded again if they were dropped."""
        if self._models is None:
            self._models = self._load()
            self._settle(self._warm_up)
        return self._models

    def _warm_up(self) -> None:
        """Run the smallest picture, so that the runtime packs the weights now."""
        side, spec = self._vision.spatial_merge_size, self._vision
        width = 3 * spec.temporal_patch_size * spec.patch_size**2
        self.encode_patches(Patches(np.zeros((side * side, width), dtype=np.float32), (1, side, side)))

    @property
    def has_split_windows(self) -> bool:
        """Say whether windowed blocks attend inside their windows; False: over all pairs, under a mask."""
        return self._loaded().has_split_windows

    def encode(self, frame: Frame) -> EncodedView:
        """Encode one frame (uint8[H, W, 3], BGR). Does not cache: the caller keeps the view.

        Raises:
            InferenceError: the frame is unusable or the runtime failed.
        """
        return self.encode_patches(preprocess(frame, spec=self._preprocessing, vision=self._vision))

    def encode_patches(self, patches: Patches) -> EncodedView:
        """Encode patches that were cut before; raises InferenceError as ``encode`` does."""
        models, self._is_used = self._loaded(), True
        doing = "the vision tower cannot run"
        hidden = infer(models.embeddings, {"hidden_states": patches.pixel_values}, doing=doing)
        tensors = {"hidden_states": hidden, **self._grid_tensors(patches.grid_thw)}
        digest = hashlib.sha256(patches.pixel_values.tobytes()).digest()
        return EncodedView(
            embeddings=infer(models.merger, tensors, doing=doing),
            grid_thw=patches.grid_thw,
            key=int.from_bytes(digest[:8], "big") >> 2,
            branch=None if self._side_branch is None else self._side_branch.features(patches.pixel_values),
        )

    def _grid_tensors(self, grid: Grid) -> dict[str, NDArray[np.generic]]:
        """Return the merger's inputs that follow from the grid alone."""
        order, borders = window_index(grid, vision=self._vision)
        tensors: dict[str, NDArray[np.generic]] = {
            "window_index": order,
            "rotary_pos_emb": rotary_angles(grid, vision=self._vision),
        }
        if self._loaded().has_split_windows:
            return tensors | window_tensors(borders, size=window_size(self._vision))
        count = int(borders[-1])
        full = np.zeros((1, count, count), dtype=np.float32)  # one picture attends to all of itself
        return tensors | {FULL_MASK: full, WINDOW_MASK: window_mask(borders)}
