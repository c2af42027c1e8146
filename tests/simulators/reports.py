"""Reports of version 2 made by hand, to be put into words: every section filled, nothing from the code under test.

Every person in them is invented.
"""

from __future__ import annotations

import copy
from typing import Any

NRS = {"itch": 5, "pain": None, "sleep": 2, "impact": 3}
PEOPLE = {"rules": None, "worker": "T5_local", "program": None, "clinician": None}


def field(value: Any, probability: float | None = 0.92, *, is_withheld: bool = False) -> dict[str, Any]:
    """Return one field; without a probability the bundle never decides it."""
    is_decided = probability is not None or is_withheld
    return {"value": value, "probability": probability, "is_decided": is_decided, "is_withheld": is_withheld}


def pointer(name: str, value: Any, verdict: str = "supported") -> dict[str, Any]:
    """Return one checked evidence pointer."""
    return {"pointer": name, "value": value, "verdict": verdict}


def step(claim: str, *evidence: dict[str, Any], stance: str = "supports", verdict: str = "supported") -> dict[str, Any]:
    """Return one checked step."""
    return {"claim": claim, "stance": stance, "evidence": list(evidence), "verdict": verdict}


def item(order: int, action: str, name: str, **told: Any) -> dict[str, Any]:
    """Return one plan item."""
    empty = dict.fromkeys(("detail", "condition", "interval_days", "tier", "rule"))
    lists: dict[str, Any] = {key: [] for key in ("because", "limits", "prior_tests", "unchecked")}
    given = {"role": "worker", "origin": "rule", "status": "proposed", "is_private": False}
    return {"order": order, "action": action, "object": name, **empty, **given, **lists, **told}


def view(index: int, shot: str, site: str, **changes: Any) -> dict[str, Any]:
    """Return one picture's findings: sixteen fields, two of them never decided."""
    fields = {
        "applicability": field("lesion_visible", 0.99),
        "family": field("papulosquamous", 0.97),
        "primary_lesion": field(["plaque"], 0.88),
        "secondary_change": field(["scale"], 0.81),
        "colour": field(["bright_red"], 0.9),
        "scale_type": field("silvery_lamellar", 0.86),
        "scale_amount": field(3, 0.7),
        "erythema": field(3, 0.71),
        "induration": field(2, 0.66),
        "border": field("well_defined", 0.93),
        "shape": field(["round_oval"], 0.7),
        "arrangement": field("cannot_tell", 0.8),
        "count_in_view": field("two_to_five", 0.77),
        "surface_share": field("cannot_tell", None),
        "special": field(["none"], None),
    }
    where = {"shot": shot, "body_site": site, "laterality": None}
    return {"view": index, **where, "fields": {**fields, **changes}}


def _region(region: str, percent: float, score: int, grades: tuple[int, int, int], part: float) -> dict[str, Any]:
    names = dict(zip(("erythema", "induration", "scale_amount"), grades, strict=True))
    return {"region": region, "area_percent": percent, "area_score": score, **names, "part": part}


