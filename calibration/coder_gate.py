"""Measure the device's coder on texts with known labels, and say whether it may read what agents write.

One function gives the figures, the figures know their floors. Judges the lexicon alone: the second turn is a model's, and
``calibration.second_turn_gate`` asks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibration.coder_texts import LabelledText, danger_texts, denied_texts, labelled_texts
from edge_agent.agents.abstention import is_nothing
from edge_agent.agents.scope import DANGER_FAMILIES, IN_SCOPE_FAMILY
from edge_agent.agents.text.coder import TextCoder
from edge_agent.contracts.case import FieldValue, Written
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import QualityGateError

MIN_ACCURACY = 0.95  # standard wordings, per field
MAX_WRONG = 0.02  # a value that the text does not say; standard wordings, per field
MAX_WRONG_HELD_OUT = 0.05  # paraphrases may be missed, not misread; all fields together
MAX_FILLED = 0.02  # fields that the text is silent about, all together
MAX_DENIED_CLOSED = 0.02  # texts that deny danger words only and close a case all the same
DENIED_TEXTS = 200
MIN_TOLD = 10  # a field told less often is not judged; none may be
STEP = "text"


@dataclass(frozen=True, slots=True)
class FieldFigures:
    """One field: texts that tell it, shares read right and read wrong, and what the best constant answer would reach."""

    told: int
    right: float
    wrong: float
    constant: float


@dataclass(frozen=True, slots=True)
class CoderFigures:
    """What the gate measured.

    ``standard`` and ``held_out`` per field; ``filled``: share of silent fields that got a value all the same;
    ``danger_closed``: share of the ``danger_texts`` (a danger word in each, sure or doubtful) that close the case;
    ``danger_firm``: how many of them would still count as ours; ``denied_closed``: share of texts that only deny dangers
    and close.
    """

    standard: Mapping[str, FieldFigures]
    held_out: Mapping[str, FieldFigures]
    filled: float
    danger_texts: int
    danger_closed: float
    danger_firm: int
    denied_closed: float

    def failures(self) -> tuple[str, ...]:
        """Return one line per missed floor; empty when the coder passes."""
        rows = []
        for name, one in self.standard.items():
            if one.told < MIN_TOLD:
                rows.append(f"{name} is told by {one.told} texts only, {MIN_TOLD} are needed")
            elif one.right < MIN_ACCURACY or one.right <= one.constant:
                rows.append(f"{name}: {one.right:.3f} read right, floor {MIN_ACCURACY} (constant {one.constant:.3f})")
            elif one.wrong > MAX_WRONG:
                rows.append(f"{name}: {one.wrong:.3f} read wrong, at most {MAX_WRONG}")
        misread = _together(self.held_out)
        if misread > MAX_WRONG_HELD_OUT:
            rows.append(f"paraphrases: {misread:.3f} read wrong, at most {MAX_WRONG_HELD_OUT}")
        if self.filled > MAX_FILLED:
            rows.append(f"{self.filled:.3f} of the silent fields got a value, at most {MAX_FILLED}")
        if self.denied_closed > MAX_DENIED_CLOSED:
            rows.append(f"denied danger words close {self.denied_closed:.3f} of the texts, at most {MAX_DENIED_CLOSED}")
        if self.danger_closed < 1.0 or self.danger_firm:
            rows.append(
                f"danger words close {self.danger_closed:.3f} of the texts (floor 1), {self.danger_firm} count as ours"
            )
        return tuple(rows)

    def to_document(self) -> dict[str, Any]:
        """Return the figures for a report or a manifest's metrics."""
        return {
            "standard": {name: _row(one) for name, one in self.standard.items()},
            "held_out": {name: _row(one) for name, one in self.held_out.items()},
            "silent_filled": round(self.filled, 4),
            "danger": {
                "texts": self.danger_texts,
                "closed": round(self.danger_closed, 4),
                "read_as_ours": self.danger_firm,
                "denied_closed": round(self.denied_closed, 4),
            },
        }


