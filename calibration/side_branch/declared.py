"""What a checkpoint's owner declares about its side branch, in ``derm_edge.json``; nothing here is guessed.

The mask is not part of the published checkpoint, and the code that would use it leaves policy and pictures open: so
whoever brings the checkpoint says them, with the mask's digest.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge_agent.contracts.manifest import Sha256, Strict
from edge_agent.contracts.side_branch import BranchPolicy, ImagePolicy


class Dimensions(Strict):
    """The branch's own sizes; the defaults are the published ones. Upstream keeps them in its code, not in config.json."""

    embed_size: int = 1024
    layers: int = 4
    experts: int = 8
    bottleneck: int = 64
    tone_size: int = 64
    text_bottleneck: int = 64


class DeclaredMask(Strict):
    """The vocabulary mask: ``file`` beside config.json, a JSON array of 0 and 1, one per token; and its digest."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
    sha256: Sha256


class DeclaredSideBranch(Strict):
    """The optional block ``side_branch`` of ``derm_edge.json``.

    ``scale`` must equal the checkpoint's ``logit_bias_scale``; None takes that. ``dimensions`` are the published ones
    unless a branch of other sizes was trained.
    """

    mask: DeclaredMask
    policy: BranchPolicy
    images: ImagePolicy
    scale: float | None = None
    dimensions: Dimensions = Dimensions()
