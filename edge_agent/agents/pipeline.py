"""Run one case: danger signs first, then Rec, the scope rule, Rep, Reason; always end with a report.

The rules need no model and come first, so an emergency is known before a picture is looked at. Out of scope, after
an abstention or while an emergency sign is active there is no syndrome and no formula. Does not store, sync or show
anything.

Source: architecture "Data flow"; clinical-vocabulary sections 2, 8, 9; policy "Order of a consultation".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_agent.agents import reasoning as reason_agent
from edge_agent.agents import report as reports
from edge_agent.agents import scope as scopes
from edge_agent.agents import triage as triages
from edge_agent.agents.abstention import Abstention, Kept, keep, values
from edge_agent.agents.expressions import Fact
from edge_agent.agents.facts import facts_of
from edge_agent.agents.plan import PlanInput, plan
from edge_agent.agents.recognition import AgentEngine, recognise
from edge_agent.agents.red_flags import RuleBook, Verdict
from edge_agent.agents.representation import Described, merge, represent
from edge_agent.agents.run_record import Findings, Meter
from edge_agent.agents.second_look import look_again
from edge_agent.agents.severity import severity
from edge_agent.contracts.case import AgentOutput, Case, Finding
from edge_agent.contracts.manifest import Manifest
from edge_agent.contracts.terms import Vocabulary

OnProgress = Callable[[str, int, int], None]
EMERGENCY = "T1_emergency"


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Report no progress."""


def _unasked(case: Case) -> str | None:
    """Return the notice of a case that no agent is asked about: refused by the person, or without a picture."""
    if case.consent is not None and not case.consent.program_help.granted:
        return "program_refused"
    return None if case.views else "no_pictures"


@dataclass(frozen=True, slots=True)
class _Run:
    """One case on its way: the facts of its form, the danger-sign verdicts, the meter and the listener."""

    case: Case
    facts: Mapping[str, Fact]
    flags: tuple[Verdict, ...]
    meter: Meter
    tell: OnProgress


