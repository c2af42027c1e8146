"""Who, with what and under which consent: Patient, Device, Consent, Provenance, AuditEvent and Media of a FHIR document.

Holds no name, address or date of birth; the local reference only where it was asked for.

Source: HL7 FHIR R4; DICOM PS3.16 code 110106 "Export" for the audit event.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from edge_agent.contracts.intake import Consent, Intake
from edge_agent.interop.fhir_findings import Told
from edge_agent.interop.fhir_values import OURS, Entries, Resource, concept, labelled, named
from edge_agent.interop.request import ExportWish

PURPOSES: Final[Mapping[str, str]] = {
    "care_pictures": "treatment",
    "program_help": "treatment",
    "deidentified_result": "patient-privacy",
    "referral_package": "patient-privacy",
    "training": "research",
}
_SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
_GENDER: Final = {"female": "female", "male": "male", "intersex": "other", "not_stated": "unknown"}
_DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_AGENT_TYPE: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
JPEG: Final = "image/jpeg"


def patient(intake: Intake, wish: ExportWish) -> Resource:
    """Return the person without a name."""
    gender = {} if intake.sex is None else {"gender": _GENDER[intake.sex]}
    reference = intake.local_reference if wish.has_reference else None
    identifier = {} if not reference else {"identifier": [{"system": f"{OURS}local-reference", "value": reference}]}
    return {"resourceType": "Patient", **identifier, **gender}


def program(told: Told) -> Resource:
    """Return the program as a device: its bundle, version, lineage and the digest of its backbone."""
    bundle, origin = told.report["provenance"]["bundle"], told.report["provenance"]
    name = "derm-edge, rules only" if bundle is None else f"derm-edge {bundle['name']}"
    facts = {"vocabulary": origin["vocabulary"], "processor": origin["device"]}
    if bundle is not None:
        facts |= {"lineage": bundle["lineage"], "backbone-sha256": bundle["backbone"]}
        facts["clinical-use"] = "yes" if bundle["clinical_use"] else "no"
    properties = [{"type": {"text": key}, "valueCode": [{"text": str(value)}]} for key, value in facts.items() if value]
    return {
        "resourceType": "Device",
        "status": "active",
        "deviceName": [{"name": name, "type": "model-name"}],
        **({} if bundle is None else {"version": [{"value": bundle["version"]}]}),
        "property": properties,
    }


def consents(consent: Consent | None, entries: Entries) -> list[Resource]:
    """Add one Consent per purpose; witness and recorder are people of the post and stay there."""
    if consent is None:
        return []
    return [entries.add(f"consent-{name}", _consent(consent, name, entries)) for name in PURPOSES]


def _consent(consent: Consent, name: str, entries: Entries) -> Resource:
    purpose = getattr(consent, name)
    text = f"{name}, text version {purpose.version}, given by the {consent.given_by}"
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": _SCOPE, "code": PURPOSES[name]}]},
        "category": [named("consent_purpose", name, name.replace("_", " "))],
        "patient": entries.ref("patient"),
        "dateTime": consent.recorded_at.isoformat(),
        "policyRule": {"text": text},
        "provision": {"type": "permit" if purpose.granted else "deny"},
    }


def origin(told: Told, entries: Entries, *, wish: ExportWish, targets: Sequence[Resource]) -> Resource:
    """Add who made the program's answer: its bundle, version, lineage and digest; ``targets`` are what it said."""
    made: Resource = {
        "resourceType": "Provenance",
        "target": list(targets) or [entries.ref("report")],
        "recorded": wish.made.isoformat(),
        "agent": [_agent("assembler", entries.ref("program"))],
    }
    bundle = told.report["provenance"]["bundle"]
    if bundle is not None:
        value = {"system": f"{OURS}backbone-sha256", "value": bundle["backbone"]}
        said = f"{bundle['name']} {bundle['version']}, lineage {bundle['lineage']}"
        made["entity"] = [{"role": "source", "what": {"identifier": value, "display": said}}]
    return entries.add("provenance", labelled(made))


def _agent(kind: str, who: Resource) -> Resource:
    return {"type": {"coding": [{"system": _AGENT_TYPE, "code": kind}]}, "who": who}


def audit_event(told: Told, entries: Entries, wish: ExportWish) -> Resource:
    """Return the event of this export itself."""
    return {
        "resourceType": "AuditEvent",
        "type": {"system": _DCM, "code": "110106", "display": "Export"},
        "action": "R",
        "recorded": wish.made.isoformat(),
        "outcome": "0",
        "agent": [{"requestor": True, "who": {"display": wish.by or "not signed in"}}],
        "source": {"observer": entries.ref("program")},
        "entity": [{"what": entries.ref("report"), "description": f"case {told.report['case_id']}"}],
    }


def media(told: Told, entries: Entries, wish: ExportWish) -> list[Resource]:
    """Add the pictures that may leave, each with its SHA-1 as FHIR asks for it."""
    notes: dict[int, Mapping[str, Any]] = {view["view"]: view for view in told.report["recognition"]}
    rows = []
    for index, jpeg in sorted((wish.pictures or {}).items()):
        site = notes.get(index, {}).get("body_site")
        resource = {
            "resourceType": "Media",
            "status": "completed",
            "subject": entries.ref("patient"),
            **({} if told.when is None else {"createdDateTime": told.when}),
            **({} if site is None else {"bodySite": concept("body_site", site, told.words)}),
            "content": {
                "contentType": JPEG,
                "data": base64.b64encode(jpeg).decode("ascii"),
                "size": len(jpeg),
                "hash": base64.b64encode(hashlib.sha1(jpeg, usedforsecurity=False).digest()).decode("ascii"),
                "title": told.words.view(index),
            },
        }
        rows.append(entries.add(f"media-{index}", resource))
    return rows
