"""Let a bundle answer labelled cases with the device's own engine and rules, several cases in one batch.

Every agent is asked on every case that it can be asked on, whether or not the device would have come so far: Rec on all
views, Rep and Reason on the cases that are truly in scope, Reason on the true findings and on the bundle's own. So an
error of one agent does not hide another's. The scope decision is the device's, second look included.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calibration.evaluation.answers import CaseAnswer, Said, Turn
from calibration.evaluation.case_folder import EvaluationCase, Label
from calibration.evaluation.text_scope import assumed, decides_by_words
from edge_agent.agents import scope as scopes
from edge_agent.agents.abstention import LISTS, Kept, keep, nothing_of, values
from edge_agent.agents.answer import WORKING
from edge_agent.agents.evidence.record import record_of, render
from edge_agent.agents.prompts import render_intake, render_representation
from edge_agent.agents.recognition import AgentEngine, keep_view
from edge_agent.agents.representation import Described, merge, own_text, render_findings, view_texts
from edge_agent.agents.second_look import look_again
from edge_agent.agents.text.coder import DIFFERENTIAL
from edge_agent.agents.text.intake_words import intake_texts
from edge_agent.agents.text.reader import TextReader
from edge_agent.agents.withholding import uncalibrated_fields
from edge_agent.contracts.case import AgentOutput, FieldValue, Finding, Frame, Request, View, Written
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.manifest import AGENTS, AgentName, Manifest, Thresholds
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CalibrationError

Decision = Literal["in_scope", "out_of_scope", "abstained"]


@dataclass(slots=True)
class _Visit:
    """One case on its way through the agents; ``described``, ``represented`` and ``written`` are the bundle's own."""

    case: EvaluationCase
    views: tuple[View, ...]
    encoded: list[Any]
    described: tuple[Described, ...]
    represented: Mapping[str, Kept]
    written: tuple[Written, ...]
    decision: Decision
    words_open: bool | None
    said: list[Said]
    turns: list[Turn]
    texts: dict[str, str]


