"""A bundle that decides everything: what Reason reads, how its answer is checked, and what rules make of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from edge_agent.agents.answer import read_answer
from edge_agent.agents.pipeline import CasePipeline
from edge_agent.contracts.case import AgentOutput, Case, FieldValue
from edge_agent.contracts.manifest import AgentInputs, Evidence, FieldCalibration, Manifest
from edge_agent.contracts.practice import Practice
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import Incompatible
from tests.simulators.answers import FULL_ASSESSMENT, FULL_INTEGRATED, FULL_PLAQUE, full_manifest
from tests.simulators.cases import BLOOD_HEAT, CREATED, HEAT, INTEGRATED, MOLE, PLAQUE, THRESHOLDS, case, form, view
from tests.simulators.engine import Said, ScriptedEngine

VOCABULARY = Vocabulary.load()


def engine(
    *, plaque: Said = FULL_PLAQUE, integrated: Said = FULL_INTEGRATED, assessment: Said = FULL_ASSESSMENT
) -> ScriptedEngine:
    pustules = {**PLAQUE, "family": ("pustular", 0.9)}
    return ScriptedEngine(
        {1: plaque, 2: MOLE, 5: pustules}, integrated=integrated, pathogenesis=HEAT, assessment=assessment
    )


def run(
    given: Case | None = None, *, trust: Manifest | None = None, practice: Practice | None = None, **said: Said
) -> tuple[dict[str, Any], ScriptedEngine]:
    scripted = engine(**said)
    pipeline = CasePipeline(scripted, trust or full_manifest(), VOCABULARY, practice=practice)
    return pipeline.run(given or case()), scripted


def earlier(lineage: str = "test") -> PreviousVisit:
    return PreviousVisit(
        created=CREATED - timedelta(days=30), lineage=lineage, release="1.0", stage="stationary", bsa_percent=9.0
    )


def test_reason_reads_the_declared_fields_of_the_record() -> None:
    """Pointer and value, in the record's order, whatever the manifest's; nothing else of the form."""
    _, scripted = run()
    assert scripted.texts_of("reasoning") == {
        "record": "view:1.colour bright_red\n"
        "view:1.induration 2\n"
        "representation.mechanism blood_heat_internal\n"
        "intake.tongue.body_colour red\n"
        "intake.pulse rapid\n"
        "intake.general.thirst yes"
    }


def test_steps_are_checked_against_the_record() -> None:
    """Two steps say what is recorded; a red tongue does not speak for stasis, so the third is not supported."""
    told = run()[0]["reasoning"]
    assert [step["verdict"] == "supported" for step in told["steps"]] == [True, True, False]
    assert told["verifiability"] == 0.6667
    assert told["conclusion_follows"] is True and told["is_decided"] is True


def test_conditions_stand_apart_from_the_syndrome() -> None:
    """The working condition and the differential are in their own section, with evidence that code filled in."""
    report, _ = run()
    assert report["biomedical"]["working"]["condition"] == "guttate_psoriasis"
    assert [row["condition"] for row in report["biomedical"]["differential"]] == ["pityriasis_rosea"]
    assert {"reasoning_steps", "biomedical"}.isdisjoint(report["reasoning"]["fields"])


def test_a_bundle_without_steps_has_no_verifiability() -> None:
    """Nothing to check is neither 0 nor 1."""
    told = run(assessment=BLOOD_HEAT)[0]["reasoning"]
    assert (told["is_decided"], told["steps"], told["verifiability"]) == (False, [], None)


def test_the_tcm_block_stands_beside_a_psoriasis() -> None:
    """Syndrome, principle and formula with its herb check; the TM1 code only beside an EA90 condition."""
    report, _ = run()
    assert report["tcm_absent"] is None
    assert report["tcm"]["syndrome"]["primary"] == "blood_heat"
    assert report["tcm"]["formula"]["id"] == "xijiao_dihuang_tang"
    assert report["tcm"]["tm1_code"] is not None
    other = {**FULL_ASSESSMENT, "biomedical": ({"working": "plaque_psoriasis"}, None)}
    none = {name: said for name, said in FULL_ASSESSMENT.items() if name != "biomedical"}
    assert run(assessment=other)[0]["tcm"]["tm1_code"] is not None
    assert run(assessment=none)[0]["tcm"]["tm1_code"] is None


def test_without_a_block_no_formula_stands_anywhere() -> None:
    """The practice switched TCM off: neither block nor principle, formula or plan item; the reasoning stays."""
    report, _ = run(practice=Practice(tcm_block="off"))
    assert (report["tcm"], report["tcm_absent"]) == (None, "practice_off")
    fields = report["reasoning"]["fields"]
    assert (fields["formula"]["value"], fields["formula"]["is_withheld"]) == ("cannot_tell", True)
    assert fields["principle"]["value"] == ["cannot_tell"]
    assert "tcm_formula_proposal" not in [item["object"] for item in report["plan"]["items"]]
    assert "tcm_formula_proposal" in [item["object"] for item in run()[0]["plan"]["items"]]


def test_an_answer_in_blocks_reads_like_a_flat_one() -> None:
    """Section 5's nested form: the same fields come out, each with the probability of its place."""
    blocks = {
        "biomedical": {"working": "plaque_psoriasis"},
        "tcm": {"syndrome": {"primary": "blood_heat", "secondary": "none"}, "formula": "xijiao_dihuang_tang"},
        "plan_proposal": [{"action": "investigate", "object": "blood_pressure"}],
    }
    fields = {"tcm.syndrome.primary": FieldValue("blood_heat", 0.8), "biomedical.working": FieldValue("x", 0.7)}
    answer = read_answer(AgentOutput("reasoning", "assess", "", blocks, fields, 1, 1), THRESHOLDS)
    assert answer.output.value == {
        "syndrome": "blood_heat", "secondary_syndrome": "none", "formula": "xijiao_dihuang_tang"
    }  # fmt: skip
    assert answer.output.fields["syndrome"].probability == 0.8
    assert answer.reasons["biomedical"]["working"] == {"condition": "plaque_psoriasis", "confidence": 0.7}
    assert [row["object"] for row in answer.proposals] == ["blood_pressure"]


