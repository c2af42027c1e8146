"""Suspected diseases as Conditions of a FHIR document; none is confirmed unless a clinician accepted the reasoning.

Source: HL7 FHIR R4 Condition; ICD-11 codes, their review status and origin from the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge_agent.interop.fhir_findings import Told
from edge_agent.interop.fhir_values import ICD11, OURS, Entries, Resource, labelled

CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
VOCABULARY_STATUS_URL: Final = "urn:derm-edge:extension:vocabulary-status"
CODE_SOURCE_URL: Final = "urn:derm-edge:extension:code-source"


def conditions(told: Told, entries: Entries) -> list[Resource]:
    """Add a Condition per suspected disease; none is confirmed unless a clinician accepted the reasoning."""
    part = told.report.get("biomedical") or {}
    rows = [("provisional", part["working"])] if part.get("working") else []
    rows += [("differential", row) for row in part.get("differential", ())]
    return [_condition(told, entries, number, status, row) for number, (status, row) in enumerate(rows)]


def _condition(told: Told, entries: Entries, number: int, status: str, row: Mapping[str, Any]) -> Resource:
    term = told.words.vocabulary.lists["biomedical_condition"].terms[row["condition"]]
    label = told.words.label(term.id, of="biomedical_condition")
    decided = told.decisions.get("reasoning")
    if decided is not None and status == "provisional":
        status = {"accepted": "confirmed", "rejected": "refuted"}.get(decided.decision, status)
    coding: list[Resource] = [{"system": f"{OURS}biomedical_condition", "code": term.id, "display": label}]
    if (icd11 := term.facts.get("icd11")) is not None:
        source = str(term.facts.get("icd11_source", "none"))
        marks = [(VOCABULARY_STATUS_URL, str(term.status)), (CODE_SOURCE_URL, source)]
        coding.append({"system": ICD11, "code": icd11, "extension": [_mark(url, text) for url, text in marks]})
    text = label if status == "confirmed" else f"{'疑' if told.words.lang == 'zh' else 'suspected'}: {label}"
    resource = {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
        "verificationStatus": {"coding": [{"system": VERIFICATION, "code": status}]},
        "code": {"coding": coding, "text": text},
        "subject": entries.ref("patient"),
        "evidence": [{"detail": [entries.ref("report")]}],
    }
    if status == "refuted":
        del resource["clinicalStatus"]
    return entries.add(f"condition-{number}", labelled(resource))


def _mark(url: str, text: str) -> Resource:
    return {"url": url, "valueString": text}
