"""The FHIR document: valid, labelled, silent about what may not leave, and never surer than the report."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from edge_agent.agents.report.review import NO_REVIEW
from edge_agent.contracts.policy import Policy
from edge_agent.errors import CaseError
from edge_agent.interop.fhir import fhir_document
from edge_agent.interop.fhir_values import Entries
from edge_agent.interop.request import ExportWish, check_rule, why_kept
from edge_agent.policy.rules import package_rule
from tests.contract.test_golden_reports import FOLDER, SCENES
from tests.simulators.cases import CREATED, consent, form, view
from tests.simulators.interop_cases import REFUSED, VOCABULARY, Reported, reported
from tests.simulators.reviewed import DECIDED, NAME, accepted, corrected, rejected, signed, unsigned

MADE = datetime(2026, 3, 4, 10, tzinfo=UTC)
CASES = ("plaque", "mole", "text_only", "emergency", "refused_program", "bare", "test_case")
AIAST = "AIAST"


def document(given: Reported, **changes: Any) -> dict[str, Any]:
    """Export a case; ``review`` and fields of the wish may be changed."""
    review = changes.pop("review", NO_REVIEW)
    wish = replace(ExportWish("export-1", MADE, "en"), **changes)
    return fhir_document(
        given.report,
        given.case.intake,
        consent=given.case.consent,
        wish=wish,
        vocabulary=VOCABULARY,
        review=review,
    )


def resources(told: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the resources of one kind."""
    return [row["resource"] for row in told["entry"] if row["resource"]["resourceType"] == kind]


