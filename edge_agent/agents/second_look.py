"""Look again at every view that seems to be ours, turned and mirrored; the scope decision averages all looks.

Skin has no right way up. A recogniser that is sure of a picture but not of the same picture turned has not recognised
anything, and a false "ours" is what this program must not say. The bundle declares how many looks its thresholds were
fitted with (``thresholds.scope_looks``); one look switches the second look off.

Does not decide: ``scope`` reads what was seen. Source: averaging over transformed copies of one input at prediction
time, e.g. Krizhevsky et al. 2012 section 4.1; measured for this use in ``docs/adr/0011-second-look.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edge_agent.agents.recognition import AgentEngine, describe
from edge_agent.agents.scope import candidates
from edge_agent.contracts.case import AgentOutput, Finding, Frame, View
from edge_agent.contracts.manifest import Thresholds

# (quarter turns, mirrored) of the square's eight symmetries, the most different first
ORIENTATIONS = ((0, False), (2, False), (1, True), (3, True), (0, True), (2, True), (1, False), (3, False))
OnProgress = Callable[[str, int, int], None]


def turned(frame: Frame, *, look: int) -> Frame:
    """Return one orientation of a picture; look 0 is the picture itself.

    Args:
        frame: uint8[H, W, C], any channel order.
        look: 0..7, a place in ``ORIENTATIONS``.

    Returns:
        uint8[H, W, C] or uint8[W, H, C], contiguous.
    """
    turns, is_mirrored = ORIENTATIONS[look]
    view = np.rot90(frame, turns)
    return np.ascontiguousarray(view[:, ::-1] if is_mirrored else view)


def look_again(
    engine: AgentEngine,
    found: Sequence[Finding],
    *,
    views: Sequence[View],
    thresholds: Thresholds,
    on_progress: OnProgress,
) -> Mapping[int, tuple[AgentOutput, ...]]:
    """Ask Rec about the other orientations of every view that seems to be ours.

    Args:
        engine: the engine that holds the recognition adapter.
        found: Rec's first look, one finding per view.
        views: the accepted pictures, in the same order.
        thresholds: the bundle's; ``scope_looks`` counts the first look too.
        on_progress: called as ("second_look", views done, views to do); never called when there is nothing to do.

    Returns:
        Per view index the further outputs; empty when nothing seems to be ours or one look is declared.

    Raises:
        ContractError: the engine answered fewer or more looks than it was given.
        InferenceError: the engine failed.
    """
    chosen = candidates(found, thresholds) if thresholds.scope_looks > 1 else ()
    frames = {view.index: view.frame for view in views}
    answers: dict[int, tuple[AgentOutput, ...]] = {}
    for done, index in enumerate(chosen):
        on_progress("second_look", done, len(chosen))
        encoded = [engine.encode(turned(frames[index], look=look)) for look in range(1, thresholds.scope_looks)]
        answers[index] = describe(engine, encoded)
    if chosen:
        on_progress("second_look", len(chosen), len(chosen))
    return answers
