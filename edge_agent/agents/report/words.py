"""Build the page of a report: its sections in the fixed order, in one language, for one audience.

Terminal, screen and print are drawn from the same page (``report_text``, ``report_html``), so they cannot differ. Does
not decide anything: every line stands in the report or in the vocabulary.

Source: clinical-vocabulary section 10 (order of sections).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edge_agent.agents.report import danger
from edge_agent.agents.report import findings as found
from edge_agent.agents.report import plan as ending
from edge_agent.agents.report import reasoning as reasons
from edge_agent.agents.report.parts import Block, Page, Section
from edge_agent.agents.report.reading import ReportAudience, private_rules, readable, seen_by
from edge_agent.agents.report.terms import Terms
from edge_agent.contracts.terms import Language, Vocabulary


def page_of(
    report: Mapping[str, Any], vocabulary: Vocabulary, lang: Language, *, audience: ReportAudience = "clinician"
) -> Page:
    """Return the page of a report.

    Args:
        report: what ``CasePipeline.run`` returned, of this or an older version.
        vocabulary: the words for its ids.
        lang: ``zh`` or ``en``.
        audience: ``person`` leaves out what only clinicians may see (``report_reading.seen_by``).

    Raises:
        CaseError: the report has a version that this program cannot read.
    """
    words = Terms(vocabulary, lang)
    told = seen_by(readable(report), audience, is_private=private_rules(words.danger_rules))
    tier = danger.tier_line(told["triage"], words)
    meta = words.joined(
        [f"{words.word('case')} {told['case_id']}", words.time(told["created"]), _copy(audience, words)]
    )
    return Page(
        title=words.word("title"),
        meta=f"{meta} · {words.word('name')} ____________________",
        banners=ending.banners(told, words),
        tier=replace(tier, note=words.joined([tier.note, _fired(told, words)])),
        sections=_sections(told, words, audience),
    )


def _sections(told: Mapping[str, Any], words: Terms, audience: ReportAudience) -> tuple[Section, ...]:
    parts: list[tuple[str, list[Block]]] = [
        ("section_red_flags", danger.red_flags(told, words, audience)),
        ("section_triage", danger.triage(told, words)),
        ("section_worker", danger.worker(told, words, audience)),
        ("section_findings", found.findings(told, words)),
        ("section_integrated", found.integrated(told, words)),
        ("section_biomedical", reasons.biomedical(told, words)),
        ("section_reasoning", reasons.reasoning(told, words)),
        ("section_tcm", reasons.tcm(told, words)),
        ("section_plan", ending.plan(told, words)),
        ("section_limits", ending.limits(told, words)),
        ("section_signatures", ending.signatures(words)),
    ]
    return tuple(
        Section(number, name, words.word(name), tuple(blocks)) for number, (name, blocks) in enumerate(parts, start=1)
    )


def _copy(audience: ReportAudience, words: Terms) -> str:
    return words.word("person_copy") if audience == "person" else ""


def _fired(told: Mapping[str, Any], words: Terms) -> str:
    """Name the danger signs that fired beside the tier, to be seen at a glance."""
    fired = words.comma.join(dict.fromkeys(flag["id"] for flag in told["red_flags"]))
    return words.said(words.word("section_red_flags"), fired) if fired else ""
