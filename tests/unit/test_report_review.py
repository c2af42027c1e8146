"""Paper after a clinician's decisions: what stands, what is withheld, what is struck, and for whom."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from rich.console import Console

from edge_agent.agents.letter.document import letter
from edge_agent.agents.letter.parts import Sender, Wish
from edge_agent.agents.letter.render import letter_text
from edge_agent.agents.report.decided import signature
from edge_agent.agents.report.html import render_html
from edge_agent.agents.report.parts import Line, Page, Table
from edge_agent.agents.report.review import NO_REVIEW, Review
from edge_agent.agents.report.standing import for_the_person
from edge_agent.agents.report.terms import Terms
from edge_agent.agents.report.text import build_text
from edge_agent.agents.report.words import page_of
from edge_agent.interop.pages import letter_page, report_page
from edge_agent.interop.pdf import PdfPress
from tests.simulators.cases import CREATED
from tests.simulators.interop_cases import VOCABULARY, Reported, reported
from tests.simulators.reviewed import NAME, PARTS, accepted, corrected, rejected, signed, unsigned

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
WITHHELD = {"en": "The clinician did not confirm this part.", "zh": "医师未确认此部分。"}
# What the program said of the case "plaque" in each part, in words that stand nowhere else.
SAID = {
    "findings": ("silvery, in layers", "red and scaly"),
    "representation": ("outer sides of the limbs",),
    "severity": ("PASI not computable", "at least moderate"),
    "reasoning": ("guttate psoriasis", "pityriasis rosea"),
    "triage": ("T5 managed here",),
    "plan": ("emollient", "throat swab"),
}


@cache
def known(name: str) -> Reported:
    """Run a case once for all tests; nothing here changes a report."""
    return reported(name)


def golden(name: str) -> dict[str, Any]:
    """Return a committed report."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


def sheet(review: Review, audience: Any = "person", report: dict[str, Any] | None = None, lang: Any = "en") -> str:
    """Return a report's text for one reader."""
    told = known("plaque").report if report is None else report
    page = page_of(told, VOCABULARY, lang, audience=audience, review=review)
    return "\n".join(row for section in page.sections for row in rows_of(page, section.name)) + f"\n{page.tier}"


def rows_of(page: Page, name: str) -> list[str]:
    """Return the words of one section, struck ones in brackets."""
    section = next(one for one in page.sections if one.name == name)
    rows = []
    for block in section.blocks:
        if isinstance(block, Line):
            text = f"{block.text} {block.note}".strip()
            rows.append(f"[{block.text}] {block.note}" if block.mark == "struck" else text)
        elif isinstance(block, Table):
            cells = " | ".join(" ".join(row) for row in block.rows)
            rows.append(f"[{cells}]" if block.is_struck else cells)
    return rows


def the_letter(
    review: Review, to: str = "dermatology_in_person", given: Reported | None = None, lang: Any = "en"
) -> dict[str, Any]:
    """Return the letter of a case."""
    case = given or known("plaque")
    wish = Wish(to, "letter-1", CREATED, lang)
    return letter(
        case.report, case.case.intake, consent=case.case.consent, sender=Sender(), wish=wish, vocabulary=VOCABULARY,
        review=review,
    )  # fmt: skip


@pytest.mark.parametrize("audience", ["person", "clinician"])
def test_without_decisions_paper_says_the_programs_own_words(audience: Any) -> None:
    """The same page as before there were any decisions."""
    report = known("plaque").report
    assert render_html(report, VOCABULARY, "en", audience=audience) == render_html(
        report, VOCABULARY, "en", audience=audience, review=NO_REVIEW
    )
    for words in (word for rows in SAID.values() for word in rows):
        assert words in sheet(NO_REVIEW, "clinician")


def test_an_accepted_part_is_told_without_a_word_more_to_the_person() -> None:
    """The same words as before the signature; only the request for a reader is gone."""
    assert sheet(signed()) == sheet(NO_REVIEW)


def test_the_clinicians_copy_says_who_accepted_each_part_and_when() -> None:
    """By the name as people write it."""
    text = sheet(signed(), "clinician")
    assert text.count(f"accepted by {NAME}, 2026-03-05") == len(PARTS)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("part", PARTS)
