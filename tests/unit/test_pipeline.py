"""A whole case through the three agents: what runs, what never runs, and what the next agent reads."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import replace

import jsonschema
import pytest

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.agents.report.document import report_schema
from edge_agent.contracts.case import Case
from edge_agent.contracts.intake import ViewNote
from edge_agent.contracts.manifest import AgentName, FieldCalibration
from edge_agent.contracts.photography import Photography
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ContractError, Incompatible, InferenceError
from edge_agent.rules_only import rules_only_report
from tests.simulators.cases import (
    BLOOD_HEAT,
    CREATED,
    FLOOR,
    HEALTHY,
    HEAT,
    INTEGRATED,
    MOLE,
    PLAQUE,
    THRESHOLDS,
    case,
    consent,
    form,
    manifest,
)
from tests.simulators.engine import Said, ScriptedEngine

VOCABULARY = Vocabulary.load()
STASIS: Said = {
    "syndrome": ("blood_stasis", 0.9),
    "principle": (["activate_blood_resolve_stasis"], 0.9),
    "formula": ("taohong_siwu_tang", 0.9),
}
UNSURE: Said = {
    "syndrome": ("insufficient_information", 0.9),
    "principle": (["clear_heat_cool_blood"], 0.5),
    "formula": ("xijiao_dihuang_tang", 0.5),
}
EMERGENCY = {"blisters_or_peeling": "yes", "skin_pain_severe": "yes"}


def engine(assessment: Said = BLOOD_HEAT, plaque: Said = PLAQUE) -> ScriptedEngine:
    return ScriptedEngine(
        {1: plaque, 2: MOLE, 3: FLOOR, 4: HEALTHY},
        integrated=INTEGRATED,
        pathogenesis=HEAT,
        assessment=assessment,
    )


def pipeline(scripted: ScriptedEngine) -> CasePipeline:
    return CasePipeline(scripted, manifest(), VOCABULARY, device="TEST")


def asked(scripted: ScriptedEngine) -> list[str]:
    return [agent for agent, _ in scripted.asked]


def test_a_case_in_scope_runs_all_three_agents_in_order() -> None:
    """Rec sees each view alone in one batch, Rep all views, Reason texts only."""
    scripted = engine()
    report = pipeline(scripted).run(case(marks=(1, 1)))
    assert asked(scripted) == ["recognition", "representation", "reasoning"]
    assert [len(request.views) for request in scripted.asked[0][1]] == [1, 1]
    assert len(scripted.asked[1][1][0].views) == 2
    assert scripted.asked[2][1][0].views == ()
    assert report["scope"]["decision"] == "in_scope"
    assert report["reasoning"]["fields"]["syndrome"]["value"] == "blood_heat"
    assert report["reasoning"]["fields"]["formula"]["value"] == "xijiao_dihuang_tang"


def test_rec_never_reads_the_history() -> None:
    """Section 2: one image and its prompt; no history."""
    scripted = engine()
    pipeline(scripted).run(case())
    assert scripted.texts_of("recognition") == {}
    assert scripted.texts_of("representation") == {}


def test_reason_reads_the_merged_signs_and_the_form() -> None:
    """The texts of the one renderer, nothing else."""
    scripted = engine()
    pipeline(scripted).run(case())
    texts = scripted.texts_of("reasoning")
    assert texts["representation"].splitlines() == [
        "colour bright_red",
        "scale_type silvery_lamellar",
        "induration 1",
        "shape guttate",
        "distribution extensor",
        "symmetry symmetric",
        "mechanism blood_heat_internal",
    ]
    assert "tongue red" in texts["intake"] and "veins not_examined" in texts["intake"]


@pytest.mark.parametrize(
    ("marks", "decision", "reason"),
    [
        ((2,), "out_of_scope", "out_of_scope_condition"),
        ((1, 2), "out_of_scope", "out_of_scope_condition"),
        ((3,), "abstained", "not_skin"),
        ((4,), "abstained", "no_lesion_visible"),
    ],
)
def test_out_of_scope_ends_without_rep_and_reason(marks: tuple[int, ...], decision: str, reason: str) -> None:
    """No syndrome, no formula; a person reads the case at T4 or sooner."""
    scripted = engine()
    report = pipeline(scripted).run(case(marks=marks))
    assert asked(scripted) == ["recognition"]
    assert report["scope"]["decision"] == decision
    assert reason in [row["reason"] for row in report["abstentions"]]
    assert report["representation"] is None and report["reasoning"] is None
    assert report["triage"]["final"] == "T4_routine" and report["triage"]["needs_human_reading"]
    assert not [item for item in report["plan"]["items"] if item["action"] == "treat"]


@pytest.mark.parametrize("symptom", ["bleeding", "increasing_size"])
def test_out_of_scope_and_growing_or_bleeding_is_urgent(symptom: str) -> None:
    """Section 9: T3 if the lesion is growing or bleeding; in scope it is not a reason."""
    intake = form(symptoms=[symptom])
    assert pipeline(engine()).run(case(marks=(2,), intake=intake))["triage"]["final"] == "T3_urgent"
    assert pipeline(engine()).run(case(marks=(1,), intake=intake))["triage"]["final"] == "T5_local"


def test_a_view_that_is_not_skin_is_kept_from_the_later_agents() -> None:
    """Rep sees the readable views only; Rec's finding on the other stays in the report."""
    scripted = engine()
    report = pipeline(scripted).run(case(marks=(3, 1)))
    assert [one.mark for one in scripted.asked[1][1][0].views] == [1]
    assert len(report["recognition"]) == 2


