"""Count one bundle's outcomes for people: accuracy with its interval, the constant answer, calibration, by group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration.evaluation.answers import CaseAnswer
from calibration.evaluation.case_folder import EvaluationCase
from calibration.evaluation.outcomes import Outcome
from calibration.evaluation.text_scores import CORPUS_BLEU, SENTENCE_SCORES, corpus_bleu_zh, sentence_scores
from calibration.reference.confidence import BINS, calibration_error, error_by_chance
from calibration.reference.scores import wilson

Figures = dict[str, Any]
TextPairs = dict[str, dict[int, tuple[float, float]]]


def field_figures(outcomes: Sequence[Outcome]) -> dict[str, Figures]:
    """Return per field its figures over all cases and, under ``groups``, by tone and by view type."""
    names = dict.fromkeys(row.field for row in outcomes)
    return {name: _field([row for row in outcomes if row.field == name]) for name in names}


def _field(rows: Sequence[Outcome]) -> Figures:
    groups: dict[str, Figures] = {}
    for tone in sorted({row.tone for row in rows}):
        groups[f"tone {tone}"] = _counts([row for row in rows if row.tone == tone])
    for view_type in sorted({row.view_type for row in rows}):
        groups[f"view {view_type}"] = _counts([row for row in rows if row.view_type == view_type])
    truths = Counter(row.truth for row in rows)
    return {**_counts(rows), "constant": round(max(truths.values()) / len(rows), 4), "groups": groups}


def _counts(rows: Sequence[Outcome]) -> Figures:
    """Return n, accuracy and interval; calibration where confidences were told, else null."""
    hits = sum(row.is_right for row in rows)
    low, high = wilson(hits, len(rows))
    pairs = [(row.confidence, row.is_leading_right) for row in rows if row.confidence is not None]
    return {
        "n": len(rows),
        "accuracy": round(hits / len(rows), 4),
        "interval": [round(low, 4), round(high, 4)],
        "ece": round(calibration_error(pairs), 4) if pairs else None,
        "ece_by_chance": round(error_by_chance(pairs), 4) if pairs else None,
    }


def mean_accuracy(fields: Mapping[str, Figures], *, group: str | None = None) -> float:
    """Return the mean over fields of their accuracies (0..1), in one group (``tone 1``) or over all; nan without any."""
    rows = [
        row["accuracy"] if group is None else row["groups"][group]["accuracy"]
        for row in fields.values()
        if group is None or group in row["groups"]
    ]
    return sum(rows) / len(rows) if rows else math.nan


def groups_of(fields: Mapping[str, Figures]) -> list[str]:
    """Return the names of all groups: tones first, then view types."""
    names = {name for row in fields.values() for name in row["groups"]}
    return sorted(names, key=lambda name: (not name.startswith("tone "), name))


def reliability(outcomes: Iterable[Outcome]) -> list[tuple[float, float, int]]:
    """Return (mean confidence, share right, count) of every bin that holds an answer, over all fields."""
    sums = [[0.0, 0.0, 0.0] for _ in range(BINS)]
    for row in outcomes:
        if row.confidence is not None:
            place = min(BINS - 1, max(0, math.ceil(row.confidence * BINS) - 1))
            sums[place][0] += row.confidence
            sums[place][1] += row.is_leading_right
            sums[place][2] += 1
    return [(sure / n, right / n, int(n)) for sure, right, n in sums if n]


def text_figures(cases: Sequence[EvaluationCase], answers: Sequence[CaseAnswer]) -> dict[str, Figures]:
    """Return per step the scores of its texts against the experts' (``representation.integrate``, ``cascade.assess``).

    Over all texts and, under ``groups``, by tone and by view type.
    """
    found: dict[str, list[TextPair]] = {}
    for case, answer in zip(cases, answers, strict=True):
        for pair in text_pairs(case, answer):
            found.setdefault(pair.step, []).append(pair)
    return {step: {**_text_scores(pairs), "groups": _text_groups(pairs)} for step, pairs in found.items()}


def _text_scores(pairs: Sequence[TextPair]) -> Figures:
    rows = [sentence_scores(one.said, one.wanted) for one in pairs]
    means = {name: round(sum(row[name] for row in rows) / len(rows), 4) for name in SENTENCE_SCORES}
    corpus = corpus_bleu_zh([one.said for one in pairs], [one.wanted for one in pairs])
    return {"n": len(pairs), CORPUS_BLEU: round(corpus, 4), **means}


def _text_groups(pairs: Sequence[TextPair]) -> dict[str, Figures]:
    tones = {f"tone {tone}": [one for one in pairs if one.tone == tone] for tone in sorted({one.tone for one in pairs})}
    types = sorted({one.view_type for one in pairs})
    views = {f"view {kind}": [one for one in pairs if one.view_type == kind] for kind in types}
    return {name: _text_scores(rows) for name, rows in (tones | views).items()}


@dataclass(frozen=True, slots=True)
class TextPair:
    """One text beside an expert's; ``view_type`` as in ``outcomes.Outcome``."""

    step: str
    said: str
    wanted: str
    tone: str
    view_type: str


def text_pairs(case: EvaluationCase, answer: CaseAnswer) -> list[TextPair]:
    """Return every text that an expert wrote too."""
    out = []
    for place, said in answer.texts.items():
        head, _, step = place.partition(".")
        if head.startswith("view"):
            view = case.file.views[int(head.removeprefix("view")) - 1]
            wanted, kind = view.text, str(view.shot or "unknown")
        else:
            step, kind = place, case.view_type
            wanted = case.file.texts.get(place.replace("cascade.", "reasoning.", 1))
        if wanted:
            out.append(TextPair(step, said, wanted, case.file.tone_group, kind))
    return out


def paired_text_scores(
    cases: Sequence[EvaluationCase], before: Sequence[CaseAnswer], after: Sequence[CaseAnswer]
) -> TextPairs:
    """Return per score and case index the mean score of the reference's and of the candidate's texts."""
    out: TextPairs = {}
    for index, (case, old, new) in enumerate(zip(cases, before, after, strict=True)):
        places = {
            **dict.fromkeys(old.texts, ""),
            **dict.fromkeys(new.texts, ""),
        }  # a text that one lacks scores nothing
        full = [one.model_copy(update={"texts": {**places, **one.texts}}) for one in (old, new)]
        rows = [[sentence_scores(pair.said, pair.wanted) for pair in text_pairs(case, one)] for one in full]
        if not all(rows):
            continue
        for name in SENTENCE_SCORES:
            first, second = (sum(row[name] for row in side) / len(side) for side in rows)
            out.setdefault(name, {})[index] = (first, second)
    return out
