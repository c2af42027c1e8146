"""The plan: each rule fires when it should and only then, a model adds and never removes, an emergency waits for nothing."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.agents.plan.actions import MAX_ITEMS, Plan, PlanInput, Planner
from edge_agent.agents.plan.book import TABLES, PlanBook, PlanRule
from edge_agent.agents.report.fixed_texts import BLANK, filled
from edge_agent.agents.rules.expressions import evaluate
from edge_agent.agents.rules.rule_file import TIERS
from edge_agent.contracts.terms import LANGUAGES, Language, Vocabulary
from edge_agent.errors import ConfigError
from tests.simulators.cases import form

VOCABULARY = Vocabulary.load()
BOOK = PlanBook.load(VOCABULARY)
PLANNER = Planner(VOCABULARY, BOOK)
QUIET = PlanInput(
    tier="T5_local",
    is_in_scope=False,
    needs_human_reading=False,
    abstain_reasons=frozenset(),
    formula=None,
    age_years=40,
    sex="male",
    sites=frozenset({"elbow"}),
)
IN_SCOPE = replace(QUIET, is_in_scope=True)
ALL = frozenset(f"RF-{number:02d}" for number in range(1, 29))


def objects(given: PlanInput) -> list[str]:
    """Return the objects of a plan in order."""
    return [item.object for item in PLANNER.plan(given).items]


def everything(given: PlanInput) -> set[str]:
    """Return the objects of a plan with those that were cut."""
    told = PLANNER.plan(given)
    return {item.object for item in (*told.items, *told.cut)}


# --- the data


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)
def test_every_rule_fires_on_its_cases_and_only_on_them(rule: PlanRule) -> None:
    """Each rule ships at least one case under which it must fire and one under which it must not."""
    assert rule.fires and rule.silent
    for inputs in rule.fires:
        assert set(inputs) <= set(BOOK.kinds)
        assert evaluate(rule.when, inputs, kinds=BOOK.kinds) is True
    for inputs in rule.silent:
        assert set(inputs) <= set(BOOK.kinds)
        assert evaluate(rule.when, inputs, kinds=BOOK.kinds) is False


@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)
def test_an_unknown_input_fires_no_rule(rule: PlanRule) -> None:
    """Nothing is proposed on what nobody knows; unknown is not the case that the silent ones cover."""
    assert evaluate(rule.when, {}, kinds=BOOK.kinds) is None


def test_every_name_in_the_rules_is_an_id_of_the_vocabulary() -> None:
    """A misspelt condition or illness would be a rule that never fires."""
    for name in BOOK.kinds:
        prefix, _, rest = name.partition("_")
        if prefix in {"condition", "comorbidity"}:
            assert VOCABULARY.has(rest, of={"condition": "biomedical_condition"}.get(prefix, prefix)), name
        if prefix == "rf":
            assert f"RF-{rest}" in ALL
    for row in BOOK.notifiable:
        assert all(VOCABULARY.has(name, of="biomedical_condition") for name in row.conditions)
        assert row.rules <= ALL


DRAFT = {
    "investigate": "skin_scraping_koh, bacterial_swab, throat_swab_or_asot, skin_biopsy_referral, syphilis_test, hiv_test, "
    "hepatitis_b_c_screen, tb_screen, full_blood_count, liver_tests, creatinine, glucose_or_hba1c, lipids, blood_pressure, "
    "bmi_waist, joint_xray, monofilament_sensation, slit_skin_smear, pregnancy_test, repeat_photo, dermoscopy_referral",
    "treat": "emollient, salicylic_acid_or_urea, coal_tar, steroid_topical_mild, steroid_topical_moderate, "
    "steroid_topical_potent, vitamin_d_topical, antifungal_topical, permethrin, antibiotic_by_protocol, "
    "phototherapy_referral, methotrexate_specialist, biologic_specialist, tcm_formula_proposal, "
    "tcm_external_wash_proposal, stop_suspected_drug_by_prescriber, wound_care, keep_warm_fluids",
    "refer": "emergency_transfer, dermatology_in_person, dermatology_remote_reading, tcm_dermatology, rheumatology, "
    "ophthalmology, obstetrics, paediatrics, surgery_oncology, leprosy_ntd_programme, mental_health, safeguarding",
    "notify": "leprosy, measles, mpox, other_notifiable",
}


@pytest.mark.parametrize("action", DRAFT)
def test_the_objects_of_section_10_are_all_there(action: str) -> None:
    """The draft's list, copied by hand; only ``clinician_today`` (section 9) is ours."""
    ours = {what.id for what in BOOK.objects.values() if what.action == action}
    assert ours - {"clinician_today"} == set(DRAFT[action].split(", "))


