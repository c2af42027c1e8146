"""Run one case: danger signs first, then Rec, the scope rule, Rep, Reason; always end with a report.

The rules need no model and come first, so an emergency is known before a picture is looked at. Out of scope, after
an abstention or while an emergency sign is active there is no syndrome and no formula. Does not store, sync or show
anything; what rules make of the findings stands in ``agents.conclusions``.

Source: architecture "Data flow"; clinical-vocabulary sections 2, 8, 9; policy "Order of a consultation".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edge_agent.agents import scope as scopes
from edge_agent.agents.abstention import Abstention, Kept, keep
from edge_agent.agents.assessment import Assessor, Seen
from edge_agent.agents.conclusions import Conclusions, has_emergency
from edge_agent.agents.field_stream import FieldStream
from edge_agent.agents.picture_flags import seen_flags
from edge_agent.agents.recognition import AgentEngine, keep_view, recognise
from edge_agent.agents.report import document as reports
from edge_agent.agents.representation import Described, merge, represent
from edge_agent.agents.rules.facts import facts_of
from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.agents.run_record import Findings, Meter, OnProgress, Run
from edge_agent.agents.second_look import look_again
from edge_agent.agents.text.listening import Listener, OnText
from edge_agent.agents.text.reader import TextReader, writes_text
from edge_agent.agents.text.report_texts import ReportTexts
from edge_agent.agents.withholding import (
    before_reasoning,
    runaway_texts,
    runaway_views,
    set_aside,
    uncalibrated_fields,
    uncalibrated_scope,
)
from edge_agent.contracts.case import AgentOutput, Case, Finding
from edge_agent.contracts.manifest import Manifest
from edge_agent.contracts.practice import Practice
from edge_agent.contracts.shown_field import OnField
from edge_agent.contracts.terms import Vocabulary


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Report no progress."""


def _unasked(case: Case) -> str | None:
    """Return the notice of a case that no agent is asked about: refused by the person, or without a picture."""
    if case.consent is not None and not case.consent.program_help.granted:
        return "program_refused"
    return None if case.views else "no_pictures"