def references(value: Any) -> Iterator[str]:
    """Yield every reference in a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "reference" and isinstance(inner, str):
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def labels(resource: dict[str, Any]) -> list[str]:
    """Return the security labels of a resource."""
    return [row["code"] for row in resource.get("meta", {}).get("security", [])]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_case_is_valid_fhir(name: str, language: Any) -> None:
    """fhir.resources (R4B, the nearest that it has to R4) reads the document back."""
    Bundle.model_validate_json(json.dumps(document(reported(name), language=language)))


@pytest.mark.parametrize("scene", SCENES)
def test_the_golden_reports_are_valid_fhir(scene: str) -> None:
    """The committed reports, with the forms that they were made of."""
    report = json.loads((FOLDER / f"{scene}.json").read_text(encoding="utf-8"))
    Bundle.model_validate_json(json.dumps(document(Reported(SCENES[scene](), report))))


def test_the_validator_can_refuse() -> None:
    """Planted damage: an Observation without its code is found."""
    told = document(reported("plaque"))
    del next(row["resource"] for row in told["entry"] if row["resource"]["resourceType"] == "Observation")["code"]
    with pytest.raises(ValidationError):
        Bundle.model_validate_json(json.dumps(told))


@pytest.mark.parametrize("name", CASES)
def test_a_document_opens_with_its_composition_and_reaches_everything(name: str) -> None:
    """Every reference has its entry, and every entry is reached from the Composition."""
    told = document(
        reported(name), review=signed(corrected("severity", pga="severe"), corrected("triage", tier="T2_same_day"))
    )
    entries = {row["fullUrl"]: row["resource"] for row in told["entry"]}
    assert told["type"] == "document" and told["entry"][0]["resource"]["resourceType"] == "Composition"
    reached, waiting = set(), [told["entry"][0]["fullUrl"]]
    while waiting:
        url = waiting.pop()
        if url not in reached:
            reached.add(url)
            waiting += references(entries[url])
    assert reached == set(entries)


def test_what_the_program_said_is_labelled_and_what_people_entered_is_not() -> None:
    """AIAST on findings, conditions, index and report; none on the checklist, the history and the scales of the form."""
    told = document(reported("plaque"))
    made = [r for kind in ("Condition", "DiagnosticReport") for r in resources(told, kind)]
    made += [r for r in resources(told, "Observation") if "device" in r]
    entered = [r for r in resources(told, "Observation") if "device" not in r]
    assert made and all(AIAST in labels(one) for one in made)
    assert entered and all(labels(one) == [] for one in entered)
    codes = {one["code"]["coding"][0]["code"] for one in entered}
    assert {"danger_sign", "history", "bsa_percent", "pga"} <= codes
    assert not codes & {"pasi", "findings", "representation", "severity_band"}


def test_conditions_are_suspected_with_the_vocabularys_code_and_its_status() -> None:
    """Provisional and differential, in words "suspected"; the ICD-11 code says that nobody reviewed it."""
    first, *others = resources(document(reported("plaque")), "Condition")
    assert first["verificationStatus"]["coding"][0]["code"] == "provisional"
    assert {one["verificationStatus"]["coding"][0]["code"] for one in others} == {"differential"}
    assert all(one["code"]["text"].startswith("suspected: ") for one in (first, *others))
    icd11 = next(row for row in first["code"]["coding"] if "icd" in row["system"])
    assert icd11["code"].startswith("EA90")
    assert {row["valueString"] for row in icd11["extension"]} >= {"unreviewed"}


def found(told: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """Return one resource by the name that it has in the document."""
    url = Entries("export-1").url(name)
    resource: dict[str, Any] = next(row["resource"] for row in told["entry"] if row["fullUrl"] == url)
    assert resource["resourceType"] == kind
    return resource


def verification(condition: dict[str, Any]) -> str:
    """Return how sure a Condition is."""
    code: str = condition["verificationStatus"]["coding"][0]["code"]
    return code


@pytest.mark.parametrize(
    ("ruling", "working", "others"),
    [
        (accepted("reasoning"), "confirmed", "differential"),
        (rejected("reasoning", "wrong_condition"), "refuted", "entered-in-error"),
        (rejected("reasoning", "unreadable"), "entered-in-error", "entered-in-error"),
        (corrected("reasoning", "wrong_condition", condition="scabies"), "refuted", "entered-in-error"),
        (corrected("reasoning", "wrong_syndrome", syndrome="damp_heat"), "provisional", "differential"),
    ],
)
def test_only_a_clinician_confirms_or_refutes(ruling: Any, working: str, others: str) -> None:
    """A doubt about a picture rules out nothing; a differential is never refuted by a word about the first suspicion."""
    told = document(reported("plaque"), review=signed(ruling))
    assert verification(found(told, "Condition", "condition-0")) == working
    assert verification(found(told, "Condition", "condition-1")) == others
    decided = found(told, "Provenance", "decision-reasoning")
    assert decided["agent"][0]["who"] == {"display": NAME}
    assert decided["recorded"] == DECIDED.isoformat()
    Bundle.model_validate_json(json.dumps(told))


def test_a_clinicians_own_condition_is_theirs() -> None:
    """Confirmed, asserted by name, without the label of a program; its Provenance revises what the program said."""
    told = document(reported("plaque"), review=signed(corrected("reasoning", "wrong_condition", condition="scabies")))
    own = found(told, "Condition", "condition-clinician")
    assert verification(own) == "confirmed" and own["asserter"] == {"display": NAME} and labels(own) == []
    assert own["code"]["text"] == "scabies"
    decided = found(told, "Provenance", "decision-reasoning")
    assert decided["agent"][0]["type"]["coding"][0]["code"] == "author"
    assert decided["target"] == [Entries("export-1").ref("condition-clinician")]
    revised = [one["what"] for one in decided["entity"]]
    assert Entries("export-1").ref("condition-0") in revised
    assert {one["role"] for one in decided["entity"]} == {"revision"}
    Bundle.model_validate_json(json.dumps(told))


@pytest.mark.parametrize(
    ("ruling", "own", "program", "value"),
    [
        (corrected("findings", family="eczematous"), "clinician-findings-family", "view-0", "eczematous"),
        (corrected("representation", phenotype="flexural"), "clinician-representation-phenotype", "visit", "flexural"),
        (corrected("severity", pga="severe"), "clinician-severity-pga", "severity-band", 4),
        (corrected("triage", tier="T2_same_day"), "clinician-triage-tier", "triage", "T2_same_day"),
    ],
)
def test_a_corrected_value_is_the_clinicians_and_the_programs_is_superseded(
    ruling: Any, own: str, program: str, value: Any
) -> None:
    """Final with its performer, beside the program's own value, which is kept and marked as withdrawn."""
    told = document(reported("plaque"), review=signed(ruling))
    theirs, its = found(told, "Observation", own), found(told, "Observation", program)
    assert theirs["status"] == "final" and theirs["performer"] == [{"display": NAME}]
    assert labels(theirs) == [] and "device" not in theirs
    code = theirs.get("valueCodeableConcept", {}).get("coding", [{}])[0].get("code")
    assert value in {code, theirs.get("valueQuantity", {}).get("value")}
    assert its["status"] == "entered-in-error" and AIAST in labels(its)
    decided = found(told, "Provenance", f"decision-{ruling.section}")
    assert Entries("export-1").ref(program) in [one["what"] for one in decided["entity"]]
    Bundle.model_validate_json(json.dumps(told))


def test_the_conclusion_is_the_tier_that_the_clinician_set() -> None:
    """With its own deadline; the text of the section says the same."""
    told = document(reported("plaque"), review=signed(corrected("triage", tier="T2_same_day")))
    report = resources(told, "DiagnosticReport")[0]
    assert report["conclusion"].startswith("T2") and report["status"] == "final"
    assert report["resultsInterpreter"] == [{"display": NAME}]
    tier = found(told, "Observation", "clinician-triage-tier")
    assert datetime.fromisoformat(tier["component"][0]["valueDateTime"]) == CREATED + timedelta(hours=24)
    composition = resources(told, "Composition")[0]
    assert composition["attester"][0]["party"] == {"display": NAME}
    assert "T2 today" in json.dumps(composition) and "T5" not in json.dumps(composition)