def test_an_emergency_sign_withholds_the_syndrome() -> None:
    """The flag comes first, the tier is T1, and Reason does not run."""
    scripted = engine()
    report = pipeline(scripted).run(case(intake=form(danger_signs=EMERGENCY)))
    assert [flag["id"] for flag in report["red_flags"]] == ["RF-05"]
    assert report["triage"]["final"] == "T1_emergency"
    assert report["reasoning"] is None and "reasoning" not in asked(scripted)
    assert "red_flag_active" in [row["reason"] for row in report["abstentions"]]
    objects = [item["object"] for item in report["plan"]["items"]]
    assert objects[0] == "emergency_transfer" and "tcm_formula_proposal" not in objects
    assert (report["tcm"], report["tcm_absent"]) == (None, "red_flag_active")


def test_danger_signs_are_known_before_the_engine_is_asked() -> None:
    """The first progress is the rules', and no agent was asked before."""
    scripted = engine()
    seen: list[tuple[str, int]] = []
    pipeline(scripted).run(case(), on_progress=lambda stage, _done, _total: seen.append((stage, len(scripted.asked))))
    assert seen[0] == ("rules", 0)
    stages = [stage for stage, _ in itertools.groupby(stage for stage, _ in seen)]
    assert stages == ["rules", "encode", "recognition", "representation", "reasoning", "report"]


def test_rules_speak_when_the_engine_fails() -> None:
    """Inference down: the error goes up, and the rules' report is still there."""
    scripted = ScriptedEngine({1: PLAQUE}, failing="recognition")
    emergency = case(intake=form(danger_signs=EMERGENCY))
    with pytest.raises(InferenceError):
        pipeline(scripted).run(emergency)
    report = pipeline(scripted).run_without_model(emergency)
    assert report["triage"]["final"] == "T1_emergency"
    assert [row["reason"] for row in report["abstentions"]] == ["engine_failure"]


@pytest.mark.parametrize("failing", [None, "recognition", "representation", "reasoning"])
def test_nothing_of_a_case_stays_in_the_engine(failing: AgentName | None) -> None:
    """Caches are dropped once a case is finished or has failed at any agent, before the next one comes."""
    scripted = ScriptedEngine(
        {1: PLAQUE}, integrated=INTEGRATED, pathogenesis=HEAT, assessment=BLOOD_HEAT, failing=failing
    )
    with nullcontext() if failing is None else pytest.raises(InferenceError):
        pipeline(scripted).run(case(marks=(1, 1)))
    assert scripted.asked
    assert scripted.cached == 0


@pytest.mark.parametrize(
    ("given", "notice"),
    [
        (case(agreed=consent(program_help={"granted": False, "version": "1"})), "program_refused"),
        (Case("c", (), form(), None, CREATED), "no_pictures"),
    ],
)
def test_care_without_the_program_is_possible(given: Case, notice: str) -> None:
    """R1, R2: refusing the program's help leaves the rules, and no agent is asked."""
    scripted = engine()
    report = pipeline(scripted).run(given)
    assert scripted.asked == []
    assert notice in report["notices"] and report["recognition"] == []
    assert report["triage"]["needs_human_reading"]


def test_a_withheld_sign_does_not_reach_reason() -> None:
    """Below its threshold a sign is cannot_tell for the report and for the next agent."""
    scripted = engine(plaque={**PLAQUE, "scale_type": ("silvery_lamellar", 0.55)})
    report = pipeline(scripted).run(case())
    assert "scale_type cannot_tell" in scripted.texts_of("reasoning")["representation"]
    row = report["recognition"][0]["fields"]["scale_type"]
    assert row == {"value": "cannot_tell", "probability": 0.55, "is_decided": True, "is_withheld": True}
    assert report["abstentions"] == [
        {
            "reason": "low_confidence",
            "section": "recognition",
            "view": 0,
            "field": "scale_type",
            "withholds": "field",
            "needs_human_reading": False,
        }
    ]
    assert report["triage"]["final"] == "T5_local"  # one sign of one view is not the case