class BundleRun:
    """Ask one bundle; what agents write in words is read as the device reads it.

    Args:
        engine: holds the bundle.
        manifest: the same bundle's.
    """

    def __init__(self, engine: AgentEngine, manifest: Manifest) -> None:
        self._vocabulary = Vocabulary.load()
        self._engine, self._manifest = TextReader(engine, manifest, self._vocabulary), manifest
        self._uncalibrated = uncalibrated_fields(manifest)

    def answer(self, cases: Sequence[EvaluationCase]) -> list[CaseAnswer]:
        """Return what the bundle says on some cases, asked together; forgets them afterwards.

        Raises:
            PictureError: a picture cannot be read.
            InferenceError: the engine failed.
            CalibrationError: an agent wants a text that labelled cases do not give.
        """
        visits = [self._begin(case) for case in cases]
        self._recognise(visits)
        inside = [visit for visit in visits if visit.case.file.in_scope]
        self._represent(inside)
        for name, is_true in (("reasoning", True), ("cascade", False)):
            self._reason(inside, name, is_true=is_true)
        self._engine.forget()
        return [
            CaseAnswer(
                case_id=one.case.case_id,
                decision=one.decision,
                words_open=one.words_open,
                said=one.said,
                texts=one.texts,
                turns=one.turns,
            )
            for one in visits
        ]

    def time_one(self, case: EvaluationCase) -> float:
        """Return the milliseconds from the encoded-nothing state to Reason's answer, one case alone."""
        visit_pictures = case.frames()
        started = time.perf_counter()
        visit = self._begin(case, frames=visit_pictures)
        self._recognise([visit])
        self._represent([visit])
        self._reason([visit], "cascade", is_true=False)
        spent = 1000 * (time.perf_counter() - started)
        self._engine.forget()
        return spent

    def _begin(self, case: EvaluationCase, *, frames: Sequence[Frame] | None = None) -> _Visit:
        pictures = case.frames() if frames is None else frames
        views = tuple(
            View(index=number, frame=frame, shot=view.shot)
            for number, (frame, view) in enumerate(zip(pictures, case.file.views, strict=True))
        )
        encoded = [self._engine.encode(view.frame) for view in views]
        return _Visit(case, views, encoded, (), {}, (), "abstained", None, [], [], {})

    def _recognise(self, visits: Sequence[_Visit]) -> None:
        rows = [(visit, number) for visit in visits for number in range(len(visit.views))]
        requests = [Request(views=(visit.encoded[number],), texts={}) for visit, number in rows]
        outputs = iter(self._engine.run("recognition", requests))
        for visit in visits:
            answers = [next(outputs)[0] for _ in visit.views]
            found = [Finding(view.index, output) for view, output in zip(visit.views, answers, strict=True)]
            visit.decision, visit.words_open = self._scope(visit, found)
            described = []
            for view, output in zip(visit.views, answers, strict=True):
                kept, _ = keep_view(view, output, self._manifest.thresholds, uncalibrated=self._uncalibrated)
                described.append(Described(view, kept, output.written))
                self._note(visit, "recognition", [output], kept, view=view.index, texts={})
            visit.described = tuple(described)

    def _scope(self, visit: _Visit, found: Sequence[Finding]) -> tuple[Decision, bool | None]:
        """Decide as the device does; where words decide, also whether they would open the case."""
        thresholds = self._manifest.thresholds
        further = look_again(self._engine, found, views=visit.views, thresholds=thresholds, on_progress=lambda *_: None)
        shots = {view.index: view.shot for view in visit.views}
        decision = scopes.decide(found, thresholds, further=further, shots=shots).decision
        if not decides_by_words(found):
            return decision, None
        return decision, scopes.decide(found, assumed(thresholds), further=further, shots=shots).decision == "in_scope"

    def _represent(self, visits: Sequence[_Visit]) -> None:
        spec = self._manifest.agents["representation"]
        texts = [
            self._texts(
                "representation",
                {
                    "findings": render_findings(visit.described),
                    "recognition_text": view_texts(visit.described, spec.inputs.view_text),
                },
            )
            for visit in visits
        ]
        requests = [
            Request(views=tuple(visit.encoded) if spec.inputs.images == "all" else (), texts=text)
            for visit, text in zip(visits, texts, strict=True)
        ]
        for visit, text, steps in zip(visits, texts, self._engine.run("representation", requests), strict=True):
            kept = self._keep(steps)
            visit.represented, visit.written = kept, tuple(text for output in steps for text in output.written)
            self._note(visit, "representation", steps, kept, view=None, texts=text)

    def _reason(self, visits: Sequence[_Visit], name: str, *, is_true: bool) -> None:
        spec = self._manifest.agents["reasoning"]
        texts = [self._reason_texts(visit, is_true=is_true) for visit in visits]
        requests = [
            Request(views=tuple(visit.encoded) if spec.inputs.images == "all" else (), texts=text)
            for visit, text in zip(visits, texts, strict=True)
        ]
        for visit, text, steps in zip(visits, texts, self._engine.run("reasoning", requests), strict=True):
            self._note(visit, name, steps, self._keep(steps), view=None, texts=text)

    def _reason_texts(self, visit: _Visit, *, is_true: bool) -> dict[str, str]:
        """Render what Reason reads, by the device's own renderers: of the labels, or of the bundle's own findings.

        Texts of other agents are the bundle's own either way, unless experts wrote them.
        """
        file, spec = visit.case.file, self._manifest.agents["reasoning"]
        described = tuple(labelled(visit.views, visit.case)) if is_true else visit.described
        represented = dict(file.representation) if is_true else values(visit.represented)
        merged, intake = merge(described), Intake.model_validate(file.intake)
        form = intake.model_dump(mode="json")
        record = record_of(
            merged.leads,
            conflicts=merged.conflicts,
            representation=represented,
            intake=form,
            previous=file.previous,
        )
        experts = [text for name, text in file.texts.items() if name.startswith("representation.")] if is_true else []
        return self._texts(
            "reasoning",
            {
                "record": render(record, spec.inputs.record_fields),
                "representation": render_representation(merged.leading, represented, represented.get("mechanism")),
                "intake": render_intake(form),
                "recognition_text": view_texts(visit.described, spec.inputs.view_text),
                "representation_text": "\n".join(experts) or own_text(visit.written),
                **intake_texts(intake, self._vocabulary),
            },
        )

    def _texts(self, agent: AgentName, given: Mapping[str, str]) -> dict[str, str]:
        wanted = self._manifest.agents[agent].inputs.text
        missing = [name for name in wanted if name not in given]
        if missing:
            raise CalibrationError(f"{agent} reads the text {missing[0]}, which labelled cases do not give")
        return {name: given[name] for name in wanted}

    def _keep(self, steps: Sequence[AgentOutput]) -> dict[str, Kept]:
        rows = [keep(output, self._manifest.thresholds, uncalibrated=self._uncalibrated)[0] for output in steps]
        return {name: row for kept in rows for name, row in kept.items()}

    def _note(
        self,
        visit: _Visit,
        name: str,
        steps: Sequence[AgentOutput],
        kept: Mapping[str, Kept],
        *,
        view: int | None,
        texts: Mapping[str, str],
    ) -> None:
        """Write down what was decided, and what teacher forcing repeats (Reason on the true findings, not on its own)."""
        place = "" if view is None else f"view{view + 1}."
        for output in steps:
            visit.said += decided(name, output, kept, view=view, thresholds=self._manifest.thresholds)
            visit.texts |= {f"{place}{name}.{one.step}": one.text for one in output.written}
        if name != "cascade":
            agent: AgentName = next(one for one in AGENTS if one == name)
            shown = list(range(len(visit.views))) if view is None else [view]
            images = self._manifest.agents[agent].inputs.images
            answers = [raw for output in steps for raw in _raw_answers(output)]
            if len(answers) == len(self._manifest.agents[agent].steps):  # else text and schema were joined: not forced
                visit.turns.append(
                    Turn(agent=agent, views=[] if images == "none" else shown, texts=dict(texts), answers=answers)
                )


