"""The published structure of SkinGPT-R1's side branch: its tensors by checkpoint key, with their shapes.

    in_proj            Linear(patch -> embed, no bias) on raw processor patches (pixel_values, not ViT features)
    skin_classifier    Linear(embed -> tone) ReLU Linear(tone -> 3) on the mean over the patches
    adapters           each: softmax(router_img(h) + router_skin(softmax(tone logits))), the two likeliest experts,
                       renormalised (+1e-6); expert = Linear(embed -> bottleneck) ReLU Linear(bottleneck -> embed); residual
    vision_embed       mean over the picture's patches
    text_bias          Linear(embed -> bottleneck, no bias) Tanh Linear(bottleneck -> hidden, no bias)
    logits            += logit_bias_scale * lm_head(text_bias(vision_embed)) * skin_vocab_mask

With the published sizes and hidden 3584 that is 5,826,916 parameters. ``distill_head.out_proj`` exists only while a
teacher of another width is distilled; it touches no logit and is no part of a released checkpoint.

Source: arXiv 2511.15242 and the published model class ``SkinVLModelWithAdapter`` (MIT), read 2026-11; written anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibration.side_branch.declared import Dimensions
from edge_agent.contracts.side_branch import TONE_CLASSES
from edge_agent.inference.side_branch import linear_names

CLASS_NAME = "SkinVLModelWithAdapter"
SCALE_KEY = "logit_bias_scale"
PREFIXES = ("distill_head.", "text_bias.", SCALE_KEY)
TOP_K = 2
RENORMALISE = 1e-6  # upstream adds it to the sum of the two weights
# The linears that upstream builds without a bias.
_WITHOUT_BIAS = ("in_proj", "router_img", "router_skin")


@dataclass(frozen=True, slots=True)
class Structure:
    """The branch's sizes beside its backbone's: values of one raw patch, and the backbone's hidden size."""

    dimensions: Dimensions
    patch_features: int
    hidden_size: int

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Return every tensor's shape by its key in the checkpoint."""
        shapes: dict[str, tuple[int, ...]] = {}
        for path in linear_names(layers=self.dimensions.layers, experts=self.dimensions.experts):
            rows, columns = self._linear(path)
            shapes[f"{path}.weight"] = (rows, columns)
            if not path.endswith(_WITHOUT_BIAS) and not path.startswith("text_bias."):
                shapes[f"{path}.bias"] = (rows,)
        return {**shapes, SCALE_KEY: ()}

    def parameters(self) -> int:
        """Return how many numbers the branch has."""
        return sum(math.prod(shape) for shape in self.tensors().values())

    def _linear(self, path: str) -> tuple[int, int]:
        """Return a linear's (out, in)."""
        d, last = self.dimensions, path.rsplit(".", 1)[-1]
        if path.startswith("text_bias."):
            return (d.text_bottleneck, d.embed_size) if last == "0" else (self.hidden_size, d.text_bottleneck)
        if "skin_classifier" in path:
            return (d.tone_size, d.embed_size) if last == "0" else (len(TONE_CLASSES), d.tone_size)
        if ".experts." in path:
            return (d.bottleneck, d.embed_size) if last == "0" else (d.embed_size, d.bottleneck)
        inputs = {"in_proj": self.patch_features, "router_img": d.embed_size, "router_skin": len(TONE_CLASSES)}
        return (d.embed_size if last == "in_proj" else d.experts, inputs[last])
