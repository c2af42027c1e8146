"""A report of version 2 in words: one page for terminal, screen and print; two audiences; the unsupported is struck."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from edge_agent.agents.report.html import render_html
from edge_agent.agents.report.parts import Line, Page, Table
from edge_agent.agents.report.text import render_text
from edge_agent.agents.report.words import page_of
from edge_agent.contracts.terms import LANGUAGES, Language, Vocabulary
from edge_agent.errors import CaseError
from tests.simulators.reports import full_report, item, pointer, private_report, step, view

VOCABULARY = Vocabulary.load()
# Frames of the terminal's panel, and lines to write on: they have no words.
DECORATION = re.compile(r"[─│╭╮╰╯_]+|(?<!\S)-(?!\S)")


def page(told: dict[str, Any], lang: Language = "en", **options: Any) -> Page:
    return page_of(told, VOCABULARY, lang, **options)


def section(told: dict[str, Any], number: int, **options: Any) -> list[Any]:
    return list(page(told, **options).sections[number - 1].blocks)


def lines(told: dict[str, Any], number: int, **options: Any) -> list[Line]:
    return [block for block in section(told, number, **options) if isinstance(block, Line)]


def said(told: dict[str, Any], number: int, **options: Any) -> str:
    """All words of one section."""
    parts: list[str] = []
    for block in section(told, number, **options):
        if isinstance(block, Line):
            parts += [block.sign, block.text, block.note]
        elif isinstance(block, Table):
            parts += [*block.head, *(cell for row in block.rows for cell in row)]
    return "\n".join(parts)


def terminal(told: dict[str, Any], lang: Language = "en", **options: Any) -> str:
    return render_text(told, VOCABULARY, lang, width=6000, **options)


def printed(told: dict[str, Any], lang: Language = "en", **options: Any) -> str:
    body = render_html(told, VOCABULARY, lang, **options).split("</head>")[1]
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


@pytest.mark.parametrize("audience", ["clinician", "person"])
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("told", [full_report(), private_report()])
def test_terminal_and_page_say_the_same_words(told: dict[str, Any], lang: Language, audience: Any) -> None:
    """Word for word, in the same order: neither shows what the other leaves out."""
    words = [
        DECORATION.sub("", text).split()
        for text in (terminal(told, lang, audience=audience), printed(told, lang, audience=audience))
    ]
    assert words[0] == words[1]


@pytest.mark.parametrize("audience", ["clinician", "person"])
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("told", [full_report(), private_report()])
def test_no_id_reaches_a_reader(told: dict[str, Any], lang: Language, audience: Any) -> None:
    """Every id of every section has its words in both languages."""
    assert not re.search(r"[a-z]_[a-z]", terminal(told, lang, audience=audience))


def test_urgency_needs_no_colour() -> None:
    """Each tier has its own shape beside its words."""
    signs = set()
    for tier in ("T1_emergency", "T2_same_day", "T3_urgent", "T4_routine", "T5_local"):
        told = full_report()
        told["triage"]["final"] = tier
        signs.add(page(told).tier.sign)
        assert page(told).tier.text.startswith(tier[:2] + " ")
    assert len(signs) == 5


def test_the_first_line_names_the_danger_signs_that_fired() -> None:
    """Tier and rules stand in the head, before anything else is read."""
    told = private_report()
    assert "RF-24, RF-25" in page(told).tier.note
    assert lines(told, 1)[0].mark == "alert"


def test_regions_that_no_picture_shows_are_a_limitation() -> None:
    """Section 3a; an older report that does not say has no such line."""
    assert "regions not seen: head and neck, lower limbs, nails, genital area" in said(full_report(), 10)
    told = full_report()
    del told["representation"]["regions_not_seen"], told["representation"]["sites_seen"]
    assert "regions not seen" not in said(told, 10)


def test_what_is_not_on_the_record_has_no_value() -> None:
    """Not there is not the same nothing as "cannot tell"."""
    told = full_report()
    lost = pointer("view:9.colour", None, "no_such_pointer")
    told["reasoning"]["steps"] = [step("blood_heat", lost, verdict="no_such_pointer")]
    assert "colour (picture 9)" in said(told, 7) and "cannot tell" not in said(told, 7)


def test_a_form_without_pictures_is_not_called_another_disease() -> None:
    """Nobody decided a scope there: PASI is missing because the program read no psoriasis."""
    told = full_report()
    told["severity"]["pasi"] = {**told["severity"]["pasi"], "value": None, "reason": "not_in_scope", "by_region": []}
    assert "out of scope" not in said(told, 5) and "not read as psoriasis by the program" in said(told, 5)


def test_the_persons_copy_has_no_trace_of_a_private_question() -> None:
    """A private rule that is open, fired or was lowered shows neither as a doubt nor as somebody's tier."""
    told = full_report(not_assessed=[{"id": "RF-24", "missing": ["self_harm_thoughts"], "is_private": True}])
    words = said(told, 2, audience="person")
    assert "provisional" not in words and "tiers asked for" not in words
    assert "provisional" in said(told, 2)
    told = full_report()
    assert "provisional" in said(told, 2, audience="person")  # a question that the copy shows is open too
    lowered = private_report()
    lowered["triage"] = {
        **lowered["triage"], "by": {**lowered["triage"]["by"], "clinician": "T3_urgent"}, "is_lowered": True,
        "before_clinician": "T1_emergency", "clinician_reason": "agree", "final": "T3_urgent",
    }  # fmt: skip
    assert "emergency" not in said(lowered, 2, audience="person") and "emergency" in said(lowered, 2)


