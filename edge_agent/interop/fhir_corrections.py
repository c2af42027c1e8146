"""What a clinician put right, as the clinician's own Observations of a FHIR document, and who decided what as Provenance.

Only of a signed report. A value of a clinician's is final, has no label of a program and names its performer; its Provenance
says that it revises what the program had said. A corrected syndrome is no resource: syndromes never leave.

Source: HL7 FHIR R4 Observation, Provenance (entity.role "revision").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from edge_agent.agents.report.decided import name_of
from edge_agent.agents.report.review import Correction, Ruling
from edge_agent.interop.fhir_findings import Told
from edge_agent.interop.fhir_values import Entries, Resource, concept, named, quantity

# In which section of the document a corrected value stands; a condition is a Condition of its own.
SECTION_OF: Final[Mapping[str, str]] = {
    "findings": "findings", "representation": "findings", "severity": "severity", "triage": "danger",
}  # fmt: skip
_KIND: Final = {"severity": "severity"}


def corrections(told: Told, entries: Entries) -> dict[str, list[Resource]]:
    """Add an Observation per corrected value; return the references by section of the document."""
    found: dict[str, list[Resource]] = {}
    for section, place in SECTION_OF.items():
        ruling = told.review.ruling(section)
        for one in told.review.corrections(section):
            if ruling is not None:
                ref = entries.add(_name(section, one), _observation(told, entries, ruling, one))
                found.setdefault(place, []).append(ref)
    return found


def decisions(told: Told, entries: Entries, targets: Mapping[str, list[Resource]]) -> list[Resource]:
    """Add who decided on each part, when and why; a corrected value names what it revises.

    Args:
        told: the case.
        entries: the document; the corrected values are in it.
        targets: references to what the program said, by part of its answer.
    """
    rows = []
    for section, ruling in told.review.rulings.items():
        own = [name for one in ruling.corrections if (name := _name(section, one)) in entries.names()]
        program = [one for one in targets.get(section, ()) if one not in [entries.ref(name) for name in own]]
        program = program or [entries.ref("report")]
        made: Resource = {
            "resourceType": "Provenance",
            "target": [entries.ref(name) for name in own] or program,
            "recorded": ruling.at.isoformat(),
            "activity": concept("decision", ruling.verdict, told.words),
            "reason": [concept("decision_reason", ruling.reason, told.words)],
            "agent": [_agent("author" if own else "verifier", name_of(ruling.by, told.words))],
        }
        if own:
            made["entity"] = [{"role": "revision", "what": one} for one in program]
        rows.append(entries.add(f"decision-{section}", made))
    return [*rows, *_signature(told, entries)]


def _signature(told: Told, entries: Entries) -> list[Resource]:
    review = told.review
    if review.signed is None:
        return []
    made: Resource = {
        "resourceType": "Provenance",
        "target": [entries.ref("report")],
        "recorded": review.signed.isoformat(),
        "activity": {"text": "report signed"},
        "agent": [_agent("verifier", name_of(review.signed_by or "", told.words))],
    }
    return [entries.add("signature", made)]


def _name(section: str, one: Correction) -> str:
    return "condition-clinician" if one.field == "condition" else f"clinician-{section}-{one.field}"


def _agent(kind: str, name: str) -> Resource:
    system = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    return {"type": {"coding": [{"system": system, "code": kind}]}, "who": {"display": name}}


def _observation(told: Told, entries: Entries, ruling: Ruling, one: Correction) -> Resource:
    words = told.words
    kind, code = (_KIND[ruling.section], one.field) if ruling.section in _KIND else ("field", one.of)
    made: Resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": named(kind, code, words.name(one.of)),
        "subject": entries.ref("patient"),
        **({} if told.when is None else {"effectiveDateTime": told.when}),
        "issued": ruling.at.isoformat(),
        "performer": [{"display": name_of(ruling.by, words)}],
        **_value(told, one),
    }
    component = _deadline(told) if ruling.section == "triage" else []
    return {**made, "component": component} if component else made


def _value(told: Told, one: Correction) -> Resource:
    """Return the value in the shape that the program's own has: a grade as a number, everything else as a code."""
    grade = told.words.vocabulary.lists[one.of].terms[one.value].facts.get("grade")
    if grade is not None:
        return {"valueQuantity": quantity(grade, "{score}", "{score}")}
    return {"valueCodeableConcept": concept(one.of, one.value, told.words)}


def _deadline(told: Told) -> Sequence[dict[str, Any]]:
    due = told.final["deadline"]
    code = named("field", "deadline", told.words.word("deadline"))
    return [] if due is None else [{"code": code, "valueDateTime": due}]
