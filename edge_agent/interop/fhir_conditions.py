"""Suspected diseases as Conditions of a FHIR document; none is confirmed unless a clinician accepted or named it.

A clinician's own condition is theirs: confirmed, asserted by name, without the label of a program. What it replaces is
``refuted`` only where the reason says that the disease was wrong; a doubt about a picture rules no disease out.

Source: HL7 FHIR R4 Condition; ICD-11 codes, their review status and origin from the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge_agent.agents.report.decided import name_of
from edge_agent.interop.fhir_findings import Told
from edge_agent.interop.fhir_values import ICD11, OURS, Entries, Resource, labelled

CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
VOCABULARY_STATUS_URL: Final = "urn:derm-edge:extension:vocabulary-status"
CODE_SOURCE_URL: Final = "urn:derm-edge:extension:code-source"


def conditions(told: Told, entries: Entries) -> list[Resource]:
    """Add a Condition per suspected disease; a clinician's own one comes first."""
    part = told.report.get("biomedical") or {}
    rows = [("provisional", part["working"])] if part.get("working") else []
    rows += [("differential", row) for row in part.get("differential", ())]
    made = [_condition(told, entries, number, status, row) for number, (status, row) in enumerate(rows)]
    return [*_own(told, entries), *made]


def _own(told: Told, entries: Entries) -> list[Resource]:
    """Add the condition that a clinician named in place of the program's."""
    named, ruling = told.review.value("reasoning", "condition"), told.review.ruling("reasoning")
    if named is None or ruling is None:
        return []
    resource = _resource(told, entries, named, "confirmed")
    return [entries.add("condition-clinician", {**resource, "asserter": {"display": name_of(ruling.by, told.words)}})]


def _status(told: Told, status: str, condition: str) -> str:
    """Return the verification status of what the program suspected after a decision on its reasoning."""
    standing, ruling = told.review.standing("reasoning"), told.review.ruling("reasoning")
    if standing == "accepted":
        return "confirmed" if status == "provisional" else status
    if told.review.suspicion_stands or ruling is None:
        return status
    is_refuted = status == "provisional" and ruling.reason == "wrong_condition"
    is_other = told.review.value("reasoning", "condition") != condition
    return "refuted" if is_refuted and is_other else "entered-in-error"


def _condition(told: Told, entries: Entries, number: int, status: str, row: Mapping[str, Any]) -> Resource:
    resource = _resource(told, entries, row["condition"], _status(told, status, row["condition"]))
    return entries.add(f"condition-{number}", labelled(resource))


def _resource(told: Told, entries: Entries, condition: str, status: str) -> Resource:
    term = told.words.vocabulary.lists["biomedical_condition"].terms[condition]
    label = told.words.label(term.id, of="biomedical_condition")
    coding: list[Resource] = [{"system": f"{OURS}biomedical_condition", "code": term.id, "display": label}]
    if (icd11 := term.facts.get("icd11")) is not None:
        source = str(term.facts.get("icd11_source", "none"))
        marks = [(VOCABULARY_STATUS_URL, str(term.status)), (CODE_SOURCE_URL, source)]
        coding.append({"system": ICD11, "code": icd11, "extension": [_mark(url, text) for url, text in marks]})
    text = label if status == "confirmed" else told.words.said("疑" if told.words.lang == "zh" else "suspected", label)
    resource: Resource = {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
        "verificationStatus": {"coding": [{"system": VERIFICATION, "code": status}]},
        "code": {"coding": coding, "text": text},
        "subject": entries.ref("patient"),
        "evidence": [{"detail": [entries.ref("report")]}],
    }
    if status in {"refuted", "entered-in-error"}:
        del resource["clinicalStatus"]
    return resource


def _mark(url: str, text: str) -> Resource:
    return {"url": url, "valueString": text}