@pytest.mark.parametrize("block", [None, "blood_heat", {}, {"syndrome": None}])
def test_a_block_without_a_syndrome_names_none(block: Any) -> None:
    """Null, prose or an empty block is read as "not enough information", never as a syndrome."""
    answer = read_answer(AgentOutput("reasoning", "assess", "", {"tcm": block}, {}, 1, 1), THRESHOLDS)
    assert answer.output.value == {"syndrome": "insufficient_information"}


def test_an_unsure_working_condition_is_withheld() -> None:
    """Below its threshold it is not named, and an abstention says which field."""
    floor = THRESHOLDS.model_copy(
        update={"fields": {"reasoning.biomedical.working": FieldCalibration(min_confidence=0.9)}}
    )
    value = {"syndrome": "blood_heat", "biomedical": {"working": "plaque_psoriasis"}}
    fields = {"biomedical.working": FieldValue("plaque_psoriasis", 0.7)}
    answer = read_answer(AgentOutput("reasoning", "assess", "", value, fields, 1, 1), floor)
    assert answer.reasons["biomedical"]["working"] is None
    assert [(one.reason, one.field) for one in answer.abstentions] == [("low_confidence", "biomedical_condition")]


def test_thickness_is_not_read_from_afar() -> None:
    """Field 9: an overview tells no thickness, whatever the model says; a close-up does."""
    views = (view(0, 1, shot="overview"), view(1, 1, shot="close_up"))
    report, scripted = run(Case("c", views, form(), None, CREATED))
    rows = [one["fields"]["induration"] for one in report["recognition"]]
    assert [(row["value"], row["is_withheld"]) for row in rows] == [(None, False), (2, False)]
    assert "view:2.induration 2" in scripted.texts_of("reasoning")["record"]


def test_rep_can_take_a_case_out_of_scope() -> None:
    """Not psoriasis-like over all views: no Reason, no psoriasis treatment, out of scope, and a person reads it."""
    report, scripted = run(integrated={**FULL_INTEGRATED, "phenotype": ("not_psoriasis_like", 0.9)})
    assert "reasoning" not in [agent for agent, _ in scripted.asked]
    assert report["scope"]["decision"] == "out_of_scope" and report["representation"] is not None
    assert ("out_of_scope_condition", "phenotype") in [(a["reason"], a["field"]) for a in report["abstentions"]]
    assert report["triage"]["needs_human_reading"] and report["tcm_absent"] == "out_of_scope"
    assert not [item for item in report["plan"]["items"] if item["action"] == "treat"]


def test_remission_gets_no_syndrome() -> None:
    """Stage remission: abstention, no syndrome, a person reads it; Rec and Rep stay."""
    report, scripted = run(integrated={**FULL_INTEGRATED, "stage": ("remission", 0.9)})
    assert "reasoning" not in [agent for agent, _ in scripted.asked]
    assert "remission_stage" in [row["reason"] for row in report["abstentions"]]
    assert report["reasoning"] is None and report["representation"] is not None
    assert report["triage"]["needs_human_reading"]


def test_a_person_outside_the_evidence_gets_no_syndrome() -> None:
    """The bundle declares adults to 30; the form says 34."""
    trust = full_manifest().model_copy(update={"evidence": Evidence(age_years=(18, 30))})
    report, _ = run(trust=trust)
    assert "age_outside_evidence" in [row["reason"] for row in report["abstentions"]]
    assert report["reasoning"] is None
    assert report["provenance"]["evidence_limits"] == ["tone_evidence_undeclared", "site_evidence_undeclared"]


