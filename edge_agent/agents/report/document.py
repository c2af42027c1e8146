"""Build the report of one case as a plain mapping: ids, numbers and times only, no words in any language.

The published schema is ``edge_agent/contracts/schemas/case_report.schema.json``; ``report_text`` and ``report_html``
put words to it. The worker's own impression is the one free text in it; a report stays on the device.

Source: clinical-vocabulary section 10 (report sections) and policy R14.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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
from edge_agent.contracts.case import Case
from edge_agent.contracts.manifest import Manifest

SCHEMA_VERSION = 2
SCHEMA_PATH = Path(__file__).parents[2] / "contracts" / "schemas" / "case_report.schema.json"
# Free text has no place in a report; what was changed in a formula stands with its herb check in the TCM block.
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


def build(case: Case, *, course: Course, origin: Origin) -> dict[str, Any]:
    """Return the report of one case; JSON-ready, keys in the published order.

    It is written for clinicians: whoever shows it to the person leaves out what is private (``report_words``).
    """
    worker, found = case.intake.worker, course.findings
    danger = red_flags.as_report(course.red_flags)
    return {
        "schema_version": SCHEMA_VERSION,
        "case_id": case.case_id,
        "created": case.created.isoformat(),
        "is_test_case": case.is_test_case,
        "notices": [*([] if is_clock_set(case.created) else ["clock_not_set"]), *course.notices],
        "red_flags": danger["red_flags"],
        "not_assessed": danger["not_assessed"],
        "stops_photography": danger["stops_photography"],
        "triage": course.triage.as_report(),
        "worker": {"impression": worker.impression, "tier": worker.tier, "worried": worker.worried},
        "scope": _scope(found.scope),
        "recognition": [_finding(one) for one in found.described],
        "representation": _representation(found),
        "severity": course.severity.to_report(),
        "change": None if course.change is None else course.change.to_report(),
        "biomedical": _biomedical(found),
        "reasoning": _reasoning(found),
        "tcm": None if course.tcm is None else course.tcm.to_report(),
        "tcm_absent": course.tcm_absent,
        "plan": course.plan.to_report(),
        "abstentions": withholding.to_report(found.abstentions),
        "provenance": _provenance(origin),
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
    conflicts = found.merged.conflicts[:MAX_CONFLICTS]
    return {
        "sites_seen": [{"body_site": site, "laterality": side} for site, side in sites_seen(found.readable)],
        "regions_not_seen": list(regions_not_seen(found.readable)),
        "fields": _fields(found.representation),
        "dominant": dict(found.merged.dominant),
        "leading": dict(found.merged.leading),
        "conflicts": [{"field": name, "view_a": first, "view_b": second} for name, first, second in conflicts],
    }


def _biomedical(found: Findings) -> dict[str, Any] | None:
    if found.reasoning is None:
        return None
    told = found.reasoning.to_report()
    return {"working": told["working"], "differential": told["differential"]}


def _reasoning(found: Findings) -> dict[str, Any] | None:
    proposal = found.proposal
    if proposal is None or found.reasoning is None:
        return None
    told = found.reasoning.to_report()
    return {
        "fields": _fields(proposal.fields),
        "is_proposal_for": "prescriber",
        **{name: told[name] for name in REASONS},
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