def test_before_the_signature_no_decision_leaves() -> None:
    """The document is the same as if nobody had decided anything."""
    review = unsigned(corrected("reasoning", "wrong_condition", condition="scabies"), rejected("findings"))
    assert document(reported("plaque"), review=review) == document(reported("plaque"))


def test_a_corrected_syndrome_never_leaves() -> None:
    """Neither its value nor its name."""
    told = document(reported("plaque"), review=signed(corrected("reasoning", "wrong_syndrome", syndrome="damp_heat")))
    assert "damp_heat" not in json.dumps(told)


def test_a_rejected_plan_is_not_told_as_a_plan() -> None:
    """The fixed sentence stands in its place."""
    told = document(reported("plaque"), review=signed(rejected("plan", "unsafe_plan")))
    text = json.dumps(resources(told, "Composition"))
    assert "The clinician did not confirm this part." in text and "emollient" not in text


def test_a_rule_that_asks_for_more_than_the_clinicians_tier_is_superseded() -> None:
    """An emergency that was none: its rule is kept and withdrawn; a rule that asks for less stays as it was."""
    told = document(reported("emergency"), review=signed(corrected("triage", tier="T4_routine")))
    assert found(told, "Observation", "red-flag-RF-05")["status"] == "entered-in-error"
    assert resources(told, "DiagnosticReport")[0]["conclusion"].startswith("T4")
    raised = document(reported("mole"), review=signed(corrected("triage", tier="T1_emergency")))
    flags = [one for one in resources(raised, "Observation") if one.get("valueBoolean") is True]
    assert all(one["status"] == "preliminary" for one in flags)


def test_a_part_is_final_only_when_a_clinician_accepted_it() -> None:
    """Findings accepted: their Observations are final; a rejected severity is withdrawn, and people's numbers stay."""
    told = document(reported("plaque"), review=signed(rejected("severity", "wrong_severity")))
    status = {one["code"]["coding"][0]["code"]: one["status"] for one in resources(told, "Observation")}
    assert (status["findings"], status["pasi"], status["bsa_percent"]) == ("final", "entered-in-error", "final")