def test_a_rejected_part_is_withheld_from_the_person(part: str, lang: Any) -> None:
    """The fixed sentence stands in its place, and no word of the program's."""
    text = sheet(signed(rejected(part)), lang=lang)
    assert WITHHELD[lang] in text
    if lang == "en":
        assert [words for words in SAID[part] if words in text] == []


@pytest.mark.parametrize("part", PARTS)
def test_a_rejected_part_is_struck_on_the_clinicians_copy(part: str) -> None:
    """Still legible, with who, when and why; never unstruck in its own section."""
    report = known("plaque").report
    page = page_of(report, VOCABULARY, "en", review=signed(rejected(part)))
    names = {"findings": "section_findings", "representation": "section_integrated", "severity": "section_integrated",
             "reasoning": "section_biomedical", "triage": "section_triage", "plan": "section_plan"}  # fmt: skip
    rows = rows_of(page, names[part])
    for words in SAID[part]:
        assert any(words in row and row.startswith("[") for row in rows), words
        assert not any(words in row and not row.startswith("[") for row in rows), words
    assert f"rejected by {NAME}, 2026-03-05; reason: unreadable" in sheet(signed(rejected(part)), "clinician")


@pytest.mark.parametrize(
    ("ruling", "own"),
    [
        (corrected("findings", family="eczematous"), "family: eczema-like"),
        (corrected("representation", phenotype="flexural"), "clinical type: flexural"),
        (corrected("severity", pga="severe"), "physician's global assessment (PGA): severe"),
        (corrected("reasoning", "wrong_condition", condition="scabies"), "condition: scabies"),
    ],
)
def test_a_corrected_value_stands_in_place_of_the_programs(ruling: Any, own: str) -> None:
    """On both copies it is the clinician's; the program's words of that part stand struck on one of them only."""
    person, clinician = sheet(signed(ruling)), sheet(signed(ruling), "clinician")
    assert f"The clinician decided: {own}" in person
    assert [words for words in SAID[ruling.section] if words in person] == []
    assert f"The clinician decided: {own}" in clinician
    assert f"corrected by {NAME}, 2026-03-05" in clinician
    assert all(words in clinician for words in SAID[ruling.section])


def test_what_was_corrected_in_words_leaves_a_line_for_the_hand() -> None:
    """A note stays on the device: paper says that there is one, and where to write it."""
    text = sheet(signed(corrected("plan", "unsafe_plan")))
    assert "write them by hand: ____" in text
    assert "emollient" not in text


def test_a_refused_plan_still_tells_when_to_come_back() -> None:
    """Safety-netting that goes to everybody is never lost with a plan."""
    text = sheet(signed(rejected("plan", "unsafe_plan")))
    assert "Come back or call at once if" in text and "Do not stop tablets" in text
    assert "Psoriasis is not contagious" not in text


def test_a_raised_tier_brings_its_own_deadline_and_referral() -> None:
    """From managed here to today: the plan's own rule for that tier, and no word of the old tier for the person."""
    text = sheet(signed(corrected("triage", "missed_red_flag", tier="T2_same_day")))
    assert "T2 today: seen by a clinician" in text
    assert (CREATED + timedelta(hours=24)).strftime("%Y-%m-%d %H:%M") in text
    assert "refer: clinician, today" in text
    assert "T5" not in text
    clinician = sheet(signed(corrected("triage", "missed_red_flag", tier="T2_same_day")), "clinician")
    assert "before: T5 managed here" in clinician


def test_a_lowered_tier_takes_the_old_urgency_off_the_persons_copy() -> None:
    """An emergency that the clinician found to be routine: no transfer, no rule that asks for one, no danger that stands."""
    report = golden("sjs")
    review = signed(corrected("triage", "wrong_condition", tier="T4_routine"))
    text = sheet(review, report=report)
    assert "RF-05 T1" not in text and "now" not in text.split("\n")[-1]
    assert "emergency transfer" not in text and "T4 routine" in text
    assert "refer: dermatology, remote reading" in text and "Come back or call at once if" in text
    clinician = sheet(review, "clinician", report=report)
    assert "[RF-05 T1 emergency" in clinician  # struck, and legible
    assert "lowered by a clinician; before: T1" in clinician
    assert "[refer: emergency transfer" in clinician and "no longer applies after the clinician's decision" in clinician


