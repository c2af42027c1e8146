"""Run the device's own scope decision on pictures whose right answer is known, and count.

Only Rec, the second look and the scope rule run: nothing behind them can turn a refusal into a reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.reference.cases import TONES, RenderedCase, case, text_case
from calibration.reference.pasted import PastedCase
from calibration.reference.photographs import Photograph
from calibration.reference.scores import wilson
from edge_agent.agents.recognition import AgentEngine, recognise
from edge_agent.agents.scope import decide, seems_ours
from edge_agent.agents.second_look import look_again
from edge_agent.contracts.case import View
from edge_agent.contracts.manifest import Thresholds

LOOK_AT = 5_000
FIRST = 110_000  # of the test split: benchmarks, golden cases, demo and tests read elsewhere


@dataclass(frozen=True, slots=True)
class ScopeCase:
    """One case to decide: ``pictures`` uint8[H, W, 3] RGB with the distance of each; ``tone`` 0 where nobody knows."""

    case_id: str
    tone: int
    pictures: tuple[tuple[NDArray[np.uint8], str | None], ...]
    is_cancer: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the device decided: ``in_scope | out_of_scope | abstained``; ``reasons`` of everything it withheld.

    ``surest`` is the highest probability (0..1) of the family in scope among the views that seem to show it.
    """

    case_id: str
    tone: int
    decision: str
    reasons: tuple[str, ...]
    is_cancer: bool
    surest: float = 0.0


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One line of the table: how often the wished outcome came, and what a constant answer would have had."""

    name: str
    wish: str
    outcomes: tuple[Outcome, ...]
    floor: float | None
    of_all: Callable[[Outcome], bool] = field(repr=False)

    @property
    def n(self) -> int:
        """Return the number of cases."""
        return len(self.outcomes)

    @property
    def hits(self) -> int:
        """Return how many had the wished outcome."""
        return sum(self.of_all(outcome) for outcome in self.outcomes)

    @property
    def is_met(self) -> bool | None:
        """Say whether the floor is met; None where there is none."""
        return None if self.floor is None else self.hits >= math.ceil(self.floor * self.n - 1e-9) and self.n > 0

    def constant(self, decision: str) -> float:
        """Return the share (0..1) that an answer which is always ``decision`` would reach."""
        return float(self.of_all(Outcome("", 0, decision, (), is_cancer=False)))

    def as_data(self) -> dict[str, Any]:
        """Return the figures as plain data, the cases that missed the wish by name."""
        low, high = wilson(self.hits, self.n)
        return {
            "name": self.name,
            "wish": self.wish,
            "n": self.n,
            "hits": self.hits,
            "share": round(self.hits / self.n, 4) if self.n else None,
            "interval": [round(low, 4), round(high, 4)] if self.n else None,
            "floor": self.floor,
            "is_met": self.is_met,
            "always_refuse": self.constant("out_of_scope"),
            "always_accept": self.constant("in_scope"),
            "missed": [outcome.case_id for outcome in self.outcomes if not self.of_all(outcome)],
        }


def is_read(outcome: Outcome) -> bool:
    """Say whether the device would go on to a syndrome."""
    return outcome.decision == "in_scope"


def is_refused(outcome: Outcome) -> bool:
    """Say whether the case ended out of scope or with an abstention."""
    return not is_read(outcome)


def decide_cases(
    engine: AgentEngine,
    cases: Sequence[ScopeCase],
    *,
    thresholds: Thresholds,
    tell: Callable[[int, int], None],
) -> tuple[Outcome, ...]:
    """Let the engine decide the scope of every case, as the device does, and forget each case afterwards.

    Args:
        engine: holds the bundle.
        cases: their pictures are handed over at full size.
        thresholds: the same bundle's.
        tell: called as (cases done, cases in all).
    """
    outcomes = []
    for done, one in enumerate(cases):
        views = tuple(
            View(index=n, frame=np.ascontiguousarray(pixels[:, :, ::-1]), shot=shot)
            for n, (pixels, shot) in enumerate(one.pictures)
        )
        found = recognise(engine, [engine.encode(view.frame) for view in views], views=views)
        further = look_again(engine, found, views=views, thresholds=thresholds, on_progress=_untold)
        scope = decide(found, thresholds, further=further, shots={view.index: view.shot for view in views})
        engine.forget()
        reasons = tuple(abstention.reason for abstention in scope.abstentions)
        ours = [row.in_scope_family for row in scope.views if seems_ours(row.applicability, row.family)]
        surest = max(ours, default=0.0)
        outcomes.append(Outcome(one.case_id, one.tone, scope.decision, reasons, one.is_cancer, surest))
        tell(done + 1, len(cases))
    return tuple(outcomes)


def rendered(wanted: Callable[[RenderedCase], bool], *, per_tone: int, look_at: int = LOOK_AT) -> Iterator[ScopeCase]:
    """Draw the first ``per_tone`` wanted cases of each tone from a far part of the test split.

    Args:
        wanted: chooses before anything is drawn.
        per_tone: cases of each tone; fewer where too few are wanted.
        look_at: how many cases of the split to look at.
    """
    missing = dict.fromkeys(TONES, per_tone)
    for index in range(FIRST, FIRST + look_at):
        if not any(missing.values()):
            return
        bare = text_case("test", index)
        if missing[bare.tone] and wanted(bare):
            missing[bare.tone] -= 1
            drawn = case("test", index)
            yield ScopeCase(drawn.case_id, drawn.tone, tuple((view.pixels, view.shot) for view in drawn.views))


def from_pasted(cases: Iterable[PastedCase]) -> Iterator[ScopeCase]:
    """Hand pasted cases over."""
    for one in cases:
        yield ScopeCase(one.case_id, one.tone, tuple((view.pixels, view.shot) for view in one.views))


def from_photographs(photos: Iterable[Photograph]) -> Iterator[ScopeCase]:
    """Hand whole photographs over, one case each, without a word about their distance."""
    for photo in photos:
        yield ScopeCase(photo.image_id, 0, ((photo.pixels, None),), is_cancer=photo.is_cancer)


def _untold(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody: cases are counted, not their looks."""