def test_nothing_missing_is_told_as_normal() -> None:
    """A form without answers: no value anywhere, a reason everywhere."""
    told = document(reported("bare"))
    by_code = {one["code"]["coding"][0]["code"]: one for one in resources(told, "Observation")}
    for row in by_code["danger_sign"]["component"]:
        assert row["dataAbsentReason"]["coding"][0]["code"] == "not-performed" and "valueBoolean" not in row
    assert by_code["bsa_percent"]["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert by_code["pasi"]["dataAbsentReason"]["coding"][0]["code"] == "not-performed"


def test_a_withheld_value_does_not_leave() -> None:
    """Below the threshold: a reason, and the words that it was withheld."""
    given = reported("plaque")
    given.report["recognition"][0]["fields"]["colour"] |= {"is_withheld": True, "value": ["cannot_tell"]}
    first = next(o for o in resources(document(given), "Observation") if o["code"]["coding"][0]["code"] == "findings")
    colour = next(row for row in first["component"] if row["code"]["coding"][0]["code"] == "colour")
    assert "valueCodeableConcept" not in colour
    assert colour["dataAbsentReason"]["text"]


@pytest.mark.parametrize(
    ("name", "code"), [("refused_program", "asked-declined"), ("text_only", "not-performed"), ("failed", "error")]
)
def test_a_document_without_findings_says_why(name: str, code: str) -> None:
    """Refused, no picture, or the engine failed: three different reasons."""
    given = reported("text_only" if name == "failed" else name)
    if name == "failed":
        given.report["abstentions"].append(
            {"reason": "engine_failure", "section": "scope", "view": None, "field": None, "withholds": "case",
             "needs_human_reading": True}
        )  # fmt: skip
    told = document(given)
    [found] = [o for o in resources(told, "Observation") if o["code"]["coding"][0]["code"] == "findings"]
    assert found["dataAbsentReason"]["coding"][0]["code"] == code
    Bundle.model_validate_json(json.dumps(told))


def test_an_emergency_leads_the_document() -> None:
    """Its rule is an Observation, the conclusion is tier 1, and there is no condition."""
    told = document(reported("emergency"))
    assert resources(told, "DiagnosticReport")[0]["conclusion"].startswith("T1")
    fired = [o for o in resources(told, "Observation") if o.get("valueBoolean") is True]
    assert "RF-05" in {o["code"]["coding"][0]["code"] for o in fired}
    assert resources(told, "Condition") == []


@pytest.mark.parametrize("name", CASES)
def test_what_never_leaves(name: str) -> None:
    """No local reference, free text, sign of abuse, syndrome, formula, worker's or recorder's name; nothing of pictures."""
    text = json.dumps(document(reported(name)), ensure_ascii=False)
    for planted in ("BOOK-77", "Zhang Wei", "disclosure_of_abuse", "unexplained_injury", "RF-25", "worker 1", "blood_heat",
                    "xijiao", "formula", "syndrome", '"Media"'):  # fmt: skip
        assert planted not in text, planted


def test_the_local_reference_leaves_only_when_asked_for() -> None:
    """As an identifier of the person."""
    told = document(reported("plaque"), has_reference=True)
    assert resources(told, "Patient")[0]["identifier"][0]["value"] == "BOOK-77"


def test_each_of_the_five_consents_is_told_as_it_was_given() -> None:
    """Refused purposes are denials, never left out."""
    told = document(reported("refused_program"))
    given = {one["category"][0]["coding"][0]["code"]: one["provision"]["type"] for one in resources(told, "Consent")}
    assert given == {
        "care_pictures": "permit",
        "program_help": "deny",
        "deidentified_result": "permit",
        "referral_package": "permit",
        "training": "deny",
    }


def test_without_consent_to_the_package_there_is_no_file() -> None:
    """Refused, or a test case that has none: one line with what is possible instead."""
    check_rule(package_rule(Policy(), consent()))
    for given in (None, consent(referral_package=REFUSED)):
        with pytest.raises(CaseError, match="--pdf"):
            check_rule(package_rule(Policy(), given))
    with pytest.raises(CaseError, match="took back"):
        check_rule(package_rule(Policy(), consent(), is_withdrawn=True))
    with pytest.raises(CaseError, match="no referral package"):
        check_rule(package_rule(Policy(share_images="off"), consent()))


@pytest.mark.parametrize(
    ("site", "shot", "kept"),
    [
        ("knee", "close_up", None),
        ("genital", "close_up", "intimate"),
        ("chest", "close_up", "intimate"),
        ("face", "close_up", "face"),
        ("scalp", "close_up", "face"),
        ("back", "overview", "who it is"),
        ("lips_mouth", "tongue", "who it is"),
        (None, "close_up", "body site"),
    ],
)
def test_pictures_of_intimate_or_identifying_sites_stay(site: str | None, shot: str, kept: str | None) -> None:
    """And one that nobody described may be anything."""
    why = why_kept(view(0, 1, shot=shot, body_site=site), VOCABULARY)
    assert (why is None) if kept is None else (why is not None and kept in why)


def test_a_picture_that_may_leave_is_in_the_document() -> None:
    """Its bytes, bound to the finding on it."""
    told = document(reported("plaque"), pictures={1: b"jpeg bytes"})
    [media] = resources(told, "Media")
    assert base64.b64decode(media["content"]["data"]) == b"jpeg bytes"
    seen = [o for o in resources(told, "Observation") if "derivedFrom" in o]
    assert [o["code"]["text"] for o in seen] == ["picture 2"]
    Bundle.model_validate_json(json.dumps(told))


def test_provenance_names_bundle_lineage_version_and_digest() -> None:
    """Whoever reads a finding can ask which model said it."""
    first = resources(document(reported("plaque")), "Provenance")[0]
    what = first["entity"][0]["what"]
    assert what["identifier"]["value"] == "0" * 64
    assert "scripted 1.0" in what["display"] and "lineage test" in what["display"]
    assert AIAST in labels(first)


def test_fictitious_and_test_cases_are_marked_as_such() -> None:
    """HTEST on the Bundle, so that no statistic counts them."""
    assert labels(document(reported("test_case"))) == labels(document(reported("plaque"))) == ["HTEST"]
    real = reported("plaque")
    real = Reported(replace(real.case, consent=consent(fictitious=False)), real.report)
    assert labels(document(real)) == []


def test_the_same_export_gives_the_same_bytes() -> None:
    """Ids are made from the export's own, nothing from the clock or from chance."""
    given = reported("plaque")
    assert json.dumps(document(given)) == json.dumps(document(given))
    assert document(given)["entry"][0]["fullUrl"] != document(given, export_id="other")["entry"][0]["fullUrl"]


def test_a_form_of_another_case_is_refused() -> None:
    """Report and form must belong together."""
    given = reported("plaque")
    other = Reported(replace(given.case, intake=form(bsa_percent=44.0)), given.report)
    with pytest.raises(CaseError, match="not of one case"):
        document(other)


def test_the_device_needs_no_fhir_library() -> None:
    """Importing the export loads none."""
    code = "import sys, edge_agent.interop.fhir; assert not [m for m in sys.modules if m.split('.')[0] == 'fhir']"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
