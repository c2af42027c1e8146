"""Build the report of one case as a plain mapping: ids, numbers and times only, no words in any language.

The published schema is ``edge_agent/contracts/schemas/case_report.schema.json``; ``report_text`` and ``report_html``
put words to it. The worker's own impression is the one free text in it; a report stays on the device.

Source: clinical-vocabulary section 10 (report sections) and policy R14.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.agents import withholding
from edge_agent.agents.abstention import Kept
from edge_agent.agents.conclusions import Course
from edge_agent.agents.evidence_limits import limitations
from edge_agent.agents.representation import Described, regions_not_seen, sites_seen
from edge_agent.agents.rules import red_flags
from edge_agent.agents.rules.triage import is_clock_set
from edge_agent.agents.run_record import Findings
from edge_agent.agents.scope import Scope
from edge_agent.agents.text.shown import Shown, ShownTexts
from edge_agent.contracts.case import Case
from edge_agent.contracts.manifest import Manifest

SCHEMA_VERSION = 2
SCHEMA_PATH = Path(__file__).parents[2] / "contracts" / "schemas" / "case_report.schema.json"
# A narrative has no place among the fields; what was changed in a formula stands with its herb check in the TCM block.
NOT_FIELDS = frozenset({"narrative", "modification"})
MAX_CONFLICTS = 6  # section 3a
REASONS = ("is_decided", "steps", "verifiability", "conclusion_follows", "findings")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a report comes from: bundle, device, vocabulary, time per phase (ms), tokens sampled and forced.

    ``manifest`` is None where no bundle could be trusted and the rules alone spoke.
    """

    manifest: Manifest | None
    device: str
    vocabulary_version: str
    timings_ms: Mapping[str, float]
    tokens_sampled: int
    tokens_forced: int


def report_schema() -> dict[str, Any]:
    """Read the published JSON schema of a report."""
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return schema


def build(case: Case, *, course: Course, origin: Origin, texts: ShownTexts | None = None) -> dict[str, Any]:
    """Return the report of one case; JSON-ready, keys in the published order.

    It is written for clinicians: whoever shows it to the person leaves out what is private (``report_words``).
    ``texts`` are the agents' own words as they may be kept, for a bundle whose agents write any.
    """
    worker, found = case.intake.worker, course.findings
    said = texts if texts is not None else ShownTexts()
    danger = red_flags.as_report(course.red_flags)
    return {
        "schema_version": SCHEMA_VERSION,
        "case_id": case.case_id,
        "created": case.created.isoformat(),
        "is_test_case": case.is_test_case,
        "notices": [*_of_the_visit(case), *course.notices],
        "red_flags": danger["red_flags"],
        "not_assessed": danger["not_assessed"],
        # A sign of abuse that was told and taken back fires no rule; its stop holds (policy R9).
        "stops_photography": danger["stops_photography"] or case.photography.is_stopped,
        "triage": course.triage.as_report(),
        "worker": {"impression": worker.impression, "tier": worker.tier, "worried": worker.worried},
        "scope": _scope(found.scope),
        "recognition": [_finding(one, said.views.get(one.view.index, ())) for one in found.described],
        "representation": _representation(found, said.representation),
        "severity": course.severity.to_report(),
        "change": None if course.change is None else course.change.to_report(),
        "biomedical": _biomedical(found),
        "reasoning": _reasoning(found, said.reasoning),
        "tcm": None if course.tcm is None else course.tcm.to_report(),
        "tcm_absent": course.tcm_absent,
        "plan": course.plan.to_report(),
        "abstentions": withholding.to_report(found.abstentions),
        "provenance": _provenance(origin),
    }


def _of_the_visit(case: Case) -> list[str]:
    """Return the notices that hold whatever was concluded."""
    rows = {"clock_not_set": not is_clock_set(case.created), "picture_lost": bool(case.photography.lost)}
    return [name for name, holds in rows.items() if holds]


