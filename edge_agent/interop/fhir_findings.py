"""What was seen and asked, as Observations of a FHIR document; conditions stand in ``fhir_conditions``.

What the program said is labelled AIAST and preliminary until a clinician accepted that part; what a person entered is
neither. Once a report is signed, a part that was corrected or rejected is ``entered-in-error`` (a reader that takes single
resources leaves those out), and the clinician's own value stands beside it (``fhir_corrections``). Missing values carry their reason. Formula, syndrome and the plan's orders are never made resources here: they are
proposals for a prescriber.

Source: HL7 FHIR R4 Observation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge_agent.agents.abstention import is_nothing
from edge_agent.agents.report.review import Review
from edge_agent.agents.report.terms import Terms
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.interop.fhir_values import Entries, Resource, absent, concept, labelled, named, quantity

SUPERSEDED: Final = "entered-in-error"
PROBABILITY_URL = "urn:derm-edge:extension:probability"
FORM_FIELDS = (
    "duration", "course", "pregnancy", "breastfeeding", "new_lesions_two_weeks", "known_psoriasis", "known_eczema",
    "new_drug_within_8_weeks", "season",
)  # fmt: skip
_LIST_OF = {"pregnancy": "pregnancy", "duration": "duration", "course": "course", "season": "season"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the resources of one document are made from.

    ``letter`` is what the destination may be told of the program's answer (``agents.letter``), ``final`` the same after a
    clinician's decisions; ``report`` is the whole report: of it only findings, severity and conditions are read.
    ``review``: what was decided, nothing before the signature. ``when`` is the visit's time, None where the clock was not set; ``hidden`` are inputs of
    the form whose very names the destination is not told.
    """

    report: Mapping[str, Any]
    letter: Mapping[str, Any]
    final: Mapping[str, Any]
    words: Terms
    when: str | None
    review: Review
    hidden: frozenset[str]

    def status(self, section: str) -> str:
        """Return the status of what the program said in a part: final only where a clinician accepted it."""
        standing = self.review.standing(section)
        return {"program": "preliminary", "accepted": "final"}.get(standing, SUPERSEDED)


def observations(told: Told, entries: Entries) -> dict[str, list[Resource]]:
    """Add every Observation; return the references by section of the document."""
    return {
        "danger": [*_red_flags(told, entries), _danger_signs(told, entries), _triage(told, entries)],
        "history": [_history(told, entries)],
        "findings": [*_views(told, entries), *_visit(told, entries)],
        "severity": list(_severity(told, entries)),
    }


def _observation(told: Told, code: Resource, *, section: str | None, **more: Any) -> Resource:
    """Return an Observation; ``section`` names the part of the program's answer, None is a person's own entry."""
    resource = {
        "resourceType": "Observation",
        "status": "final" if section is None else told.status(section),
        "code": code,
        **({} if told.when is None else {"effectiveDateTime": told.when}),
        **{key: value for key, value in more.items() if value not in (None, [])},
    }
    return resource if section is None else labelled(resource)


def _of(resource: Resource, entries: Entries, *, is_program: bool = True) -> Resource:
    device = {"device": entries.ref("program")} if is_program else {}
    return {**resource, "subject": entries.ref("patient"), **device}


def _red_flags(told: Told, entries: Entries) -> Iterator[Resource]:
    for row in told.letter["red_flags"]:
        says = told.words.rule_words(row["id"], is_stronger=row["is_stronger"])
        component = [
            {"code": concept_name(told, "triage"), "valueCodeableConcept": concept("triage", row["tier"], told.words)}
        ]
        found = _observation(
            told,
            _rule(told, row["id"]),
            section="triage",
            valueBoolean=True,
            component=component,
            note=[{"text": says}],
        )
        found |= _flag_status(told, row)
        yield entries.add(f"red-flag-{row['id']}", _of(found, entries))
    missing = {
        row["id"]: [name for name in row["missing"] if name not in told.hidden] for row in told.report["not_assessed"]
    }
    for rule in told.letter["rules_not_assessed"]:
        lacks = told.words.word("missing") + told.words.colon + told.words.inputs(missing[rule])
        found = _observation(told, _rule(told, rule), section="triage", dataAbsentReason=absent("not_examined", lacks))
        if found["status"] == SUPERSEDED:
            found["status"] = "preliminary"  # a rule that nobody could judge says nothing that a tier corrects
        yield entries.add(f"red-flag-{rule}", _of(found, entries))