def test_an_older_report_does_not_say_that_the_tone_is_known() -> None:
    """Version 1 has no tone: that is not "no caution needed"."""
    told = full_report(schema_version=1, plan=[], severity={"band": "mild", "bsa_percent": 2.0, "missing": []})
    assert "tone not entered" in said(told, 4)


def test_three_wordings_of_nothing_stay_apart() -> None:
    """Not decided by the bundle, withheld for want of confidence, and "cannot tell" are three answers."""
    words = said(full_report(), 4)
    assert "withheld, not confident enough" in words
    assert "cannot tell" in words
    assert "not decided by this model: share of visible skin; special sign" in words


def test_a_refusal_says_why_beside_the_scope() -> None:
    """The reader need not look for the reason at the end; without pictures nobody was asked."""
    reason = {
        "reason": "out_of_scope_condition", "section": "scope", "view": None, "field": None, "withholds": "case",
        "needs_human_reading": True,
    }  # fmt: skip
    told = full_report(scope={"decision": "out_of_scope", "views": []}, abstentions=[reason])
    assert lines(told, 4)[0].text == "Scope: out of scope (not a condition this program reads)"
    told = full_report(notices=["no_pictures"], recognition=[])
    assert lines(told, 4)[0].text == "No picture was given: only the rules were used."


def test_many_pictures_are_parted_into_several_tables() -> None:
    """Five columns of findings would run over the edge of a page."""
    told = full_report(recognition=[view(n, "close_up", "elbow") for n in range(6)])
    tables = [block for block in section(told, 4) if isinstance(block, Table)]
    assert [table.views for table in tables] == [(0, 1, 2, 3), (4, 5)]


def test_an_unsupported_step_is_struck_and_says_why() -> None:
    """The sign, the strike and the words: black and white print and a plain file show it too."""
    steps = [row for row in lines(full_report(), 7) if row.mark == "struck"]
    assert [row.sign for row in steps] == ["✗"]
    assert steps[0].note == "not supported by the record (not examined or not told)"
    assert "pulse: rapid (form)" in steps[0].text
    assert "\x1b[9m" in render_text(full_report(), VOCABULARY, "en", colour=True)
    assert 'class="line struck signed"' in render_html(full_report(), VOCABULARY, "en")


def test_evidence_stands_in_words_with_its_place() -> None:
    """A pointer is read as a person would say it."""
    words = said(full_report(), 7)
    assert "1. speaks for blood heat: colour: bright red (picture 1); new lesions within two weeks: yes (form)" in words
    assert "3. speaks against blood stasis: colour: bright red (picture 1)" in words


def test_the_count_of_supported_steps_is_said() -> None:
    """Three of four: the fourth was struck."""
    assert "3 of 4 steps are supported by the record" in said(full_report(), 7)


@pytest.mark.parametrize("verdict", ["no_such_pointer", "contradictory", "unknown_claim", "no_evidence", "duplicate"])
def test_every_bad_verdict_strikes_its_step(verdict: str) -> None:
    """Also a step without a claim, a stance or a pointer."""
    told = full_report()
    told["reasoning"]["steps"] = [
        {**step("blood_heat", pointer("view:9.colour", None, verdict), verdict=verdict), "claim": None, "stance": None},
        step("blood_heat", {"pointer": None, "value": None, "verdict": verdict}, verdict=verdict),
    ]
    assert [row.mark for row in lines(told, 7)][:2] == ["struck", "struck"]
    assert "0 of 2 steps" in said(told, 7)