def _scope(scope: Scope | None) -> dict[str, Any]:
    if scope is None:
        return {"decision": "abstained", "views": []}
    rows = [
        {
            "view": row.view,
            "applicability": row.applicability,
            "family": row.family,
            # Words have no probability, and none is made up for them.
            "p_lesion_visible": None if row.is_coded else _round(row.lesion_visible),
            "p_in_scope_family": None if row.is_coded else _round(row.in_scope_family),
            "p_danger_family": None if row.is_coded else _round(row.danger_family),
            "p_not_skin": None if row.is_coded else _round(row.not_skin),
            "looks": row.looks,
        }
        for row in scope.views
    ]
    return {"decision": scope.decision, "views": rows}


def _finding(one: Described, texts: Sequence[Shown]) -> dict[str, Any]:
    view = one.view
    return {
        "view": view.index,
        "shot": view.shot,
        "body_site": view.body_site,
        "laterality": view.laterality,
        "fields": _fields(one.fields, texts),
        **_texts(texts),
        **_tone(one),
    }


def _tone(one: Described) -> dict[str, Any]:
    """Return the key with a side branch's tone estimate; none for a bundle without one."""
    return {} if one.tone_logits is None else {"tone_logits": {k: _round(v) for k, v in one.tone_logits.items()}}


def _representation(found: Findings, texts: Sequence[Shown]) -> dict[str, Any] | None:
    if found.merged is None:
        return None
    conflicts = found.merged.conflicts[:MAX_CONFLICTS]
    return {
        "sites_seen": [{"body_site": site, "laterality": side} for site, side in sites_seen(found.readable)],
        "regions_not_seen": list(regions_not_seen(found.readable)),
        "fields": _fields(found.representation, texts),
        "dominant": dict(found.merged.dominant),
        "leading": dict(found.merged.leading),
        "conflicts": [{"field": name, "view_a": first, "view_b": second} for name, first, second in conflicts],
        **_texts(texts),
    }


def _biomedical(found: Findings) -> dict[str, Any] | None:
    if found.reasoning is None:
        return None
    told = found.reasoning.to_report()
    return {"working": told["working"], "differential": told["differential"]}


def _reasoning(found: Findings, texts: Sequence[Shown]) -> dict[str, Any] | None:
    proposal = found.proposal
    if proposal is None or found.reasoning is None:
        return None
    told = found.reasoning.to_report()
    return {
        "fields": _fields(proposal.fields, texts),
        "is_proposal_for": "prescriber",
        **{name: told[name] for name in REASONS},
        "formula_withheld_by": list(proposal.withheld_by),
        "formula_unchecked": list(proposal.unchecked),
        **_texts(texts),
    }


def _texts(texts: Sequence[Shown]) -> dict[str, Any]:
    """Return the key with the agents' own words; none for an agent that answers under a schema."""
    return {"texts": [one.to_report() for one in texts]} if texts else {}


def _origin_of(row: Kept, texts: Sequence[Shown]) -> dict[str, Any]:
    """Say of a coded value how it was read and where it stands in the words that the report keeps."""
    coded = row.coded
    if coded is None:
        return {}
    shown = next((one for one in texts if one.step == coded.step), None)
    spans = [shown.span(*span) for span in coded.spans] if shown is not None else []
    kept = [list(span) for span in spans if span is not None]
    return {"origin": "coded", "coded_by": coded.by, "step": coded.step, "spans": kept}


def _fields(kept: Mapping[str, Kept], texts: Sequence[Shown] = ()) -> dict[str, Any]:
    return {
        name: {
            "value": row.value,
            "probability": None if row.probability is None else _round(row.probability),
            "is_decided": row.is_decided,
            "is_withheld": row.is_withheld,
            **_origin_of(row, texts),
        }
        for name, row in kept.items()
        if name not in NOT_FIELDS
    }


def _provenance(origin: Origin) -> dict[str, Any]:
    manifest = origin.manifest
    return {
        "bundle": None if manifest is None else _bundle(manifest),
        "device": origin.device,
        "vocabulary": origin.vocabulary_version,
        "evidence_limits": [] if manifest is None else list(limitations(manifest.evidence)),
        "timings_ms": {name: round(ms, 1) for name, ms in origin.timings_ms.items()},
        "tokens": {"sampled": origin.tokens_sampled, "forced": origin.tokens_forced},
    }


def _bundle(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "version": manifest.version,
        "lineage": manifest.lineage,
        "backbone": manifest.backbone.content_digest,
        "clinical_use": manifest.clinical_use,
    }


def _round(value: float) -> float:
    return round(float(value), 4)