def test_an_unsure_syndrome_takes_plan_and_formula_with_it() -> None:
    """Below its threshold: no syndrome, no principle, no formula, and a person reads the case."""
    floor = THRESHOLDS.model_copy(update={"fields": {"reasoning.syndrome": FieldCalibration(min_confidence=0.95)}})
    report = CasePipeline(engine(), manifest(thresholds=floor), VOCABULARY).run(case())
    told = {name: row["value"] for name, row in report["reasoning"]["fields"].items()}
    assert told == {"syndrome": "insufficient_information", "principle": ["cannot_tell"], "formula": "cannot_tell"}
    assert [row["reason"] for row in report["abstentions"]] == ["low_confidence"]
    assert report["triage"]["final"] == "T4_routine"


def test_a_model_that_names_no_syndrome_gets_no_formula() -> None:
    """A formula beside insufficient_information is dropped, whatever the model wrote."""
    report = pipeline(engine(UNSURE)).run(case())
    assert report["reasoning"]["fields"]["formula"]["value"] == "cannot_tell"
    assert report["reasoning"]["fields"]["principle"]["value"] == ["cannot_tell"]
    assert [row["reason"] for row in report["abstentions"]] == ["insufficient_history"]
    assert "tcm_formula_proposal" not in [item["object"] for item in report["plan"]["items"]]


@pytest.mark.parametrize(
    ("changes", "withheld_by"),
    [
        ({}, []),
        ({"age_years": 17}, ["FB-01"]),
        ({"breastfeeding": "yes"}, ["FB-01"]),
        ({"sex": "female", "pregnancy": "no"}, []),
        ({"sex": "female", "pregnancy": "yes"}, ["FB-02"]),
        ({"sex": "female", "pregnancy": "unknown"}, ["FB-02"]),
        ({"sex": "female"}, ["FB-02"]),
    ],
)
def test_a_formula_is_withheld_by_rule(changes: dict[str, object], withheld_by: list[str]) -> None:
    """Pregnancy (also an unknown one), breastfeeding and age; the syndrome stays."""
    report = pipeline(engine(STASIS)).run(case(intake=form(**changes)))
    assert report["reasoning"]["formula_withheld_by"] == withheld_by
    assert report["reasoning"]["fields"]["syndrome"]["value"] == "blood_stasis"
    shown = [item["detail"] for item in report["plan"]["items"] if item["object"] == "tcm_formula_proposal"]
    assert shown == ([] if withheld_by else ["taohong_siwu_tang"])


def test_a_formula_of_another_syndrome_is_withheld() -> None:
    """Section 5.3's table binds formula to syndrome; a model that mixes them gets no formula shown."""
    report = pipeline(engine({**BLOOD_HEAT, "formula": ("danggui_yinzi", 0.9)})).run(case())
    assert report["reasoning"]["formula_withheld_by"] == ["FB-03"]
    assert report["reasoning"]["fields"]["formula"]["value"] == "cannot_tell"


def test_an_unchecked_formula_says_so() -> None:
    """Breastfeeding not entered: the formula is shown with the words that it was not checked."""
    answered = {"comorbidity": ["none"], "current_treatment": [{"kind": "none"}], "new_drug_within_8_weeks": "no"}
    report = pipeline(engine()).run(case(intake=form(breastfeeding=None, **answered)))
    assert report["reasoning"]["formula_unchecked"] == ["FB-01"]
    assert "formula_unchecked" in report["notices"]


def test_the_formula_is_a_proposal_for_a_prescriber_without_a_dose() -> None:
    """Its plan item needs a clinician's review and a prescriber; no number stands beside it."""
    items = pipeline(engine()).run(case())["plan"]["items"]
    item = next(item for item in items if item["object"] == "tcm_formula_proposal")
    assert (item["role"], item["condition"], item["status"]) == ("prescriber", "after_clinician_review", "proposed")
    assert item["interval_days"] is None


@pytest.mark.parametrize(
    ("surface", "band"), [(None, None), (2.9, "mild"), (3.0, "moderate"), (10.0, "moderate"), (10.1, "severe")]
)
def test_severity_is_the_band_of_the_entered_surface(surface: float | None, band: str | None) -> None:
    """Section 4: mild < 3 %, moderate 3-10 %, severe > 10 %; else what is missing. Severe is at least T4."""
    report = pipeline(engine()).run(case(intake=form(bsa_percent=surface)))
    assert (report["severity"]["band"], report["severity"]["bsa_percent"]) == (band, surface)
    assert ("bsa_percent" in report["severity"]["missing"]) is (surface is None)
    assert report["triage"]["final"] == ("T4_routine" if band == "severe" else "T5_local")


