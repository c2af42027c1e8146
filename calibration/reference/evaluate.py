"""Measure a decider on reference cases: per field and tone, gold and cascade, beside the constant answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from calibration.reference.agents_spec import REC_VALUES
from calibration.reference.confidence import Confidences
from calibration.reference.engine_decider import EngineDecider, Row, Tell, row_of, with_adapters
from calibration.reference.evaluation_table import print_result
from calibration.reference.list_values import items, leading, told
from calibration.reference.pool import PoolCase, draw_pool, drawing_digest, read_pool
from calibration.reference.scores import Scores, Sure, chance_of_tone
from edge_agent.agents.abstention import keep
from edge_agent.agents.evidence.check import CheckedStep, check, verifiability
from edge_agent.agents.evidence.record import Record, record_of
from edge_agent.agents.evidence.signs_table import SignTable
from edge_agent.agents.representation import Described, merge
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.case import AgentOutput, View
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import Thresholds

Progress = Callable[[str, int, int, str], None]
OVERVIEW_FIELDS = ("applicability", "colour")  # what an overview can show; the rest is fixed there and scores nothing
OWN = {"recognition": "recognition", "representation": "representation", "reasoning": "reasoning"}
# Rep's adapter is not lent out: without its invocation token it does nothing, and the engine refuses such a prompt.
SWAPPED = {"recognition": "reasoning", "representation": "recognition", "reasoning": "recognition"}
BARE: dict[str, str | None] = dict.fromkeys(OWN)
MODES: dict[str, Mapping[str, str | None]] = {"own": OWN, "bare": BARE, "swapped": SWAPPED}
Result = dict[str, dict[str, Any]]  # mode -> what ``Measurement.run`` returned
NO_THRESHOLDS = Thresholds(lesion_visible=0, in_scope_family=0, danger_family=1, not_skin=1)
# The step that a model could write without reading anything.
CONSTANT = {"claim": "blood_dryness", "stance": "supports", "evidence": ["intake.new_lesions_two_weeks"]}


class Decider(Protocol):
    """Decides the three agents' fields; the device's engine does."""

    def recognition(self, cases: Sequence[PoolCase], tell: Tell) -> list[list[AgentOutput]]:
        """Return Rec's answer per case and view."""

    def representation(self, cases: Sequence[PoolCase], tell: Tell) -> list[tuple[AgentOutput, ...]]:
        """Return Rep's answers per case."""

    def reasoning(self, records: Sequence[Record], tell: Tell) -> list[AgentOutput]:
        """Return Reason's answer per record."""


