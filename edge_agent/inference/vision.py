"""Encode one view, once: the vision tower and its inputs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from edge_agent.contracts.case import Frame
from edge_agent.contracts.manifest import PreprocessingSpec, VisionSpec
from edge_agent.inference.positions import Grid, rotary_angles, window_index, window_mask
from edge_agent.inference.preprocessing import Patches, preprocess
from edge_agent.inference.runtime import infer
from edge_agent.inference.side_branch import BranchFeatures, SideBranch


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


class VisionTower:
    """Patch embedding and ViT with merger, and the side branch beside them. Encodes; keeps nothing."""

    def __init__(
        self,
        embeddings: ov.InferRequest,
        *,
        merger: ov.InferRequest,
        vision: VisionSpec,
        preprocessing: PreprocessingSpec,
        side_branch: SideBranch | None = None,
    ) -> None:
        self._side_branch = side_branch
        self._embeddings = embeddings
        self._merger = merger
        self._vision = vision
        self._preprocessing = preprocessing

    def encode(self, frame: Frame) -> EncodedView:
        """Encode one frame (uint8[H, W, 3], BGR). Does not cache: the caller keeps the view.

        Raises:
            InferenceError: the frame is unusable or the runtime failed.
        """
        return self.encode_patches(preprocess(frame, spec=self._preprocessing, vision=self._vision))

    def encode_patches(self, patches: Patches) -> EncodedView:
        """Encode patches that were cut before; raises InferenceError as ``encode`` does."""
        order, borders = window_index(patches.grid_thw, vision=self._vision)
        count = patches.pixel_values.shape[0]
        doing = "the vision tower cannot run"
        hidden = infer(self._embeddings, {"hidden_states": patches.pixel_values}, doing=doing)
        tensors: dict[str, NDArray[np.generic]] = {
            "hidden_states": hidden,
            "attention_mask": np.zeros((1, count, count), dtype=np.float32),  # one picture attends to all of itself
            "window_attention_mask": window_mask(borders),
            "window_index": order,
            "rotary_pos_emb": rotary_angles(patches.grid_thw, vision=self._vision),
        }
        digest = hashlib.sha256(patches.pixel_values.tobytes()).digest()
        return EncodedView(
            embeddings=infer(self._merger, tensors, doing=doing),
            grid_thw=patches.grid_thw,
            key=int.from_bytes(digest[:8], "big") >> 2,
            branch=None if self._side_branch is None else self._side_branch.features(patches.pixel_values),
        )
