"""Sections 4 and 5 of a report: findings per picture; integrated description, severity, change since the last visit.

A field that the bundle never decides is named once below its table, a withheld one and one that the model could not
tell each in their own words.

Source: clinical-vocabulary sections 2, 3, 4 and 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge_agent.agents.report.model_words import model_words, tone_estimate
from edge_agent.agents.report.parts import CAUTION, Block, Line, Table
from edge_agent.agents.report.terms import Terms

VIEWS_PER_TABLE = 4  # more columns would run over the edge of a page
UNASKED = ("program_refused", "no_pictures")  # notices of a case that no agent may or can see
_GRADES = ("erythema", "induration", "scale_amount")


def findings(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return the scope decision, one table per four pictures, and what limits the reading."""
    views = report["recognition"]
    rows: list[Block] = [Line(_scope(report, words), "strong")]
    rows += [Line(text, "unknown", CAUTION) for text in _not_read(report, words)]
    if not views:
        return rows
    rows += _tone(report["severity"], words)
    decided, undecided = _fields([view["fields"] for view in views])
    for start in range(0, len(views), VIEWS_PER_TABLE):
        rows.append(_table(views[start : start + VIEWS_PER_TABLE], decided, words))
    rows.append(Line(words.word("findings_note"), "quiet"))
    rows += _undecided(undecided, words, agent="recognition")
    for view in views:
        rows += model_words(view.get("texts", ()), words, title=words.view(view["view"]))
        rows += tone_estimate(view, words)
    return rows


def _scope(report: Mapping[str, Any], words: Terms) -> str:
    """Return the scope decision with its reasons, or why nobody was asked for one."""
    unasked = [name for name in report["notices"] if name in UNASKED]
    if unasked and not report["recognition"]:
        return words.joined(words.text(name) for name in unasked)
    reasons = [
        words.label(row["reason"], of="abstain_reason")
        for row in report["abstentions"]
        if row["section"] == "scope" and row["view"] is None
    ]
    why = f" ({words.semicolon.join(reasons)})" if reasons else ""
    return words.said(words.word("section_scope"), words.label(report["scope"]["decision"], of="scope")) + why


def _not_read(report: Mapping[str, Any], words: Terms) -> list[str]:
    """Name the pictures that were not read on, and why."""
    return [
        words.said(words.view(row["view"]), words.label(row["reason"], of="abstain_reason"))
        for row in report["abstentions"]
        if row["view"] is not None and row["field"] is None
    ]


def _tone(severity: Mapping[str, Any], words: Terms) -> list[Block]:
    caution = severity["pasi"]["tone_caution"]
    if caution is False:
        return []
    name = "tone_not_entered" if caution is None else "tone_caution"
    return [Line(words.label(name, of="severity_word"), "unknown", CAUTION)]