class CasePipeline:
    """Run cases through the three agents of one bundle.

    Args:
        engine: the engine that holds the bundle; one case at a time.
        manifest: the same bundle's manifest; None where no bundle can be trusted, then only the rules can run.
        vocabulary: the device's vocabulary.
        device: names the processor in the report's provenance.
        clock: seconds, monotonic; for the timings only.

    Raises:
        Incompatible: the bundle may answer an id that the vocabulary does not know.
    """

    def __init__(
        self,
        engine: AgentEngine,
        manifest: Manifest | None,
        vocabulary: Vocabulary,
        *,
        device: str = "CPU",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if manifest is not None:
            vocabulary.check_manifest(manifest)
        self._engine, self._trusted, self._vocabulary = engine, manifest, vocabulary
        self._device, self._clock = device, clock
        self._red_flags = RuleBook.load("red_flags.toml")
        self._triage_rules = RuleBook.load("triage_rules.toml")
        self._formula_rules = RuleBook.load("triage_rules.toml", table="formula_rule")

    @property
    def _manifest(self) -> Manifest:
        if self._trusted is None:
            raise RuntimeError("the agents run only on a bundle")
        return self._trusted

    def run(self, case: Case, *, on_progress: OnProgress | None = None) -> dict[str, Any]:
        """Run one case and return its report (``contracts/schemas/case_report.schema.json``).

        Args:
            case: the stored case; nothing in it is changed.
            on_progress: called as (stage, done, total); stages are rules, encode, recognition, second_look,
                representation, reasoning, report.

        Raises:
            InferenceError: the engine failed; ``run_without_model`` still gives the rules' part.
        """
        run = self._begin(case, on_progress or _silent)
        if (notice := _unasked(case)) is not None:
            return self._finish(run, Findings(notices=(notice,)))
        try:
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

    def _begin(self, case: Case, tell: OnProgress) -> _Run:
        """Judge the danger signs; nothing else happens before."""
        meter = Meter(self._clock)
        with meter.phase("rules"):
            facts = facts_of(case)
            flags = self._red_flags.evaluate(facts)
        tell("rules", 1, 1)
        return _Run(case, facts, flags, meter, tell)

    def _ask_agents(self, run: _Run) -> Findings:
        encoded = self._encode(run)
        views = run.case.views
        with run.meter.phase("recognition"):
            run.tell("recognition", 0, len(encoded))
            found = recognise(self._engine, encoded, views=views)
            run.meter.count(f.output for f in found)
        run.tell("recognition", len(encoded), len(encoded))
        further = self._look_again(run, found)
        scope = scopes.decide(found, self._manifest.thresholds, further=further)
        described, abstentions = [], list(scope.abstentions)
        for view, finding in zip(views, found, strict=True):
            fields, withheld = keep(finding.output, self._manifest.thresholds, view=view.index)
            described.append(Described(view, fields))
            abstentions += withheld
        so_far = Findings(scope=scope, described=tuple(described), abstentions=tuple(abstentions))
        if scope.decision != "in_scope":
            return so_far
        readable = [place for place, view in enumerate(views) if view.index in scope.readable]
        shown = [encoded[place] for place in readable]
        integrated = self._integrate(run, so_far, shown=shown, described=[described[place] for place in readable])
        if any(v.outcome == "fires" and v.rule.tier == EMERGENCY for v in run.flags):
            return integrated.with_abstention(Abstention("red_flag_active", reason_agent.SECTION))
        return self._reason(run, integrated, shown=shown)

    def _look_again(self, run: _Run, found: Sequence[Finding]) -> Mapping[int, tuple[AgentOutput, ...]]:
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

    def _encode(self, run: _Run) -> list[Any]:
        encoded = []
        with run.meter.phase("encode"):
            for done, view in enumerate(run.case.views):
                run.tell("encode", done, len(run.case.views))
                encoded.append(self._engine.encode(view.frame))
        run.tell("encode", len(encoded), len(encoded))
        return encoded

    def _integrate(
        self, run: _Run, so_far: Findings, *, shown: Sequence[Any], described: Sequence[Described]
    ) -> Findings:
        with run.meter.phase("representation"):
            run.tell("representation", 0, 1)
            spec = self._manifest.agents["representation"]
            steps = represent(self._engine, shown, spec=spec, described=described)
            run.meter.count(steps)
        run.tell("representation", 1, 1)
        fields, withheld = self._keep_all(steps)
        return so_far.with_representation(merge(described), fields, withheld)

    def _reason(self, run: _Run, so_far: Findings, *, shown: Sequence[Any]) -> Findings:
        if so_far.merged is None:
            raise RuntimeError("Reason runs only after Rep")
        with run.meter.phase("reasoning"):
            run.tell("reasoning", 0, 1)
            output = reason_agent.reason(
                self._engine,
                shown,
                spec=self._manifest.agents["reasoning"],
                merged=so_far.merged,
                representation=values(so_far.representation),
                intake=run.case.intake,
            )
            run.meter.count([output])
        run.tell("reasoning", 1, 1)
        fields, withheld = keep(output, self._manifest.thresholds)
        proposal = reason_agent.propose(fields, rules=self._formula_rules, facts=run.facts)
        return so_far.with_proposal(proposal, withheld)

    def _keep_all(self, outputs: Iterable[AgentOutput]) -> tuple[dict[str, Kept], list[Abstention]]:
        kept: dict[str, Kept] = {}
        abstentions: list[Abstention] = []
        for output in outputs:
            fields, withheld = keep(output, self._manifest.thresholds)
            kept |= fields
            abstentions += withheld
        return kept, abstentions

    def _finish(self, run: _Run, found: Findings) -> dict[str, Any]:
        """Triage, plan and build the report."""
        grade = severity(run.case.intake)
        triage = self._triage(run, found, band=grade["band"])
        course = reports.Course(
            red_flags=run.flags,
            triage=triage,
            severity=grade,
            plan=plan(
                PlanInput(
                    tier=triage.final,
                    is_in_scope=found.decision == "in_scope",
                    needs_human_reading=triage.needs_human_reading,
                    abstain_reasons=frozenset(a.reason for a in found.abstentions),
                    formula=found.formula,
                    age_years=run.case.intake.age_years,
                )
            ),
            notices=self._notices(run.case, found),
            findings=found,
        )
        origin = reports.Origin(
            manifest=self._trusted,
            device=self._device,
            vocabulary_version=self._vocabulary.version,
            timings_ms=run.meter.total(),
            tokens_sampled=run.meter.sampled,
            tokens_forced=run.meter.forced,
        )
        run.tell("report", 1, 1)
        return reports.build(run.case, course=course, origin=origin)

    def _triage(self, run: _Run, found: Findings, *, band: str | None) -> triages.Triage:
        """Combine all rules; the triage rules read what the agents left open, and can only raise."""
        derived: dict[str, Fact] = {
            **run.facts,
            "severity_band": band,
            "scope": found.decision,
            "is_abstained": found.is_abstained,
        }
        return triages.decide(
            [*run.flags, *self._triage_rules.evaluate(derived)],
            worker=run.case.intake.worker,
            program=None,  # no agent of this release proposes a tier
            created=run.case.created,
            vocabulary=self._vocabulary,
        )

    def _notices(self, case: Case, found: Findings) -> list[str]:
        rows = {
            "ref_notice": self._trusted is None or not self._trusted.clinical_use,
            "test_case": case.is_test_case,
            "fictitious_consent": case.consent is not None and case.consent.fictitious,
            "ai_notice": bool(found.described),
            "rules_unreviewed": not self._vocabulary.is_reviewed(),
            "rules_incomplete": not self._red_flags.is_complete,
            "formula_withheld": found.proposal is not None and bool(found.proposal.withheld_by),
            "formula_unchecked": found.proposal is not None and bool(found.proposal.unchecked),
            "no_size": bool(found.described),
        }
        return [*found.notices, *(name for name, holds in rows.items() if holds)]
