"""The referral letter: who may read what, nothing unasked called normal, one page in two languages."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from edge_agent.agents.letter.document import destinations, letter
from edge_agent.agents.letter.parts import Sender, Wish
from edge_agent.agents.letter.render import letter_html, letter_text, lines_needed
from edge_agent.agents.letter.terms import Row
from edge_agent.agents.letter.words import Section
from edge_agent.agents.pipeline import CasePipeline
from edge_agent.contracts.case import Case
from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.policy import Policy
from edge_agent.contracts.terms import LANGUAGES, Language, Vocabulary
from edge_agent.errors import CaseError
from edge_agent.policy.rules import with_country_deadlines
from tests.simulators.cases import BLOOD_HEAT, CREATED, HEAT, INTEGRATED, PLAQUE, consent, form, manifest, view
from tests.simulators.engine import ScriptedEngine

VOCABULARY = Vocabulary.load()
WRITTEN = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)
SENDER = Sender(post="Post 3", worker="Worker 1", role="nurse", call_back="0000 1234")
WORKER = {"impression": "red plaques since winter", "tier": "T3_urgent", "worried": "no"}
VIEWS = [{"shot": "close_up", "body_site": "elbow", "laterality": "left"}]
ABUSE = {"unexplained_injury_pattern": "yes"}
NOTHING_SAID = consent(referral_package={"granted": True, "version": "1"})


PIPELINE = CasePipeline(
    ScriptedEngine({1: PLAQUE}, integrated=INTEGRATED, pathogenesis=HEAT, assessment=BLOOD_HEAT), manifest(), VOCABULARY
)
KNOWN: dict[str, str] = {}


def reported(intake: Intake, agreed: Consent | None) -> str:
    """Return the report of a case with the form's pictures, as JSON; run once for each form and consent."""
    key = intake.model_dump_json() + ("" if agreed is None else agreed.model_dump_json())
    if key not in KNOWN:
        views = tuple(view(n, 1, shot=note.shot, body_site=note.body_site) for n, note in enumerate(intake.views))
        KNOWN[key] = json.dumps(PIPELINE.run(Case("case-1", views, intake, agreed, CREATED)))
    return KNOWN[key]


def written(
    *,
    to: str = "dermatology_in_person",
    agreed: Consent | None = NOTHING_SAID,
    lang: Language = "en",
    change: dict[str, Any] | None = None,
    wish: dict[str, Any] | None = None,
    vocabulary: Vocabulary = VOCABULARY,
    **answers: Any,
) -> dict[str, Any]:
    """Return the letter of a case that all three agents described; ``change`` replaces parts of its report."""
    intake = form(**{"worker": WORKER, "views": VIEWS, **answers})
    report = {**json.loads(reported(intake, agreed)), **(change or {})}
    return letter(
        report,
        intake,
        consent=agreed,
        sender=SENDER,
        wish=Wish(destination=to, letter_id="l-1", written=WRITTEN, language=lang, **(wish or {})),
        vocabulary=vocabulary,
    )


