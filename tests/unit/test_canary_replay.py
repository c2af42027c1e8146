"""Every canary prompt is computed under its own label, and a label that the bundle cannot run is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.manifest import AgentName, FileEntry
from edge_agent.errors import RejectedError
from edge_agent.inference.canary import SIDE_BRANCH, CanaryRow
from edge_agent.inference.canary_replay import replay_canary
from tests.simulators.cases import manifest

Floats = NDArray[np.float32]
EXPECTED = np.array([[1, 2, 3, 4]], np.float32)


class Recorder:
    """Gives always the same logits and notes how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], AgentName | None, int, int, bool]] = []

    def __call__(
        self,
        input_ids: Sequence[int],
        *,
        adapter: AgentName | None,
        views: Sequence[Any],
        last: int,
        is_branched: bool,
    ) -> Floats:
        """Return float32[1, 4], a quarter off at one word."""
        self.asked.append((list(input_ids), adapter, len(views), last, is_branched))
        return EXPECTED + np.array([[0, 0.25, 0, 0]], np.float32)


def bundle_of(folder: Path, *labels: str, frame: bool = False) -> Bundle:
    """Return a bundle that holds nothing but one canary prompt per label."""
    arrays: dict[str, Any] = {}
    for label in labels:
        arrays |= {f"{label}.0.input_ids": np.array([7, 8]), f"{label}.0.logits": EXPECTED}
        if frame:
            arrays[f"{label}.0.frame"] = np.zeros((28, 28, 3), np.uint8)
    np.savez(folder / "canary.npz", **arrays)
    entry = FileEntry(path="canary.npz", role="canary", size_bytes=1, sha256="0" * 64)
    return Bundle(folder, manifest().model_copy(update={"files": [entry]}), "nobody")


def replay(bundle: Bundle, logits: Recorder, *, has_branch: bool = False) -> tuple[CanaryRow, ...]:
    """Replay with frames as their own encoding."""
    return replay_canary(bundle, encode=lambda frame: frame, logits=logits, has_branch=has_branch)  # type: ignore[arg-type,return-value]


def test_every_label_runs_under_its_own_gate(tmp_path: Path) -> None:
    """The bare backbone without an adapter, an adapter under its name, the branch only by its own label."""
    logits = Recorder()
    rows = replay(bundle_of(tmp_path, "bare", "reasoning", SIDE_BRANCH), logits, has_branch=True)
    assert logits.asked == [
        ([7, 8], None, 0, 1, False),
        ([7, 8], "reasoning", 0, 1, False),
        ([7, 8], None, 0, 1, True),
    ]
    assert rows == tuple(CanaryRow(label, 0.25, 1.0) for label in ("bare", "reasoning", SIDE_BRANCH))


def test_a_prompt_with_a_picture_is_shown_it(tmp_path: Path) -> None:
    """The frame goes through the vision tower of this machine."""
    logits = Recorder()
    replay(bundle_of(tmp_path, "recognition", frame=True), logits)
    assert logits.asked == [([7, 8], "recognition", 1, 1, False)]


@pytest.mark.parametrize("label", ["triage", SIDE_BRANCH])
def test_a_label_that_the_bundle_cannot_run_is_refused(tmp_path: Path, label: str) -> None:
    """An unknown adapter, and a branch that was not loaded: never compared with the bare backbone instead."""
    with pytest.raises(RejectedError, match=f"the canary names the adapter {label}, which the bundle does not have"):
        replay(bundle_of(tmp_path, "bare", label), Recorder())


def test_a_branch_that_the_canary_does_not_show_is_refused(tmp_path: Path) -> None:
    """Nothing would have judged it."""
    with pytest.raises(RejectedError, match="the canary shows nothing of the side branch"):
        replay(bundle_of(tmp_path, "bare"), Recorder(), has_branch=True)