def test_what_is_prescribed_waits_for_a_clinician() -> None:
    """Every treatment whose role is the prescriber allows no other condition than the review."""
    prescribed = [what for what in BOOK.objects.values() if what.action == "treat" and what.role == "prescriber"]
    workers = {"emollient", "permethrin", "wound_care", "keep_warm_fluids"}  # (w) in the draft
    assert {what.id for what in prescribed} == set(DRAFT["treat"].split(", ")) - workers
    assert {condition for what in prescribed for condition in what.conditions} == {"after_clinician_review"}
    for rule in BOOK.rules:
        for item in rule.items:
            if BOOK.objects[item["object"]] in prescribed:
                assert item["condition"] == "after_clinician_review"


def test_every_fact_of_an_object_is_known() -> None:
    """Conditions, limits, milder objects and prior tests are ids of the vocabulary."""
    for what in BOOK.objects.values():
        assert VOCABULARY.has(what.action, of="action") and VOCABULARY.has(what.role, of="role")
        assert all(VOCABULARY.has(name, of="condition") for name in what.conditions)
        assert all(VOCABULARY.has(name, of="site_limit") for name in what.limits)
        assert what.milder is None or not BOOK.objects[what.milder].limits
        assert all(BOOK.objects[name].action == "investigate" for name in what.prior_tests)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('object = "sn_isolate"', 'object = "sn_isolat"', "unknown object sn_isolat"),
        ('when = "rf_11"', 'when = "rf_11 or foo"', "foo is not an input"),
        ('id = "PL-02"', 'id = "PL-01"', "stands twice"),
        ("priority = 1\nin_emergency", "prioritty = 1\nin_emergency", "unknown key prioritty"),
        ('{ object = "visit", interval_days = 14 }', '{ object = "visit", condition = "if_moon" }', "if_moon"),
    ],
)
def test_a_damaged_rule_file_is_refused_by_name(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A slip in the data is one clear line when the device starts, not a plan without that rule."""
    text = (TABLES / "plan_rules.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "plan_rules.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        PlanBook.load(VOCABULARY, tmp_path)


# --- what the draft and the brief ask for, by hand


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fired": {"RF-20"}}, {"leprosy_ntd_programme", "monofilament_sensation", "slit_skin_smear", "leprosy"}),
        ({"fired": {"RF-22"}}, {"measles", "mpox", "sn_isolate"}),
        ({"fired": {"RF-18"}}, {"dermatology_in_person", "surgery_oncology", "dermoscopy_referral"}),
        ({"fired": {"RF-19"}}, {"dermatology_in_person", "surgery_oncology"}),
        ({"fired": {"RF-11"}}, {"ophthalmology"}),
        ({"fired": {"RF-21"}}, {"obstetrics"}),
        ({"fired": {"RF-23"}}, {"rheumatology", "joint_xray"}),
        ({"fired": {"RF-24"}}, {"mental_health"}),
        ({"fired": {"RF-25"}}, {"safeguarding"}),
        ({"fired": {"RF-15"}}, {"full_blood_count"}),
        ({"fired": {"RF-27"}}, {"sn_unlabelled", "liver_tests", "clinician_today"}),
        ({"conditions": {"dermatophytosis"}}, {"skin_scraping_koh"}),
        ({"conditions": {"secondary_syphilis"}}, {"syphilis_test", "other_notifiable"}),
        ({"phenotype": "guttate"}, {"throat_swab_or_asot"}),
        ({"abstain_reasons": {"image_quality"}}, {"repeat_photo"}),
    ],
    ids=lambda value: "-".join(sorted(str(v) for v in value)) if isinstance(value, set) else str(value),
)
def test_a_finding_brings_its_items_and_no_finding_none(changes: dict[str, Any], expected: set[str]) -> None:
    """The items stand in the plan with the finding, and none of them without it."""
    told: dict[str, Any] = {n: v if isinstance(v, str) else frozenset(v) for n, v in changes.items()}
    assert expected <= everything(replace(QUIET, **told))
    assert not expected & everything(QUIET)


@pytest.mark.parametrize(
    ("rule", "destination", "tier"),
    [
        ("RF-18", "dermatology_in_person", "T3_urgent"),
        ("RF-19", "surgery_oncology", "T3_urgent"),
        ("RF-20", "leprosy_ntd_programme", "T3_urgent"),
        ("RF-11", "ophthalmology", "T2_same_day"),
        ("RF-25", "safeguarding", "T2_same_day"),
    ],
)
def test_a_referral_carries_its_tier(rule: str, destination: str, tier: str) -> None:
    """The destination's own urgency stands on the item, whatever the tier of the case."""
    told = PLANNER.plan(replace(QUIET, fired=frozenset({rule})))
    assert [item.tier for item in told.items if item.object == destination] == [tier]


def test_two_reasons_for_one_referral_keep_the_more_urgent_tier() -> None:
    """RF-10 wants dermatology today, RF-18 within 14 days: one item, today, with both reasons."""
    told = PLANNER.plan(replace(QUIET, fired=frozenset({"RF-18", "RF-10"})))
    rows = [item for item in told.items if item.object == "dermatology_in_person"]
    assert [(item.tier, set(item.because)) for item in rows] == [("T2_same_day", {"rf_10", "rf_18"})]


def test_private_referrals_are_marked_and_nothing_else_is() -> None:
    """Safeguarding and mental health never stand on the person's print."""
    told = PLANNER.plan(replace(QUIET, fired=frozenset({"RF-24", "RF-25", "RF-11"})))
    assert {item.object for item in told.items if item.is_private} == {"safeguarding", "mental_health"}


def test_one_of_two_diseases_of_a_rule_is_left_out_once_the_other_is_named() -> None:
    """RF-22 asks about measles and mpox together; a differential that names one notifies that one."""
    fired = replace(QUIET, fired=frozenset({"RF-22"}))
    assert {"measles", "mpox"} <= everything(fired)
    assert "measles" not in everything(replace(fired, conditions=frozenset({"mpox_suspected"})))


def test_a_country_takes_a_disease_off_its_list(tmp_path: Path) -> None:
    """``is_notifiable = false`` removes the notification and nothing else."""
    text = (TABLES / "plan_rules.toml").read_text(encoding="utf-8")
    head, _, tail = text.partition('object = "leprosy"\n')
    (tmp_path / "plan_rules.toml").write_text(
        head + 'object = "leprosy"\n' + tail.replace("is_notifiable = true", "is_notifiable = false", 1),
        encoding="utf-8",
    )
    rows = Planner(VOCABULARY, PlanBook.load(VOCABULARY, tmp_path)).plan(replace(QUIET, fired=frozenset({"RF-20"})))
    assert "leprosy" not in [item.object for item in rows.items]
    assert "leprosy_ntd_programme" in [item.object for item in rows.items]


def test_what_a_person_must_be_told_is_cut_after_every_test() -> None:
    """A visit with many danger signs still says when to come back and notifies; tests give way first."""
    fired = frozenset({"RF-14", "RF-15", "RF-18", "RF-20", "RF-22"})
    told = PLANNER.plan(replace(QUIET, tier="T2_same_day", fired=fired))
    assert {"sn_return", "sn_no_stop", "sn_isolate", "leprosy", "measles"} <= {item.object for item in told.items}
    assert {item.action for item in told.cut if item.priority == 1} == {"investigate"}


def test_no_picture_is_asked_for_beside_a_safeguarding_sign() -> None:
    """RF-25 stops photography: neither a rule nor a model proposes to take the picture again."""
    blurred = replace(QUIET, abstain_reasons=frozenset({"image_quality"}), proposals=({"object": "repeat_photo"},))
    assert "repeat_photo" in everything(blurred)
    assert "repeat_photo" not in everything(replace(blurred, fired=frozenset({"RF-25"})))
    assert "repeat_photo" not in everything(replace(blurred, is_photography_stopped=True))  # the sign was taken back


def test_a_notification_that_a_model_proposes_waits_for_a_clinician() -> None:
    """A model's word alone reports nobody to the authorities."""
    told = PLANNER.plan(replace(QUIET, proposals=({"object": "mpox"},)))
    assert [item.condition for item in told.items if item.object == "mpox"] == ["after_clinician_review"]


def test_an_infant_known_by_months_is_a_child() -> None:
    """Months alone are an age: the child's interval, and no methotrexate."""
    told = PLANNER.plan(IN_SCOPE.with_form(form(age_years=None, age_months=8)))
    assert [item.interval_days for item in told.items if item.object == "visit"] == [14]


def test_a_skipped_list_is_not_an_empty_answer() -> None:
    """An empty list of illnesses is unknown: methotrexate stands with its open contraindications."""
    told = PLANNER.plan(replace(IN_SCOPE, severity_band="severe").with_form(form(comorbidity=[])))
    rows = [*told.items, *told.cut]
    assert ["comorbidity_liver_disease" in i.unchecked for i in rows if i.object == "methotrexate_specialist"] == [True]


# --- treatment


@pytest.mark.parametrize(
    ("band", "wanted", "unwanted"),
    [
        ("mild", {"vitamin_d_topical", "steroid_topical_moderate"}, {"methotrexate_specialist", "blood_pressure"}),
        ("moderate", {"vitamin_d_topical"}, {"phototherapy_referral", "methotrexate_specialist", "blood_pressure"}),
        ("severe", {"phototherapy_referral", "methotrexate_specialist", "blood_pressure", "lipids"}, {"coal_tar"}),
        (None, {"emollient"}, {"vitamin_d_topical", "methotrexate_specialist"}),
    ],
)
def test_treatment_follows_severity(band: str | None, wanted: set[str], unwanted: set[str]) -> None:
    """Mild and moderate: topical; severe: specialist treatment; unknown severity: only the emollient."""
    told = everything(replace(IN_SCOPE, severity_band=band))
    assert wanted <= told and not unwanted & told


def test_nothing_is_treated_out_of_scope() -> None:
    """No treatment for a condition that the program does not read."""
    told = PLANNER.plan(replace(QUIET, severity_band="severe", scope="out_of_scope"))
    assert not [item for item in told.items if item.action == "treat"]


@pytest.mark.parametrize(
    "changes",
    [
        {"sites": frozenset({"elbow", "face"})},
        {"sites": frozenset({"groin"})},
        {"sites": frozenset({"genital"})},
        {"sites": frozenset()},
        {"phenotype": "flexural"},
        {"age_years": 1},
        {"age_years": None},
    ],
    ids=["face", "flexure", "genital", "site unknown", "flexural type", "infant", "age unknown"],
)
def test_no_stronger_steroid_where_site_or_age_forbids_or_nobody_knows(changes: dict[str, Any]) -> None:
    """The mild one stands in its place and the plan says so; a model's wish for the potent one ends the same."""
    wish = replace(IN_SCOPE, severity_band="mild", proposals=({"object": "steroid_topical_potent"},))
    told = PLANNER.plan(replace(wish, **changes))
    names = [item.object for item in (*told.items, *told.cut)]
    assert "steroid_topical_mild" in names
    assert not {"steroid_topical_moderate", "steroid_topical_potent"} & set(names)
    assert ("site_limit", "rule") in [(row.finding, row.origin) for row in told.findings]
    assert ("site_limit", "model") in [(row.finding, row.origin) for row in told.findings]


def test_a_steroid_waits_while_ringworm_is_possible() -> None:
    """A steroid hides a fungal infection: with it in the differential there is a scraping and no steroid."""
    told = PLANNER.plan(replace(IN_SCOPE, severity_band="mild", conditions=frozenset({"dermatophytosis"})))
    names = [item.object for item in told.items]
    assert "skin_scraping_koh" in names and not [name for name in names if name.startswith("steroid")]
    assert "contraindicated" in [row.finding for row in told.findings]


@pytest.mark.parametrize(
    "changes",
    [
        {"sex": "female", "pregnancy": "yes"},
        {"sex": "female", "pregnancy": None},
        {"sex": None, "pregnancy": "unknown"},
        {"breastfeeding": "yes"},
        {"comorbidities": frozenset({"liver_disease"})},
        {"alcohol": "daily"},
        {"age_years": 12},
    ],
)
def test_methotrexate_is_not_proposed_against_a_contraindication(changes: dict[str, Any]) -> None:
    """Pregnancy not excluded, breastfeeding, liver disease, daily alcohol or a child: it does not stand in the plan."""
    assert "methotrexate_specialist" not in everything(replace(IN_SCOPE, severity_band="severe", **changes))


def test_methotrexate_names_the_tests_before_it_and_what_nobody_asked() -> None:
    """The prior tests and the unanswered contraindications stand on the item."""
    told = PLANNER.plan(replace(IN_SCOPE, severity_band="severe"))
    item = next(item for item in told.items if item.object == "methotrexate_specialist")
    assert {"full_blood_count", "liver_tests", "creatinine", "hepatitis_b_c_screen", "tb_screen"} <= set(
        item.prior_tests
    )
    assert {"breastfeeding", "comorbidity_liver_disease", "alcohol_daily"} <= set(item.unchecked)
    answered = replace(
        IN_SCOPE, severity_band="severe", breastfeeding="no", comorbidities=frozenset({"none"}), alcohol="none"
    )
    known = next(i for i in PLANNER.plan(answered).items if i.object == "methotrexate_specialist")
    assert known.unchecked == ()


def test_a_full_list_of_illnesses_says_nothing_about_the_next_one() -> None:
    """Eight named illnesses leave no room for a ninth: liver disease is then not known to be absent."""
    eight = frozenset(
        {"hypertension", "diabetes", "obesity", "dyslipidaemia", "heart_disease", "hiv", "cancer", "uveitis"}
    )
    told = PLANNER.plan(replace(IN_SCOPE, severity_band="severe", comorbidities=eight))
    item = next(item for item in told.items if item.object == "methotrexate_specialist")
    assert "comorbidity_liver_disease" in item.unchecked


@pytest.mark.parametrize(("age", "days"), [(40, 28), (17, 14), (None, 28)])
def test_the_follow_up_is_sooner_for_children(age: int | None, days: int) -> None:
    """Section 10: 28 days, children 14."""
    rows = PLANNER.plan(replace(IN_SCOPE, age_years=age)).items
    assert [item.interval_days for item in rows if item.action == "follow_up"] == [days]


def test_psoriasis_is_called_not_contagious_only_where_it_is_the_working_condition() -> None:
    """Red and scaly alone may be ringworm or scabies."""
    assert "sn_contagious_no" not in everything(IN_SCOPE)
    assert "sn_contagious_no" in everything(replace(IN_SCOPE, working="plaque_psoriasis"))
    assert "sn_contagious_no" not in everything(replace(IN_SCOPE, working="dermatophytosis"))


# --- emergencies


def test_an_emergency_holds_the_transfer_first_and_only_what_is_safe() -> None:
    """With every rule fired and severe disease in scope, nothing that delays a transfer is proposed."""
    given = replace(
        IN_SCOPE, tier="T1_emergency", fired=ALL, severity_band="severe", formula="danggui_yinzi",
        proposals=({"object": "coal_tar"},),
    )  # fmt: skip
    told = PLANNER.plan(given)
    names = [item.object for item in told.items]
    assert names[0] == "emergency_transfer"
    safe = {
        "emergency_transfer", "sn_no_stop", "sn_isolate", "mental_health", "safeguarding", "paediatrics",
        "stop_suspected_drug_by_prescriber", "keep_warm_fluids", "leprosy", "measles", "mpox",
    }  # fmt: skip
    assert set(names) <= safe
    assert ("waits_for_transfer", "coal_tar") in [(row.finding, row.object) for row in told.findings]


# --- the model


def test_a_model_adds_an_allowed_item_as_a_proposal() -> None:
    """Its item comes with origin model, stays proposed, and a prescriber's treatment waits for the review."""
    told = PLANNER.plan(replace(IN_SCOPE, proposals=({"object": "salicylic_acid_or_urea"}, {"object": "tb_screen"})))
    rows = {row["object"]: row for row in told.to_report()["items"]}
    treatment = rows["salicylic_acid_or_urea"]
    assert (treatment["origin"], treatment["status"], treatment["role"]) == ("model", "proposed", "prescriber")
    assert treatment["condition"] == "after_clinician_review"
    assert rows["tb_screen"]["condition"] is None


@pytest.mark.parametrize(
    ("proposal", "finding"),
    [
        ({"object": "rhino_horn"}, "unknown_object"),
        ({"object": "emollient", "action": "refer"}, "unknown_object"),
        ({"object": "safeguarding"}, "not_for_model"),
        ({"object": "emergency_transfer"}, "not_for_model"),
        ({"object": "tcm_formula_proposal"}, "not_for_model"),
        ({"object": "lipids", "condition": "if_full_moon"}, "unknown_condition"),
        ({"object": "visit", "interval_days": 5}, "unknown_interval"),
        ({"object": "visit", "interval_days": True}, "unknown_interval"),
        ({"object": "lipids", "interval_days": 28}, "unknown_interval"),
        ({"object": 7}, "malformed"),
        ({}, "malformed"),
        ("emollient", "malformed"),
        ({"object": "coal_tar"}, "contraindicated"),
    ],
)
def test_what_a_model_may_not_propose_is_dropped_by_name(proposal: Any, finding: str) -> None:
    """The finding is named, and the plan is the same as without the proposal."""
    given = replace(IN_SCOPE, sex="female", pregnancy="yes")
    told = PLANNER.plan(replace(given, proposals=(proposal,)))
    assert [(row.finding, row.origin) for row in told.findings] == [(finding, "model")]
    assert told.items == PLANNER.plan(given).items


_proposals = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"object": st.sampled_from(sorted(BOOK.objects))},
            optional={
                "condition": st.sampled_from([None, *VOCABULARY.lists["condition"].terms]),
                "interval_days": st.sampled_from([None, 1, 28, 400]),
                "action": st.sampled_from(["treat", "refer", "dance"]),
            },
        ),
        st.dictionaries(st.text(max_size=6), st.one_of(st.none(), st.text(max_size=6), st.integers()), max_size=3),
        st.text(max_size=8),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(
    proposals=_proposals,
    fired=st.frozensets(st.sampled_from(sorted(ALL))),
    tier=st.sampled_from(TIERS),
    band=st.sampled_from([None, "mild", "severe"]),
)
def test_a_model_never_removes_changes_or_crashes(
    proposals: list[Any], fired: frozenset[str], tier: str, band: str | None
) -> None:
    """Whatever a model proposes, every item that the rules kept stays as it was, and there are at most twelve."""
    base = replace(IN_SCOPE, tier=tier, fired=fired, severity_band=band, needs_human_reading=True)
    alone, together = PLANNER.plan(base), PLANNER.plan(replace(base, proposals=tuple(proposals)))
    assert set(alone.items) <= set(together.items)
    assert len(together.items) <= MAX_ITEMS
    for item in together.items:
        if item.origin == "model" and item.action == "treat" and item.role == "prescriber":
            assert item.condition == "after_clinician_review"