def _flag_status(told: Told, row: Mapping[str, Any]) -> Resource:
    """A rule that asks for no more than the clinician's own tier is not put right by it."""
    tier = told.final["tier"]
    is_kept = tier is not None and TIERS.index(row["tier"]) >= TIERS.index(tier)
    return {"status": "preliminary"} if told.status("triage") == SUPERSEDED and is_kept else {}


def _rule(told: Told, rule: str) -> Resource:
    """Return the code of a rule without its instruction: beside a missing value it would read like a finding."""
    return named("rule", rule, f"{told.words.name('danger_sign')} {rule}")


def concept_name(told: Told, of: str) -> Resource:
    """Return the code of a list itself: the name of a field."""
    label = told.words.name(of) if of in told.words.vocabulary.lists else of.replace("_", " ")
    return named("field", of, label)


def _danger_signs(told: Told, entries: Entries) -> Resource:
    """Return the checklist: yes, no, and not performed for what nobody looked at."""
    signs = told.letter["danger_signs"]
    rows = [(name, answer) for answer in ("yes", "no", "not_assessed") for name in signs[answer]]
    component = [
        {
            "code": concept("danger_sign", name, told.words),
            **(
                {"dataAbsentReason": absent("not_examined")}
                if answer == "not_assessed"
                else {"valueBoolean": answer == "yes"}
            ),
        }
        for name, answer in rows
    ]
    found = _observation(told, concept_name(told, "danger_sign"), section=None, component=component)
    return entries.add("danger-signs", _of(found, entries, is_program=False))


def _triage(told: Told, entries: Entries) -> Resource:
    letter, words = told.letter, told.words
    component: list[Resource] = []
    if letter["deadline"] is not None:
        component.append(
            {"code": named("field", "deadline", words.word("deadline")), "valueDateTime": letter["deadline"]}
        )
    has_clinician = told.report["triage"]["by"].get("clinician") is not None
    found = _observation(
        told,
        concept_name(told, "triage"),
        section=None if has_clinician else "triage",
        valueCodeableConcept=concept("triage", letter["tier"], words),
        component=component,
    )
    return entries.add("triage", _of(found, entries, is_program=not has_clinician))


def _history(told: Told, entries: Entries) -> Resource:
    history, words = told.letter["history"], told.words
    component = []
    for name in FORM_FIELDS:
        answer = history[name]
        code = named("form_field", name, words.input(name))
        if answer in (None, "not_examined", "unknown"):
            why = "unknown" if answer == "unknown" else "not_examined"
            component.append({"code": code, "dataAbsentReason": absent(why)})
        else:
            value = concept(_LIST_OF.get(name, "known"), str(answer), words)
            component.append({"code": code, "valueCodeableConcept": value})
    code = named("form_field", "symptoms", words.input("symptoms"))
    if history["symptoms"] is None:
        component.append({"code": code, "dataAbsentReason": absent("not_examined")})
    named_ones = history["symptoms"] or ()
    component += [{"code": code, "valueCodeableConcept": concept("symptom", one, words)} for one in named_ones]
    age = told.letter["person"]["age_years"]
    code = named("form_field", "age_years", words.input("age_years"))
    value = {"dataAbsentReason": absent("not_examined")} if age is None else {"valueQuantity": quantity(age, "a", "a")}
    component.append({"code": code, **value})
    found = _observation(
        told,
        named("section", "history", told.words.label("section_history", of="letter_word")),
        section=None,
        component=component,
    )
    return entries.add("history", _of(found, entries, is_program=False))


def _views(told: Told, entries: Entries) -> Iterator[Resource]:
    if not told.report["recognition"]:
        code = named("section", "findings", told.words.word("section_findings"))
        found = _observation(told, code, section="findings", dataAbsentReason=absent(_why_unread(told.report)))
        yield entries.add("view-none", _of(found, entries))
    for view in told.report["recognition"]:
        site = view["body_site"]
        found = _observation(
            told,
            named("section", "findings", told.words.view(view["view"])),
            section="findings",
            bodySite=None if site is None else concept("body_site", site, told.words),
            component=_components(told, view["fields"], agent="recognition"),
            derivedFrom=[entries.ref(f"media-{view['view']}")] if f"media-{view['view']}" in entries.names() else [],
        )
        yield entries.add(f"view-{view['view']}", _of(found, entries))