def _raw_answers(output: AgentOutput) -> list[str]:
    """Return what the model wrote, step by step: texts as written, else the one answer under a schema."""
    return [one.raw for one in output.written] or [output.text]


def decided(
    name: str, output: AgentOutput, kept: Mapping[str, Kept], *, view: int | None, thresholds: Thresholds
) -> Iterator[Said]:
    """Yield the fields that one step decided: nested ones (``biomedical.working``) by their dotted names.

    Reason's words about no condition at all are an answer too: it names none.
    """
    for field, row in output.fields.items():
        if row.probability is None and row.coded is None:
            continue  # the grammar fixed it
        shown = kept.get(field)
        is_shown = not shown.is_withheld if shown is not None else _is_sure(field, row, output, thresholds)
        yield Said(view=view, field=f"{name}.{field}", value=row.value, confidence=row.probability, is_shown=is_shown)
    if output.agent == "reasoning" and output.written:
        for field in (WORKING, DIFFERENTIAL):
            if field not in output.fields:
                yield Said(view=view, field=f"{name}.{field}", value=None, confidence=None, is_shown=False)


def _is_sure(field: str, row: FieldValue, output: AgentOutput, thresholds: Thresholds) -> bool:
    """Say of a nested field whether the device shows it: it withholds the working condition alone (``agents.answer``)."""
    limit = thresholds.fields.get(f"{output.agent}.{field}")
    return field != WORKING or row.probability is None or limit is None or row.probability >= limit.min_confidence


def labelled(views: Sequence[View], case: EvaluationCase) -> Iterator[Described]:
    """Yield what Rec would have told had it been right: the labels, sure of themselves; what has none tells nothing."""
    for view, one in zip(views, case.file.views, strict=True):
        fields = {name: Kept(as_answer(name, label), 1.0, True, False) for name, label in one.labels.items()}
        yield Described(view, fields)


def as_answer(field: str, label: Label) -> Any:
    """Write a label as an agent writes the field: a list where the field is one, nothing as its nothing-value."""
    if field in LISTS:
        return label if isinstance(label, list) else nothing_of(field) if label is None else [label]
    return label