# --- twelve at most


def _crowded() -> Plan:
    return PLANNER.plan(
        replace(
            IN_SCOPE, tier="T2_same_day", severity_band="severe", syndrome="blood_heat", formula="danggui_yinzi",
            working="plaque_psoriasis", conditions=frozenset({"dermatophytosis", "secondary_syphilis"}),
            fired=frozenset({"RF-20"}), smoking="current", pest_score=4, proposals=({"object": "tb_screen"},),
        )
    )  # fmt: skip


def test_what_is_cut_is_the_least_urgent_and_it_is_said() -> None:
    """Twelve stay; the model's items go first, the safety-netting and the referrals never."""
    told = _crowded()
    assert len(told.items) == MAX_ITEMS and told.to_report()["is_cut"]
    assert max(item.priority for item in told.items) <= min(item.priority for item in told.cut)
    assert {"tb_screen", "tcm_formula_proposal"} <= {item.object for item in told.cut}
    assert {"clinician_today", "leprosy_ntd_programme", "sn_return", "sn_no_stop", "visit"} <= {
        item.object for item in told.items
    }
    assert not PLANNER.plan(QUIET).to_report()["is_cut"]


def test_orders_run_from_one_and_referrals_stand_first_by_urgency() -> None:
    """``order`` is 1 to 12 without a gap; the most urgent referral is the first line."""
    rows = _crowded().to_report()["items"]
    assert [row["order"] for row in rows] == list(range(1, MAX_ITEMS + 1))
    tiers = [TIERS.index(row["tier"]) for row in rows if row["action"] == "refer"]
    assert tiers == sorted(tiers) and rows[0]["object"] == "clinician_today"
    assert [row["action"] for row in rows[: len(tiers)]] == ["refer"] * len(tiers)