def coder_figures(coder: TextCoder, vocabulary: Vocabulary, *, count: int = 1200, seed: int = 0) -> CoderFigures:
    """Measure a coder.

    Args:
        coder: the device's.
        vocabulary: the device's.
        count: texts in standard wordings; a third as many in held-out ones.
        seed: of the texts.
    """
    tally = {False: _Tally(), True: _Tally()}
    for is_held_out, number in ((False, count), (True, count // 3)):
        for one in labelled_texts(vocabulary, number, seed=seed, is_held_out=is_held_out):
            tally[is_held_out].add(one, _read(coder, one))
    dangers = list(danger_texts(seed))
    read = [coder.code(Written(STEP, text, text, "eos"), ("applicability", "family")).fields for _, text in dangers]
    denied = [
        coder.code(Written(STEP, text, text, "eos"), ("family",)).fields for text in denied_texts(seed, DENIED_TEXTS)
    ]
    closed = sum(fields["family"].value in DANGER_FAMILIES for fields in read)
    return CoderFigures(
        standard=tally[False].figures(),
        held_out=tally[True].figures(),
        filled=tally[False].filled_share,
        danger_texts=len(dangers),
        danger_closed=closed / len(dangers),
        denied_closed=sum(fields["family"].value != IN_SCOPE_FAMILY for fields in denied) / len(denied),
        danger_firm=sum(fields["family"].value == IN_SCOPE_FAMILY for fields in read),
    )


def check_coder(coder: TextCoder, vocabulary: Vocabulary, *, count: int = 1200, seed: int = 0) -> CoderFigures:
    """Measure a coder and refuse one that misses a floor; arguments as for ``coder_figures``.

    Raises:
        QualityGateError: names the first missed floor.
    """
    figures = coder_figures(coder, vocabulary, count=count, seed=seed)
    if failures := figures.failures():
        raise QualityGateError(f"the text coder: {failures[0]}; mend edge_agent/contracts/tables/text_lexicon.toml")
    return figures


def _read(coder: TextCoder, one: LabelledText) -> Mapping[str, FieldValue]:
    steps = 2 if one.agent == "representation" else 1
    fields = coder.fields_of(one.agent, step=one.step, steps=steps)
    return coder.code(Written(STEP, one.text, one.text, "eos"), fields).fields


class _Tally:
    """Count per field what was told, read right and read wrong, and how often a silent field got a value."""

    def __init__(self) -> None:
        self._labels: dict[str, Counter[str]] = {}
        self._right: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()
        self._silent = self._filled = 0

    def add(self, one: LabelledText, read: Mapping[str, FieldValue]) -> None:
        for name, label in one.labels.items():
            self._labels.setdefault(name, Counter())[str(label)] += 1
            value = read[name].value
            is_right = sorted(map(str, value)) == sorted(map(str, label)) if isinstance(label, list) else value == label
            self._right[name] += is_right
            self._wrong[name] += not is_right and not is_nothing(value)
        for name in one.silent:
            if name in read:
                self._silent += 1
                self._filled += not is_nothing(read[name].value)

    @property
    def filled_share(self) -> float:
        return self._filled / max(1, self._silent)

    def figures(self) -> dict[str, FieldFigures]:
        return {
            name: FieldFigures(
                told=(told := labels.total()),
                right=self._right[name] / told,
                wrong=self._wrong[name] / told,
                constant=labels.most_common(1)[0][1] / told,
            )
            for name, labels in self._labels.items()
        }


def _together(rows: Mapping[str, FieldFigures]) -> float:
    told = sum(one.told for one in rows.values())
    return sum(one.wrong * one.told for one in rows.values()) / max(1, told)


def _row(one: FieldFigures) -> dict[str, Any]:
    return {
        "told": one.told,
        "right": round(one.right, 4),
        "wrong": round(one.wrong, 4),
        "constant": round(one.constant, 4),
    }
