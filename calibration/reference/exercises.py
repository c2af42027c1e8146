"""Draw training sequences from reference cases: generic reading for the backbone, contracts for the adapters."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration.reference import corpus
from calibration.reference.agents_spec import GENERIC_PROMPT, PROMPTS, RECORD_FIELDS
from calibration.reference.cases import text_case
from calibration.reference.pool import PoolCase
from calibration.reference.sequences import Picture, SequenceMaker, TokenSequence
from edge_agent.agents import prompts
from edge_agent.agents.evidence.record import Record, render


@dataclass(frozen=True, slots=True)
class EncodedCase:
    """A pool case with its views' merged vision tokens in place of the pixels."""

    case: PoolCase
    pictures: tuple[Picture, ...]


def record_text(record: Record) -> str:
    """Render what the reference bundle's Reason reads of a record."""
    return render(record, RECORD_FIELDS)


class Exercises:
    """Build sequences with one tokenizer.

    Args:
        maker: encodes prompts and answers.
    """

    def __init__(self, maker: SequenceMaker) -> None:
        self._maker = maker

    def reading(self, rng: random.Random) -> TokenSequence:
        """Draw one exercise on a record of signs and intake; no agent's output stands in it."""
        drawn = text_case("train", rng.randrange(10_000_000))
        rows = [line.split(" ", 1) for line in record_text(drawn.record).splitlines()]
        record = [(key, value) for key, value in rows if not key.endswith(".mechanism")]
        chosen = rng.sample(record, rng.randint(8, len(record)))
        exercise = rng.choices((corpus.count_exercise, corpus.record_lines, corpus.who_says), (5, 3, 3))[0]
        question, answer = exercise(chosen, rng=rng)
        return self._maker.text(GENERIC_PROMPT.format(images="", question=question), answer)

    def describing(self, rng: random.Random, *, cases: Sequence[EncodedCase]) -> TokenSequence:
        """Draw one description in ordinary words: of the only picture, or of one picture among several."""
        chosen = rng.choice(cases)
        language = "en" if rng.random() < 0.7 else "zh"
        number = rng.randrange(len(chosen.pictures))
        view = chosen.case.views[number]
        labels = dict(view.labels)
        if view.shot == "overview" and labels["applicability"] != "normal_skin":
            labels |= {name: chosen.case.representation[name] for name in ("distribution", "symmetry")}
        answer = corpus.describe(labels, language=language)
        if len(chosen.pictures) > 1 and rng.random() < 0.5:
            question = f"{corpus.QUESTIONS[language]} {number + 1}"
            pictures: tuple[Picture, ...] = chosen.pictures
        else:
            question, pictures = corpus.QUESTIONS[language], (chosen.pictures[number],)
        prompt = GENERIC_PROMPT.format(images=prompts.IMAGE_BLOCK * len(pictures), question=question)
        return self._maker.text(prompt, answer, pictures)

    def recognition(self, case: EncodedCase, number: int) -> TokenSequence:
        """Make Rec's sequence of one view."""
        key = ("recognition", "describe")
        prompt = prompts.fill(PROMPTS[key], images=1, texts={})
        return self._maker.agent([(key, prompt, case.case.views[number].labels)], (case.pictures[number],))

    def representation(self, case: EncodedCase) -> TokenSequence:
        """Make Rep's sequence: all views, two turns."""
        first, second = ("representation", "integrate"), ("representation", "pathogenesis")
        values = case.case.representation
        prompt = prompts.fill(PROMPTS[first], images=len(case.pictures), texts={})
        return self._maker.agent([(first, prompt, values), (second, PROMPTS[second], values)], case.pictures)

    def reasoning(self, record: Record, answer: Mapping[str, Any]) -> TokenSequence:
        """Make Reason's sequence on a record: text only.

        Args:
            record: what Reason reads.
            answer: its steps, conditions and TCM ids.
        """
        key = ("reasoning", "assess")
        prompt = prompts.fill(PROMPTS[key], images=0, texts={"record": record_text(record)})
        return self._maker.agent([(key, prompt, answer)], ())

    def drawn_reasoning(self, rng: random.Random) -> TokenSequence:
        """Draw one of millions of in-scope records for Reason, which never sees a case out of scope."""
        drawn = text_case("train", rng.randrange(10_000_000))
        while not drawn.in_scope:
            drawn = text_case("train", rng.randrange(10_000_000))
        return self.reasoning(drawn.record, drawn.reasoning)
