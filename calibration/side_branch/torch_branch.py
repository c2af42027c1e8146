"""The side branch in PyTorch, FP32, written from the published structure: the only source of its expected values.

Does not know OpenVINO. Experts run on the patches that chose them, one expert after the other; the device computes all of
them and weighs most with zero: the two agree by arithmetic, not by sharing code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calibration.side_branch.declared import Dimensions
from calibration.side_branch.structure import RENORMALISE, SCALE_KEY, TOP_K
from edge_agent.contracts.side_branch import BranchPolicy, ImagePolicy
from edge_agent.errors import ExportError

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the branch sees in one picture: ``embed`` float32[E], ``tone_logits`` float32[3]."""

    embed: Any
    tone_logits: Any


class TorchSideBranch:
    """The branch's forward pass over tensors by their checkpoint keys, with mask, scale and policies as declared."""

    def __init__(
        self,
        tensors: Mapping[str, Array],
        *,
        dimensions: Dimensions,
        mask: NDArray[np.bool_],
        policy: BranchPolicy,
        images: ImagePolicy,
    ) -> None:
        self._tensors = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
        self._dimensions = dimensions
        self._mask = torch.from_numpy(mask.astype(np.float32))
        self.scale = float(tensors[SCALE_KEY])
        self.policy = policy
        self.images = images

    def see(self, pixel_values: Any) -> Seen:
        """Read one picture's raw patches, a torch tensor float32[P, D]."""
        with torch.no_grad():
            h = self._linear(pixel_values.float(), "distill_head.in_proj")
            tone = self._linear(h.mean(dim=0, keepdim=True), "distill_head.skin_classifier.0")
            tone = self._linear(torch.relu(tone), "distill_head.skin_classifier.2")
            chances = torch.softmax(tone, dim=-1).expand(h.shape[0], -1)
            for layer in range(self._dimensions.layers):
                h = h + self._experts(h, chances, above=f"distill_head.adapters.{layer}")
            return Seen(h.mean(dim=0), tone[0])

    def bias(self, pictures: Sequence[Any], *, head: Any) -> Any:
        """Return the vector that is added to the logits, float32[V]; what several pictures mean is the image policy's.

        Args:
            pictures: raw patches per picture; at least one.
            head: the backbone's lm_head, a torch module without bias.

        Raises:
            ExportError: several pictures under the policy ``one``.
        """
        if len(pictures) > 1 and self.images == "one":
            raise ExportError(f"the side branch takes one picture, {len(pictures)} were given; declare the policy mean")
        with torch.no_grad():
            embed = torch.stack([self.see(one).embed for one in pictures]).mean(dim=0)
            hidden = self._linear(torch.tanh(self._linear(embed, "text_bias.0")), "text_bias.2")
            return self.scale * torch.nn.functional.linear(hidden, head.weight.float()) * self._mask

    def _experts(self, h: Any, chances: Any, *, above: str) -> Any:
        logits = self._linear(h, f"{above}.router_img") + self._linear(chances, f"{above}.router_skin")
        values, chosen = torch.topk(torch.softmax(logits, dim=-1), TOP_K, dim=-1)
        values = values / (values.sum(dim=-1, keepdim=True) + RENORMALISE)
        out = torch.zeros_like(h)
        for expert in range(self._dimensions.experts):
            rows, places = torch.nonzero(chosen == expert, as_tuple=True)
            if len(rows):
                inner = torch.relu(self._linear(h[rows], f"{above}.experts.{expert}.net.0"))
                out[rows] += values[rows, places, None] * self._linear(inner, f"{above}.experts.{expert}.net.2")
        return out

    def _linear(self, x: Any, path: str) -> Any:
        return torch.nn.functional.linear(x, self._tensors[f"{path}.weight"], self._tensors.get(f"{path}.bias"))