def test_a_report_row_holds_ids_and_numbers_of_the_vocabulary_only() -> None:
    """Every id of a row can be put into words in both languages."""
    for row in _crowded().to_report()["items"]:
        assert VOCABULARY.has(row["object"], of="plan_object")
        for name in ("action", "role", "origin"):
            assert VOCABULARY.has(row[name], of=name)
        assert row["condition"] is None or VOCABULARY.has(row["condition"], of="condition")
        assert row["tier"] is None or VOCABULARY.has(row["tier"], of="triage")
        assert all(VOCABULARY.has(name, of="site_limit") for name in row["limits"])


# --- the form


def test_the_form_fills_the_plan_and_leaves_the_rest_unknown() -> None:
    """Sites, habits and joints come from the form; what it does not answer stays None."""
    pest = dict.fromkeys(("pest_swollen_joint", "pest_nail_pits", "pest_heel_pain"), "yes")
    told = QUIET.with_form(form(views=[{"body_site": "face"}], smoking="current", pest=pest))
    assert (told.sites, told.smoking, told.pest_score) == (frozenset({"face"}), "current", 3)
    assert told.comorbidities is None and told.alcohol is None and told.unlabelled_products is None
    assert told.age_years == 34


def test_two_joint_answers_are_no_score() -> None:
    """Two yes and three unknown may still be five: the score is unknown; all five known it is two."""
    partly = {"pest_swollen_joint": "yes", "pest_nail_pits": "yes"}
    whole = {**partly, "pest_told_arthritis": "no", "pest_heel_pain": "no", "pest_swollen_digit": "no"}
    assert QUIET.with_form(form(pest=partly)).pest_score is None
    assert QUIET.with_form(form(pest=whole)).pest_score == 2


