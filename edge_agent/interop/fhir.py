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
from dataclasses import replace
from typing import Any

from edge_agent.agents.letter.document import letter
from edge_agent.agents.letter.parts import Secrets, Sender, Wish
from edge_agent.agents.report.answers import answer_words, key_of
from edge_agent.agents.report.decided import name_of, signature, withheld_words
from edge_agent.agents.report.reading import readable
from edge_agent.agents.report.review import NO_REVIEW, Review
from edge_agent.agents.report.terms import Terms
from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.terms import Vocabulary
from edge_agent.interop import fhir_record as record
from edge_agent.interop.fhir_conditions import conditions
from edge_agent.interop.fhir_corrections import corrections, decisions
from edge_agent.interop.fhir_findings import Told, observations
from edge_agent.interop.fhir_values import OURS, TEST_LABEL, Entries, Resource, labelled, named, narrative
from edge_agent.interop.request import ExportWish

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

# part that a clinician decides on -> how the names of its resources begin
SAID_IN = {
    "findings": ("view-",),
    "representation": ("visit",),
    "severity": ("severity-pasi", "severity-band", "severity-pga"),
    "reasoning": ("condition-",),
    "triage": ("triage", "red-flag-"),
}


def fhir_document(
    report: Mapping[str, Any],
    intake: Intake,
    *,
    consent: Consent | None,
    wish: ExportWish,
    vocabulary: Vocabulary,
    review: Review = NO_REVIEW,
) -> Resource:
    """Return the document; JSON-ready and, for the same arguments, always the same.

    Does not ask whether it may leave: ``request.check_rule`` does.

    Args:
        report: what ``CasePipeline.run`` returned.
        intake: the same case's form.
        consent: its consent record; None for a test case.
        wish: what is asked for.
        vocabulary: the words.
        review: what clinicians decided; before the signature none of it leaves.

    Raises:
        CaseError: report and form are not of one case, or an id of the wish is unknown.
    """
    known = review if review.is_signed else replace(NO_REVIEW, answers=review.answers)
    told = _told(readable(report), intake, consent=consent, wish=wish, vocabulary=vocabulary, review=known)
    entries = Entries(wish.export_id)
    entries.add("patient", record.patient(intake, wish))
    entries.add("program", record.program(told))
    pictures = record.media(told, entries, wish)
    found = observations(told, entries)
    found["conditions"] = conditions(told, entries)
    program = [one for refs in found.values() for one in refs if one != entries.ref("condition-clinician")]
    by_part = _by_part(entries)
    for place, own in corrections(told, entries).items():
        found[place] = [*own, *found[place]]
    entries.add("report", _diagnostic_report(told, entries, found, pictures))
    agreed = record.consents(consent, entries)
    origin = [record.origin(told, entries, wish=wish, targets=program), *decisions(told, entries, by_part)]
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
    review: Review,
) -> Told:
    asked = Wish(wish.destination, wish.export_id, wish.made, wish.language)

    def written(known: Review) -> dict[str, Any]:
        return letter(report, intake, consent=consent, sender=Sender(), wish=asked, vocabulary=vocabulary, review=known)

    return Told(
        report=report,
        letter=written(NO_REVIEW),
        final=written(review),
        words=Terms(vocabulary, wish.language),
        when=None if "clock_not_set" in report["notices"] else report["created"],
        review=review,
        hidden=Secrets.of(vocabulary, wish.destination).inputs,
    )


def _diagnostic_report(
    told: Told, entries: Entries, found: Mapping[str, Sequence[Resource]], pictures: Sequence[Resource]
) -> Resource:
    words, review = told.words, told.review
    resource: Resource = {
        "resourceType": "DiagnosticReport",
        "identifier": [{"system": f"{OURS}case", "value": told.report["case_id"]}],
        "status": _status(review),
        "code": named("document", "case_report", words.word("title")),
        "subject": entries.ref("patient"),
        "performer": [entries.ref("program")],
        "result": [one for name in ("danger", "history", "findings", "severity") for one in found[name]],
        "conclusion": _conclusion(told),
    }
    if review.signed is not None:
        resource["resultsInterpreter"] = [{"display": name_of(review.signed_by or "", words)}]
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
    return {
        "resourceType": "Composition",
        "language": wish.language,
        "identifier": {"system": f"{OURS}export", "value": wish.export_id},
        "status": _status(told.review),
        "type": named("document", "case_report", words.word("title")),
        "subject": entries.ref("patient"),
        "date": wish.made.isoformat(),
        "author": [entries.ref("program")],
        "title": words.word("title"),
        **_attester(told),
        "text": narrative([words.word("title"), *(words.text(name) for name in told.letter["notices"])]),
        "section": [*sections, _section("report", words.word("title"), (), [entries.ref("report")])],
    }


def _status(review: Review) -> str:
    """Return ``final`` for a signed report, unless an answer was corrected since and no clinician has looked again."""
    return "final" if review.is_signed and not review.is_unseen else "preliminary"


def _section(name: str, title: str, lines: Sequence[str], refs: Sequence[Resource]) -> Resource:
    section: Resource = {"title": title, "code": named("section", name, title)}
    if lines:
        section["text"] = narrative(lines)
    return {**section, "entry": list(refs)} if refs else section


def _attester(told: Told) -> Resource:
    """Return who signed; the narrative says it too, for readers of text alone."""
    review = told.review
    if review.signed is None:
        return {}
    name = {"display": name_of(review.signed_by or "", told.words)}
    return {"attester": [{"mode": "professional", "time": review.signed.isoformat(), "party": name}]}


def _conclusion(told: Told) -> str:
    """Return the tier that counts; where a clinician rejected it and named no other, that nothing is confirmed."""
    tier = told.final["tier"]
    return told.words.word("not_confirmed") if tier is None else told.words.tier(tier)


def _by_part(entries: Entries) -> dict[str, list[Resource]]:
    """Return what the program said, by the part that a clinician decides on."""
    return {part: [entries.ref(name) for name in entries.names() if name.startswith(starts)]
            for part, starts in SAID_IN.items()}  # fmt: skip


def _texts(told: Told) -> dict[str, list[str]]:
    """Return what stands as text only: tier and deadline, the proposed plan, and what limits the answer."""
    words, letter_ = told.words, told.final
    plan = [
        words.joined([words.label(row["action"], of="action"), words.label(row["object"], of="plan_object")])
        for row in letter_["plan"]
        if not row["object"].startswith("tcm_")
    ]
    if not told.review.stands("plan"):
        plan = [withheld_words(told.review.rulings["plan"], told.review, words), *plan]
    limits = [signature(told.review, words), *(words.text(name) for name in letter_["notices"])]
    limits += [words.label(reason, of="abstain_reason") for reason in letter_["program"]["abstentions"]]
    limits += [words.text(name) for name in told.report["provenance"]["evidence_limits"]]
    limits += [words.text(name) for name in ("program_refused", "no_pictures") if name in told.report["notices"]]
    answers = [answer_words(one, words) for one in told.review.answers if key_of(one.question) not in told.hidden]
    return {"danger": [_conclusion(told)], "history": answers, "plan": plan, "limits": limits}
