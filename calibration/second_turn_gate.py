"""Ask a bundle's own backbone the coder's second turn about texts with known labels, and refuse one that misreads them.

A small fixed sample: paraphrases that the lexicon cannot read although the text tells the field, and texts in standard
wordings that are silent about what is left open. Small, because every question is a whole answer of the backbone: it finds
a turn that guesses or says nothing, not one percent of errors. ``calibration.coder_gate`` judges the lexicon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from calibration.coder_texts import LabelledText, labelled_texts
from calibration.recipe import GateRecipe
from edge_agent.agents.abstention import is_nothing
from edge_agent.agents.text.coder import TextCoder
from edge_agent.agents.text.lexicon import Lexicon
from edge_agent.agents.text.reader import writes_text
from edge_agent.agents.text.second_turn import Question, SecondTurn
from edge_agent.contracts.case import AgentOutput, CodingRequest, Written
from edge_agent.contracts.manifest import Manifest
from edge_agent.contracts.terms import Vocabulary
from edge_agent.contracts.text_contract import CoderSpec
from edge_agent.errors import QualityGateError

PARAPHRASES, STANDARD = 18, 6  # texts asked about
BATCH = 3  # the views of a usual case, which the reader asks about at once
_POOL = 240  # texts to choose from: more than twice the paraphrases that there are
_STEP = "text"
# Words for one field that a careful reader may take for another; neither told nor silent.
_HINTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "colour": frozenset({"erythema"}),
        "erythema": frozenset({"colour"}),
        "primary_lesion": frozenset({"induration"}),
        "shape": frozenset({"arrangement"}),
    }
)


class Backbone(Protocol):
    """What is asked; ``edge_agent.inference.engine.Engine`` is the real one."""

    def code(self, requests: Sequence[CodingRequest]) -> Sequence[AgentOutput]:
        """Answer a batch of questions about texts, one answer each."""
        ...


@dataclass(frozen=True, slots=True)
class AskedText:
    """A text whose open fields are asked: the labels of those that it tells, and those that it says nothing about."""

    question: Question
    told: Mapping[str, Any]
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TurnField:
    """One field, in texts: told, of these answered right, wrong or not at all; silent, of these filled all the same.

    ``constant``: how many of the told the best constant answer gets right.
    """

    told: int = 0
    right: int = 0
    wrong: int = 0
    constant: int = 0
    silent: int = 0
    filled: int = 0

    @property
    def missed(self) -> int:
        """Return the told that were answered wrong or not at all."""
        return self.told - self.right


@dataclass(frozen=True, slots=True)
class TurnFigures:
    """What the gate counted, by field."""

    fields: Mapping[str, TurnField]

    def total(self, name: str) -> int:
        """Return a count of ``TurnField`` over all fields."""
        return sum(int(getattr(one, name)) for one in self.fields.values())

    def share(self, name: str, *, of: str) -> float:
        """Return a count as a share of another, 0 to 1; 1 where there is nothing to count, which passes no bound."""
        whole = self.total(of)
        return self.total(name) / whole if whole else 1.0

    def failures(self, bounds: GateRecipe) -> tuple[str, ...]:
        """Return one line per missed bound, each with its worst field; empty when the turn passes."""
        wrong, filled = self.share("wrong", of="told"), self.share("filled", of="silent")
        right = self.share("right", of="told")
        told, silent = self.total("told"), self.total("silent")
        rows = []
        if wrong > bounds.coder_max_wrong:
            worst = self._worst("wrong", of="told")
            rows.append(
                f"{wrong:.3f} of {told} told values read wrong, at most {bounds.coder_max_wrong}; worst {worst}"
            )
        if filled > bounds.coder_max_filled:
            worst = self._worst("filled", of="silent")
            rows.append(
                f"{filled:.3f} of {silent} silent fields filled, at most {bounds.coder_max_filled}; worst {worst}"
            )
        if right < bounds.coder_min_right:
            worst = self._worst("missed", of="told")
            rows.append(
                f"{right:.3f} of {told} told values read right, at least {bounds.coder_min_right}; missed most {worst}"
            )
        return tuple(rows)

    def line(self) -> str:
        """Return the figures for a person."""
        told, silent = self.total("told"), self.total("silent")
        right, constant = self.share("right", of="told"), self.share("constant", of="told")
        return (
            f"second turn: {right:.3f} of {told} told values right (constant {constant:.3f}), "
            f"{self.share('wrong', of='told'):.3f} wrong; {self.share('filled', of='silent'):.3f} of {silent} silent "
            "fields filled"
        )

    def _worst(self, name: str, *, of: str) -> str:
        """Return the field with the most faults; among equals the one that was asked least."""
        if not self.fields:
            return "field: none, nothing was asked"
        faults = {field: (getattr(one, name), -getattr(one, of)) for field, one in self.fields.items()}
        worst = max(faults, key=lambda field: faults[field])
        return f"field {worst} ({faults[worst][0]} of {-faults[worst][1]})"


def asked_texts(manifest: Manifest, vocabulary: Vocabulary, *, seed: int = 0) -> list[AskedText]:
    """Choose the sample: texts of those agents that write text in this bundle; the same arguments give the same ones.

    Args:
        manifest: the bundle's; one without ``coder`` or without such an agent has none.
        vocabulary: the device's.
        seed: of the texts.
    """
    if manifest.coder is None:
        return []
    coder = TextCoder(vocabulary, Lexicon.load(vocabulary))
    second = SecondTurn(vocabulary, manifest.coder)
    counts = {
        name: sum(step.contract == "text" for step in spec.steps)
        for name, spec in manifest.agents.items()
        if writes_text(spec)
    }
    chosen = []
    for is_held_out, count in ((True, PARAPHRASES), (False, STANDARD)):
        texts = labelled_texts(vocabulary, _POOL, seed=seed, is_held_out=is_held_out)
        found = [_asked(one, coder, second, steps=counts[one.agent]) for one in texts if one.agent in counts]
        fitting = [one for one in found if one is not None and (one.told if is_held_out else one.silent)]
        chosen += _varied(fitting, count)
    return chosen


def _asked(one: LabelledText, coder: TextCoder, second: SecondTurn, *, steps: int) -> AskedText | None:
    """Return what the reader would ask about a text; None where the lexicon leaves nothing open."""
    written = Written(_STEP, one.text, one.text, "eos")
    coding = coder.code(written, coder.fields_of(one.agent, step=one.step, steps=steps))
    question = second.question(written, coding.open)
    if question is None:
        return None
    hinted = {name for told in one.labels for name in _HINTED.get(told, ())}
    return AskedText(
        question,
        told={name: label for name, label in one.labels.items() if name in question.fields},
        silent=tuple(name for name in one.silent if name in question.fields and name not in hinted),
    )


def _varied(texts: Sequence[AskedText], count: int) -> list[AskedText]:
    """Take texts that tell a value which none before them told, then others."""
    seen: set[tuple[str, str]] = set()
    fresh: list[AskedText] = []
    rest: list[AskedText] = []
    for one in texts:
        told = {(name, str(label)) for name, label in one.told.items()}
        (rest if told <= seen else fresh).append(one)
        seen |= told
    return [*fresh, *rest][:count]


def count_answers(rows: Iterable[tuple[AskedText, Mapping[str, Any]]]) -> TurnFigures:
    """Count answers against what the texts tell; pure.

    Args:
        rows: each text with the answered values by field; a field without a value was not answered.
    """
    counts: dict[str, Counter[str]] = {}
    labels: dict[str, Counter[str]] = {}
    for one, values in rows:
        for name, label in one.told.items():
            value = values.get(name)
            tally = counts.setdefault(name, Counter())
            tally["told"] += 1
            tally["right"] += (is_right := not is_nothing(value) and set(_items(value)) <= set(_items(label)))
            tally["wrong"] += not is_right and not is_nothing(value)
            labels.setdefault(name, Counter()).update(set(_items(label)))
        for name in one.silent:
            tally = counts.setdefault(name, Counter())
            tally["silent"] += 1
            tally["filled"] += not is_nothing(values.get(name))
    for name, told in labels.items():
        counts[name]["constant"] = max(told.values())
    return TurnFigures({name: TurnField(**tally) for name, tally in counts.items()})


def _items(value: Any) -> list[str]:
    """Return the values of an answer or label as words: the turn gives one value of a list, and that one is right."""
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def check_second_turn(backbone: Backbone, manifest: Manifest, *, bounds: GateRecipe, seed: int = 0) -> TurnFigures:
    """Ask the sample in batches and refuse a turn that misses a bound.

    Args:
        backbone: the device's engine with the bundle open.
        manifest: the bundle's, with ``coder``.
        bounds: the recipe's gates.
        seed: of the texts.

    Raises:
        QualityGateError: names the share, the bound and the worst field.
        InferenceError: the engine failed, or an answer did not end within its limit.
    """
    vocabulary = Vocabulary.load()
    second, lexicon = SecondTurn(vocabulary, manifest.coder or CoderSpec()), Lexicon.load(vocabulary)
    asked = asked_texts(manifest, vocabulary, seed=seed)
    rows = []
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        outputs = backbone.code([one.question.request for one in batch])
        for one, output in zip(batch, outputs, strict=True):
            read = second.answers(one.question, output, lexicon)
            rows.append((one, {name: field.value for name, field in read.items()}))
    figures = count_answers(rows)
    if failures := figures.failures(bounds):
        raise QualityGateError(
            f"the coder's second turn: {failures[0]}; train the turn, or leave `coder` out of derm_edge.json"
        )
    return figures