def test_an_emergency_that_a_clinician_found_leaves_only_what_goes_beside_a_transfer() -> None:
    """Everything else waits for the clinician there, as in the program's own emergencies."""
    page = page_of(
        known("plaque").report, VOCABULARY, "en", audience="person",
        review=signed(corrected("triage", "missed_red_flag", tier="T1_emergency")),
    )  # fmt: skip
    assert page.tier.text.startswith("T1")
    plan = " ".join(rows_of(page, "section_plan"))
    assert "emergency transfer" in plan and "Do not stop tablets" in plan
    for words in ("emollient", "visit", "Moisturise", "not contagious"):
        assert words not in plan


def test_a_rejected_tier_leaves_the_urgency_to_the_clinicians_hand() -> None:
    """Nobody is told a tier that was found wrong, nor that there is none."""
    page = page_of(golden("sjs"), VOCABULARY, "en", audience="person", review=signed(rejected("triage")))
    assert page.tier.text == f"Triage and deadline: {WITHHELD['en']}"
    assert any("by the clinician's hand: ____" in row for row in rows_of(page, "section_triage"))
    assert not any("RF-05 T1" in row for row in rows_of(page, "section_red_flags"))


def test_advice_that_names_a_refuted_disease_goes_with_it() -> None:
    """Psoriasis is not contagious is no advice for somebody who has scabies; the clinician sees that it fell."""
    review = signed(corrected("reasoning", "wrong_condition", condition="scabies"))
    person, clinician = sheet(review), sheet(review, "clinician")
    assert "not contagious" not in person and "throat swab" not in person
    assert "emollient" in person
    assert "[advise: not contagious]" in clinician


def test_a_corrected_syndrome_says_nothing_about_the_suspected_disease() -> None:
    """A practitioner's word on the syndrome leaves the biomedical suspicion as it was, and takes the formula away."""
    review = signed(corrected("reasoning", "wrong_syndrome", syndrome="damp_heat"))
    person, clinician = sheet(review), sheet(review, "clinician")
    assert "guttate psoriasis" in person and "TCM dermatology" not in person
    assert "The clinician decided: syndrome (zheng): " in clinician
    page = page_of(known("plaque").report, VOCABULARY, "en", review=review)
    assert all(row.startswith(("[", "The ")) for row in rows_of(page, "section_tcm"))


def test_evidence_from_findings_that_fell_is_not_repeated() -> None:
    """A suspicion that stands is not supported by what the clinician found wrong."""
    text = sheet(signed(corrected("findings", family="eczematous")))
    assert "guttate psoriasis" in text and "duration: one to four weeks" in text
    assert "red and scaly" not in text


def test_numbers_that_people_entered_stand_whatever_is_said_of_the_rest() -> None:
    """The surface is the worker's own; the index and the band were the program's."""
    text = sheet(signed(rejected("severity", "wrong_severity")))
    assert "BSA 6 %" in text and "PASI" not in text


def test_before_the_signature_a_correction_withholds_but_does_not_stand() -> None:
    """What was found wrong is not given to anybody; the new value is not given either until it is signed."""
    review = unsigned(corrected("findings", family="eczematous"))
    text = sheet(review)
    assert WITHHELD["en"] in text and "eczema-like" not in text and "red and scaly" not in text


@pytest.mark.parametrize(("tier", "shown"), [("T2_same_day", "T3"), ("T5_local", "T3")], ids=["raised", "lowered"])
def test_before_the_signature_a_tier_is_only_raised(tier: str, shown: str) -> None:
    """Nobody waits longer for a word that is not signed; somebody may be seen sooner."""
    page = page_of(
        golden("pigmented"), VOCABULARY, "en", audience="person", review=unsigned(corrected("triage", tier=tier))
    )
    assert page.tier.text.startswith("T2" if tier == "T2_same_day" else shown)


