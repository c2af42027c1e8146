"""Sections 9 to 11 of a report: plan, limits of what was said and where it comes from, signatures.

Source: clinical-vocabulary sections 10, 11 and 12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from edge_agent.agents.plan.by_tier import SKIN_CLINICS
from edge_agent.agents.report.danger import full_list, is_grouped
from edge_agent.agents.report.parts import BOX, CAUTION, Block, Boxes, Line, Listing, Table, lines
from edge_agent.agents.report.terms import Terms, code
from edge_agent.agents.rules.triage import is_clock_set
from edge_agent.contracts.local_time import day_of
from edge_agent.contracts.terms import ROUTINE_TIER

# These notices stand at the top; the others stand in the limitations.
BANNER = (
    "clock_not_set", "picture_lost", "ref_notice", "test_case", "fictitious_consent", "program_refused", "no_pictures",
)  # fmt: skip
SECTIONS_OF = {"recognition": "section_findings", "representation": "section_integrated"}


def plan(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return the proposed items with a box each, what was cut for want of room, and what was not taken over."""
    told = report["plan"]
    booked = next_visit(report)
    visit = None if booked is None else words.dates.date(booked)
    head = ("", words.word("what"), words.word("when"), words.word("who"))
    rows = [
        (
            f"{BOX} {item['order']}",
            _what(item, words, visit=visit),
            _when(item, words),
            words.label(item["role"], of="role"),
        )
        for item in told["items"]
    ]
    blocks: list[Block] = [Table(head, tuple(rows))] if rows else [Line(words.word("no_plan"))]
    if told["is_cut"]:
        cut = words.comma.join(words.label(item["object"], of="plan_object") for item in told["cut"])
        blocks.append(Line(words.said(words.word("plan_cut"), cut), "unknown", CAUTION))
    for row in told["findings"]:
        what = words.label(row["object"], of="plan_object") if row["object"] else ""
        blocks.append(Line(words.joined([words.label(row["finding"], of="plan_finding"), what]), "quiet"))
    return [*blocks, Line(words.word("plan_note"), "quiet")]


