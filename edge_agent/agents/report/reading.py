"""Read a report for showing: bring an older version to today's keys, and leave out what an audience may not see.

A report itself is for clinicians. What the person takes home never shows that something was left out: private rules
are gone whatever they said, and plan items are counted anew. A worker reads every danger sign, the tier, the findings and
what is to be done, but no syndrome and no formula that the practice keeps to clinicians. Does not put words to anything.

Source: clinical-vocabulary sections 8 (RF-24, RF-25) and 10; policy R9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.agents.rules.rule_file import EMERGENCY
from edge_agent.agents.tcm.block import for_audience
from edge_agent.errors import CaseError

ReportAudience = Literal["person", "clinician"]  # for whom paper is
Reader = Literal["person", "worker", "clinician"]  # who reads: a worker does so on the screen alone
READABLE_VERSIONS = (1, 2)
# For clinicians only, whatever the practice shows to the person.
_FORMULA_FIELDS = frozenset({"formula", "modification"})
_FORMULA_OBJECTS = frozenset({"tcm_formula_proposal", "tcm_external_wash_proposal"})
_PLAN_LISTS = ("items", "cut", "findings")
_PATHOGENESIS = "mechanism"
_FORMULA_NOTICES = frozenset({"formula_withheld", "formula_unchecked"})
_PRIVATE_CAUSE = "red_flag_active"
FOR_CLINICIANS = "for_clinicians"  # key of what a worker reads: the parts that are there and not for him


def readable(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report with the keys of version 2; what an older one did not know is null or empty, never normal.

    Raises:
        CaseError: a version that this program cannot read.
    """
    version = report.get("schema_version")
    if version not in READABLE_VERSIONS:
        raise CaseError(
            f"the report has schema version {version}; this program shows versions 1 and 2: update the program"
        )
    told = dict(report) if version != 1 else _from_version_1(report)
    if told["representation"] is not None:
        told["representation"] = {"sites_seen": [], "regions_not_seen": [], **told["representation"]}
    return told


def seen_by(report: Mapping[str, Any], audience: Reader, *, is_private: frozenset[str]) -> dict[str, Any]:
    """Return what one audience may see of a report of version 2.

    Args:
        report: of ``readable``.
        audience: who reads or prints.
        is_private: rules that never stand on the person's copy (``private_rules``).
    """
    if audience == "clinician":
        return dict(report)
    if audience == "worker":
        return _for_a_worker(report)
    flags = [row for row in report["red_flags"] if row["id"] not in is_private]
    is_shown_emergency = any(row["tier"] == EMERGENCY for row in flags)
    tcm = for_audience(report["tcm"], "person")
    absent = report["tcm_absent"]
    told = {
        **report,
        "notices": [name for name in report["notices"] if name not in _FORMULA_NOTICES],
        "red_flags": flags,
        "stops_photography": False,
        "not_assessed": [row for row in report["not_assessed"] if row["id"] not in is_private],
        "triage": _public_triage(report, is_private),
        "worker": {**report["worker"], "impression": None},  # free words, written before anyone thought of a reader
        "recognition": [_without_model_words(view) for view in report["recognition"]],
        "plan": _public_plan(report["plan"]),
        "tcm": tcm,
        "tcm_absent": None if absent == _PRIVATE_CAUSE and not is_shown_emergency else absent,
        "reasoning": _public_reasoning(report["reasoning"], has_tcm=tcm is not None),
        "abstentions": [row for row in report["abstentions"] if is_shown_emergency or row["reason"] != _PRIVATE_CAUSE],
    }
    return told | {"representation": _public_representation(report["representation"], has_tcm=tcm is not None)}


def is_tcm_seen(report: Mapping[str, Any], audience: Reader) -> bool:
    """Say whether a reader may see what the report says of a syndrome, or what a clinician put in its place."""
    if audience == "clinician":
        return True
    return for_audience(report["tcm"], "person") is not None


