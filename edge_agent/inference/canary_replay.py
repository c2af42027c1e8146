"""Replay a bundle's canary prompts: this machine's logits against those of PyTorch + PEFT from the build.

Judges nothing: ``canary.CanaryReport`` does. Reads the archive through ``canary.read_canary``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import Frame
from edge_agent.contracts.manifest import AgentName
from edge_agent.errors import RejectedError
from edge_agent.inference.canary import BARE, SIDE_BRANCH, CanaryRow, compare, read_canary
from edge_agent.inference.vision import EncodedView

Floats = NDArray[np.float32]


class Logits(Protocol):
    """The engine's ``logits``."""

    def __call__(
        self,
        input_ids: Sequence[int],
        *,
        adapter: AgentName | None,
        views: Sequence[EncodedView],
        last: int,
        is_branched: bool,
    ) -> Floats:
        """Return float32[last, V]."""
        ...


def replay_canary(
    bundle: Bundle, *, encode: Callable[[Frame], EncodedView], logits: Logits, has_branch: bool
) -> tuple[CanaryRow, ...]:
    """Compute every canary prompt and compare, one row per label.

    Args:
        bundle: holds the prompts.
        encode: the engine's ``encode``.
        logits: the engine's ``logits``.
        has_branch: the engine runs a side branch; the canary must then show it.

    Raises:
        RejectedError: the canary cannot be read, names an unknown adapter, or shows nothing of the side branch.
        InferenceError: the runtime failed.
    """
    names = [adapter.name for adapter in bundle.manifest.adapters]
    pairs: dict[str, list[tuple[Floats, Floats]]] = {}
    for case in read_canary(bundle.path_of("canary")):
        adapter = next((name for name in names if name == case.label), None)
        is_branched = case.label == SIDE_BRANCH and has_branch
        if adapter is None and not is_branched and case.label != BARE:
            raise RejectedError(f"the canary names the adapter {case.label}, which the bundle does not have")
        views = [] if case.frame is None else [encode(case.frame)]
        ids, last = case.input_ids.tolist(), case.logits.shape[0]
        found = logits(ids, adapter=adapter, views=views, last=last, is_branched=is_branched)
        pairs.setdefault(case.label, []).append((found, case.logits))
    if has_branch and SIDE_BRANCH not in pairs:
        raise RejectedError("the canary shows nothing of the side branch; build the bundle again")
    return tuple(compare(label, both) for label, both in pairs.items())
