"""Write a case as a FHIR R4 document: one Bundle that is read as a whole, its Composition first.

A document and no collection, because the findings must not be read without their limits: the Composition binds them, and a
reader that takes a single resource still meets the label AIAST, the status "preliminary" and the reasons for missing
values. Plain JSON; needs no FHIR library, and nothing is sent.

What the destination may not be told is left out as in the referral letter (``agents.letter``), from which the document is
made. Formula, syndrome and plan are no resources: the plan stands as text, proposals for the people who may order.

Source: HL7 FHIR R4 (4.0.1) Bundle "document", Composition, DiagnosticReport; domain paper "Records".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge_agent.agents.letter.document import letter
from edge_agent.agents.letter.parts import Secrets, Sender, Wish
from edge_agent.agents.report.reading import readable
from edge_agent.agents.report.terms import Terms
from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.terms import Vocabulary
from edge_agent.interop import fhir_record as record
from edge_agent.interop.fhir_conditions import conditions
from edge_agent.interop.fhir_findings import Told, observations
from edge_agent.interop.fhir_values import OURS, TEST_LABEL, Entries, Resource, labelled, named, narrative
from edge_agent.interop.request import Decision, ExportWish

# section -> list and id of its heading
HEADINGS = {
    "danger": ("word", "section_red_flags"),
    "history": ("letter_word", "section_history"),
    "findings": ("word", "section_findings"),
    "severity": ("word", "section_integrated"),
    "conditions": ("word", "section_biomedical"),
    "plan": ("word", "section_plan"),
    "limits": ("word", "section_limits"),
    "pictures": ("letter_word", "section_pictures"),
    "consent": ("letter_word", "section_consent"),
    "origin": ("letter_word", "section_sender"),
}


def fhir_document(
    report: Mapping[str, Any],
    intake: Intake,
    *,
    consent: Consent | None,
    wish: ExportWish,
    vocabulary: Vocabulary,
    decisions: Sequence[Decision] = (),
) -> Resource:
    """Return the document; JSON-ready and, for the same arguments, always the same.

    Does not ask whether it may leave: ``request.check_consent`` does.

    Args:
        report: what ``CasePipeline.run`` returned.
        intake: the same case's form.
        consent: its consent record; None for a test case.
        wish: what is asked for.
        vocabulary: the words.
        decisions: what clinicians decided about parts of the answer, oldest first; the last one of a part counts.

    Raises:
        CaseError: report and form are not of one case, or an id of the wish is unknown.
    """
    told = _told(readable(report), intake, consent=consent, wish=wish, vocabulary=vocabulary, decisions=decisions)
    entries = Entries(wish.export_id)
    entries.add("patient", record.patient(intake, wish))
    entries.add("program", record.program(told))
    pictures = record.media(told, entries, wish)
    found = observations(told, entries)
    found["conditions"] = conditions(told, entries)
    entries.add("report", _diagnostic_report(told, entries, found, pictures))
    agreed = record.consents(consent, entries)
    by_part = {"findings": found["findings"], "severity": found["severity"], "reasoning": found["conditions"],
               "triage": found["danger"]}  # fmt: skip
    origin = record.provenances(told, entries, wish=wish, decisions=decisions, targets=by_part)
    audit = entries.add("audit", record.audit_event(told, entries, wish))
    found |= {"consent": agreed, "origin": [*origin, audit], "pictures": pictures}
    entries.add("composition", _composition(told, entries, wish, found))
    labels = [dict(TEST_LABEL)] if told.report["is_test_case"] or _is_fictitious(consent) else []
    return {
        "resourceType": "Bundle",
        **({"meta": {"security": labels}} if labels else {}),
        "identifier": {"system": f"{OURS}export", "value": wish.export_id},
        "type": "document",
        "timestamp": wish.made.isoformat(),
        "entry": entries.to_bundle("composition"),
    }


def _is_fictitious(consent: Consent | None) -> bool:
    return consent is not None and consent.fictitious


def _told(
    report: Mapping[str, Any],
    intake: Intake,
    *,
    consent: Consent | None,
    wish: ExportWish,
    vocabulary: Vocabulary,
    decisions: Sequence[Decision],
) -> Told:
    asked = Wish(wish.destination, wish.export_id, wish.made, wish.language)
    written = letter(report, intake, consent=consent, sender=Sender(), wish=asked, vocabulary=vocabulary)
    return Told(
        report=report,
        letter=written,
        words=Terms(vocabulary, wish.language),
        when=None if "clock_not_set" in report["notices"] else report["created"],
        decisions={one.section: one for one in decisions},
        hidden=Secrets.of(vocabulary, wish.destination).inputs,
    )


def _diagnostic_report(
    told: Told, entries: Entries, found: Mapping[str, Sequence[Resource]], pictures: Sequence[Resource]
) -> Resource:
    words, letter_ = told.words, told.letter
    is_final = bool(told.decisions) and all(one.decision == "accepted" for one in told.decisions.values())
    resource: Resource = {
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": f"{OURS}case", "value": told.report["case_id"]}],
        "status": "final" if is_final else "preliminary",
        "code": named("document", "case_report", words.word("title")),
        "subject": entries.ref("patient"),
        "performer": [entries.ref("program")],
        "result": [one for name in ("danger", "history", "findings", "severity") for one in found[name]],
        "conclusion": words.tier(letter_["tier"]),
    }
    if told.when is not None:
        resource["effectiveDateTime"] = told.when
    if pictures:
        resource["media"] = [{"link": one} for one in pictures]
    return labelled(resource)


def _composition(told: Told, entries: Entries, wish: ExportWish, found: Mapping[str, Sequence[Resource]]) -> Resource:
    words = told.words
    texts = _texts(told)
    sections = [
        _section(name, words.label(heading, of=of), texts.get(name, ()), found.get(name, ()))
        for name, (of, heading) in HEADINGS.items()
        if texts.get(name) or found.get(name)
    ]
    is_final = bool(told.decisions) and all(one.decision == "accepted" for one in told.decisions.values())
    return {
        "resourceType": "Composition",
        "language": wish.language,
        "identifier": {"system": f"{OURS}export", "value": wish.export_id},
        "status": "final" if is_final else "preliminary",
        "type": named("document", "case_report", words.word("title")),
        "subject": entries.ref("patient"),
        "date": wish.made.isoformat(),
        "author": [entries.ref("program")],
        "title": words.word("title"),
        "text": narrative([words.word("title"), *(words.text(name) for name in told.letter["notices"])]),
        "section": [*sections, _section("report", words.word("title"), (), [entries.ref("report")])],
    }


def _section(name: str, title: str, lines: Sequence[str], refs: Sequence[Resource]) -> Resource:
    section: Resource = {"title": title, "code": named("section", name, title)}
    if lines:
        section["text"] = narrative(lines)
    return {**section, "entry": list(refs)} if refs else section


def _texts(told: Told) -> dict[str, list[str]]:
    """Return what stands as text only: tier and deadline, the proposed plan, and what limits the answer."""
    words, letter_ = told.words, told.letter
    plan = [
        words.joined([words.label(row["action"], of="action"), words.label(row["object"], of="plan_object")])
        for row in letter_["plan"]
        if not row["object"].startswith("tcm_")
    ]
    limits = [words.text(name) for name in letter_["notices"]]
    limits += [words.label(reason, of="abstain_reason") for reason in letter_["program"]["abstentions"]]
    limits += [words.text(name) for name in told.report["provenance"]["evidence_limits"]]
    limits += [words.text(name) for name in ("program_refused", "no_pictures") if name in told.report["notices"]]
    return {"danger": [words.tier(letter_["tier"])], "plan": plan, "limits": limits}