def _for_a_worker(report: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what the practice keeps to clinicians, and a model's own words; nothing of what makes the case urgent."""
    tcm = for_audience(report["tcm"], "person")
    reasoning = _public_reasoning(report["reasoning"], has_tcm=tcm is not None)
    is_told = tcm is not None or report["tcm_absent"] is not None  # the syndrome, or why there is none
    hidden = {
        "tcm": not is_told and bool(report["tcm"] or report["reasoning"]),
        "reasoning": reasoning is None and report["reasoning"] is not None,
    }
    return {
        **report,
        "notices": [name for name in report["notices"] if name not in _FORMULA_NOTICES],
        "recognition": [_without_model_words(view) for view in report["recognition"]],
        "representation": _public_representation(report["representation"], has_tcm=tcm is not None),
        "biomedical": _without_pathogenesis(report["biomedical"]) if tcm is None else report["biomedical"],
        "reasoning": reasoning,
        "tcm": tcm,
        "plan": _without_formulas(report["plan"]),
        FOR_CLINICIANS: tuple(part for part, is_hidden in hidden.items() if is_hidden),
    }


def _public_representation(told: Mapping[str, Any] | None, *, has_tcm: bool) -> dict[str, Any] | None:
    """Leave out a model's own words; without the TCM block for this reader the pathogenesis too."""
    if told is None:
        return None
    kept = {name: row for name, row in told["fields"].items() if has_tcm or name != _PATHOGENESIS}
    return {**_without_model_words(told), "fields": kept}


def _without_pathogenesis(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Leave out evidence that names the pathogenesis: it is a syndrome by another name."""
    if told is None:
        return None

    def kept(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if row is None:
            return None
        sides = ("supported_by", "less_supported_by")
        return {**row, **{side: [one for one in row[side] if not _is_pathogenesis(one)] for side in sides}}

    return {**told, "working": kept(told["working"]), "differential": [kept(row) for row in told["differential"]]}


def is_item_told(item: Mapping[str, Any], audience: Reader) -> bool:
    """Say whether a reader may know of one item of a plan; whatever the practice shows, a formula is for clinicians."""
    return audience == "clinician" or item["object"] not in _FORMULA_OBJECTS


def _is_pathogenesis(evidence: Mapping[str, Any]) -> bool:
    return str(evidence["pointer"]).endswith(f".{_PATHOGENESIS}")


def _without_formulas(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Leave a plan's formulas out; the other items keep their numbers, so that worker and clinician mean the same one."""
    kept = {name: [row for row in plan[name] if is_item_told(row, "worker")] for name in _PLAN_LISTS}
    return {**plan, **kept, "is_cut": bool(kept["cut"])}


def _without_model_words(section: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out a model's own words and its guess at a skin tone: nobody has checked them for this reader."""
    return {key: value for key, value in section.items() if key not in {"texts", "tone_logits"}}


def private_rules(rules: RuleBook) -> frozenset[str]:
    """Return the ids of the rules that never stand on the person's copy."""
    return frozenset(rule.id for rule in rules.rules if rule.is_private)


def _public_triage(report: Mapping[str, Any], is_private: frozenset[str]) -> dict[str, Any]:
    """Leave out private reasons; with them who asked for what, and a doubt that only a private question explains."""
    triage = report["triage"]
    reasons = [rule for rule in triage["reasons"] if rule not in is_private]
    fired = [row for row in report["red_flags"] if row["id"] not in is_private]
    open_rules = [row for row in report["not_assessed"] if row["id"] not in is_private]
    open_rules += [row for row in fired if row["missing_for_stronger"]]
    return {
        **triage,
        "is_provisional": triage["is_provisional"] and bool(open_rules),
        "by": dict.fromkeys(triage["by"]),
        "before_clinician": triage["final"],
        "clinician_reason": None,
        "is_lowered": False,
        "reasons": reasons,
        "private_reasons": [],
    }


def _public_plan(plan: Mapping[str, Any]) -> dict[str, Any]:
    shown = [item for item in plan["items"] if not item["is_private"] and item["object"] not in _FORMULA_OBJECTS]
    cut = [item for item in plan["cut"] if not item["is_private"] and item["object"] not in _FORMULA_OBJECTS]
    # A gap in the numbers would tell that something is missing.
    items = [{**item, "order": order} for order, item in enumerate(shown, start=1)]
    return {"items": items, "is_cut": bool(cut), "cut": cut, "findings": []}


def _public_reasoning(told: Mapping[str, Any] | None, *, has_tcm: bool) -> dict[str, Any] | None:
    """Steps speak of syndromes: without the TCM block for this reader they are not shown either."""
    if told is None or not has_tcm:
        return None
    fields = {name: row for name, row in told["fields"].items() if name not in _FORMULA_FIELDS}
    return {**_without_model_words(told), "fields": fields, "formula_withheld_by": [], "formula_unchecked": []}


def _from_version_1(report: Mapping[str, Any]) -> dict[str, Any]:
    reasoning, severity = report["reasoning"], report["severity"]
    return {
        "change": None,
        "biomedical": None,
        "tcm": None,
        "tcm_absent": None,
        "stops_photography": False,
        **report,
        "red_flags": [
            {"missing_for_stronger": [], "is_private": False, "is_confirmed": row["origin"] == "form", **row}
            for row in report["red_flags"]
        ],
        "triage": _triage_1(report["triage"]),
        "severity": {**_NO_SEVERITY, **severity},
        "reasoning": None if reasoning is None else {**_NO_STEPS, **reasoning},
        "plan": _plan_1(report["plan"]),
        "provenance": {"evidence_limits": [], **report["provenance"]},
        "abstentions": [{"withholds": None, "needs_human_reading": False, **row} for row in report["abstentions"]],
    }


def _triage_1(triage: Mapping[str, Any]) -> dict[str, Any]:
    by = {"clinician": None, **triage["by"]}
    more = {"before_clinician": triage["final"], "clinician_reason": None, "is_lowered": False, "private_reasons": []}
    return {**more, **triage, "by": by}


def _plan_1(plan: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(plan, Mapping):
        return dict(plan)
    return {"items": [{**_NO_PLAN_KEYS, **item} for item in plan], "is_cut": False, "cut": [], "findings": []}


_NO_SEVERITY: Mapping[str, Any] = {
    "is_at_least": False, "bsa_implied_percent": None, "pga": None,
    "nrs": {"itch": None, "pain": None, "sleep": None, "impact": None},
    "pasi": {"value": None, "reason": None, "missing": [], "by_region": [], "tone_caution": None},
    "local_score": [], "warnings": [],
}  # fmt: skip
_NO_STEPS: Mapping[str, Any] = {
    "is_decided": False, "steps": [], "verifiability": None, "conclusion_follows": None, "findings": [],
}  # fmt: skip
_NO_PLAN_KEYS: Mapping[str, Any] = {
    "tier": None, "rule": None, "because": [], "limits": [], "prior_tests": [], "unchecked": [], "is_private": False,
}  # fmt: skip
