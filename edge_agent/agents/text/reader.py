"""Stand between the agents and the engine where a bundle's agents write free text, and read what they write.

To the agents a text then looks like any answer: fields of the vocabulary, coded and without probability, with the text
itself beside them. Prompts, generation settings and hand-over stay the bundle's; answers under a schema pass untouched. Of a text that
thinks before it answers only the answer is read for values (``thought.only_answer``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from edge_agent.agents.recognition import AgentEngine, listened
from edge_agent.agents.text.coder import CLOSING, Coding, TextCoder, with_second_turn
from edge_agent.agents.text.lexicon import Lexicon, clean
from edge_agent.agents.text.second_turn import Question, SecondTurn
from edge_agent.agents.text.thought import asks_for_thought, is_thought, only_answer
from edge_agent.contracts.case import AgentOutput, CodingRequest, FieldValue, Finish, Frame, Written
from edge_agent.contracts.manifest import AgentName, AgentSpec, Manifest, Step
from edge_agent.contracts.terms import Vocabulary

# These answer once per request, however many steps they take; Rep's steps stay two answers.
_ONE_ANSWER = frozenset({"recognition", "reasoning"})


class TextEvent(Protocol):
    """What an engine tells while it writes: the row of the batch, the step, ``text`` or a field's name, the chunk."""

    row: int
    step: str
    field: str
    value: Any


OnTextEvent = Callable[[AgentName, TextEvent], None]


@dataclass(frozen=True, slots=True)
class _Place:
    """One text of a batch: which row and which step wrote it."""

    row: int
    step: int


def writes_text(spec: AgentSpec) -> bool:
    """Say whether any step of an agent writes free text."""
    return any(step.contract == "text" for step in spec.steps)


class TextReader:
    """An engine whose texts are read; the pipeline uses it like the engine itself.

    Args:
        engine: holds the bundle.
        manifest: the same bundle's; its ``coder`` switches the second turn on.
        vocabulary: the device's.
        on_text: told of every chunk of text as it is written, whole characters only, exactly as written: nothing in it
            has been checked yet.
    """

    def __init__(
        self, engine: AgentEngine, manifest: Manifest, vocabulary: Vocabulary, *, on_text: OnTextEvent | None = None
    ) -> None:
        self._engine, self._agents, self._on_text = engine, manifest.agents, on_text
        self._coder = TextCoder(vocabulary, Lexicon.load(vocabulary))
        self._second = None if manifest.coder is None else SecondTurn(vocabulary, manifest.coder)

    def encode(self, frame: Frame) -> Any:
        """Run the vision tower once for one frame (uint8[H, W, 3], BGR)."""
        return self._engine.encode(frame)

    def forget(self) -> None:
        """Drop what is cached of the present case."""
        self._engine.forget()

    def code(self, requests: Sequence[CodingRequest]) -> Sequence[AgentOutput]:
        """Ask the bare backbone about texts."""
        return self._engine.code(requests)

    def run(
        self, agent: AgentName, requests: Sequence[Any], *, on_field: Callable[[Any], None] | None = None
    ) -> Sequence[Sequence[AgentOutput]]:
        """Run one agent on a batch and read its texts; one output per declared step, or one in all for Rec and Reason.

        Raises:
            InferenceError: the engine failed.
        """
        spec = self._agents[agent]
        if not writes_text(spec):
            return listened(self._engine, agent, requests, on_field=on_field)
        rows = listened(self._engine, agent, requests, on_field=_both(self._listener(agent), on_field))
        return self._read(agent, spec, rows)

    def _listener(self, agent: AgentName) -> Callable[[Any], None] | None:
        told = self._on_text
        if told is None:
            return None

        def heard(event: TextEvent) -> None:
            if event.field == "text":
                told(agent, event)

        return heard

    def _read(
        self, agent: AgentName, spec: AgentSpec, rows: Sequence[Sequence[AgentOutput]]
    ) -> list[tuple[AgentOutput, ...]]:
        texts = {
            _Place(row, number): _written(steps[number])
            for row, steps in enumerate(rows)
            for number, step in enumerate(spec.steps)
            if step.contract == "text" and number < len(steps)
        }
        read = {place: _readable(written, spec.steps[place.step]) for place, written in texts.items()}
        codings = {
            place: self._coder.code(written, self._coder.fields_of(agent, step=place.step, steps=_count(spec)))
            for place, written in read.items()
        }
        codings = self._ask(read, codings)
        out = []
        for row, steps in enumerate(rows):
            told = [
                _as_answer(output, texts[place], codings[place]) if (place := _Place(row, number)) in texts else output
                for number, output in enumerate(steps)
            ]
            out.append((_merged(told),) if agent in _ONE_ANSWER else tuple(told))
        return out

    def _ask(self, texts: Mapping[_Place, Written], codings: Mapping[_Place, Coding]) -> dict[_Place, Coding]:
        """Ask the second turn about all texts of the batch at once."""
        if self._second is None:
            return dict(codings)
        asked: dict[_Place, Question] = {}
        for place, coding in codings.items():
            question = self._second.question(texts[place], coding.open)
            if question is not None:
                asked[place] = question
        told = dict(codings)
        answers = self._engine.code([question.request for question in asked.values()]) if asked else ()
        for (place, question), answer in zip(asked.items(), answers, strict=True):
            read = self._second.answers(question, answer, self._coder.lexicon)
            told[place] = with_second_turn(codings[place], read)
        return told