def test_the_worker_can_raise_but_the_program_cannot_lower() -> None:
    """A worried worker: T2, with the worker's words kept beside the program's answer."""
    worker = {"impression": "not sure", "tier": "T4_routine", "worried": "yes"}
    report = pipeline(engine()).run(case(intake=form(worker=worker)))
    assert report["triage"]["final"] == "T2_same_day"
    assert report["triage"]["by"] == {
        "rules": "T2_same_day",  # RF-28
        "worker": "T2_same_day",
        "program": None,
        "clinician": None,
    }
    assert report["worker"] == worker


def test_tokens_and_times_are_added_up() -> None:
    """Provenance counts every agent's tokens and names every phase; the clock is the given one."""
    ticks = itertools.count()
    run = CasePipeline(engine(), manifest(), VOCABULARY, clock=lambda: float(next(ticks)))
    told = run.run(case())["provenance"]
    decided = sum(p is not None for said in (PLAQUE, INTEGRATED, HEAT, BLOOD_HEAT) for _, p in said.values())
    fields = sum(len(said) for said in (PLAQUE, INTEGRATED, HEAT, BLOOD_HEAT))
    assert told["tokens"] == {"sampled": decided, "forced": 3 * fields}
    assert told["timings_ms"]["recognition"] == 1000.0
    assert set(told["timings_ms"]) == {
        "rules",
        "encode",
        "recognition",
        "second_look",
        "representation",
        "reasoning",
        "total",
    }


@pytest.mark.parametrize(("agreed", "is_test_case"), [(None, True), (consent(), False)])
def test_a_case_without_consent_is_marked(agreed: object, is_test_case: bool) -> None:
    """R14: marked in the report; a fictitious consent is named too."""
    report = pipeline(engine()).run(case(agreed=agreed))  # type: ignore[arg-type]
    assert report["is_test_case"] is is_test_case
    assert ("test_case" in report["notices"]) is is_test_case
    assert ("fictitious_consent" in report["notices"]) is not is_test_case


def test_a_bundle_of_other_words_is_refused_before_any_case() -> None:
    """An unknown id is found when the pipeline is built, not in a report."""
    schema = {"properties": {"syndrome": {"enum": ["moon_phase"]}}}
    with pytest.raises(Incompatible, match="moon_phase"):
        CasePipeline(engine(), manifest(schemas={"reasoning": schema}), VOCABULARY)


def test_an_engine_that_loses_a_view_is_an_error() -> None:
    """A missing answer is never read as "nothing there"."""

    class Forgetful(ScriptedEngine):
        def run(self, agent, requests):  # type: ignore[no-untyped-def]
            return super().run(agent, requests)[:1]

    with pytest.raises(ContractError, match="1 of 2 views"):
        pipeline(Forgetful({1: PLAQUE})).run(case(marks=(1, 1)))


def test_a_refusal_is_said_without_a_model_too() -> None:
    """The person said no: the rules' report says so, and does not say that the program failed."""
    record = consent(program_help={"granted": False, "version": "1"})
    report = pipeline(engine()).run_without_model(case(agreed=record))
    assert "program_refused" in report["notices"]
    assert report["abstentions"] == []


def test_a_report_without_a_bundle_is_not_for_clinical_use() -> None:
    """Nobody has vouched for anything: the notice stands unless a trusted bundle says otherwise."""
    report = rules_only_report(case(), manifest=None)
    assert "ref_notice" in report["notices"]


def test_a_picture_that_was_lost_is_said_in_the_report() -> None:
    """What it showed was assessed by nobody: the notice stands, valid by the schema, with words in both languages."""
    lost = Photography(lost=(ViewNote(shot="close_up", body_site="elbow"),))
    report = rules_only_report(replace(case(), photography=lost), manifest=None)
    jsonschema.validate(report, report_schema())
    assert "picture_lost" in report["notices"]
    assert "not assessed" in VOCABULARY.lists["text"].terms["picture_lost"].en
    assert "picture_lost" not in rules_only_report(case(), manifest=None)["notices"]


def test_photography_that_was_stopped_stays_stopped_in_the_report() -> None:
    """R9: no rule fires on a sign that was taken back, and still no picture of the case may leave."""
    report = rules_only_report(replace(case(), photography=Photography(is_stopped=True)), manifest=None)
    jsonschema.validate(report, report_schema())
    assert report["stops_photography"] is True
    assert not any(row["is_private"] for row in report["red_flags"])
    assert rules_only_report(case(), manifest=None)["stops_photography"] is False
