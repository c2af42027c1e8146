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

from edge_agent.agents.abstention import Kept
from edge_agent.agents.reasoning import Proposal
from edge_agent.agents.red_flags import Verdict
from edge_agent.agents.representation import Described
from edge_agent.agents.run_record import Findings
from edge_agent.agents.scope import Scope
from edge_agent.agents.triage import Triage, is_clock_set
from edge_agent.contracts.case import Case
from edge_agent.contracts.manifest import Manifest

SCHEMA_VERSION = 1
SCHEMA_PATH = Path(__file__).parent.parent / "contracts" / "schemas" / "case_report.schema.json"


@dataclass(frozen=True, slots=True)
class Course:
    """Everything one run found out: the danger-sign verdicts, the agents' findings, and what rules made of them."""

    red_flags: Sequence[Verdict]
    findings: Findings
    triage: Triage
    severity: Mapping[str, Any]
    plan: Sequence[Mapping[str, Any]]
    notices: Sequence[str]


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


def build(case: Case, *, course: Course, origin: Origin) -> dict[str, Any]:
    """Return the report of one case; JSON-ready, keys in the published order."""
    worker = case.intake.worker
    return {
        "schema_version": SCHEMA_VERSION,
        "case_id": case.case_id,
        "created": case.created.isoformat(),
        "is_test_case": case.is_test_case,
        "notices": [*([] if is_clock_set(case.created) else ["clock_not_set"]), *course.notices],
        "red_flags": [_flag(v) for v in course.red_flags if v.outcome == "fires"],
        "not_assessed": [
            {"id": v.rule.id, "missing": list(v.missing)} for v in course.red_flags if v.outcome == "unknown"
        ],
        "triage": _triage(course),
        "worker": {"impression": worker.impression, "tier": worker.tier, "worried": worker.worried},
        "scope": _scope(course.findings.scope),
        "recognition": [_finding(one) for one in course.findings.described],
        "representation": _representation(course.findings),
        "severity": dict(course.severity),
        "reasoning": _reasoning(course.findings.proposal),
        "plan": [dict(item) for item in course.plan],
        "abstentions": [
            {"reason": a.reason, "section": a.section, "view": a.view, "field": a.field}
            for a in course.findings.abstentions
        ],
        "provenance": _provenance(origin),
    }


def _flag(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.rule.id,
        "tier": verdict.rule.tier,
        "because": list(verdict.because),
        "is_stronger": verdict.is_stronger,
        "origin": "form",
    }


def _triage(course: Course) -> dict[str, Any]:
    triage = course.triage
    return {
        "final": triage.final,
        "deadline": triage.deadline.isoformat() if triage.deadline else None,
        "deadline_hours": triage.deadline_hours,
        "is_provisional": any(v.outcome == "unknown" for v in course.red_flags),
        "needs_human_reading": triage.needs_human_reading,
        "by": {"rules": triage.by_rules, "worker": triage.by_worker, "program": triage.by_program},
        "reasons": list(triage.reasons),
        "not_assessed": [
            {"id": v.rule.id, "missing": list(v.missing)} for v in triage.not_assessed if v.rule.id.startswith("TR-")
        ],
    }


def _scope(scope: Scope | None) -> dict[str, Any]:
    if scope is None:
        return {"decision": "abstained", "views": []}
    rows = [
        {
            "view": row.view,
            "applicability": row.applicability,
            "family": row.family,
            "p_lesion_visible": _round(row.lesion_visible),
            "p_in_scope_family": _round(row.in_scope_family),
            "p_danger_family": _round(row.danger_family),
            "p_not_skin": _round(row.not_skin),
            "looks": row.looks,
        }
        for row in scope.views
    ]
    return {"decision": scope.decision, "views": rows}


def _finding(one: Described) -> dict[str, Any]:
    view = one.view
    return {
        "view": view.index,
        "shot": view.shot,
        "body_site": view.body_site,
        "laterality": view.laterality,
        "fields": _fields(one.fields),
    }


def _representation(found: Findings) -> dict[str, Any] | None:
    if found.merged is None:
        return None
    conflicts = found.merged.conflicts
    return {
        "fields": _fields(found.representation),
        "dominant": dict(found.merged.dominant),
        "leading": dict(found.merged.leading),
        "conflicts": [{"field": name, "view_a": first, "view_b": second} for name, first, second in conflicts],
    }


def _reasoning(proposal: Proposal | None) -> dict[str, Any] | None:
    if proposal is None:
        return None
    return {
        "fields": _fields(proposal.fields),
        "is_proposal_for": "prescriber",
        "formula_withheld_by": list(proposal.withheld_by),
        "formula_unchecked": list(proposal.unchecked),
    }


def _fields(kept: Mapping[str, Kept]) -> dict[str, Any]:
    return {
        name: {
            "value": row.value,
            "probability": None if row.probability is None else _round(row.probability),
            "is_decided": row.is_decided,
            "is_withheld": row.is_withheld,
        }
        for name, row in kept.items()
    }


def _provenance(origin: Origin) -> dict[str, Any]:
    manifest = origin.manifest
    return {
        "bundle": None if manifest is None else _bundle(manifest),
        "device": origin.device,
        "vocabulary": origin.vocabulary_version,
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