def test_a_condition_is_suspected_only_once() -> None:
    """ "suspected" is set before what is not named so already; nothing reads as a diagnosis."""
    words = said(full_report(), 6)
    assert "working suspicion · suspected plaque psoriasis (87%) · ICD-11 EA90.0" in words
    assert "suspected suspected" not in words and "suspected cutaneous lupus" in words
    assert "must not be missed · first test: syphilis test" in words


def test_a_sign_that_is_not_on_the_record_does_not_support_a_condition() -> None:
    """It stands struck below the table, not in the column "supported by"."""
    table = next(block for block in section(full_report(), 6) if isinstance(block, Table))
    assert table.rows[1][1] == "–"
    assert [row.sign for row in lines(full_report(), 6) if row.mark == "struck"] == ["✗"]


def test_pasi_stands_with_its_parts_or_with_what_it_lacks() -> None:
    """A number comes with its table; no number comes with the reason, by region."""
    assert "PASI 7.2 / 72" in said(full_report(), 5) and "arms\n12\n2\n3\n2\n3\n3.2" in said(full_report(), 5)
    told = full_report()
    told["severity"]["pasi"] |= {
        "value": None,
        "by_region": [],
        "missing": [{"id": "erythema_not_graded", "region": "upper"}, {"id": "erythema_not_graded", "region": "trunk"}],
    }
    assert "PASI not computable: redness is not graded (arms, trunk)" in said(told, 5)


def test_a_band_out_of_scope_is_not_read_as_harmless() -> None:
    """ "mild" beside a refused mole is the size of its surface, and the line says so."""
    told = full_report(scope={"decision": "out_of_scope", "views": []})
    rows = {row.text: row for row in lines(told, 5)}
    assert rows["severity: moderate"].note == "by extent alone; says nothing about danger"
    assert next(row for row in lines(full_report(), 5) if row.text == "severity: moderate").note == ""


def test_what_cannot_be_compared_has_no_number() -> None:
    """Only a comparable measure shows then and now."""
    words = said(full_report(), 5)
    assert "PASI: better · 15 → 7.2 (-7.8) · PASI 50" in words
    assert "PGA: not comparable (not known at the earlier visit)" in words


def test_a_clinicians_lowering_shows_what_stood_there_before() -> None:
    """The rules' tier does not vanish."""
    told = full_report()
    told["triage"] |= {
        "final": "T4_routine", "before_clinician": "T2_same_day", "is_lowered": True,
        "clinician_reason": "not_applicable_here", "by": {**told["triage"]["by"], "clinician": "T4_routine"},
    }  # fmt: skip
    assert "lowered by a clinician; before: T2 today: seen by a clinician; reason: does not apply here" in said(told, 2)


def test_many_gaps_are_grouped_and_listed_whole_at_the_end() -> None:
    """Section 1 counts them by tier and says what to ask; section 10 holds every one with all that it lacks."""
    words = said(full_report(), 1)
    assert "Not assessed: 4 of 28 danger-sign rules: T1: RF-05, RF-24; T2: RF-20, RF-28" in words
    assert "RF-20: numb patch; painful nerve" in printed(full_report())


def test_a_picture_alone_raises_an_unconfirmed_flag() -> None:
    """The reader sees that nobody looked yet."""
    flag = {
        "id": "RF-08", "tier": "T1_emergency", "because": ["pustular_regions"], "is_stronger": False,
        "missing_for_stronger": [], "origin": "picture", "is_private": False,
    }  # fmt: skip
    assert lines(full_report(red_flags=[flag]), 1)[0].note == "from the picture, unconfirmed"


def test_what_could_still_make_a_flag_more_urgent_is_named() -> None:
    """The worker sees what to ask next."""
    flag = {
        "id": "RF-04", "tier": "T2_same_day", "because": ["does_not_blanch"], "is_stronger": False,
        "missing_for_stronger": ["stiff_neck"], "origin": "form", "is_private": False,
    }  # fmt: skip
    rows = lines(full_report(red_flags=[flag]), 1)
    assert [(row.sign, row.text) for row in rows[1:3]] == [
        ("", "because of: does not fade when pressed"),
        ("?", "more urgent if, but not answered: stiff neck"),
    ]