def _both(first: Callable[[Any], None] | None, second: Callable[[Any], None] | None) -> Callable[[Any], None] | None:
    """Return what tells both of them; the other one where one is None."""
    if first is None or second is None:
        return first or second

    def heard(event: Any) -> None:
        first(event)
        second(event)

    return heard


def _count(spec: AgentSpec) -> int:
    return sum(step.contract == "text" for step in spec.steps)


def _written(output: AgentOutput) -> Written:
    raw = str(output.value.get("text", output.text))
    finish = cast(Finish, str(output.value.get("finish", "length")))
    return Written(output.step, raw, clean(raw), finish)


def _readable(written: Written, step: Step) -> Written:
    """Return what the coder may read of a text; a thought without a plain answer leaves nothing to read."""
    declared = asks_for_thought(step.prompt, step.generation.stop)
    return replace(written, text=only_answer(written.text)) if declared or is_thought(written.text) else written


def _as_answer(output: AgentOutput, written: Written, coding: Coding) -> AgentOutput:
    """Return a text as an answer: values by key, blocks for dotted names."""
    value: dict[str, Any] = {}
    for name, row in coding.fields.items():
        block, _, key = name.rpartition(".")
        (value.setdefault(block, {}) if block else value)[key] = row.value
    return replace(output, text=written.text, value=value, fields=dict(coding.fields), written=(written,))


def _merged(steps: Sequence[AgentOutput]) -> AgentOutput:
    """Join an agent's steps to one answer.

    What the model decided under a schema wins over words, then the first text that says anything; a danger that any text
    names wins over all of them.
    """
    value: dict[str, Any] = {}
    fields: dict[str, FieldValue] = {}
    for output in sorted(steps, key=lambda one: bool(one.written)):  # decided answers first
        for name, told in output.value.items():
            known = fields.get(name)
            if name not in value or (known is not None and known.coded is not None and known.coded.by == "nothing"):
                value[name] = told
                fields.pop(name, None)
                fields |= {key: row for key, row in output.fields.items() if key == name or key.startswith(f"{name}.")}
    for output in steps:
        closing = {name: row for name, row in output.fields.items() if row.coded and row.value in CLOSING.get(name, ())}
        fields |= closing
        value |= {name: row.value for name, row in closing.items()}
    return replace(
        steps[0],
        text="\n".join(one.text for one in steps if one.written),
        value=value,
        fields=fields,
        tokens_sampled=sum(one.tokens_sampled for one in steps),
        tokens_forced=sum(one.tokens_forced for one in steps),
        written=tuple(text for one in steps for text in one.written),
    )