def reasoned_fields(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is counted of Reason's answer or of its truth: conditions by their dotted names, no steps."""
    flat = {name: value for name, value in answer.items() if name not in ("reasoning_steps", "biomedical")}
    return {f"biomedical.{name}": value for name, value in answer["biomedical"].items()} | flat


class Measurement:
    """One run of the three agents over cases, with everything that is counted.

    Args:
        decider: decides every agent's fields.
        cases: of one split.
        confidences: how logits become confidences; None measures accuracy only.
        tell: told of every agent as (agent, done, total).
        thresholds: what the device withholds before Reason reads it; while they are not fitted yet, nothing.
    """

    def __init__(
        self,
        decider: Decider,
        cases: Sequence[PoolCase],
        *,
        confidences: Confidences | None,
        tell: Callable[[str, int, int], None],
        thresholds: Thresholds = NO_THRESHOLDS,
    ) -> None:
        self._decider, self._cases, self._confidences, self._tell = decider, cases, confidences, tell
        self._thresholds = thresholds
        self._table = SignTable.load()
        self.scores = Scores()
        self.samples: list[tuple[str, Row, Mapping[str, Any]]] = []  # agent, row, truth: what a fit needs
        self.recognised: list[list[AgentOutput]] = []

    def run(self) -> dict[str, Any]:
        """Ask all agents and return the figures."""
        self.recognised = self._decider.recognition(self._cases, self._to("rec"))
        for case, outputs in zip(self._cases, self.recognised, strict=True):
            for view, output in zip(case.views, outputs, strict=True):
                names = OVERVIEW_FIELDS if view.shot == "overview" else tuple(REC_VALUES)
                self._add("recognition", case, {name: view.labels[name] for name in names}, [output])
        inside = [(case, rows) for case, rows in zip(self._cases, self.recognised, strict=True) if case.in_scope]
        represented = self._decider.representation([case for case, _ in inside], self._to("rep"))
        for (case, _), steps in zip(inside, represented, strict=True):
            truth = {name: case.representation[name] for name in represented_fields(case)}
            self._add("representation", case, truth, steps)
        gold = [case.record for case, _ in inside]
        chained = [
            chained_record(case, rows, reps, self._thresholds)
            for (case, rows), reps in zip(inside, represented, strict=True)
        ]
        checked = {
            name: self._reason(name, [case for case, _ in inside], records)
            for name, records in (("reasoning", gold), ("cascade", chained))
        }
        return self._figures(checked)

    def _reason(self, name: str, cases: Sequence[PoolCase], records: Sequence[Record]) -> dict[str, Any]:
        steps: list[CheckedStep] = []
        for case, record, output in zip(cases, records, self._decider.reasoning(records, self._to(name)), strict=True):
            truth = reasoned_fields(case.reasoning)
            self._add(name, case, truth, [output])
            steps += check(output.value.get("reasoning_steps", []), record, self._table)
        return {
            "steps": len(steps),
            "verifiability": verifiability(steps),
            "constant": verifiability([one for record in records for one in check([CONSTANT], record, self._table)]),
        }

    def _add(self, agent: str, case: PoolCase, truth: Mapping[str, Any], outputs: Sequence[AgentOutput]) -> None:
        row = row_of(outputs)
        self.scores.add(
            agent,
            tone=case.tone,
            truth={name: told(value) for name, value in truth.items()},
            answer={name: told(value) for name, (value, _) in row.items()},
            sure={} if agent == "cascade" else self._sure(agent, row, truth),
        )
        self.samples.append((agent, row, truth))

    def _sure(self, agent: str, row: Row, truth: Mapping[str, Any]) -> dict[str, Sure]:
        """Return per field its confidence, the least that is shown, and whether the leading item is right."""
        if self._confidences is None:
            return {}
        pairs = self._confidences.of(agent, row)
        return {
            name: (*pairs[name], leading(row[name][0]) in items(value))
            for name, value in truth.items()
            if name in pairs
        }

    def _figures(self, checked: Mapping[str, Any]) -> dict[str, Any]:
        agents = ("recognition", "representation", "reasoning", "cascade")
        fields_of = {agent: self.scores.names(agent) for agent in agents}
        answers = self.scores.tally("cascade.syndrome").rows
        return {
            "cases": len(self._cases),
            "fields": self.scores.summary(),
            "means": {agent: round(self.scores.mean(fields), 4) for agent, fields in fields_of.items()},
            "means_per_tone": {agent: self.scores.mean_per_tone(fields) for agent, fields in fields_of.items()},
            "tone_to_syndrome": chance_of_tone([(row[0], row[2]) for row in answers]),
            "verifiability": checked,
        }

    def _to(self, agent: str) -> Tell:
        return lambda done, total: self._tell(agent, done, total)


def chained_record(
    case: PoolCase, rows: Sequence[AgentOutput], reps: Sequence[AgentOutput], thresholds: Thresholds
) -> Record:
    """Collect what Reason reads from the answers of Rec and Rep, by the device's own thresholds and merge."""
    described = []
    for number, (view, output) in enumerate(zip(case.views, rows, strict=True)):
        fields, _ = keep(output, thresholds, view=number)
        described.append(Described(View(number, view.pixels, shot=view.shot), fields))
    merged = merge(described)
    told_of_visit = {name: row.value for output in reps for name, row in keep(output, thresholds)[0].items()}
    return record_of(
        merged.leads,
        conflicts=merged.conflicts,
        representation=told_of_visit,
        intake=case.intake,
        previous=case.previous,
    )


def represented_fields(case: PoolCase) -> tuple[str, ...]:
    """Return the fields of Rep that a case can tell: without an overview two are cannot_tell by rule and prove nothing."""
    always = ("phenotype", "stage", "mechanism")
    return ("distribution", "symmetry", *always) if any(view.shot == "overview" for view in case.views) else always


def cases_per_tone(cases: Sequence[PoolCase], per_tone: int) -> list[PoolCase]:
    """Return the first ``per_tone`` cases of each tone."""
    counts: dict[int, int] = {}
    chosen = []
    for case in cases:
        counts[case.tone] = counts.get(case.tone, 0) + 1
        if counts[case.tone] <= per_tone:
            chosen.append(case)
    return chosen


def draw_cases(pool: Path, *, per_tone: int, on_progress: Progress) -> list[PoolCase]:
    """Draw (or read) the test split's first ``per_tone`` cases of each tone.

    Args:
        pool: folder of pools; what an older renderer drew is never read.
    """
    shards = draw_pool(
        pool / f"test-{drawing_digest()[:8]}",
        split="test",
        cases=int(per_tone * 5 * 1.15) + 20,  # tones are drawn at random: a few more than needed
        processes=2,
        on_progress=lambda done, total: on_progress("draw test", done, total, ""),
    )
    return cases_per_tone(list(read_pool(shards)), per_tone)


def evaluate_bundle(
    bundle: Bundle, cases: Sequence[PoolCase], *, modes: Sequence[str] = tuple(MODES), on_progress: Progress
) -> Result:
    """Measure a bundle on the device's engine in production settings, with its own, no and swapped adapters."""
    fitted = bundle.manifest.thresholds.fields
    confidences = Confidences(least={name: row.min_confidence for name, row in fitted.items()})
    result: Result = {}
    for mode in modes:
        decider = EngineDecider(with_adapters(bundle, MODES[mode]))
        tell = partial(_told_as, f"{bundle.path.name} {mode}", on_progress)
        shown = confidences if mode == "own" else None
        try:
            result[mode] = Measurement(
                decider, cases, confidences=shown, tell=tell, thresholds=bundle.manifest.thresholds
            ).run()
        finally:
            decider.close()
    return result


def _told_as(stage: str, on_progress: Progress, agent: str, done: int, total: int) -> None:
    on_progress(f"{stage} {agent}", done, total, "")


def evaluate(
    bundles: Sequence[Path],
    *,
    pool: Path,
    per_tone: int,
    out: Path | None,
    on_progress: Progress,
) -> dict[str, Result]:
    """Measure bundles on the same cases; print their tables and floors.

    Args:
        bundles: signed with the development key.
        pool: folder of drawn test cases.
        per_tone: cases per skin tone.
        out: JSON file for all figures; None writes none.
        on_progress: told of every step worth showing.

    Raises:
        RejectedError: a bundle is damaged or nobody trusted signed it.
    """
    keys = load_keys(shipped_key_folder())
    opened = [open_bundle(path, keys=keys) for path in bundles]  # all are checked before the first hour is spent
    cases = draw_cases(pool, per_tone=per_tone, on_progress=on_progress)
    results: dict[str, Result] = {}
    for bundle in opened:
        results[str(bundle.path)] = evaluate_bundle(bundle, cases, on_progress=on_progress)
    for name, result in results.items():
        print_result(name, result)
    if out is not None:
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results