def test_the_tcm_block_is_a_proposal_with_its_cautions() -> None:
    """Code, herbs, warnings, and what was not checked; no dose anywhere."""
    words = said(full_report(), 8)
    assert "supplementary ICD-11 code (TM1): SF02" in words
    assert "caution FB-02" in words and "not checked: the prescriber must ask: FB-04 (missing: liver disease)" in words
    assert "A proposal for a prescriber, not an order" in words
    assert not re.search(r"\d\s*(g|克|mg)\b", words)


def test_no_tcm_block_says_why() -> None:
    """An empty section would read as "nothing found"."""
    assert said(full_report(tcm=None, tcm_absent="practice_off"), 8).strip() == (
        "No syndrome is given: this practice has switched the TCM block off"
    )


def test_the_next_visit_has_its_date_where_one_is_booked() -> None:
    """28 days after the visit; without a booked visit a line to write on."""
    assert "Next visit: 2026-04-01." in said(full_report(), 9)
    told = full_report()
    told["plan"]["items"] = [item(1, "advise", "sn_followup")]
    assert "Next visit: ____________." in said(told, 9)


PRIVATE_WORDS = (
    "RF-24", "RF-25", "self-harm", "crisis", "safeguarding", "Safeguarding", "abuse", "mental health", "photography",
    "private", "a danger sign is active",
)  # fmt: skip


@pytest.mark.parametrize("render", [terminal, printed])
def test_the_persons_copy_never_shows_a_private_rule(render: Any) -> None:
    """Neither the rule nor its plan items, nor a trace that something is missing; the clinician's copy has all of it."""
    words = render(private_report(), audience="person")
    assert [word for word in PRIVATE_WORDS if word in words] == []
    assert "safeguarding" in render(private_report()) and "RF-24" in render(private_report())


def test_the_persons_copy_numbers_the_plan_anew() -> None:
    """A gap in the numbers would tell that an item was left out."""
    table = next(b for b in section(private_report(), 9, audience="person") if isinstance(b, Table))
    assert [row[0] for row in table.rows] == ["☐ 1"]


def test_the_persons_copy_makes_no_claim_about_all_rules() -> None:
    """It reads the same whether a private rule fired, was silent or was not assessed."""
    for told in (private_report(), full_report(not_assessed=[])):
        assert lines(told, 1, audience="person")[0].text.startswith("No danger sign is listed on this copy")


@pytest.mark.parametrize("render", [terminal, printed])
def test_a_formula_is_never_on_the_persons_copy(render: Any) -> None:
    """Nor the differentiation where the practice shows it to clinicians only."""
    words = render(full_report(), audience="person")
    assert "Xijiao" not in words and "blood heat" not in words and "red scaly plaques" not in words
    told = full_report()
    told["tcm"]["audience"]["differentiation"] = "person"
    shown = render(told, audience="person")
    assert "main syndrome: blood heat" in shown and "Xijiao" not in shown and "base herbs" not in shown


def test_an_unreadable_version_is_refused_with_one_line() -> None:
    """The message names what to do."""
    with pytest.raises(CaseError, match=r"schema version 3.*update the program"):
        page(full_report(schema_version=3))


def test_a_report_of_version_1_still_renders() -> None:
    """Its keys were fewer; what it did not know is not shown as normal."""
    told = full_report(schema_version=1, plan=[], severity={"band": "mild", "bsa_percent": 2.0, "missing": []})
    for name in ("change", "biomedical", "tcm", "tcm_absent", "stops_photography"):
        del told[name]
    for name in ("before_clinician", "clinician_reason", "is_lowered", "private_reasons"):
        del told["triage"][name]
    del told["triage"]["by"]["clinician"], told["provenance"]["evidence_limits"]
    told["abstentions"] = [{"reason": "low_confidence", "section": "recognition", "view": 1, "field": "border"}]
    told["not_assessed"] = [{"id": "RF-05", "missing": ["blisters_or_peeling"]}]
    told["reasoning"] = {
        key: told["reasoning"][key] for key in ("fields", "is_proposal_for", "formula_withheld_by", "formula_unchecked")
    }
    words = terminal(told)
    assert "severity: mild" in words and "formula: Xijiao Dihuang Tang (with buffalo horn) (94%)" in words
    assert "Xijiao" not in terminal(told, audience="person")