class CasePipeline:
    """Run cases through the three agents of one bundle.

    Args:
        engine: the engine that holds the bundle; one case at a time.
        manifest: the same bundle's manifest; None where no bundle can be trusted, then only the rules can run.
        vocabulary: the device's vocabulary.
        practice: the switches of the practice; None holds the strict defaults.
        device: names the processor in the report's provenance.
        clock: seconds, monotonic; for the timings only.

    Raises:
        Incompatible: the bundle may answer or read what this device does not know.
    """

    def __init__(
        self,
        engine: AgentEngine,
        manifest: Manifest | None,
        vocabulary: Vocabulary,
        *,
        practice: Practice | None = None,
        device: str = "CPU",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if manifest is not None:
            vocabulary.check_manifest(manifest)
        self._trusted, self._vocabulary = manifest, vocabulary
        self._device, self._clock = device, clock
        self._listener = Listener()
        self._engine, self._texts = engine, None
        if manifest is not None and any(writes_text(spec) for spec in manifest.agents.values()):
            self._engine = TextReader(engine, manifest, vocabulary, on_text=self._listener.hear)
            self._texts = ReportTexts(vocabulary)
        self._uncalibrated = frozenset() if manifest is None else uncalibrated_fields(manifest)
        self._unanswered = () if manifest is None else uncalibrated_scope(manifest)
        self._assessor = None if manifest is None else Assessor(self._engine, manifest, vocabulary)
        self._red_flags = RuleBook.load("red_flags.toml")
        self._conclusions = Conclusions(
            vocabulary, manifest=manifest, practice=practice or Practice(), red_flags=self._red_flags
        )

    @property
    def _manifest(self) -> Manifest:
        if self._trusted is None:
            raise RuntimeError("the agents run only on a bundle")
        return self._trusted

    def run(
        self,
        case: Case,
        *,
        on_progress: OnProgress | None = None,
        on_field: OnField | None = None,
        on_text: OnText | None = None,
    ) -> dict[str, Any]:
        """Run one case and return its report (``contracts/schemas/case_report.schema.json``).

        Args:
            case: the stored case; nothing in it is changed.
            on_progress: called as (stage, done, total); stages are rules, encode, recognition, second_look,
                representation, reasoning, report, and writing (tokens so far, most) while an agent writes free text.
            on_field: told of every sign as soon as it may be shown (``agents.field_stream``); must return quickly.
            on_text: told of every chunk of free text as it is written, as (agent, row, step, chunk). Nothing in it has
                been screened for doses or banned substances: it is for programs beside this one, not for readers.

        Raises:
            InferenceError: the engine failed; ``run_without_model`` still gives the rules' part.
        """
        run = replace(self._begin(case, on_progress or _silent), show=on_field)
        if (notice := _unasked(case)) is not None:
            return self._finish(run, Findings(notices=(notice,)))
        try:
            with self._listener.listening(run.tell, on_text):
                found = self._ask_agents(run)
        finally:
            self._engine.forget()  # also after a failure: nothing of a patient stays in the engine's caches
        return self._finish(run, found)

    def run_without_model(self, case: Case, *, reason: str = "engine_failure") -> dict[str, Any]:
        """Return the report that rules alone can give, with one abstention for the whole case.

        A case that the agents may not or cannot see gets the same report as from ``run``: nothing failed there.

        Args:
            case: the case that the engine could not finish.
            reason: an id of the list ``abstain_reason``.
        """
        run = self._begin(case, _silent)
        if (notice := _unasked(case)) is not None:
            return self._finish(run, Findings(notices=(notice,)))
        return self._finish(run, Findings(abstentions=(Abstention(reason, scopes.SECTION),)))

    def _begin(self, case: Case, tell: OnProgress) -> Run:
        """Judge the danger signs; nothing else happens before."""
        meter = Meter(self._clock)
        with meter.phase("rules"):
            facts = facts_of(case)
            flags = self._red_flags.evaluate(facts)
        tell("rules", 1, 1)
        return Run(case, facts, flags, meter, tell)

    def _ask_agents(self, run: Run) -> Findings:
        if self._unanswered:
            return Findings(abstentions=self._unanswered)  # without calibrated scope fields nothing may be read
        encoded, stream = self._encode(run), self._stream(run)
        so_far = self._recognise(run, encoded, stream)
        flags = (*run.flags, *so_far.added_flags)
        if so_far.decision != "in_scope":
            return so_far
        readable = {one.view.index for one in so_far.readable}
        shown = [one for view, one in zip(run.case.views, encoded, strict=True) if view.index in readable]
        integrated = self._integrate(run, so_far, shown=shown, stream=stream)
        if integrated.decision != "in_scope":
            return integrated
        stops = before_reasoning(
            integrated.representation,
            intake=run.case.intake,
            evidence=self._manifest.evidence,
            is_emergency=has_emergency(flags),
        )
        stops = (*stops, *runaway_texts(integrated.rep_written))
        return integrated.with_abstentions(*stops) if stops else self._reason(run, integrated, shown=shown)

    def _stream(self, run: Run) -> FieldStream:
        return FieldStream(
            None if has_emergency(run.flags) else run.show,
            views=run.case.views,
            aside=set_aside(run.case, self._manifest.evidence),
            thresholds=self._manifest.thresholds,
            uncalibrated=self._uncalibrated,
        )

    def _recognise(self, run: Run, encoded: Sequence[Any], stream: FieldStream) -> Findings:
        """Ask Rec, decide the scope, apply the thresholds, and let the pictures add danger signs."""
        views, thresholds = run.case.views, self._manifest.thresholds
        with run.meter.phase("recognition"):
            run.tell("recognition", 0, len(encoded))
            found = recognise(self._engine, encoded, views=views, on_field=stream.ear("recognition"))
            run.meter.count(f.output for f in found)
        run.tell("recognition", len(encoded), len(encoded))
        scope = scopes.decide(
            found,
            thresholds,
            further=self._look_again(run, found),
            aside=runaway_views(found) | set_aside(run.case, self._manifest.evidence),
            shots={view.index: view.shot for view in views},
        )
        described, abstentions = [], list(scope.abstentions)
        for view, finding in zip(views, found, strict=True):
            fields, withheld = keep_view(view, finding.output, thresholds, uncalibrated=self._uncalibrated)
            tone = next(iter(finding.output.tone_logits), None)
            described.append(Described(view, fields, finding.output.written, tone))
            abstentions += withheld
            if view.index in scope.readable:
                stream.finish(finding.output, fields, view=view)
        so_far = Findings(scope=scope, described=tuple(described), abstentions=tuple(abstentions))
        added = seen_flags(so_far.readable, so_far=run.flags, rules=self._red_flags, vocabulary=self._vocabulary)
        return replace(so_far, added_flags=added)

    def _look_again(self, run: Run, found: Sequence[Finding]) -> Mapping[int, tuple[AgentOutput, ...]]:
        with run.meter.phase("second_look"):
            further = look_again(
                self._engine,
                found,
                views=run.case.views,
                thresholds=self._manifest.thresholds,
                on_progress=run.tell,
            )
            run.meter.count(output for outputs in further.values() for output in outputs)
        return further

    def _encode(self, run: Run) -> list[Any]:
        encoded = []
        with run.meter.phase("encode"):
            for done, view in enumerate(run.case.views):
                run.tell("encode", done, len(run.case.views))
                encoded.append(self._engine.encode(view.frame))
        run.tell("encode", len(encoded), len(encoded))
        return encoded

    def _integrate(self, run: Run, so_far: Findings, *, shown: Sequence[Any], stream: FieldStream) -> Findings:
        with run.meter.phase("representation"):
            run.tell("representation", 0, 1)
            spec = self._manifest.agents["representation"]
            ear = stream.ear("representation")
            steps = represent(self._engine, shown, spec=spec, described=so_far.readable, on_field=ear)
            run.meter.count(steps)
        run.tell("representation", 1, 1)
        fields, withheld = self._keep_all(steps, stream)
        written = tuple(text for step in steps for text in step.written)
        return so_far.with_representation(merge(so_far.readable), fields, withheld, written=written)

    def _reason(self, run: Run, so_far: Findings, *, shown: Sequence[Any]) -> Findings:
        if so_far.merged is None or self._assessor is None:
            raise RuntimeError("Reason runs only after Rep, on a bundle")
        seen = Seen(so_far.readable, so_far.merged, so_far.representation, so_far.rep_written)
        with run.meter.phase("reasoning"):
            run.tell("reasoning", 0, 1)
            assessed = self._assessor.assess(run.case, seen, shown=shown, facts=run.facts)
            run.meter.count([assessed.output])
        run.tell("reasoning", 1, 1)
        return so_far.with_assessment(assessed)

    def _keep_all(
        self, outputs: Iterable[AgentOutput], stream: FieldStream
    ) -> tuple[dict[str, Kept], list[Abstention]]:
        kept: dict[str, Kept] = {}
        abstentions: list[Abstention] = []
        for output in outputs:
            fields, withheld = keep(output, self._manifest.thresholds, uncalibrated=self._uncalibrated)
            kept |= fields
            abstentions += withheld
            stream.finish(output, fields)
        return kept, abstentions

    def _finish(self, run: Run, found: Findings) -> dict[str, Any]:
        """Draw the conclusions and build the report."""
        flags = (*run.flags, *found.added_flags)
        course = self._conclusions.draw(run.case, facts=run.facts, flags=flags, found=found)
        origin = reports.Origin(
            manifest=self._trusted,
            device=self._device,
            vocabulary_version=self._vocabulary.version,
            timings_ms=run.meter.total(),
            tokens_sampled=run.meter.sampled,
            tokens_forced=run.meter.forced,
        )
        run.tell("report", 1, 1)
        texts = None if self._texts is None else self._texts.of(course)
        return reports.build(run.case, course=course, origin=origin, texts=texts)
