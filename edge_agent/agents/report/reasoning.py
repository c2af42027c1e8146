"""Sections 6 to 8 of a report: conditions suspected, the checked reasoning steps, the TCM block.

A step that the record does not support is struck through and says why; evidence stands in words with its place. The
TCM block is a proposal for a prescriber and has no place for a dose.

Source: clinical-vocabulary sections 5, 6 and 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge_agent.agents.evidence.record import field_of, words_of
from edge_agent.agents.report.model_words import model_words
from edge_agent.agents.report.parts import CAUTION, STRUCK, SUPPORTED, Block, Line, Table, lines
from edge_agent.agents.report.terms import Terms

# These stand in the TCM block; the other fields of Reason stand with its steps.
TCM_FIELDS = frozenset({"syndrome", "secondary_syndrome", "principle", "formula", "modification"})
# Parts of Reason's answer that have a section of their own.
_OWN_SECTION = frozenset(
    {"reasoning_steps", "biomedical", "working", "differential", "tcm", "plan_proposal", "narrative"}
)


def biomedical(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return the working condition and the differential, each with what speaks for and against it."""
    told = report["biomedical"]
    rows = [] if told is None else [row for row in (told["working"], *told["differential"]) if row is not None]
    if not rows:
        return [Line(words.word("no_conditions"))]
    head = (words.word("suspected"), words.word("supported_by"), words.word("less_supported_by"))
    body = [
        (
            _condition(row, words, is_working=row is told["working"]),
            _pointers(row["supported_by"], words),
            _pointers(row["less_supported_by"], words),
        )
        for row in rows
    ]
    return [Table(head, tuple(body)), *_unsupported(rows, words), Line(words.word("conditions_note"), "quiet")]