def limits(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return abstentions, notices, provenance, and the whole list of danger rules that were not assessed."""
    rows = lines(_abstentions(report["abstentions"], words))
    rows += lines(_not_seen(report["representation"], words))
    rows += lines(words.text(name) for name in report["notices"] if name not in BANNER)
    rows += lines(words.text(name) for name in report["provenance"]["evidence_limits"])
    rows += lines(_provenance(report["provenance"], words))
    if is_grouped(report):
        rows.append(Listing(words.word("full_list"), full_list(report, words)))
    return rows


def signatures(words: Terms) -> list[Block]:
    """Return the places to sign."""
    return [Boxes((words.word("worker_name"), words.word("clinician_name"), words.word("date"))),
            Line(words.word("page_note"), "quiet")]  # fmt: skip


def banners(report: Mapping[str, Any], words: Terms) -> tuple[str, ...]:
    """Return the notices that stand at the top."""
    return tuple(words.text(name) for name in report["notices"] if name in BANNER)


def item_words(item: Mapping[str, Any], words: Terms) -> str:
    """Return one item of a plan in words, without its limits and dates."""
    what = words.label(item["object"], of="plan_object")
    return words.joined([words.said(words.label(item["action"], of="action"), what), _when(item, words)])


def _what(item: Mapping[str, Any], words: Terms, *, visit: str | None) -> str:
    action = words.label(item["action"], of="action")
    is_fixed = item["action"] == "advise" and words.vocabulary.has(item["object"], of="text")
    what = words.advice(item["object"], date=visit) if is_fixed else words.label(item["object"], of="plan_object")
    if item["object"] in SKIN_CLINICS and words.contact is not None:
        what += f" · {words.apart(words.contact)}"
    if item["detail"]:
        what += f" {words.label(item['detail'], of='formula')}"
    hints = [
        (words.name("site_limit"), [words.label(name, of="site_limit") for name in item["limits"]]),
        (words.word("prior_tests"), [words.label(name, of="plan_object") for name in item["prior_tests"]]),
        (words.word("not_checked"), [words.input(name) for name in item["unchecked"]]),
    ]
    told = [words.said(name, words.comma.join(parts)) for name, parts in hints if parts]
    by_model = words.word("by_model") if item["origin"] == "model" else ""
    more = words.semicolon.join(part for part in (*told, by_model) if part)
    return words.said(action, what) + (f" ({more})" if more else "")


def _when(item: Mapping[str, Any], words: Terms) -> str:
    days = item["interval_days"]
    return words.joined(
        [
            code(item["tier"]) if item["tier"] else "",
            words.word("in_days", n=days) if days is not None else "",
            words.label(item["condition"], of="condition") if item["condition"] else "",
        ]
    )


def next_visit(report: Mapping[str, Any]) -> date | None:
    """Return the day of the next booked visit, as paper and screen tell it; None leaves a line to write on.

    Counts from the visit. A visit that hangs on a condition is not booked. A routine case is not booked for later than its
    deadline, which a country may have set shorter than the plan knows.

    Args:
        report: of ``reading.readable``, with the plan that stands.
    """
    created = datetime.fromisoformat(report["created"])
    days = [
        item["interval_days"]
        for item in report["plan"]["items"]
        if item["action"] == "follow_up" and item["interval_days"] is not None and item["condition"] is None
    ]
    if not days or not is_clock_set(created):
        return None
    planned, triage = day_of(created) + timedelta(days=min(days)), report["triage"]
    if triage["final"] != ROUTINE_TIER or triage["deadline"] is None:
        return planned
    return min(planned, day_of(datetime.fromisoformat(triage["deadline"])))


def _abstentions(rows: Sequence[Mapping[str, Any]], words: Terms) -> list[str]:
    """Return one line per reason, section and extent, with all its pictures and fields."""
    grouped: dict[tuple[str, str, str | None], list[str]] = {}
    for row in rows:
        at = grouped.setdefault((row["reason"], row["section"], row["withholds"]), [])
        place = [
            words.view(row["view"]) if row["view"] is not None else "",
            words.field(row["field"], agent=row["section"]) if row["field"] is not None else "",
        ]
        if any(place):
            at.append(words.joined(place, by=" "))
    told = []
    for (reason, _, extent), places in grouped.items():
        what = words.word("withheld_part", what=words.label(extent, of="withholds")) if extent else ""
        where = words.comma.join(dict.fromkeys(places))
        told.append(
            words.said(words.word("abstained"), words.joined([words.label(reason, of="abstain_reason"), where, what]))
        )
    return told


def _not_seen(told: Mapping[str, Any] | None, words: Terms) -> list[str]:
    """Name the regions of the body that no picture shows: the description says nothing about them."""
    if told is None or not told["regions_not_seen"]:
        return []
    regions = words.comma.join(words.label(region, of="region") for region in told["regions_not_seen"])
    return [words.said(words.label("regions_not_seen", of="limitation"), regions)]


def _provenance(told: Mapping[str, Any], words: Terms) -> list[str]:
    """Return bundle, device, time and tokens."""
    bundle, tokens = told["bundle"], told["tokens"]
    seconds = told["timings_ms"].get("total", 0.0) / 1000
    if bundle is None:
        name = words.word("no_bundle")
    else:
        use = "" if bundle["clinical_use"] else f" ({words.word('clinician_use')})"
        name = words.apart(f"{bundle['name']} {bundle['version']}") + use
    parts = [
        f"{words.word('bundle')} {name}",
        f"{words.word('device')} {words.apart(told['device'])}",
        f"{words.word('vocabulary')} {told['vocabulary']}",
        f"{words.word('duration')} {seconds:.1f} s",
        f"{words.word('tokens')} {tokens['sampled']}/{tokens['forced']}",
    ]
    return [words.joined(parts)]
