"""Ask Reason about a visit and check what it answers: thresholds, herbs, and every step against the record.

The record of evidence is made first, from what the agents before and the form have told; Reason reads it where its bundle
declares that, and its steps are held against the same one. Does not decide whether Reason may be asked; the pipeline does.

Source: clinical-vocabulary section 5 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.agents import reasoning as reason_agent
from edge_agent.agents.abstention import Abstention, Kept, keep, nothing_of, values
from edge_agent.agents.answer import read_answer
from edge_agent.agents.evidence.check import Reasoning, examine
from edge_agent.agents.evidence.record import REASON_FIELDS, Record, record_of, render
from edge_agent.agents.evidence.signs_table import SignTable
from edge_agent.agents.free_text import TextScreen
from edge_agent.agents.recognition import AgentEngine
from edge_agent.agents.representation import Described, Merge
from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.tcm.herbs import HerbBook
from edge_agent.agents.withholding import uncalibrated_fields
from edge_agent.contracts.case import AgentOutput, Case
from edge_agent.contracts.manifest import Manifest
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import Incompatible

NARRATIVE = "narrative"  # Rec's and Rep's short free text
TREND = "trend"
FIRST_VISIT = "first_visit"
# What a model answered at the earlier visit; another lineage's answers are no evidence for this one.
MODEL_ANSWERED = ("stage", "phenotype", "syndrome")


@dataclass(frozen=True, slots=True)
class Seen:
    """What Reason's turn rests on: the readable views with Rec's fields, their merge, and Rep's fields."""

    described: Sequence[Described]
    merged: Merge
    representation: Mapping[str, Kept]


@dataclass(frozen=True, slots=True)
class Assessed:
    """What Reason's turn gave: the proposal, its checked reasons, plan items as they came, and what is left open."""

    output: AgentOutput
    proposal: reason_agent.Proposal
    reasoning: Reasoning
    plan_proposals: tuple[Any, ...]
    abstentions: tuple[Abstention, ...]


class Assessor:
    """Ask the Reason of one bundle.

    Args:
        engine: the engine that holds the bundle.
        manifest: the same bundle's.
        vocabulary: the device's.

    Raises:
        Incompatible: the bundle wants Reason to read a field that no record has.
    """

    def __init__(self, engine: AgentEngine, manifest: Manifest, vocabulary: Vocabulary) -> None:
        spec = manifest.agents["reasoning"]
        if unknown := sorted(set(spec.inputs.record_fields) - set(REASON_FIELDS)):
            raise Incompatible(
                f"the bundle's reasoning reads {unknown[0]}, which no record has: update the device or choose another bundle"
            )
        self._engine, self._manifest, self._spec = engine, manifest, spec
        self._uncalibrated = uncalibrated_fields(manifest)
        self._herbs, self._signs = HerbBook.load(vocabulary), SignTable.load()
        self._screen = TextScreen(vocabulary)

    def assess(self, case: Case, seen: Seen, *, shown: Sequence[Any], facts: Mapping[str, Fact]) -> Assessed:
        """Run Reason once and check its answer.

        Args:
            case: the visit.
            seen: what the agents before have told.
            shown: the encoded views; used only if the manifest gives Reason pictures.
            facts: the form's facts.
        """
        record = self._record(case, seen)
        output = reason_agent.reason(
            self._engine,
            shown,
            spec=self._spec,
            merged=seen.merged,
            representation=values(seen.representation),
            intake=case.intake,
            record=render(record, self._spec.inputs.record_fields),
        )
        answer = read_answer(output, self._manifest.thresholds)
        fields, withheld = keep(answer.output, self._manifest.thresholds, uncalibrated=self._uncalibrated)
        proposal = reason_agent.propose(
            self._with_known_trend(fields, case),
            rules=self._herbs,
            facts=facts,
            text_names_banned=self._names_banned(seen),
        )
        syndrome = proposal.fields["syndrome"].value
        return Assessed(
            output=output,
            proposal=proposal,
            reasoning=examine(answer.reasons, syndrome=syndrome, record=record, table=self._signs),
            plan_proposals=answer.proposals,
            abstentions=(*withheld, *answer.abstentions, *proposal.abstentions),
        )

    def _record(self, case: Case, seen: Seen) -> Record:
        return record_of(
            seen.merged.leads,
            conflicts=seen.merged.conflicts,
            representation=values(seen.representation),
            intake=case.intake.model_dump(mode="json"),
            previous=self._previous(case),
        )

    def _previous(self, case: Case) -> dict[str, str | None] | None:
        visit = case.earlier_visit
        if visit is None:
            return None
        is_other = visit.lineage != self._manifest.lineage
        return {**visit.pointers(), **(dict.fromkeys(MODEL_ANSWERED) if is_other else {})}

    def _with_known_trend(self, fields: Mapping[str, Kept], case: Case) -> dict[str, Kept]:
        """Withhold a trend that compares with nothing: without an earlier visit, or across lineages."""
        row, visit = fields.get(TREND), case.earlier_visit
        if row is None:
            return dict(fields)
        is_comparable = visit is not None and visit.lineage == self._manifest.lineage
        is_first = row.value == FIRST_VISIT
        if row.value == nothing_of(TREND) or (is_comparable and not is_first) or (visit is None and is_first):
            return dict(fields)
        return {**fields, TREND: replace(row, value=nothing_of(TREND), is_withheld=row.is_decided)}

    def _names_banned(self, seen: Seen) -> bool:
        rows = [one.fields.get(NARRATIVE) for one in seen.described] + [seen.representation.get(NARRATIVE)]
        texts = [row.value for row in rows if row is not None and isinstance(row.value, str)]
        return any(self._screen.show(text, is_prescriber=True).substances for text in texts)