def test_pictures_add_a_danger_sign_that_nobody_entered() -> None:
    """Pustules in several regions: the flag is there, unconfirmed, and the program asks for its tier."""
    sites = ("chest", "knee", "elbow")
    views = tuple(view(place, 5, body_site=site) for place, site in enumerate(sites))
    report, _ = run(Case("c", views, form(), None, CREATED))
    rows = [(row["origin"], row["is_confirmed"]) for row in report["red_flags"]]
    assert rows == [("picture", False)]
    assert report["triage"]["by"]["program"] == report["red_flags"][0]["tier"]


def test_a_first_visit_has_no_change_and_no_previous_evidence() -> None:
    """Nothing to compare is null, and Reason reads no line about an earlier visit."""
    report, scripted = run()
    assert report["change"] is None
    assert "previous." not in scripted.texts_of("reasoning")["record"]


def test_an_earlier_visit_is_read_and_compared() -> None:
    """The earlier stage stands in the record; the surface fell from 9 to 6 percent."""
    said = {**FULL_ASSESSMENT, "trend": ("more_active", 0.8)}
    report, scripted = run(replace(case(), previous=earlier()), assessment=said)
    assert "previous.stage stationary" in scripted.texts_of("reasoning")["record"]
    assert report["change"]["days"] == 30
    assert (report["change"]["bsa"]["direction"], report["change"]["bsa"]["difference"]) == ("better", -3.0)
    assert report["reasoning"]["fields"]["trend"]["value"] == "more_active"


def test_another_lineage_is_no_evidence() -> None:
    """What another model called stationary is not compared with: not in the record, and no trend is told."""
    said = {**FULL_ASSESSMENT, "trend": ("more_active", 0.8)}
    report, scripted = run(replace(case(), previous=earlier("other")), assessment=said)
    assert "previous.stage not_examined" in scripted.texts_of("reasoning")["record"]
    row = report["reasoning"]["fields"]["trend"]
    assert (row["value"], row["is_withheld"]) == ("cannot_tell", True)


def test_a_trend_needs_an_earlier_visit() -> None:
    """Without one only "first visit" can be true."""
    said = {**FULL_ASSESSMENT, "trend": ("less_active", 0.9)}
    assert run(assessment=said)[0]["reasoning"]["fields"]["trend"]["value"] == "cannot_tell"
    assert run()[0]["reasoning"]["fields"]["trend"]["value"] == "first_visit"


def test_a_clinician_may_lower_and_the_report_shows_from_what() -> None:
    """A clinician's own tier with its reason is final; what stood there before stays."""
    worker = {"impression": "?", "tier": "T2_same_day"}
    clinician = {"tier": "T4_routine", "reason": "wrong_severity"}
    triage = run(case(intake=form(worker=worker, clinician=clinician)))[0]["triage"]
    assert (triage["final"], triage["before_clinician"], triage["is_lowered"]) == ("T4_routine", "T2_same_day", True)


def test_a_narrative_stays_out_of_the_report() -> None:
    """Free text has no place in it; one that names a banned substance takes the formula with it."""
    report, _ = run(plaque={**FULL_PLAQUE, "narrative": ("宜用犀角", None)})
    assert "narrative" not in report["recognition"][0]["fields"]
    assert report["reasoning"]["fields"]["formula"]["value"] == "cannot_tell"
    assert report["reasoning"]["formula_withheld_by"]


def test_a_bundle_that_reads_an_unknown_field_is_refused() -> None:
    """Found when the pipeline is built, not with a patient's case."""
    bare = full_manifest()
    reason = bare.agents["reasoning"]
    inputs = reason.inputs.model_copy(update={"record_fields": ["view.smell"]})
    trust = bare.model_copy(
        update={"agents": {**bare.agents, "reasoning": reason.model_copy(update={"inputs": inputs})}}
    )
    with pytest.raises(Incompatible, match=r"view\.smell"):
        CasePipeline(engine(), trust, VOCABULARY)


@pytest.mark.parametrize("declared", [{"text": ["record"]}, {"text": ["intake"], "record_fields": ["view.colour"]}])
def test_the_record_and_its_fields_go_together(declared: dict[str, Any]) -> None:
    """A record without fields would be empty; fields without a record would be read by nobody."""
    with pytest.raises(ValueError, match="record_fields"):
        AgentInputs(images="none", **declared)


def test_the_present_bundle_still_runs() -> None:
    """Undecided stage and phenotype stop nothing."""
    report, _ = run(plaque=PLAQUE, integrated=INTEGRATED, assessment=BLOOD_HEAT)
    assert report["reasoning"]["fields"]["syndrome"]["value"] == "blood_heat"