def test_the_clinicians_day_for_the_next_visit_stands_on_paper() -> None:
    """In the plan's row and as a line of its own."""
    day = CREATED.date() + timedelta(days=9)
    text = sheet(signed(follow_up=day))
    assert f"Next visit, set by the clinician: {day.isoformat()}" in text
    assert "in 9 days" in text and "in 28 days" not in text


@pytest.mark.parametrize(
    ("review", "lang", "foot"),
    [
        (signed(), "en", f"Signed by {NAME}, 2026-03-05"),
        (signed(), "zh", f"签署：{NAME}，2026-03-05"),
        (NO_REVIEW, "en", "Not signed: the program's own words; no clinician has confirmed them"),
        (NO_REVIEW, "zh", "未签署：仅为程序所述，尚无医师确认"),
        (unsigned(accepted("plan")), "en", "Not signed: a clinician's decisions may still change"),
        (replace(signed(), signed_by=""), "en", "Signed by a clinician, 2026-03-05"),
    ],
)
def test_the_foot_says_who_signed_or_that_nobody_did(review: Review, lang: Any, foot: str) -> None:
    """On the report and on the letter alike; an account that is not known any more has no name."""
    given = known("plaque")
    assert signature(review, Terms(VOCABULARY, lang)).startswith(foot)
    printed = report_page(given.report, VOCABULARY, lang, audience="person", review=review)
    assert printed.foot.startswith(foot)
    told = the_letter(review, lang=lang)
    assert letter_page(told, given.report, VOCABULARY, review=review).foot.startswith(foot)


@pytest.mark.parametrize("part", [part for part in PARTS if part != "plan"])
def test_a_letter_never_repeats_what_was_rejected(part: str) -> None:
    """The part is named as not confirmed."""
    text = letter_text(the_letter(signed(rejected(part))), VOCABULARY)
    assert WITHHELD["en"] in text
    assert [words for words in SAID[part] if words in text] == []


def test_a_letter_tells_corrected_values_as_the_clinicians() -> None:
    """In a section of its own, with the signature; the program's description is silent about them."""
    review = signed(
        corrected("findings", family="eczematous"),
        corrected("reasoning", "wrong_condition", condition="scabies", syndrome="damp_heat"),
    )
    told = the_letter(review)
    text = letter_text(told, VOCABULARY)
    assert "What the clinician decided" in text and f"Signed by {NAME}" in text
    assert "family: eczema-like" in text and "condition: scabies" in text
    assert "psoriasis" not in text.replace("known psoriasis", "")
    assert not any(one["of"] == "syndrome" for part in told["decided"] for one in part["values"])
    tcm = the_letter(review, "tcm_dermatology")
    assert tcm["tcm"]["syndrome"] == "damp_heat" and tcm["tcm"]["formula"] is None


def test_a_letter_has_the_clinicians_tier_and_deadline() -> None:
    """Also to a destination for which the plan named another."""
    told = the_letter(signed(corrected("triage", tier="T2_same_day")), "rheumatology")
    assert told["tier"] == "T2_same_day"
    assert datetime.fromisoformat(told["deadline"]) == CREATED + timedelta(hours=24)
    page = the_letter(signed(rejected("triage")))
    assert (page["tier"], page["deadline"]) == (None, None)


def test_a_letter_of_a_lowered_case_does_not_ask_for_a_transfer() -> None:
    """The ticked signs stay: people saw them. The rule's instruction goes."""
    given = known("emergency")
    told = the_letter(signed(corrected("triage", "wrong_condition", tier="T4_routine")), given=given)
    assert "blisters_or_peeling" in told["danger_signs"]["yes"]
    assert [row["id"] for row in told["red_flags"] if row["tier"] == "T1_emergency"] == []
    assert not any(row["object"] == "emergency_transfer" for row in told["plan"])


def test_a_private_referral_keeps_its_urgency_in_a_lowered_case() -> None:
    """Who looks after a person's safety is not asked to wait because the skin may."""
    given = known("emergency")
    told = the_letter(signed(corrected("triage", "wrong_condition", tier="T4_routine")), "safeguarding", given)
    assert told["tier"] == "T2_same_day"


