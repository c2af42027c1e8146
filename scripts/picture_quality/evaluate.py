"""Count the gate's verdicts per group of pictures and way of spoiling, and time it."""

from __future__ import annotations

import math
import time
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np

from edge_agent.capture.quality.coach import coach
from edge_agent.capture.quality.gate import Quality, judge
from edge_agent.contracts.case import Frame
from scripts.picture_quality.degrade import WAYS, Way
from scripts.picture_quality.pictures import Picture

ORIGINAL = "as taken"
_Z = NormalDist().inv_cdf(0.975)
_REPEATS = 60


@dataclass(slots=True)
class Row:
    """Verdicts on one group of pictures spoiled in one way; ``expect`` is what a person would do."""

    group: str
    way: str
    kind: str
    expect: str
    accepted: int = 0
    warned: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def n(self) -> int:
        """Return how many pictures there were."""
        return self.accepted + self.warned + self.refused

    def count(self, quality: Quality) -> None:
        """Add one verdict."""
        self.accepted += quality.verdict == "accepted"
        self.warned += quality.verdict == "accepted_with_warning"
        self.refused += quality.verdict == "refused"
        self.reasons.update(quality.reasons)

    def plain(self) -> dict[str, Any]:
        """Return the row for a JSON file, reasons by how often."""
        return asdict(self) | {"reasons": dict(sorted(self.reasons.items(), key=lambda pair: (-pair[1], pair[0])))}


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the two-sided 95 % bounds of a share.

    Source: Wilson, Journal of the American Statistical Association 22:209 (1927).
    """
    if n == 0:
        return 0.0, 1.0
    p, z2 = hits / n, _Z * _Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def evaluate(pictures: Iterable[Picture], *, ways: tuple[Way, ...] = WAYS) -> list[Row]:
    """Judge every picture as it is and spoiled in every way.

    A photograph that a person called soft is counted apart as it is, and not spoiled: its copies prove nothing.
    """
    rows: dict[tuple[str, str], Row] = {}
    for picture in pictures:
        if picture.group == "thing":
            _row(rows, picture.name, Way("thing", "thing", "report", lambda f, _: f)).count(_judged(picture, None))
            continue
        group = picture.group if picture.is_sharp else f"{picture.group}, soft"
        _row(rows, group, Way(ORIGINAL, ORIGINAL, "accept", lambda f, _: f)).count(_judged(picture, None))
        for way in ways if picture.is_sharp else ():
            _row(rows, group, way).count(_judged(picture, way))
    return list(rows.values())


def _row(rows: dict[tuple[str, str], Row], group: str, way: Way) -> Row:
    return rows.setdefault((group, way.name), Row(group, way.name, way.group, way.expect))


def _judged(picture: Picture, way: Way | None) -> Quality:
    rng = np.random.default_rng(zlib.crc32(f"{picture.name} {way.name if way else ''}".encode()))
    return judge([way.spoil(picture.frame, rng) if way else picture.frame], shot=picture.shot)


def timing(frame: Frame) -> dict[str, float]:
    """Return median and 95th percentile milliseconds of one core for a frame of 1280 x 720."""
    scene = np.asarray(cv2.resize(frame, (1280, 720), interpolation=cv2.INTER_CUBIC), np.uint8)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        found: dict[str, float] = {}
        for name, call in (("judge", lambda: judge([scene])), ("coach", lambda: coach([scene, scene]))):
            spent = []
            for _ in range(_REPEATS):
                started = time.process_time()
                call()
                spent.append(1000 * (time.process_time() - started))
            found |= {f"{name}_median_ms": float(np.median(spent)), f"{name}_p95_ms": float(np.percentile(spent, 95))}
        return found
    finally:
        cv2.setNumThreads(threads)