# --- fixed texts


def test_the_fixed_texts_are_the_drafts_word_for_word() -> None:
    """Section 12, copied by hand into this test."""
    draft = {
        "sn_return": ("如出现发热、皮疹迅速扩散、水疱、口腔或眼部糜烂、剧痛、呼吸困难,请立即返回或呼救。",
                      "Come back or call at once if: fever, the rash spreads fast, blisters, sores in mouth or eyes, severe pain, hard to breathe."),
        "sn_no_stop": ("不要自行停用口服、注射药物或激素药膏。", "Do not stop tablets, injections or steroid creams by yourself."),
        "sn_unlabelled": ("不要使用无标签的药膏或药粉;请带来包装。", "Do not use creams or powders without a label; bring the package."),
        "sn_contagious_no": ("银屑病不传染。", "Psoriasis is not contagious."),
        "sn_skin_care": ("每日保湿,勿搔抓。", "Moisturise daily; do not scratch or pick."),
        "sn_smoke_alcohol": ("吸烟饮酒会加重。", "Smoking and alcohol make it worse."),
        "sn_followup": ("下次复诊:{date}。", "Next visit: {date}. If you cannot come: {contact}."),
        "ai_notice": ("本次由计算机程序协助描述图片,由医务人员作出决定。您可要求改由人工判读。",
                      "A computer program helped to describe these pictures. A health worker decided. You may ask for a person to look instead."),
        "ref_notice": ("参考模型仅由合成图像训练:不得用于临床。", "Reference model trained on drawn pictures: not for clinical use."),
    }  # fmt: skip
    for name, (chinese, english) in draft.items():
        assert VOCABULARY.lists["text"].terms[name].zh == chinese
        assert VOCABULARY.label(name, "en", of="text") == english


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_next_visit_is_filled_in_or_left_to_the_pen(lang: Language) -> None:
    """No brace of a template ever reaches a person."""
    words = VOCABULARY.label("sn_followup", lang, of="text")
    told = filled(words, date="2026-05-01", contact="0000")
    assert "2026-05-01" in told and "{" not in told
    assert BLANK in filled(words)


def test_the_rules_carry_a_source() -> None:
    """Each rule says where it comes from."""
    rows = tomllib.loads((TABLES / "plan_rules.toml").read_text(encoding="utf-8"))
    assert all(row["source"] for row in (*rows["rule"], *rows["notifiable"]))
