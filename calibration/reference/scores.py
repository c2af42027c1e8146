"""Count right answers per field and tone, with an interval and the constant answer beside them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from calibration.reference.confidence import (
    NOTHING,
    adaptive_calibration_error,
    calibration_error,
    error_by_chance,
)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of ``hits`` out of ``n``; nan where n is 0."""
    if n == 0:
        return (math.nan, math.nan)
    p, z = hits / n, 1.96
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return (centre - half, centre + half)


@dataclass(slots=True)
class Tally:
    """Outcomes of one field: (tone, truth, answer) rows, and (tone, confidence, right?) of those that told one.

    ``kept`` says, per answer with a confidence that says something, whether it reaches the least one shown, and whether
    it is right.
    """

    rows: list[tuple[int, str, str]] = field(default_factory=list)
    sure: list[tuple[int, float, bool]] = field(default_factory=list)
    kept: list[tuple[bool, bool]] = field(default_factory=list)

    def add(self, tone: int, truth: Any, answer: Any, confidence: tuple[float, float] | None = None) -> None:
        """Add one outcome; values are compared by their written form.

        Args:
            tone: 1-5.
            truth: the drawn value.
            answer: the decider's.
            confidence: its confidence and the least that is shown, both 0..1.
        """
        self.rows.append((tone, str(truth), str(answer)))
        if confidence is None:
            return
        is_right = str(truth) == str(answer)
        self.sure.append((tone, confidence[0], is_right))
        if str(answer) not in NOTHING:
            self.kept.append((confidence[0] >= confidence[1], is_right))

    def accuracy(self, tone: int | None = None) -> float:
        """Return the share of right answers (0..1) over all rows or one tone; nan where there is none."""
        rows = [r for r in self.rows if tone is None or r[0] == tone]
        return sum(t == a for _, t, a in rows) / len(rows) if rows else math.nan

    def constant(self) -> float:
        """Return the accuracy of the best constant answer."""
        counts = Counter(t for _, t, _ in self.rows)
        return max(counts.values()) / len(self.rows) if self.rows else math.nan

    def balanced(self) -> float:
        """Return the mean over the true values of the share found (0..1); a constant answer gets one over their number."""
        values = sorted({t for _, t, _ in self.rows})
        shares = [sum(a == v for _, t, a in self.rows if t == v) / sum(t == v for _, t, _ in self.rows) for v in values]
        return sum(shares) / len(shares) if shares else math.nan

    def values(self) -> int:
        """Return how many different true values occurred."""
        return len({t for _, t, _ in self.rows})

    def interval(self) -> tuple[float, float]:
        """Return the 95 % Wilson interval of the accuracy."""
        return wilson(sum(t == a for _, t, a in self.rows), len(self.rows))

    def calibration(self) -> dict[str, Any]:
        """Return how far the confidences can be trusted, as plain data; empty where none was told.

        ``ece`` and ``ece_adaptive`` (0..1), ``ece_by_chance`` what a perfect decider would show on as many rows; both
        per tone; ``kept`` the share of telling answers at or above the least confidence, ``kept_precision`` how many of
        those are right (null where none is kept).
        """
        if not self.sure:
            return {}
        pairs = [(share, right) for _, share, right in self.sure]
        tones = {tone: [(p, right) for t, p, right in self.sure if t == tone] for tone in {t for t, _, _ in self.sure}}
        right = [is_right for is_kept, is_right in self.kept if is_kept]
        return {
            "ece": round(calibration_error(pairs), 4),
            "ece_adaptive": round(adaptive_calibration_error(pairs), 4),
            "ece_by_chance": round(error_by_chance(pairs), 4),
            "ece_per_tone": {str(tone): round(calibration_error(tones[tone]), 4) for tone in sorted(tones)},
            "ece_by_chance_per_tone": {str(tone): round(error_by_chance(tones[tone]), 4) for tone in sorted(tones)},
            "kept": round(len(right) / len(self.kept), 4) if self.kept else None,
            "kept_precision": round(sum(right) / len(right), 4) if right else None,
        }

    def summary(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        low, high = self.interval()
        return self.calibration() | {
            "accuracy": round(self.accuracy(), 4),
            "interval": [round(low, 4), round(high, 4)],
            "constant": round(self.constant(), 4),
            "balanced": round(self.balanced(), 4),
            "values": self.values(),
            "n": len(self.rows),
            "per_tone": {str(t): round(self.accuracy(t), 4) for t in sorted({r[0] for r in self.rows})},
        }


class Scores:
    """Tallies by name, such as ``recognition.colour``."""

    def __init__(self) -> None:
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)

    def add(
        self,
        agent: str,
        *,
        tone: int,
        truth: Mapping[str, Any],
        answer: Mapping[str, Any],
        confidences: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """Add every field of ``truth`` that the answer decided, with its confidence where one is given."""
        for name, value in truth.items():
            if name in answer:
                self._tallies[f"{agent}.{name}"].add(tone, value, answer[name], (confidences or {}).get(name))

    def names(self, agent: str) -> list[str]:
        """Return the tally names of one agent in insertion order."""
        return [name for name in self._tallies if name.startswith(f"{agent}.")]

    def mean(self, names: Iterable[str]) -> float:
        """Return the mean accuracy over tallies."""
        values = [self._tallies[name].accuracy() for name in names]
        return sum(values) / len(values) if values else math.nan

    def mean_per_tone(self, names: Iterable[str]) -> dict[str, float]:
        """Return the mean accuracy over tallies for each tone."""
        chosen = [self._tallies[name] for name in names]
        out: dict[str, float] = {}
        for tone in sorted({tone for tally in chosen for tone, _, _ in tally.rows}):
            shares = [share for tally in chosen if not math.isnan(share := tally.accuracy(tone))]
            out[str(tone)] = round(sum(shares) / len(shares), 4)
        return out

    def tally(self, name: str) -> Tally:
        """Return one tally."""
        return self._tallies[name]

    def summary(self) -> dict[str, Any]:
        """Return every tally's figures."""
        return {name: tally.summary() for name, tally in self._tallies.items()}


def chance_of_tone(rows: Iterable[tuple[int, str]]) -> dict[str, Any]:
    """Test whether an answer depends on the tone: chi-square over (tone, answer) rows.

    Returns:
        ``chi2``, ``dof``, ``z``: the Wilson-Hilferty normal score (below 1.64 means no dependence at 5 %), and
        ``answers``: how often each answer was given, by tone.
    """
    table = Counter(rows)
    tones = sorted({t for t, _ in table})
    answers = sorted({a for _, a in table})
    total = sum(table.values())
    by_tone = {t: sum(table[t, a] for a in answers) for t in tones}
    by_answer = {a: sum(table[t, a] for t in tones) for a in answers}
    chi2 = 0.0
    for t in tones:
        for a in answers:
            expected = by_tone[t] * by_answer[a] / total
            chi2 += (table[t, a] - expected) ** 2 / expected
    dof = max(1, (len(tones) - 1) * (len(answers) - 1))
    z = ((chi2 / dof) ** (1 / 3) - (1 - 2 / (9 * dof))) / math.sqrt(2 / (9 * dof))
    counts = {str(t): {a: table[t, a] for a in answers} for t in tones}
    return {"chi2": round(chi2, 2), "dof": dof, "z": round(z, 2), "answers": counts}
