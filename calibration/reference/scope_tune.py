"""Raise the scope threshold until every photograph of the half ``tune`` is refused.

None of them shows what is in scope: whichever is read on is a mistake, and drawings alone cannot show it. Raising refuses
more and never less, so the promise on drawn cases may be spent; the scope table judges both. The half ``test`` takes no
part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from calibration.reference.photographs import Photograph
from calibration.reference.scope_cases import decide_cases, from_photographs, is_read
from edge_agent.agents.recognition import AgentEngine
from edge_agent.contracts.manifest import Thresholds

STEP = 100  # thresholds are raised to the next hundredth: fifteen photographs know no more than that


def raised(
    engine: AgentEngine, thresholds: Thresholds, photos: Sequence[Photograph], *, tell: Callable[[int, int], None]
) -> float:
    """Return ``in_scope_family``, raised above the surest photograph that the device would read on.

    Args:
        engine: holds the bundle that the thresholds were fitted on.
        thresholds: as fitted on drawn cases.
        photos: the half ``tune``.
        tell: called as (photographs done, photographs in all).

    Raises:
        InferenceError: the engine failed.
    """
    outcomes = decide_cases(engine, list(from_photographs(photos)), thresholds=thresholds, tell=tell)
    surest = max((outcome.surest for outcome in outcomes if is_read(outcome)), default=None)
    if surest is None:
        return thresholds.in_scope_family
    return min(1.0, (math.floor(surest * STEP) + 1) / STEP)
