"""Every reason for saying nothing: reached by name, what it withholds, whether a person must read the case."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from edge_agent.agents.abstention import Abstention, Kept, keep
from edge_agent.agents.evidence_limits import limitations, person_outside
from edge_agent.agents.reasoning import propose
from edge_agent.agents.scope import Scope, decide
from edge_agent.agents.tcm.herbs import HerbBook
from edge_agent.agents.withholding import (
    EFFECTS,
    before_reasoning,
    effect_of,
    needs_human_reading,
    set_aside,
    to_report,
    uncalibrated_agents,
    uncalibrated_fields,
)
from edge_agent.contracts.case import AgentOutput, Case, FieldValue, Finding, View
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.manifest import CalibrationRecord, Evidence, FieldCalibration, Manifest, Thresholds
from edge_agent.contracts.terms import Vocabulary
from tests.simulators.cases import CREATED, manifest, view

THRESHOLDS = Thresholds(lesion_visible=0.6, in_scope_family=0.7, danger_family=0.2, not_skin=0.5, views_disagree=0.8)
LESION = {"lesion_visible": 0.95, "normal_skin": 0.05}
SCALY = {"papulosquamous": 0.9, "eczematous": 0.1}
STAGE = Kept("remission", 0.9, is_decided=True, is_withheld=False)


def finding(index: int, family: dict[str, float], applicability: dict[str, float] | None = None) -> Finding:
    fields = {}
    for name, shares in (("applicability", applicability or LESION), ("family", family)):
        best = max(shares, key=shares.__getitem__)
        fields[name] = FieldValue(best, shares[best], shares)
    value = {name: found.value for name, found in fields.items()}
    return Finding(index, AgentOutput("recognition", "describe", "", value, fields, 2, 9))


def reasons(scope: Scope) -> tuple[str, list[tuple[str, int | None]]]:
    return scope.decision, [(row.reason, row.view) for row in scope.abstentions]


def case_of(*views: View, **form: object) -> Case:
    return Case(case_id="c", views=views, intake=Intake.model_validate(form), consent=None, created=CREATED)


def test_the_table_holds_exactly_the_reasons_of_the_vocabulary() -> None:
    """A reason without an effect, or an effect without a word, would be silent."""
    vocabulary = Vocabulary.load()
    assert set(EFFECTS) == set(vocabulary.lists["abstain_reason"].terms)
    assert {effect.withholds for effect in EFFECTS.values()} == set(vocabulary.lists["withholds"].terms)


@pytest.mark.parametrize(
    ("reason", "withholds", "reading"),
    [
        ("image_quality", "view", False),
        ("not_skin", "view", False),
        ("no_lesion_visible", "case", True),
        ("out_of_scope_condition", "case", True),
        ("low_confidence", "field", False),
        ("views_disagree", "case", True),
        ("tone_outside_evidence", "syndrome", True),
        ("age_outside_evidence", "syndrome", True),
        ("site_outside_evidence", "view", True),
        ("remission_stage", "syndrome", True),
        ("insufficient_history", "syndrome", True),
        ("red_flag_active", "syndrome", True),
        ("no_calibration", "field", False),
        ("engine_failure", "case", True),
    ],
)
def test_what_each_reason_withholds(reason: str, withholds: str, reading: bool) -> None:
    """The table as it was decided; a change of it is a change of what people are told."""
    assert (EFFECTS[reason].withholds, EFFECTS[reason].needs_human_reading) == (withholds, reading)


@pytest.mark.parametrize(
    ("abstention", "withholds", "reading"),
    [
        (Abstention("low_confidence", "recognition", 0, "colour"), "field", False),
        (Abstention("low_confidence", "reasoning", None, "syndrome"), "syndrome", True),
        (Abstention("low_confidence", "scope"), "case", True),
        (Abstention("not_skin", "scope", 1), "view", False),
        (Abstention("no_calibration", "reasoning"), "syndrome", True),
        (Abstention("no_calibration", "scope"), "case", True),
    ],
)
def test_a_reason_withholds_as_much_as_it_was_given_for(abstention: Abstention, withholds: str, reading: bool) -> None:
    """The same reason is one sign of one view, or the whole case; the whole always asks for a person."""
    assert (effect_of(abstention).withholds, effect_of(abstention).needs_human_reading) == (withholds, reading)
    assert to_report([abstention])[0]["withholds"] == withholds
    assert needs_human_reading([abstention]) == reading


def test_image_quality_sets_a_refused_view_aside() -> None:
    """A refused picture is not read, however clear the model finds it; alone it ends the case."""
    case = case_of(view(0, 1), view(1, 1), views=[{"quality": "refused"}, {"quality": "accepted_with_warning"}])
    aside = set_aside(case, None)
    assert aside == {0: "image_quality"}
    both = decide([finding(0, SCALY), finding(1, SCALY)], THRESHOLDS, aside=aside)
    assert (both.readable, reasons(both)) == ((1,), ("in_scope", [("image_quality", 0)]))
    assert reasons(decide([finding(0, SCALY)], THRESHOLDS, aside=aside)) == ("abstained", [("image_quality", 0)])


def test_danger_in_a_refused_view_still_counts() -> None:
    """A poor picture is no reading, but what it may show is not made safe by being poor."""
    mole = finding(0, {"pigmented_lesion": 0.9, "other": 0.1})
    scope = decide([mole, finding(1, SCALY)], THRESHOLDS, aside={0: "image_quality"})
    assert reasons(scope) == ("out_of_scope", [("image_quality", 0), ("out_of_scope_condition", None)])


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        ({"not_skin": 0.9, "lesion_visible": 0.1}, "not_skin"),
        ({"normal_skin": 0.9, "lesion_visible": 0.1}, "no_lesion_visible"),
        ({"cannot_tell": 0.9, "lesion_visible": 0.1}, "low_confidence"),
    ],
)
def test_pictures_that_show_nothing_are_named(shares: dict[str, float], reason: str) -> None:
    """not_skin, no_lesion_visible and low_confidence of the whole case."""
    decision, found = reasons(decide([finding(0, {"cannot_tell": 0.9, "other": 0.1}, shares)], THRESHOLDS))
    assert (decision, [name for name, _ in found]) == ("abstained", [reason])


@pytest.mark.parametrize(
    ("shot", "share", "expected"),
    [
        ("close_up", 0.8, ("abstained", [("views_disagree", None)])),
        (None, 0.8, ("abstained", [("views_disagree", None)])),
        ("close_up", 0.79, ("in_scope", [])),
        ("overview", 0.95, ("in_scope", [])),
    ],
)
def test_near_views_that_name_different_families_disagree(
    shot: str | None, share: float, expected: tuple[str, list[tuple[str, int | None]]]
) -> None:
    """One view is ours and a near one shows another family at the threshold: nobody may choose between them."""
    eczema = finding(1, {"eczematous": share, "papulosquamous": 1 - share})
    scope = decide([finding(0, SCALY), eczema], THRESHOLDS, shots={0: "close_up", 1: shot})
    assert reasons(scope) == expected


def test_one_danger_family_can_have_its_own_lower_threshold() -> None:
    """0.1 of a nodule passes the common threshold and not its own."""
    nodule = [finding(0, {"papulosquamous": 0.9, "nodule_tumour": 0.1})]
    stricter = THRESHOLDS.model_copy(update={"danger_families": {"nodule_tumour": 0.1}})
    assert reasons(decide(nodule, THRESHOLDS))[0] == "in_scope"
    assert reasons(decide(nodule, stricter)) == ("out_of_scope", [("out_of_scope_condition", None)])


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"fitzpatrick": 5}, ("tone_outside_evidence",)),
        ({"fitzpatrick": 3, "monk": 9}, ("tone_outside_evidence",)),
        ({"age_years": 17}, ("age_outside_evidence",)),
        ({"age_years": 81, "fitzpatrick": 6}, ("tone_outside_evidence", "age_outside_evidence")),
        ({"age_months": 7}, ("age_outside_evidence",)),
        ({"age_years": 18, "fitzpatrick": 4, "monk": 6}, ()),
        ({}, ()),
    ],
)
def test_a_person_outside_the_evidence_gets_no_syndrome(form: dict[str, object], expected: tuple[str, ...]) -> None:
    """Bounds are included; an unanswered question abstains from nothing."""
    evidence = Evidence(fitzpatrick=[1, 2, 3, 4], monk=[1, 2, 3, 4, 5, 6], age_years=(18, 80))
    intake = Intake.model_validate(form)
    stops = before_reasoning({}, intake=intake, evidence=evidence, is_emergency=False)
    assert tuple(stop.reason for stop in stops) == expected
    assert all((stop.section, stop.field) == ("reasoning", None) for stop in stops)
    assert person_outside(None, intake) == ()


def test_a_site_outside_the_evidence_is_set_aside() -> None:
    """That view is named; the other one is read; alone it ends the case."""
    case = case_of(view(0, 1, body_site="scalp"), view(1, 1))
    aside = set_aside(case, Evidence(body_sites=["elbow", "knee"]))
    assert aside == {0: "site_outside_evidence"}
    both = decide([finding(0, SCALY), finding(1, SCALY)], THRESHOLDS, aside=aside)
    assert (both.readable, reasons(both)) == ((1,), ("in_scope", [("site_outside_evidence", 0)]))
    assert reasons(decide([finding(0, SCALY)], THRESHOLDS, aside=aside))[0] == "abstained"


def test_undeclared_evidence_is_a_named_limitation() -> None:
    """Silence is no evidence: each part that a bundle leaves out has its own line."""
    words = Vocabulary.load().lists["evidence_limit"].terms
    assert set(limitations(None)) == set(words)
    assert limitations(Evidence(monk=[1], age_years=(0, 120))) == ("site_evidence_undeclared",)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (STAGE, ["remission_stage"]),
        (Kept("stationary", 0.9, is_decided=True, is_withheld=False), []),
        (Kept("remission", None, is_decided=False, is_withheld=False), []),
    ],
)
def test_remission_stops_before_the_syndrome(stage: Kept, expected: list[str]) -> None:
    """Only a stage that the bundle decides counts."""
    stops = before_reasoning({"stage": stage}, intake=Intake(), evidence=None, is_emergency=False)
    assert [stop.reason for stop in stops] == expected


def test_an_emergency_sign_stops_before_the_syndrome() -> None:
    """red_flag_active stands beside the other reasons, first."""
    stops = before_reasoning({"stage": STAGE}, intake=Intake(), evidence=None, is_emergency=True)
    assert [stop.reason for stop in stops] == ["red_flag_active", "remission_stage"]
    assert before_reasoning({}, intake=Intake(), evidence=None, is_emergency=False) == ()


def test_a_syndrome_that_the_model_would_not_name_lacks_history() -> None:
    """insufficient_history is what an answered nothing-value says."""
    kept = {
        name: Kept(value, 0.9, is_decided=True, is_withheld=False)
        for name, value in (
            ("syndrome", "insufficient_information"),
            ("principle", ["cannot_tell"]),
            ("formula", "cannot_tell"),
        )
    }
    found = propose(kept, rules=HerbBook.load(Vocabulary.load()), facts={})
    assert [row.reason for row in found.abstentions] == ["insufficient_history"]


DECIDED = ("applicability", "family", "colour")


def bundle_that_decides() -> Manifest:
    """Return a manifest whose Rec decides three fields."""
    plain = manifest()
    rec = plain.agents["recognition"]
    steps = [step.model_copy(update={"decided_fields": list(DECIDED)}) for step in rec.steps]
    return plain.model_copy(update={"agents": {**plain.agents, "recognition": rec.model_copy(update={"steps": steps})}})


def claiming(bundle: Manifest, *fields: str) -> Manifest:
    """Return a manifest that claims calibration for these fields only."""
    thresholds = bundle.thresholds.model_copy(update={"fields": {name: FieldCalibration() for name in fields}})
    record = CalibrationRecord(split="calibration", cases=10)
    return bundle.model_copy(update={"thresholds": thresholds, "calibration": record})


def test_a_field_without_calibration_is_withheld_where_calibration_is_claimed() -> None:
    """The model's answer is gone, its confidence too; a bundle that claims nothing keeps it."""
    bundle = bundle_that_decides()
    every = [f"recognition.{name}" for name in DECIDED]
    assert uncalibrated_fields(bundle) == frozenset()
    assert uncalibrated_fields(claiming(bundle, *every)) == frozenset()
    colour = "recognition.colour"
    missing = uncalibrated_fields(claiming(bundle, *(name for name in every if name != colour)))
    assert missing == {colour}
    fields = {"colour": FieldValue(["brown"], 0.9, {"brown": 0.9}), "border": FieldValue("mixed", 0.9, {})}
    output = AgentOutput("recognition", "describe", "", {"colour": ["brown"], "border": "mixed"}, fields, 0, 0)
    kept, withheld = keep(output, THRESHOLDS, view=1, uncalibrated=missing)
    assert (kept["colour"].value, kept["colour"].probability, kept["border"].value) == (["cannot_tell"], None, "mixed")
    assert withheld == [Abstention("no_calibration", "recognition", 1, "colour")]


