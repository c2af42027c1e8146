"""Sections 1 to 3 of a report: danger signs and what was not assessed, triage, the worker's own impression.

Source: clinical-vocabulary sections 8, 9 and 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edge_agent.agents.report.parts import CAUTION, SHAPES, UNKNOWN, Block, Line
from edge_agent.agents.report.reading import Reader
from edge_agent.agents.report.terms import Terms, code, span
from edge_agent.agents.rules.rule_file import EMERGENCY, TIERS, Rule

FEW_RULES = 3  # up to so many rules are told one by one; more are grouped, and listed at the end
INPUTS_SHOWN = 8


def red_flags(report: Mapping[str, Any], words: Terms, audience: Reader) -> list[Block]:
    """Return the fired rules with their fixed words, then what was not assessed."""
    rows: list[Block] = []
    for flag in report["red_flags"]:
        rows += _flag(flag, words)
    if report["stops_photography"]:
        rows.append(Line(words.word("stop_photography"), "alert", CAUTION))
    if not report["red_flags"]:
        rows.append(Line(_nothing_fired(report, words, audience), "strong"))
    return rows + not_assessed(report["not_assessed"], words)


def not_assessed(rows: Sequence[Mapping[str, Any]], words: Terms) -> list[Block]:
    """Return the danger rules that could not be judged: a few one by one, many grouped by tier with what to ask."""
    if len(rows) <= FEW_RULES:
        return [Line(_gap(row, words), "unknown", UNKNOWN) for row in rows]
    rules = {rule.id: rule for rule in words.danger_rules.rules}
    by_tier: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: TIERS.index(_tier(rules[row["id"]]))):
        by_tier.setdefault(code(_tier(rules[row["id"]])), []).append(row["id"])
    told = words.semicolon.join(words.said(tier, words.comma.join(ids)) for tier, ids in by_tier.items())
    count = words.word("not_assessed_count", n=len(rows), total=len(rules))
    return [
        Line(words.said(count, told), "unknown", UNKNOWN),
        Line(words.said(words.word("still_to_ask"), _to_ask(rows, rules, words)), "unknown", UNKNOWN),
    ]


def is_grouped(report: Mapping[str, Any]) -> bool:
    """Say whether the rules that were not assessed were grouped, so that the whole list has to stand at the end."""
    return len(report["not_assessed"]) > FEW_RULES


def full_list(report: Mapping[str, Any], words: Terms) -> tuple[str, ...]:
    """Return every rule that was not assessed with everything that it lacks."""
    return tuple(words.said(row["id"], words.inputs(row["missing"])) for row in report["not_assessed"])


def triage(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return tier, deadline, who asked for what, the rules behind it, and triage rules that were not assessed."""
    told = report["triage"]
    rows: list[Block] = [replace(tier_line(told, words), mark="strong")]
    if told["by"]["clinician"] is not None:
        rows += _by_clinician(told, words)
    if told["is_provisional"] and told["final"] != EMERGENCY:
        rows.append(Line(words.word("provisional"), "unknown", UNKNOWN))
    if told["needs_human_reading"]:
        rows.append(Line(words.word("human_reading"), "strong"))
    asked = [f"{words.word('by_' + who)} {code(tier) if tier else '–'}" for who, tier in told["by"].items()]
    if any(told["by"].values()):
        rows.append(Line(words.said(words.word("asked_by"), words.joined(asked))))
    rows += [Line(words.said(rule, words.rule_words(rule))) for rule in told["reasons"] if rule.startswith("TR-")]
    return rows + [Line(_gap(row, words), "unknown", UNKNOWN) for row in told["not_assessed"]]


def tier_line(told: Mapping[str, Any], words: Terms) -> Line:
    """Return the tier in words and shape, with its deadline as the note."""
    note = words.said(words.word("deadline"), _deadline(told, words))
    return Line(words.tier(told["final"]), "tier", SHAPES[told["final"]], note, told["final"])


def worker(report: Mapping[str, Any], words: Terms, audience: Reader) -> list[Block]:
    """Return the worker's own impression and urgency; the person's copy has no free words."""
    told = report["worker"]
    parts = [
        words.apart(told["impression"]) if told["impression"] else "",
        words.tier(told["tier"]) if told["tier"] else "",
        words.word("worried") if told["worried"] == "yes" else "",
    ]
    empty = "not_on_copy" if audience == "person" else "not_recorded"
    return [Line(words.joined(parts) or words.word(empty))]


def _flag(flag: Mapping[str, Any], words: Terms) -> list[Block]:
    said = words.rule_words(flag["id"], is_stronger=flag["is_stronger"])
    hints = [
        "" if flag["origin"] == "form" else words.word("from_picture"),
        words.word("private") if flag["is_private"] else "",
    ]
    text = words.joined([f"{flag['id']} {words.tier(flag['tier'])}", said])
    rows: list[Block] = [Line(text, "alert", SHAPES[flag["tier"]], words.joined(hints), flag["tier"])]
    rows.append(Line(words.said(words.word("because"), words.inputs(flag["because"]))))
    if flag["missing_for_stronger"]:
        open_inputs = words.inputs(flag["missing_for_stronger"])
        rows.append(Line(words.said(words.word("could_be_stronger"), open_inputs), "unknown", UNKNOWN))
    return rows


def _nothing_fired(report: Mapping[str, Any], words: Terms, audience: Reader) -> str:
    """Never "no danger signs" while a rule is not assessed; on the person's copy never a claim about all rules."""
    if audience == "person":
        return words.word("none_on_copy")
    if len(report["not_assessed"]) == len(words.danger_rules.rules):
        return words.word("none_assessed")
    is_complete = not report["not_assessed"] and words.danger_rules.is_complete
    line = words.word("none_fired")
    return words.sentences(line, words.word("all_assessed")) if is_complete else line


def _gap(row: Mapping[str, Any], words: Terms) -> str:
    missing = words.said(words.word("missing"), words.inputs(row["missing"]))
    return f"{words.word('not_assessed')} {row['id']} ({missing})"


def _to_ask(rows: Sequence[Mapping[str, Any]], rules: Mapping[str, Rule], words: Terms) -> str:
    """Name the missing inputs, those of the most urgent rules first, and say how many more there are."""
    by_urgency = sorted(rows, key=lambda row: TIERS.index(_tier(rules[row["id"]])))
    names = list(dict.fromkeys(name for row in by_urgency for name in row["missing"]))
    told = words.inputs(names[:INPUTS_SHOWN])
    more = len(names) - INPUTS_SHOWN
    return f"{told}{words.semicolon}{words.word('more_in_list', n=more)}" if more > 0 else told


def _tier(rule: Rule) -> str:
    """Return the most urgent tier that a rule could ask for."""
    named = [tier for tier in (rule.tier, rule.stronger_tier) if tier is not None]
    return min(named, key=TIERS.index) if named else TIERS[-1]


def _by_clinician(told: Mapping[str, Any], words: Terms) -> list[Block]:
    reason = words.label(told["clinician_reason"], of="decision_reason") if told["clinician_reason"] else "–"
    name = "lowered" if told["is_lowered"] else "set_by_clinician"
    before = words.tier(told["before_clinician"])
    return [Line(words.word(name, before=before, reason=reason), "strong", SHAPES[told["before_clinician"]])]


def _deadline(told: Mapping[str, Any], words: Terms) -> str:
    if told["final"] == EMERGENCY:
        return words.word("now")
    if told["deadline"]:
        return words.time(told["deadline"])
    hours = told["deadline_hours"]
    if hours is None:
        return words.word("no_deadline")
    name, count = span(hours)
    return words.word(name, n=count)