def _fields(views: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Part the fields into those decided in at least one view and those in none, in the model's order."""
    names = dict.fromkeys(name for fields in views for name in fields)
    decided = [n for n in names if any(n in fields and fields[n]["is_decided"] for fields in views)]
    return decided, [name for name in names if name not in decided]


def _table(views: Sequence[Mapping[str, Any]], fields: Sequence[str], words: Terms) -> Table:
    head = ("", *(_view_name(view, words) for view in views))
    rows = [
        (
            words.field(field, agent="recognition"),
            *(words.value(field, view["fields"].get(field), agent="recognition") for view in views),
        )
        for field in fields
    ]
    return Table(head, tuple(rows), tuple(view["view"] for view in views))


def _view_name(view: Mapping[str, Any], words: Terms) -> str:
    parts = [words.label(view[name], of=name) for name in ("shot", "laterality", "body_site") if view[name]]
    return " ".join([words.view(view["view"]), *parts])


def _undecided(names: Sequence[str], words: Terms, *, agent: str) -> list[Block]:
    if not names:
        return []
    told = words.semicolon.join(words.field(name, agent=agent) for name in names)
    return [Line(words.said(words.word("not_decided"), told), "quiet")]


def representation(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return Rep's fields and the conflicts between pictures."""
    told = report["representation"]
    if told is None:
        return [Line(words.word("no_representation"))]
    decided, undecided = _fields([told["fields"]])
    said = (
        words.said(words.field(n, agent="representation"), words.value(n, told["fields"][n], agent="representation"))
        for n in decided
    )
    rows: list[Block] = [Line(words.joined(said))] if decided else []
    rows += [
        Line(
            words.said(
                words.word("conflict"), f"{words.field(row['field'], agent='recognition')} ({_pair(row, words)})"
            ),
            "unknown",
            CAUTION,
        )
        for row in told["conflicts"]
    ]
    return rows + _undecided(undecided, words, agent="representation") + model_words(told.get("texts", ()), words)


def _pair(row: Mapping[str, Any], words: Terms) -> str:
    return f"{words.word('view')} {row['view_a'] + 1}/{row['view_b'] + 1}"


def severity(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return the band, the numbers that people entered, the index with its table, and warnings."""
    computed_ones = computed(report, words)
    return [*computed_ones[:1], *numbers(report, words), *computed_ones[1:]]


def computed(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return what code made of the form and the program's grades: the band first, then index and warnings."""
    told = report["severity"]
    # Out of scope the band is only the size of the surface: "mild" beside a suspected melanoma would be read as harmless.
    is_extent = report["scope"]["decision"] != "in_scope" and told["band"] is not None
    note = words.word("extent_only") if is_extent else ""
    rows: list[Block] = [Line(_band(told, words), "" if is_extent else "strong", note=note)]
    rows += _pasi(told, words)
    for warning in told["warnings"]:
        region = words.label(warning["region"], of="affected_region") if warning["region"] else ""
        said = words.joined([words.label(warning["id"], of="severity_warning"), region])
        rows.append(Line(words.said(words.name("severity_warning"), said), "unknown", CAUTION))
    return rows


def numbers(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return what people entered: surface, global assessment, scales from 0 to 10."""
    told = report["severity"]
    known = [
        _number("BSA", told["bsa_percent"], " %"),
        _number(words.label("bsa_implied_percent", of="severity_word"), told["bsa_implied_percent"], ""),
        _pga(told["pga"], words),
        *(_number(words.label(name, of="nrs"), value, "/10") for name, value in told["nrs"].items()),
    ]
    return [Line(words.joined(known))] if any(known) else []


def _band(told: Mapping[str, Any], words: Terms) -> str:
    missing = words.semicolon.join(words.label(name, of="severity_input") for name in told["missing"])
    if told["band"] is None:
        return words.said(words.word("severity_missing"), missing) if missing else words.word("severity_none")
    band = words.label(told["band"], of="severity_band")
    if told["is_at_least"]:
        band = f"{words.label('at_least', of='severity_word')}{'' if words.lang == 'zh' else ' '}{band}"
    note = f" ({words.said(words.word('missing'), missing)})" if missing else ""
    return words.said(words.name("severity_band"), band) + note


def _number(name: str, value: float | None, unit: str) -> str:
    return "" if value is None else f"{name} {value:g}{unit}"


def _pga(grade: int | None, words: Terms) -> str:
    if grade is None:
        return ""
    terms = words.vocabulary.lists["pga"].terms.values()
    name = next(term.id for term in terms if term.facts["grade"] == grade)
    return f"PGA {grade} ({words.label(name, of='pga')})"


def _pasi(told: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return the index with its table, or what is missing for it and the grades of the single pictures."""
    pasi = told["pasi"]
    if pasi["reason"] is not None:
        return [Line(words.label(pasi["reason"], of="pasi_reason"), "unknown", CAUTION)]
    if pasi["value"] is not None:
        return [Line(f"PASI {pasi['value']:g} / 72", "strong"), _regions(pasi["by_region"], words)]
    rows: list[Block] = []
    by_reason: dict[str, list[str]] = {}
    for row in pasi["missing"]:
        by_reason.setdefault(row["id"], []).append(words.label(row["region"], of="affected_region"))
    if by_reason:
        lacks = (f"{words.label(name, of='pasi_missing')} ({words.comma.join(at)})" for name, at in by_reason.items())
        name = words.label("pasi_not_computable", of="severity_word")
        rows.append(Line(words.said(name, words.semicolon.join(lacks)), "unknown", CAUTION))
    if told["local_score"]:
        grades = words.semicolon.join(
            f"{words.view(row['view'])} {'/'.join(_cell(row[name]) for name in _GRADES)}" for row in told["local_score"]
        )
        rows.append(Line(words.said(words.label("local_score", of="severity_word"), grades)))
    return rows


def _regions(regions: Sequence[Mapping[str, Any]], words: Terms) -> Table:
    head = (
        words.word("region"),
        words.word("area_percent"),
        words.label("area_score", of="severity_word"),
        *(words.name(name) for name in _GRADES),
        words.label("part", of="severity_word"),
    )
    keys = ("area_percent", "area_score", *_GRADES, "part")
    rows = [(words.label(row["region"], of="affected_region"), *(_cell(row[key]) for key in keys)) for row in regions]
    return Table(head, tuple(rows))


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def changed(
    told: Mapping[str, Any] | None, words: Terms, *, measures: Sequence[str] = ("pasi", "bsa", "pga")
) -> list[Block]:
    """Return what changed since the visit before, as code compared it; nothing where there was none."""
    if told is None:
        return []
    when = words.time(told["previous"]["created"])
    days = "" if told["days"] is None else f", {told['days']} {words.word('days')}"
    rows: list[Block] = [Line(f"{words.label('change', of='severity_word')} ({when}{days})", "strong")]
    return rows + [
        Line(words.said(words.label(name, of="change_measure"), _comparison(told[name], words))) for name in measures
    ]


def _comparison(row: Mapping[str, Any], words: Terms) -> str:
    direction = words.label(row["direction"], of="change_direction")
    if row["direction"] == "not_comparable":
        return f"{direction} ({words.label(row['reason'], of='change_reason')})"
    parts = [direction, words.apart(f"{row['before']:g} → {row['now']:g} ({row['difference']:+g})")]
    regions = row.get("regions", [])
    if regions and len(regions) < len(words.vocabulary.lists["affected_region"].terms):
        names = words.comma.join(words.label(region, of="affected_region") for region in regions)
        parts.append(words.said(words.label("common_regions", of="severity_word"), names))
    response = row.get("response") or row.get("response_reason")
    return words.joined([*parts, words.label(response, of="pasi_response") if response else ""])