SEVERITY: dict[str, Any] = {
    "band": "moderate",
    "is_at_least": False,
    "missing": [],
    "bsa_percent": 6.0,
    "bsa_implied_percent": 6.4,
    "pga": 3,
    "nrs": NRS,
    "pasi": {
        "value": 7.2,
        "reason": None,
        "missing": [],
        "by_region": [
            _region("head", 0, 0, (0, 0, 0), 0.0),
            _region("upper", 12, 2, (3, 2, 3), 3.2),
            _region("trunk", 4, 1, (2, 2, 2), 1.8),
            _region("lower", 5, 1, (2, 2, 2), 2.4),
        ],
        "tone_caution": None,
    },
    "local_score": [],
    "warnings": [{"id": "bsa_differs_from_regions", "region": None}],
}
CHANGE: dict[str, Any] = {
    "previous": {"created": "2026-01-07T09:30:00+00:00", "lineage": "test", "release": "1.0"},
    "days": 56,
    "pasi": {
        "direction": "better", "reason": None, "before": 15.0, "now": 7.2, "difference": -7.8,
        "regions": ["head", "upper", "trunk", "lower"], "response": "pasi_50", "response_reason": None,
    },
    "bsa": {"direction": "better", "reason": None, "before": 12.0, "now": 6.0, "difference": -6.0},
    "pga": {"direction": "not_comparable", "reason": "not_known_then", "before": None, "now": None, "difference": None},
}  # fmt: skip
RED = pointer("view:1.colour", ["bright_red"])
NEW = pointer("intake.new_lesions_two_weeks", "yes")
TONGUE = pointer("intake.tongue.body_colour", "red")
SCALE = pointer("view:2.scale_type", "silvery_lamellar")
BIOMEDICAL: dict[str, Any] = {
    "working": {
        "condition": "plaque_psoriasis", "confidence": 0.87, "named_by_bundle": True,
        "supported_by": [SCALE, pointer("view:1.border", "well_defined")], "less_supported_by": [],
    },
    "differential": [
        {
            "condition": "secondary_syphilis", "confidence": None, "named_by_bundle": True,
            "supported_by": [pointer("view:1.shape", ["round_oval"], "value_does_not_support")],
            "less_supported_by": [SCALE],
        },
        {
            "condition": "cutaneous_lupus_suspected", "confidence": None, "named_by_bundle": False,
            "supported_by": [], "less_supported_by": [],
        },
    ],
}  # fmt: skip
REASONING: dict[str, Any] = {
    "fields": {
        "syndrome": field("blood_heat", 0.91),
        "principle": field(["clear_heat_cool_blood"], 0.93),
        "formula": field("xijiao_dihuang_tang", 0.94),
        "limitations": field(["pulse_not_examined"], 0.8),
    },
    "is_proposal_for": "prescriber",
    "is_decided": True,
    "steps": [
        step("blood_heat", RED, NEW),
        step("blood_heat", TONGUE),
        step("blood_stasis", RED, stance="against"),
        step("blood_heat", pointer("intake.pulse", ["rapid"], "nothing_there"), verdict="nothing_there"),
    ],
    "verifiability": 0.75,
    "conclusion_follows": True,
    "findings": [],
    "formula_withheld_by": [],
    "formula_unchecked": ["FB-04"],
}
TCM: dict[str, Any] = {
    "disease_name": "bai_bi",
    "syndrome": {"primary": "blood_heat", "secondary": None, "confidence": 0.91, "is_withheld": False},
    "tm1_code": "SF02",
    "principle": ["clear_heat_cool_blood"],
    "principle_dropped": [],
    "formula": {
        "id": "xijiao_dihuang_tang",
        "is_filled": True,
        "base_herbs": ["shuiniujiao", "shengdihuang", "chishao", "mudanpi"],
        "modification": [{"action": "add", "herb": "zicao"}],
        "herbs": [],
        "warned_by": ["FB-02"],
    },
    "formula_withheld_by": [],
    "formula_unchecked": ["FB-04"],
    "formula_missing": ["comorbidity_liver_disease"],
    "incompatible_pairs": [],
    "modification_dropped": [{"action": "add", "herb": None, "reason": "unknown_herb"}],
    "refer_to_prescriber": False,
    "prescription": None,
    "is_proposal_for": "prescriber",
    "audience": {"differentiation": "clinician", "formula": "clinician", "prescription": None},
}
PLAN: dict[str, Any] = {
    "items": [
        item(1, "refer", "dermatology_remote_reading", tier="T4_routine"),
        item(2, "treat", "emollient"),
        item(3, "treat", "vitamin_d_topical", role="prescriber", condition="after_clinician_review", limits=["face"]),
        item(
            4, "treat", "tcm_formula_proposal", role="prescriber", origin="model", condition="after_clinician_review",
            detail="xijiao_dihuang_tang",
        ),
        item(5, "advise", "sn_return"),
        item(6, "advise", "sn_followup"),
        item(7, "follow_up", "visit", interval_days=28),
    ],
    "is_cut": False,
    "cut": [],
    "findings": [{"finding": "site_limit", "origin": "rule", "object": "steroid_topical_potent"}],
}  # fmt: skip
_FULL: dict[str, Any] = {
    "schema_version": 2,
    "case_id": "case-1",
    "created": "2026-03-04T09:30:00+00:00",
    "is_test_case": False,
    "notices": ["ref_notice", "fictitious_consent", "ai_notice", "rules_unreviewed", "formula_unchecked", "no_size"],
    "red_flags": [],
    "not_assessed": [
        {"id": "RF-05", "missing": ["blisters_or_peeling"], "is_private": False},
        {"id": "RF-20", "missing": ["numb_patch", "painful_nerve"], "is_private": False},
        {"id": "RF-24", "missing": ["self_harm_thoughts"], "is_private": True},
        {"id": "RF-28", "missing": ["worker_worried"], "is_private": False},
    ],
    "stops_photography": False,
    "triage": {
        "final": "T4_routine", "deadline": "2026-05-27T09:30:00+00:00", "deadline_hours": 2016, "is_provisional": True,
        "needs_human_reading": True, "by": PEOPLE, "before_clinician": "T4_routine", "clinician_reason": None,
        "is_lowered": False, "reasons": [], "private_reasons": [], "not_assessed": [],
    },
    "worker": {"impression": "red scaly plaques", "tier": "T5_local", "worried": "no"},
    "scope": {"decision": "in_scope", "views": []},
    "recognition": [
        view(0, "overview", "back", induration=field(None, 0.5)),
        view(1, "regional", "elbow", border=field("cannot_tell", 0.3, is_withheld=True)),
        view(2, "close_up", "elbow"),
    ],
    "representation": {
        "sites_seen": [{"body_site": "back", "laterality": None}, {"body_site": "elbow", "laterality": None}],
        "regions_not_seen": ["head", "lower", "nails", "genital"],
        "fields": {
            "distribution": field(["extensor"]), "symmetry": field("symmetric"),
            "phenotype": field("chronic_plaque", 0.9), "stage": field("progressive", 0.8),
            "mechanism": field(["blood_heat_internal"]),
        },
        "dominant": {}, "leading": {}, "conflicts": [{"field": "colour", "view_a": 0, "view_b": 2}],
    },
    "severity": SEVERITY,
    "change": CHANGE,
    "biomedical": BIOMEDICAL,
    "reasoning": REASONING,
    "tcm": TCM,
    "tcm_absent": None,
    "plan": PLAN,
    "abstentions": [
        {
            "reason": "low_confidence", "section": "recognition", "view": 1, "field": "border", "withholds": "field",
            "needs_human_reading": False,
        },
    ],
    "provenance": {
        "bundle": {"name": "reference", "version": "1.0", "lineage": "test", "backbone": "0", "clinical_use": False},
        "device": "CPU", "vocabulary": "0.1", "evidence_limits": ["tone_evidence_undeclared"],
        "timings_ms": {"total": 12345.0}, "tokens": {"sampled": 70, "forced": 900},
    },
}  # fmt: skip