@pytest.mark.parametrize(
    "review",
    [signed(corrected("triage", "wrong_condition", tier="T4_routine")), signed(rejected("triage"))],
)
def test_a_private_referral_keeps_its_reason_and_its_deadline(review: Review) -> None:
    """The rule that it is written for stays with its day, lowered or left open; the skin's own rules go as elsewhere."""
    given = known("emergency")
    told = the_letter(review, "safeguarding", given)
    assert [row["id"] for row in told["red_flags"]] == ["RF-25"]
    assert (told["tier"], told["deadline_hours"]) == ("T2_same_day", 24)
    assert "RF-25" not in [row["id"] for row in the_letter(review, given=given)["red_flags"]]


def test_a_private_referral_that_the_plan_does_not_name_goes_by_its_rule() -> None:
    """A worker may write to the lead where the plan had no room for it."""
    given = known("emergency")
    items = [row for row in given.report["plan"]["items"] if row["object"] != "safeguarding"]
    bare = replace(given, report={**given.report, "plan": {**given.report["plan"], "items": items}})
    review = signed(corrected("triage", "wrong_condition", tier="T4_routine"))
    assert the_letter(review, "safeguarding", bare)["tier"] == "T2_same_day"
    assert the_letter(review, "mental_health", bare)["tier"] == "T4_routine"


def test_the_terminal_strikes_what_does_not_stand() -> None:
    """A struck table is struck in text too, where the terminal can."""
    page = page_of(known("plaque").report, VOCABULARY, "en", review=signed(rejected("findings")))
    console = Console(force_terminal=True, width=96, color_system="standard")
    with console.capture() as captured:
        console.print(build_text(page))
    assert "\x1b[9msilvery" in captured.get()


def test_a_report_of_an_older_version_takes_decisions() -> None:
    """What an older program wrote can be rejected and printed too."""
    report = golden("psoriasis")
    old = {**report, "schema_version": 1, "plan": [{k: v for k, v in row.items() if k in
           {"order", "action", "object", "detail", "condition", "interval_days", "role", "origin", "status"}}
           for row in report["plan"]["items"]]}  # fmt: skip
    text = sheet(signed(rejected("findings"), corrected("triage", tier="T2_same_day")), report=old)
    assert WITHHELD["en"] in text and "T2 today" in text


def test_decisions_change_nothing_in_the_report_itself() -> None:
    """The stored answer stays as the program gave it."""
    report = golden("sjs")
    before = json.dumps(report)
    sheet(signed(*(rejected(part) for part in PARTS), follow_up=date(2026, 4, 1)), report=report)
    assert json.dumps(report) == before


def test_what_is_said_to_the_person_is_what_paper_says() -> None:
    """Word of mouth follows the decisions too: no advice for a disease that fell, and of a refused plan only the safety net."""
    report = known("plaque").report

    def said(review: Review) -> set[str]:
        told = for_the_person(report, review, VOCABULARY)
        return {row["object"] for row in told["plan"]["items"] if row["action"] == "advise"}

    assert "sn_contagious_no" in said(NO_REVIEW)
    assert said(signed(rejected("reasoning"))) == said(NO_REVIEW) - {"sn_contagious_no"}
    assert said(signed(rejected("plan"))) == {"sn_return", "sn_no_stop"}
    assert "sn_return" not in said(signed(corrected("triage", tier="T1_emergency")))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_letter_with_every_decision_stays_on_one_sheet(lang: Any) -> None:
    """Of an emergency with everything not assessed, signed by somebody with a long name."""
    given = known("emergency")
    own = (
        corrected("findings", family="eczematous"), corrected("representation", phenotype="flexural", stage="stationary"),
        corrected("severity", pga="severe"), corrected("reasoning", condition="scabies", syndrome="damp_heat"),
        corrected("triage", tier="T2_same_day"), corrected("plan"),
    )  # fmt: skip
    review = replace(signed(*own), signed_by="Maria Fernanda de los Angeles Gutierrez R")
    told = the_letter(review, given=given, lang=lang)
    pdf = PdfPress().print(letter_page(told, given.report, VOCABULARY, review=review))
    pages = PdfReader(io.BytesIO(pdf)).pages
    assert len(pages) == 1
    assert "MariaFernandadelosAngelesGutierrezR" in "".join(pages[0].extract_text().split())
