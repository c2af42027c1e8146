"""Build the page of a report: its sections in the fixed order, in one language, for one audience.

Terminal, screen and print are drawn from the same page (``report_text``, ``report_html``), so they cannot differ. Does
not decide anything: every line stands in the report or in the vocabulary.

Source: clinical-vocabulary section 10 (order of sections).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edge_agent.agents.report import danger
from edge_agent.agents.report import findings as found
from edge_agent.agents.report import plan as ending
from edge_agent.agents.report import reasoning as reasons
from edge_agent.agents.report.answers import corrected_answers
from edge_agent.agents.report.decided import Pen
from edge_agent.agents.report.parts import Block, Page, Section
from edge_agent.agents.report.reading import ReportAudience, private_rules, readable, seen_by
from edge_agent.agents.report.review import NO_REVIEW, Review
from edge_agent.agents.report.standing import after_review, tiers_told, without_overruled
from edge_agent.agents.report.terms import Terms
from edge_agent.contracts.speech import Speech
from edge_agent.contracts.terms import Language, Vocabulary


def page_of(
    report: Mapping[str, Any],
    vocabulary: Vocabulary,
    lang: Language | Speech,
    *,
    audience: ReportAudience = "clinician",
    review: Review = NO_REVIEW,
    says_who: bool = True,
    contact: str | None = None,
) -> Page:
    """Return the page of a report.

    Args:
        report: what ``CasePipeline.run`` returned, of this or an older version.
        vocabulary: the words for its ids.
        lang: ``zh`` or ``en``; on a screen a language that is drafted over the English one.
        audience: ``person`` leaves out what only clinicians may see (``report_reading.seen_by``).
        review: what clinicians decided about it.
        says_who: whether each part tells who decided on it; the screen, which shows that beside the parts, needs none.
        contact: whom to tell who cannot come; None leaves a line to write on.

    Raises:
        CaseError: the report has a version that this program cannot read.
    """
    words = Terms(vocabulary, lang, contact=contact)
    pen = Pen(review, words, audience, says_who)
    made = readable(report)
    after = after_review(made, review, vocabulary)
    standing = without_overruled(made, after, review) if audience == "person" else after.report
    told = seen_by(standing, audience, is_private=private_rules(words.danger_rules))
    standing_tiers = tiers_told(made, after)
    tier = danger.tier_line(told["triage"], words)
    tier = replace(tier, note=words.joined([tier.note, _fired(told, words, standing_tiers)]))
    meta = words.joined(
        [f"{words.word('case')} {told['case_id']}", words.time(told["created"]), _copy(audience, words)]
    )
    fallen = tuple(ending.item_words(item, words) for item in after.fallen)
    return Page(
        title=words.word("title"),
        meta=f"{meta} · {words.word('name')} ____________________",
        banners=ending.banners(told, words),
        tier=pen.tier_line(tier, is_open=after.tier is None),
        sections=_sections(told, pen, fallen, standing_tiers),
    )


def _sections(
    told: Mapping[str, Any], pen: Pen, fallen: Sequence[str], standing_tiers: Collection[str]
) -> tuple[Section, ...]:
    words, audience = pen.words, pen.audience
    parts: list[tuple[str, list[Block]]] = [
        ("section_red_flags", _danger(told, pen, standing_tiers)),
        ("section_triage", pen.triage(danger.triage(told, words))),
        ("section_worker", danger.worker(told, words, audience)),
        ("section_findings", pen.part("findings", found.findings(told, words))),
        ("section_integrated", _integrated(told, pen)),
        ("section_biomedical", _biomedical(told, pen)),
        ("section_reasoning", _reasoning(told, pen)),
        ("section_tcm", _tcm(told, pen)),
        ("section_plan", _plan(told, pen, fallen)),
        ("section_limits", ending.limits(told, words)),
        ("section_signatures", ending.signatures(words)),
    ]
    return tuple(
        Section(number, name, words.word(name), tuple(blocks)) for number, (name, blocks) in enumerate(parts, start=1)
    )


def _plan(told: Mapping[str, Any], pen: Pen, fallen: Sequence[str]) -> list[Block]:
    return pen.plan(ending.plan(told, pen.words), told["plan"]["items"], fallen, booked=ending.next_visit(told))


def _danger(told: Mapping[str, Any], pen: Pen, standing_tiers: Collection[str]) -> list[Block]:
    """Return the danger signs, below them what was corrected of the answers that they rest on."""
    flags = pen.flags(danger.red_flags(told, pen.words, pen.audience), standing_tiers)
    return [*flags, *corrected_answers(pen.review, pen.words, pen.audience)]


def _integrated(told: Mapping[str, Any], pen: Pen) -> list[Block]:
    """Return description, severity and change; numbers that people entered stand whatever was decided on the rest."""
    rows = pen.part("representation", found.representation(told, pen.words))
    if pen.review.stands("severity"):
        return [
            *rows,
            *pen.part("severity", found.severity(told, pen.words)),
            *found.changed(told["change"], pen.words),
        ]
    shown = told
    if pen.review.value("severity", "pga") is not None:  # it stands below as the clinician's
        shown = {**told, "severity": {**told["severity"], "pga": None}}
    rows += found.numbers(shown, pen.words)
    rows += pen.part("severity", found.computed(told, pen.words))
    return [*rows, *found.changed(told["change"], pen.words, measures=("bsa",))]


def _biomedical(told: Mapping[str, Any], pen: Pen) -> list[Block]:
    blocks = reasons.biomedical(told, pen.words)
    if pen.review.suspicion_stands or (
        told["biomedical"] is None and pen.review.value("reasoning", "condition") is None
    ):
        return blocks
    return pen.part("reasoning", blocks, fields={"condition"}, is_told=False)


def _reasoning(told: Mapping[str, Any], pen: Pen) -> list[Block]:
    """Return the steps; the person's copy has none where the practice shows no syndrome, and then nothing to withhold."""
    blocks = reasons.reasoning(told, pen.words)
    is_empty = told["reasoning"] is None and pen.audience == "person"
    return blocks if is_empty else pen.part("reasoning", blocks, fields=())


def _tcm(told: Mapping[str, Any], pen: Pen) -> list[Block]:
    """Return the block; a person who is not shown a syndrome is not shown a corrected one either."""
    blocks = reasons.tcm(told, pen.words)
    is_empty = told["tcm"] is None and (pen.audience == "person" or pen.review.value("reasoning", "syndrome") is None)
    return blocks if is_empty else pen.part("reasoning", blocks, fields={"syndrome"}, is_told=False)


def _copy(audience: ReportAudience, words: Terms) -> str:
    return words.word("person_copy") if audience == "person" else ""


def _fired(told: Mapping[str, Any], words: Terms, standing_tiers: Collection[str]) -> str:
    """Name the danger signs that fired beside the tier, to be seen at a glance."""
    fired = words.comma.join(dict.fromkeys(flag["id"] for flag in told["red_flags"] if flag["tier"] in standing_tiers))
    return words.said(words.word("section_red_flags"), fired) if fired else ""