def test_scope_fields_without_calibration_end_the_case() -> None:
    """The scope compares probabilities; without calibrated ones there is no scope."""
    bundle = bundle_that_decides()
    rest = ("recognition.applicability", "recognition.colour")
    assert uncalibrated_agents(claiming(bundle, *rest)) == (Abstention("no_calibration", "scope"),)
    assert uncalibrated_agents(bundle) == ()


@pytest.mark.parametrize(
    ("agent", "expected"),
    [("recognition", Abstention("no_calibration", "scope")), ("reasoning", Abstention("no_calibration", "reasoning"))],
)
def test_a_text_contract_has_no_calibration(agent: str, expected: Abstention) -> None:
    """Free text carries no probability, whatever the manifest claims."""
    bundle = manifest()
    spec = bundle.agents[agent]  # type: ignore[index]
    steps = [
        step.model_copy(update={"contract": "text", "output_schema": None, "decided_fields": []}) for step in spec.steps
    ]
    agents = {**bundle.agents, agent: spec.model_copy(update={"steps": steps})}
    assert uncalibrated_agents(bundle.model_copy(update={"agents": agents})) == (expected,)


def test_a_manifest_of_before_declares_nothing() -> None:
    """What a signed old manifest lacks is read as not declared, and still bounds what views may contradict."""
    old = manifest().model_dump(mode="json", exclude={"evidence", "calibration"})
    for name in ("danger_families", "views_disagree"):
        del old["thresholds"][name]
    read = Manifest.model_validate(old)
    assert (read.evidence, read.calibration, read.thresholds.danger_families) == (None, None, {})
    assert 0.5 <= read.thresholds.views_disagree < 1


@pytest.mark.parametrize(
    "declared",
    [{"age_years": [65, 18]}, {"fitzpatrick": [7]}, {"monk": [0]}, {"fitzpatrick": []}, {"ages": [1, 2]}],
)
def test_evidence_that_nobody_can_meet_is_refused(declared: dict[str, object]) -> None:
    """A slip here would silently end every case in an abstention, or none."""
    with pytest.raises(ValidationError):
        Evidence.model_validate(declared)