def shown(told: dict[str, Any]) -> str:
    """Return the words of the printed page."""
    body = re.sub(r"<style>.*?</style>", "", letter_html(told, VOCABULARY), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def flag(rule: str, tier: str) -> dict[str, Any]:
    """Return one fired danger sign as a report holds it."""
    return {"id": rule, "tier": tier, "because": [], "is_stronger": False, "origin": "form"}


# --- where it goes


@pytest.mark.parametrize(
    ("place", "is_named"),
    [
        ("dermatology_in_person", True),
        ("dermatology_remote_reading", True),
        ("rheumatology", False),
        ("safeguarding", False),
    ],
)
def test_the_posts_contact_stands_beside_a_skin_clinic_alone(place: str, is_named: bool) -> None:
    """Beside another discipline, or a confidential reader, the skin clinic's number would send people astray."""
    words = shown(written(to=place, wish={"contact": "County hospital, skin clinic, 0000 111 222"}))
    name = VOCABULARY.label(place, "en", of="plan_object")
    assert (f"{name} · County hospital, skin clinic, 0000 111 222" in words) is is_named
    assert ("County hospital" in words) is is_named


# --- who may read what


@pytest.mark.parametrize(
    ("rule", "home", "answers", "words"),
    [
        ("RF-24", "mental_health", {"mood": {"self_harm_thoughts": "yes"}}, "thoughts of self-harm"),
        ("RF-25", "safeguarding", {"danger_signs": ABUSE}, "injuries without an explanation"),
    ],
)
def test_a_private_sign_is_told_to_one_destination_alone(
    rule: str, home: str, answers: dict[str, Any], words: str
) -> None:
    """RF-24 and RF-25: flag, answer and plan item stand in that one letter and in no other, asked or not."""
    item = {"action": "refer", "object": home, "detail": None, "condition": None, "interval_days": None,
            "role": "worker", "status": "proposed", "tier": None}  # fmt: skip
    change = {"red_flags": [flag(rule, "T1_emergency")], "not_assessed": [], "plan": [item]}
    for place in destinations(VOCABULARY):
        told = written(to=place, change=change, **answers)
        text = json.dumps(told) + letter_text(told, VOCABULARY)
        assert (rule in text) is (place == home), place
        assert (words in letter_text(told, VOCABULARY)) is (place == home), place
        assert told["is_confidential"] is (place in {"mental_health", "safeguarding"})


def test_a_private_sign_is_missing_even_where_nobody_asked() -> None:
    """Were it listed as not assessed, its absence in another letter would tell."""
    told = written(danger_signs={})
    rows = told["danger_signs"]
    assert "disclosure_of_abuse" not in {*rows["yes"], *rows["no"], *rows["not_assessed"]}
    assert "disclosure_of_abuse" in written(to="safeguarding", danger_signs={})["danger_signs"]["not_assessed"]


def test_the_urgency_does_not_tell_a_private_sign() -> None:
    """A case that is T1 through RF-24 alone goes to dermatology with the tier that the rest asks for."""
    by = {"rules": "T1_emergency", "worker": "T3_urgent", "program": None}
    triage = {"final": "T1_emergency", "deadline": CREATED.isoformat(), "deadline_hours": 0, "by": by,
              "needs_human_reading": True}  # fmt: skip
    change: dict[str, Any] = {"red_flags": [flag("RF-24", "T1_emergency")], "triage": triage, "plan": []}
    told = written(change=change)
    assert (told["tier"], told["deadline"]) == ("T3_urgent", "2026-03-18T09:30:00+00:00")
    assert written(to="mental_health", change=change)["tier"] == "T1_emergency"
    visible = {**change, "red_flags": [*change["red_flags"], flag("RF-01", "T1_emergency")]}
    assert written(change=visible)["tier"] == "T1_emergency"


@pytest.mark.parametrize("place", destinations(VOCABULARY))
def test_the_tcm_block_goes_to_tcm_alone(place: str) -> None:
    """Section 13: tongue, pulse, syndrome and formula stand in no other letter."""
    told = written(to=place)
    assert (told["tcm"] is not None) is (place == "tcm_dermatology")
    text = letter_text(told, VOCABULARY)
    assert ("blood heat" in text) is (place == "tcm_dermatology")
    assert ("formula" in text) is (place == "tcm_dermatology")


def test_the_name_has_a_line_and_no_place_in_the_data() -> None:
    """The local reference of the form does not travel either."""
    told = written(local_reference="bed-17-secret")
    assert "bed-17-secret" not in json.dumps(told)
    assert not {"name", "contact", "local_reference"} & set(told["person"])
    assert re.search(r"name / local number \(by hand\): _{10,}", shown(told))


# --- consent and pictures


def test_without_consent_to_the_package_no_picture_is_listed_and_the_letter_says_so() -> None:
    """Granted: number, site, shot, time, delivery. Refused or no record: one sentence."""
    granted = shown(written(wish={"delivery": "encrypted_package"}))
    assert "picture 1 close-up elbow" in granted and "in an encrypted package" in granted
    refused = consent(referral_package={"granted": False, "version": "1"})
    for agreed, words in ((refused, "No consent to a referral package"), (None, "No consent record is at hand")):
        told = written(agreed=agreed)
        assert told["pictures"]["list"] == []
        assert words in shown(told) and "picture 1" not in shown(told)


def test_an_emergency_basis_is_not_called_a_guardians_consent() -> None:
    """Policy R3: the addressee reads that nobody decided, not that somebody did."""
    no = {"granted": False, "version": "1"}
    basis = consent(
        given_by="nobody", emergency_reason="no breath", deidentified_result=no, referral_package=no, training=no
    )
    text = shown(written(agreed=basis))
    assert "nobody who could decide (emergency care)" in text
    assert "the guardian" not in text


def test_pictures_of_intimate_sites_are_counted_and_not_listed() -> None:
    """Policy R5: not in packages by default."""
    told = written(views=[{"body_site": "genital"}, {"body_site": "elbow"}])
    assert [row["number"] for row in told["pictures"]["list"]] == [2]
    assert told["pictures"]["intimate_not_sent"] == 1
    assert "1 more of intimate sites" in shown(told)


def test_a_refused_program_is_named_and_says_nothing() -> None:
    """The consent to the program's help was refused: no description stands in its place."""
    told = written(agreed=consent(program_help={"granted": False, "version": "1"}))
    words = shown(told)
    assert "The person refused the program." in words and "release" not in words


# --- nothing unasked reads as normal


def test_danger_signs_are_yes_no_or_not_assessed_and_complete() -> None:
    """Every sign of the checklist that this destination may know stands in exactly one of three lists."""
    told = written(danger_signs={"stiff_neck": "yes", "jaundice": "no"})
    rows = told["danger_signs"]
    assert (rows["yes"], rows["no"]) == (["stiff_neck"], ["jaundice"])
    private = {"unexplained_injury_pattern", "disclosure_of_abuse", "genital_lesion"}
    everything = [*rows["yes"], *rows["no"], *rows["not_assessed"]]
    assert sorted(everything) == sorted(set(VOCABULARY.lists["danger_sign"].terms) - private)
    assert "NOT ASSESSED" in shown(told)


def test_unasked_history_is_named_as_unasked() -> None:
    """Allergy and illnesses that nobody asked about are not left out and not called none."""
    words = shown(written())
    line = words[words.index("not asked or examined") :]
    assert "allergy" in line and "other illnesses" in line
    assert "none" not in words[words.index("History") : words.index("Examination")]
    answered = shown(written(allergy=["none"], comorbidity=["none"]))
    assert "allergy: none" in answered


def test_new_drugs_come_first_in_the_history() -> None:
    """Section 13: drugs, those new within 8 weeks first."""
    told = shown(written(new_drug_within_8_weeks="yes", new_drug_classes=["allopurinol"]))
    assert re.search(r"History new drug within 8 weeks: yes; [^:]*allopurinol", told)


# --- what it says of the case


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_worker_stands_before_the_program_with_its_release_and_decision(lang: Language) -> None:
    """The order of impressions, the release, and open until a clinician decided."""
    told = written(lang=lang)
    words = shown(told)
    assert words.index(WORKER["impression"]) < words.index("scripted 1.0")
    assert {"zh": "未审核", "en": "clinician's decision: open"}[lang] in words
    decided = written(lang=lang, wish={"decision": "corrected"})
    assert decided["program"]["decision"] == "corrected"
    assert VOCABULARY.label("corrected", lang, of="decision") in shown(decided)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_reference_model_is_named_above_everything(lang: Language) -> None:
    """Its notice stands before the destination."""
    told = written(lang=lang)
    words = shown(told)
    assert words.index(VOCABULARY.label("ref_notice", lang, of="text")) < words.index(
        VOCABULARY.label("dermatology_in_person", lang, of="plan_object")
    )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_red_flags_stand_with_their_rule_ids_and_words(lang: Language) -> None:
    """The addressee reads id, tier and the fixed words; a flag from a picture is marked as unconfirmed."""
    seen = {**flag("RF-08", "T1_emergency"), "origin": "picture"}
    told = written(lang=lang, change={"red_flags": [flag("RF-18", "T3_urgent"), seen]})
    words = shown(told)
    assert re.search(r"RF-18 T3", words) and re.search(r"RF-08 T1", words)
    assert VOCABULARY.label("from_picture", lang, of="letter_word") in words


@pytest.mark.parametrize(
    ("is_stronger", "words", "not_words"),
    [
        (True, "Meningococcal or sepsis protocol; transfer.", "a clinician looks today"),
        (False, "a clinician looks today", "Meningococcal"),
    ],
)
def test_a_rule_that_fired_stronger_has_its_stronger_words(is_stronger: bool, words: str, not_words: str) -> None:
    """RF-04 at T1 says transfer; beside T1 the words of T2 would send nobody."""
    row = {**flag("RF-04", "T1_emergency" if is_stronger else "T2_same_day"), "is_stronger": is_stronger}
    page = shown(written(change={"red_flags": [row]}))
    assert words in page and not_words not in page


@pytest.mark.parametrize(("lang", "words"), [("en", "none of those asked"), ("zh", "所问各项均无")])
def test_an_unasked_checklist_is_never_none_of_those_asked(lang: Language, words: str) -> None:
    """The words stand only beside signs that were asked about and denied."""
    assert words not in shown(written(lang=lang, danger_signs={}))
    assert words not in shown(written(lang=lang, danger_signs={"jaundice": "yes"}))
    assert words in shown(written(lang=lang, danger_signs={"jaundice": "no"}))


def test_an_empty_list_reads_as_unasked() -> None:
    """A list without a value and without none was skipped; it is not printed as a blank answer."""
    page = shown(written(comorbidity=[], allergy=[]))
    line = page[page.index("not asked or examined") :]
    assert "other illnesses" in line and "allergy" in line and "allergy: ;" not in page


def test_a_formula_goes_with_what_the_herb_check_left_open() -> None:
    """The addressee reads changes, cautions and unanswered questions beside the formula."""
    told = written(to="tcm_dermatology")
    assert "not checked: the prescriber must ask: liver disease" in shown(told)
    block = json.loads(reported(form(worker=WORKER, views=VIEWS), NOTHING_SAID))["tcm"]
    changed = {"action": "add", "herb": "danggui"}
    herbs = [{"herb": "danggui", "verdict": "warned", "rules": ["FB-02"]}]
    block = {**block, "formula": {**block["formula"], "modification": [changed], "herbs": herbs}}
    page = shown(written(to="tcm_dermatology", change={"tcm": block}))
    assert "changes: add Chinese angelica" in page and "caution: Chinese angelica" in page


def test_without_a_tcm_block_the_letter_names_no_syndrome() -> None:
    """Practice off, a minor, another condition: the examination goes alone, whatever Reason answered."""
    told = written(to="tcm_dermatology", change={"tcm": None})
    assert (told["tcm"]["syndrome"], told["tcm"]["formula"]) == (None, None)
    assert "blood heat" not in shown(told) and "tongue" in shown(told)


def test_referrals_of_the_plan_are_in_no_letter() -> None:
    """A transfer that only a private sign asked for would tell of it; every referral has its own letter."""
    item = {"action": "refer", "object": "emergency_transfer", "detail": None, "condition": None,
            "interval_days": None, "role": "worker", "status": "proposed", "tier": "T1_emergency"}  # fmt: skip
    change: dict[str, Any] = {"red_flags": [flag("RF-24", "T1_emergency")], "plan": [item]}
    assert written(change=change)["plan"] == []


@pytest.mark.parametrize("place", destinations(VOCABULARY))
def test_every_destination_is_asked_something(place: str) -> None:
    """A letter without a question helps nobody; the worker's own comes beside the fixed one."""
    told = written(to=place, wish={"question": "May she travel?"})
    assert len(told["questions"]) == 1
    assert "May she travel?" in shown(told)


def test_the_tier_of_the_plan_goes_before_that_of_the_case() -> None:
    """A referral that the plan calls routine is not made urgent by another reason, nor the other way round."""
    item = {"action": "refer", "object": "rheumatology", "detail": None, "condition": None, "interval_days": None,
            "role": "worker", "status": "proposed", "tier": "T4_routine"}  # fmt: skip
    plan: dict[str, Any] = {"items": [item], "is_cut": False, "cut": [], "findings": []}
    told = written(to="rheumatology", change={"plan": plan})
    assert (told["tier"], told["deadline"]) == ("T4_routine", "2026-05-27T09:30:00+00:00")  # 12 weeks after the visit
    assert written()["tier"] == "T3_urgent"
    national = with_country_deadlines(Policy(t4_deadline_weeks=8), VOCABULARY)
    told = written(to="rheumatology", change={"plan": plan}, vocabulary=national)
    assert (told["deadline"], told["deadline_hours"]) == ("2026-04-29T09:30:00+00:00", 8 * 168)


def test_what_the_worker_does_has_a_box_and_what_waits_has_none() -> None:
    """A nurse ticks what she did; a prescriber's treatment cannot be ticked as done here."""
    rows = [
        {"action": "advise", "object": "sn_return", "role": "worker", "status": "done"},
        {"action": "treat", "object": "emollient", "role": "worker", "status": "proposed"},
        {"action": "treat", "object": "coal_tar", "role": "prescriber", "status": "proposed"},
    ]
    items = [{**row, "detail": None, "condition": None, "interval_days": None} for row in rows]
    words = shown(written(change={"plan": items}))
    assert "☑ advise: when to come back at once" in words and "☐ treat: emollient" in words
    assert "proposed, waits for a clinician or prescriber: treat: coal tar" in words


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_id_reaches_the_page(lang: Language) -> None:
    """Every id has words in both languages: no snake_case is left on the page."""
    told = written(
        to="tcm_dermatology", lang=lang, smoking="current", alcohol="daily", season="winter_worse", course="relapsing",
        comorbidity=["hypertension", "hiv"], trigger=["stress"], known_psoriasis="yes", pga=3, itch_nrs=5,
        current_treatment=[{"kind": "tcm_oral", "response": "worse"}], family_history=["psoriasis"],
        pest={"pest_nail_pits": "yes"}, worker_examination={"auspitz_sign": "yes"}, vital_signs={"temp_c": 37.0, "avpu": "A"},
    )  # fmt: skip
    words = re.sub(r"_{4,}", "", shown(told))
    assert re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", words) == []
    assert re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", re.sub(r"_{4,}", "", letter_text(told, VOCABULARY))) == []


def test_the_page_loads_nothing_and_escapes_what_was_typed() -> None:
    """No script, nothing from anywhere; a worker's angle brackets stay text."""
    worker = {**WORKER, "impression": "<script>alert(1)</script>"}
    page = letter_html(written(worker=worker), VOCABULARY)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "://" not in page and "src=" not in page and "default-src 'none'" in page


# --- refusals


@pytest.mark.parametrize(
    ("wish", "to", "message"),
    [
        ({}, "emollient", "no destination; use one of"),
        ({"delivery": "pigeon"}, "ophthalmology", "no way to deliver"),
        ({"decision": "maybe"}, "ophthalmology", "no decision; use one of"),
    ],
)
def test_an_unknown_id_is_refused_with_the_known_ones(wish: dict[str, Any], to: str, message: str) -> None:
    """One line that lists what may stand there."""
    with pytest.raises(CaseError, match=message):
        written(to=to, wish=wish)


def test_the_form_of_another_case_is_refused() -> None:
    """Worker's impression, number of pictures and body surface must agree."""
    other = {"impression": "another person", "tier": None, "worried": None}
    with pytest.raises(CaseError, match="not of one case"):
        written(change={"worker": other})
    with pytest.raises(CaseError, match="no report"):
        written(change={"worker": None})


def test_a_pair_of_parts_is_as_long_as_its_longer_half() -> None:
    """Two lines beside eight take eight lines and a title; the next pair begins anew."""

    def half(rows: int) -> Section:
        return Section("section_worker", "title", tuple(Row("", "words") for _ in range(rows)), is_half=True)

    assert lines_needed([half(2), half(8)]) == lines_needed([half(8), half(2)]) == 9
    assert lines_needed([half(2), half(8), half(3), half(1)]) == 13