def _why_unread(report: Mapping[str, Any]) -> str:
    """Say why the program read no picture: the person refused it, the engine failed, or there was none."""
    if "program_refused" in report["notices"]:
        return "refused"
    has_failed = any(row["reason"] == "engine_failure" for row in report["abstentions"])
    return "failed" if has_failed else "not_examined"


def _visit(told: Told, entries: Entries) -> Iterator[Resource]:
    part = told.report["representation"]
    if part is None:
        return
    fields = {name: row for name, row in part["fields"].items() if name not in {"mechanism", "location"}}
    code = named("section", "representation", told.words.word("section_integrated"))
    component = _components(told, fields, agent="representation")
    found = _observation(told, code, section="representation", component=component)
    yield entries.add("visit", _of(found, entries))


def _components(told: Told, fields: Mapping[str, Mapping[str, Any]], *, agent: str) -> list[Resource]:
    """Return one component per value, or the reason for having none; a list gives several of one code."""
    rows: list[Resource] = []
    for name, row in fields.items():
        code = named("field", name, told.words.field(name, agent=agent))
        if not row["is_decided"]:
            rows.append({"code": code, "dataAbsentReason": absent("not_decided")})
        elif row["is_withheld"]:
            rows.append({"code": code, "dataAbsentReason": absent("withheld", told.words.word("withheld"))})
        elif is_nothing(row["value"]):
            rows.append({"code": code, "dataAbsentReason": absent("cannot_tell")})
        else:
            rows += [{**_chance(row), "code": code, **one} for one in _valued(told, name, row["value"], agent)]
    return rows


def _chance(row: Mapping[str, Any]) -> Resource:
    chance = row["probability"]
    return {} if chance is None else {"extension": [{"url": PROBABILITY_URL, "valueDecimal": chance}]}


def _valued(told: Told, field: str, value: Any, agent: str) -> Iterator[Resource]:
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, int):
            yield {"valueInteger": one}
        else:
            of = told.words.list_of(field, agent=agent) or field
            yield {"valueCodeableConcept": concept(of, str(one), told.words)}


def _severity(told: Told, entries: Entries) -> Iterator[Resource]:
    severity, words = told.report["severity"], told.words
    pasi = severity["pasi"]
    why = pasi["reason"] or ",".join(f"{row['id']}:{row['region']}" for row in pasi["missing"])
    rows: Sequence[tuple[str, Any, str, str]] = (
        ("pasi", pasi["value"], "{score}", "PASI"),
        ("bsa_percent", severity["bsa_percent"], "%", "BSA"),
        ("pga", severity["pga"], "{score}", "PGA"),
        *((f"nrs_{name}", value, "{score}", f"NRS {name}") for name, value in severity["nrs"].items()),
    )
    for name, value, unit, label in rows:
        # What people entered is theirs; the index is computed from the program's grades.
        section = "severity" if name == "pasi" else None
        missing = absent("not_computable" if name == "pasi" else "not_examined", why if name == "pasi" else "")
        told_value = {"dataAbsentReason": missing} if value is None else {"valueQuantity": quantity(value, unit, unit)}
        found = _observation(told, named("severity", name, label), section=section, **told_value)
        if told.review.value("severity", name) is not None:
            found["status"] = SUPERSEDED
        yield entries.add(f"severity-{name}", _of(found, entries, is_program=section is not None))
    band = severity["band"]
    value = {"dataAbsentReason": absent("not_computable", ",".join(severity["missing"]))}
    if band is not None:
        value = {"valueCodeableConcept": concept("severity_band", band, words)}
    found = _observation(told, concept_name(told, "severity_band"), section="severity", **value)
    yield entries.add("severity-band", _of(found, entries))
    caution = pasi["tone_caution"]
    label = words.label("tone_not_entered" if caution is None else "tone_caution", of="severity_word")
    value = {"dataAbsentReason": absent("not_examined")} if caution is None else {"valueBoolean": caution}
    found = _observation(told, named("severity", "tone_caution", label), section="severity", **value)
    yield entries.add("severity-tone-caution", _of(found, entries))
