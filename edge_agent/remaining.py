"""Say how long a case will still take: from how long the stages of earlier cases took, else from the profile's prediction.

An estimate for a person who waits; nothing is decided by it. It never goes below zero and never counts a stage twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

STAGES: Final = ("encode", "recognition", "second_look", "representation", "reasoning")
PER_VIEW: Final = frozenset({"encode", "recognition", "second_look"})
NEWEST: Final = 0.5  # how much the newest case counts; a device that throttles shows within two cases
END: Final = "report"
Pace = Mapping[str, float]  # stage -> seconds, of one picture for the stages of PER_VIEW
Predict = Callable[[int], float]
NO_PACE: Final[Pace] = MappingProxyType({})


def learn(pace: Pace, report: Mapping[str, Any]) -> Pace:
    """Return the pace with one more case in it; a stage that the case did not have keeps its figure.

    Args:
        pace: of the earlier cases.
        report: of the finished case; its ``timings_ms`` and the number of its pictures are read.
    """
    timings = report.get("provenance", {}).get("timings_ms", {})
    views = len(report.get("recognition", []))
    known = dict(pace)
    for stage in STAGES:
        if stage not in timings or (stage in PER_VIEW and views == 0):
            continue
        seconds = timings[stage] / 1000 / (views if stage in PER_VIEW else 1)
        known[stage] = seconds if stage not in pace else NEWEST * seconds + (1 - NEWEST) * pace[stage]
    return MappingProxyType(known)


def remaining_s(pace: Pace, *, stage: str, done: int, total: int, views: int, spent_s: float) -> float | None:
    """Return the seconds that a case will still take, or None where no earlier case says.

    Args:
        pace: of earlier cases.
        stage: the stage that runs; one that is not known counts as before all of them, ``report`` as the end.
        done: how much of the stage is done, of ``total``.
        total: see ``done``; 0 where nobody knows.
        views: the pictures of the case.
        spent_s: seconds since ``done`` last changed.
    """
    if stage == END:
        return 0.0
    if not pace:
        return None
    place = STAGES.index(stage) if stage in STAGES else -1
    later = sum(_whole(pace, name, views) for name in STAGES[place + 1 :])
    if place < 0:
        return later
    left = 1.0 - done / total if total else 1.0
    return max(0.0, _whole(pace, stage, views) * left - (spent_s if left else 0.0)) + later


def _whole(pace: Pace, stage: str, views: int) -> float:
    return pace.get(stage, 0.0) * (views if stage in PER_VIEW else 1)


class Countdown:
    """Follow one case and say after every step how long it will still take.

    Args:
        pace: of earlier cases.
        clock: seconds, monotonic.
        predict: the seconds of a whole case of so many pictures as the profile predicts them, for a device that has run
            none yet; None: nobody knows.
    """

    def __init__(self, pace: Pace, *, clock: Callable[[], float], predict: Predict | None = None) -> None:
        self._pace, self._clock, self._predict = pace, clock, predict
        self._views = 1  # until the first stage tells
        self._began = self._since = clock()
        self._step = ("", 0, 0)

    def at(self, stage: str, done: int, total: int) -> float | None:
        """Return the seconds that are left, rounded to tenths; None where nobody knows.

        A stage inside another one (the words that an agent writes) goes on counting from where that one began.
        """
        now = self._clock()
        if stage == STAGES[0]:
            self._views = total
        if stage in STAGES or stage == END:
            if self._step != (stage, done, total):
                self._since = now
            self._step = (stage, done, total)
        name, past, of = self._step
        found = remaining_s(self._pace, stage=name, done=past, total=of, views=self._views, spent_s=now - self._since)
        if found is None and self._predict is not None:
            found = max(0.0, self._predict(self._views) - (now - self._began))
        return None if found is None else round(found, 1)