def full_report(**changes: Any) -> dict[str, Any]:
    """Return an in-scope psoriasis case of three pictures with every section filled."""
    return copy.deepcopy({**_FULL, **changes})


def private_report() -> dict[str, Any]:
    """Return a case in which both private rules fired, and nothing else."""
    flags = [
        {
            "id": name, "tier": tier, "because": because, "is_stronger": False, "missing_for_stronger": [],
            "origin": "form", "is_private": True,
        }
        for name, tier, because in (
            ("RF-24", "T1_emergency", ["self_harm_thoughts"]), ("RF-25", "T2_same_day", ["disclosure_of_abuse"]),
        )
    ]  # fmt: skip
    private = ["RF-24", "RF-25"]
    triage = {
        **_FULL["triage"], "final": "T1_emergency", "before_clinician": "T1_emergency", "reasons": private,
        "private_reasons": private, "by": {**PEOPLE, "rules": "T1_emergency"},
    }  # fmt: skip
    plan = {
        **PLAN,
        "items": [
            item(1, "refer", "safeguarding", tier="T2_same_day", is_private=True),
            item(2, "advise", "sn_return"),
        ],
        "cut": [{"action": "refer", "object": "mental_health", "is_private": True}],
        "is_cut": True,
        "findings": [],
    }
    stopped = {
        "reason": "red_flag_active", "section": "reasoning", "view": None, "field": None, "withholds": "syndrome",
        "needs_human_reading": True,
    }  # fmt: skip
    return full_report(
        red_flags=flags, not_assessed=[], stops_photography=True, triage=triage, plan=plan, tcm=None,
        tcm_absent="red_flag_active", reasoning=None, biomedical=None, abstentions=[stopped],
    )  # fmt: skip