def reasoning(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return the steps with their evidence, how many the record supports, and Reason's other fields."""
    told = report["reasoning"]
    if told is None:
        return [Line(words.word("no_reasoning"))]
    rows: list[Block] = []
    if not told["is_decided"]:
        rows.append(Line(words.word("no_steps")))
    for number, step in enumerate(told["steps"], start=1):
        rows.append(_step(number, step, words))
    if told["steps"]:
        supported = sum(step["verdict"] == "supported" for step in told["steps"])
        rows.append(Line(words.word("verifiable", n=supported, total=len(told["steps"])), "strong"))
    rows += [Line(words.label(name, of="reasoning_finding"), "unknown", CAUTION) for name in told["findings"]]
    others = [name for name in told["fields"] if name not in TCM_FIELDS | _OWN_SECTION]
    rows += lines(
        words.said(words.field(name, agent="reasoning"), words.value(name, told["fields"][name], agent="reasoning"))
        for name in others
        if told["fields"][name]["is_decided"]
    )
    return rows + model_words(told.get("texts", ()), words)


def tcm(report: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return the TCM block, or why there is none; an older report's fields where it has no block of its own."""
    told, fields = report["tcm"], report["reasoning"]
    if told is None and report["tcm_absent"] is not None:
        why = words.label(report["tcm_absent"], of="tcm_absence")
        return [Line(words.said(words.word("no_tcm"), why))]
    if told is None:
        is_old = report["schema_version"] == 1 and fields is not None
        return _old_block(fields, words) if is_old and fields is not None else [Line(words.word("no_tcm"))]
    rows = lines([_syndrome(told, words)])
    if fields is not None and fields["fields"].get("syndrome", {}).get("origin") == "coded":
        rows.append(Line(words.word("coded"), "quiet"))
    if told["principle"]:
        rows.append(Line(words.said(words.name("principle"), words.ids("principle", told["principle"]))))
    if told["principle_dropped"]:
        dropped = words.ids("principle", told["principle_dropped"])
        rows.append(Line(words.said(_part("principle_dropped", words), dropped), "quiet"))
    if "formula" in told:
        rows += _formula(told, words)
    return [*rows, Line(words.text("proposal_for_prescriber"), "strong")]


def _condition(row: Mapping[str, Any], words: Terms, *, is_working: bool) -> str:
    """Return a condition as suspected, never as a diagnosis, with its code and what must not be forgotten."""
    facts = words.vocabulary.lists["biomedical_condition"].terms[row["condition"]].facts
    name = words.label(row["condition"], of="biomedical_condition")
    is_named_so = row["condition"].endswith("_suspected")
    if facts.get("shown_as_suspected", True) and not is_named_so:
        name = words.word("suspected_condition", name=name)
    share = "" if row["confidence"] is None else f" ({row['confidence']:.0%})"
    first = facts.get("first_test")
    return words.joined(
        [
            words.word("working") if is_working else "",
            name + share,
            f"ICD-11 {facts['icd11']}" if "icd11" in facts else "",
            words.word("must_not_miss") if facts.get("is_must_not_miss") else "",
            words.said(words.word("first_test"), words.label(first, of="plan_object")) if first else "",
        ]
    )


def _pointers(rows: Sequence[Mapping[str, Any]], words: Terms) -> str:
    told = [_evidence(row, words) for row in rows if row["verdict"] == "supported"]
    return words.semicolon.join(told) or "–"


def _unsupported(rows: Sequence[Mapping[str, Any]], words: Terms) -> list[Block]:
    """Strike through what the bundle named for a condition and the record does not hold."""
    blocks: list[Block] = []
    for row in rows:
        for pointer in (*row["supported_by"], *row["less_supported_by"]):
            if pointer["verdict"] != "supported":
                name = words.label(row["condition"], of="biomedical_condition")
                text = words.said(name, _evidence(pointer, words))
                blocks.append(Line(text, "struck", STRUCK, _why_struck(pointer["verdict"], words)))
    return blocks


def _step(number: int, step: Mapping[str, Any], words: Terms) -> Line:
    claim = _claim(step["claim"], words)
    stance = words.label(step["stance"], of="stance") if step["stance"] else "–"
    evidence = words.semicolon.join(_evidence(row, words) for row in step["evidence"])
    text = f"{number}. {words.said(f'{stance} {claim}', evidence or '–')}"
    if step["verdict"] == "supported":
        return Line(text, "", SUPPORTED)
    return Line(text, "struck", STRUCK, _why_struck(step["verdict"], words))


def _why_struck(verdict: str, words: Terms) -> str:
    return f"{words.word('not_supported')} ({words.label(verdict, of='evidence_verdict')})"


def _claim(claim: str | None, words: Terms) -> str:
    for found in ("syndrome", "biomedical_condition"):
        if claim is not None and words.vocabulary.has(claim, of=found):
            return words.label(claim, of=found)
    return "–"


def _evidence(row: Mapping[str, Any], words: Terms) -> str:
    """Return a pointer in words: ``colour: bright red (picture 2)``."""
    pointer = row["pointer"]
    if pointer is None:
        return "–"
    place, *names = pointer.split(".")
    source, _, number = place.partition(":")
    where = words.label(source, of="pointer_part") + (f" {number}" if number else "")
    known = [
        words.label(n, of="pointer_part") if words.vocabulary.has(n, of="pointer_part") else words.unlisted(n)
        for n in names[-1:]
    ]
    field = field_of(pointer)
    if row["verdict"] == "no_such_pointer":
        return f"{' '.join(known)} ({where})"  # it has no value, which is not the same as "cannot tell"
    listed = words_of(field)
    value = words.ids(listed or field, row["value"]) if listed else _grade(row["value"], words)
    return f"{words.said(' '.join(known), value)} ({where})"


def _grade(value: Any, words: Terms) -> str:
    return str(value) if isinstance(value, int) else words.ids("scale_type", value)


def _syndrome(told: Mapping[str, Any], words: Terms) -> str:
    named = told["syndrome"]
    disease = words.said(_part("disease_name", words), words.label(told["disease_name"], of="tcm_disease"))
    primary = words.label(named["primary"], of="syndrome")
    if named["is_withheld"]:
        primary = words.word("withheld")
    elif named["confidence"] is not None:
        primary += f" ({named['confidence']:.0%})"
    second = named["secondary"]
    code = told["tm1_code"]
    return words.joined(
        [
            disease,
            words.said(_part("primary", words), primary),
            words.said(_part("secondary", words), words.label(second, of="syndrome")) if second else "",
            words.said(_part("tm1_code", words), code) if code else "",
        ]
    )


def _formula(told: Mapping[str, Any], words: Terms) -> list[Block]:
    """Return the formula with its herbs and cautions, or which rules keep it from being shown."""
    rows: list[Block] = []
    formula = told["formula"]
    if formula is not None:
        name = words.label(formula["id"], of="formula")
        base = words.comma.join(_herb(herb, words) for herb in formula["base_herbs"])
        text = words.said(_part("base_herbs", words), base) if formula["is_filled"] else _part("base_not_filled", words)
        rows.append(Line(words.joined([words.said(words.name("formula"), name), text])))
        changes = [
            f"{words.label(row['action'], of='modification_action')} {_herb(row['herb'], words)}"
            for row in formula["modification"]
        ]
        if changes:
            rows.append(Line(words.said(_part("modification", words), words.comma.join(changes))))
        rows += [
            Line(
                words.said(f"{words.label('warned', of='herb_verdict')} {rule}", words.rule_words(rule)),
                "unknown",
                CAUTION,
            )
            for rule in formula["warned_by"]
        ]
    elif not told["formula_withheld_by"]:
        rows.append(Line(words.word("no_formula")))
    rows += [
        Line(words.said(f"{_part('formula_withheld', words)} ({rule})", words.rule_words(rule)), "unknown", CAUTION)
        for rule in told["formula_withheld_by"]
    ]
    if told["formula_unchecked"]:
        missing = words.said(words.word("missing"), words.inputs(told["formula_missing"]))
        rules = words.comma.join(told["formula_unchecked"])
        rows.append(Line(f"{words.said(_part('formula_unchecked', words), rules)} ({missing})", "unknown", CAUTION))
    rows += [
        Line(words.said(_part("pairs", words), words.label(pair, of="incompatible_pair")), "unknown", CAUTION)
        for pair in told["incompatible_pairs"]
    ]
    return rows + [Line(_dropped(row, words), "quiet") for row in told["modification_dropped"]]


def _dropped(row: Mapping[str, Any], words: Terms) -> str:
    change = words.label(row["action"], of="modification_action")
    herb = _herb(row["herb"], words) if row["herb"] else ""
    reason = words.label(row["reason"], of="modification_dropped")
    return words.said(_part("dropped", words), f"{words.joined([change, herb], by=' ')} ({reason})")


def _herb(herb: str, words: Terms) -> str:
    return words.label(herb, of="herb")


def _part(name: str, words: Terms) -> str:
    return words.label(name, of="tcm_part")


def _old_block(told: Mapping[str, Any], words: Terms) -> list[Block]:
    fields = {name: row for name, row in told["fields"].items() if name in TCM_FIELDS}
    rows = lines(words.said(words.field(name), words.value(name, row)) for name, row in fields.items())
    rows += [Line(words.said(rule, words.rule_words(rule))) for rule in told["formula_withheld_by"]]
    return [*rows, Line(words.text("proposal_for_prescriber"), "strong")]
