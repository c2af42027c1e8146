"""Check a model's reasoning against the record: does every step name evidence that is there and says so?

A step is ``{claim, stance, evidence: [pointer, ...]}``. The check is pure and never trusts the shape of what a model
wrote: garbage gets a verdict, not an exception, and none of its text reaches the report. It says whether a step is
supported by the record, not whether medicine agrees with the sign table.

Source: clinical-vocabulary sections 5.1 and 5.2 (not clinically reviewed).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_agent.agents.evidence.record import CODE_FIELDS, REASON_FIELDS, Record, field_of
from edge_agent.agents.evidence.signs_table import INSUFFICIENT, STANCES, SignTable, says_nothing
from edge_agent.contracts.agent_schemas import MAX_STEPS, MIN_STEPS

MAX_DIFFERENTIAL = 4
# From the best to the worst; a step is as good as its worst pointer.
VERDICTS = (
    "supported", "duplicate", "value_does_not_support", "nothing_there", "no_such_pointer", "contradictory",
    "no_evidence", "unknown_claim",
)  # fmt: skip
FINDINGS = ("too_few_steps", "too_many_steps", "conclusion_without_support", "conditions_left_out")
# Only a pointer to a field that a record can have may be repeated in a report; a model's own words never are.
_FIELDS = frozenset({*REASON_FIELDS, *CODE_FIELDS})
_POINTER = re.compile(r"(view:[1-9][0-9]?|representation|intake|previous)(\.[a-z][a-z0-9_]{0,39}){1,2}")


@dataclass(frozen=True, slots=True)
class CheckedPointer:
    """One pointer, the value recorded there and a verdict; ``pointer`` is None where the model wrote no pointer."""

    pointer: str | None
    value: Any
    verdict: str

    def to_report(self) -> dict[str, Any]:
        """Return ``{pointer, value, verdict}``; ``value`` is an id, a list of ids, a grade or null."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"pointer": self.pointer, "value": value, "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class CheckedStep:
    """One step after the check; ``claim`` and ``stance`` are None where the table does not know them."""

    claim: str | None
    stance: str | None
    evidence: tuple[CheckedPointer, ...]
    verdict: str

    @property
    def is_supported(self) -> bool:
        """Say whether the record holds everything that the step rests on; otherwise it is shown struck through."""
        return self.verdict == "supported"

    def to_report(self) -> dict[str, Any]:
        """Return ``{claim, stance, evidence: [{pointer, value, verdict}], verdict}``."""
        evidence = [pointer.to_report() for pointer in self.evidence]
        return {"claim": self.claim, "stance": self.stance, "evidence": evidence, "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """One suspected condition with the recorded signs for and against it; never a diagnosis.

    ``is_named_by_bundle`` says that the model named the pointers and code checked them; otherwise code filled them
    in from the sign table, and every one is ``supported``.
    """

    condition: str
    confidence: float | None
    supported_by: tuple[CheckedPointer, ...]
    less_supported_by: tuple[CheckedPointer, ...]
    is_named_by_bundle: bool

    def to_report(self) -> dict[str, Any]:
        """Return ``{condition, confidence, supported_by, less_supported_by, named_by_bundle}``."""
        return {
            "condition": self.condition,
            "confidence": self.confidence,
            "supported_by": [pointer.to_report() for pointer in self.supported_by],
            "less_supported_by": [pointer.to_report() for pointer in self.less_supported_by],
            "named_by_bundle": self.is_named_by_bundle,
        }


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The checked reasoning of a visit; ``is_decided`` is False where the bundle writes no steps at all."""

    steps: tuple[CheckedStep, ...]
    syndrome: str | None
    working: ConditionRow | None
    differential: tuple[ConditionRow, ...]
    findings: tuple[str, ...]
    is_decided: bool

    def to_report(self) -> dict[str, Any]:
        """Return the report's section.

        Keys: ``is_decided``; ``steps`` (``CheckedStep.to_report``); ``verifiability`` 0-1 or null;
        ``conclusion_follows`` true, false or null; ``findings`` (ids of ``FINDINGS``); ``working`` and
        ``differential`` (``ConditionRow.to_report``; ``working`` may be null).
        """
        return {
            "is_decided": self.is_decided,
            "steps": [step.to_report() for step in self.steps],
            "verifiability": verifiability(self.steps),
            "conclusion_follows": conclusion_follows(self.steps, self.syndrome) if self.is_decided else None,
            "findings": list(self.findings),
            "working": self.working.to_report() if self.working else None,
            "differential": [row.to_report() for row in self.differential],
        }


def check(steps: Any, record: Record, table: SignTable) -> tuple[CheckedStep, ...]:
    """Check every step; the result has one entry per step, in order. Never raises, whatever a model wrote.

    A pointer is supported when it is on the record, tells something (for ``insufficient_information``: nothing), the
    table gives its value for this claim and stance, and nothing contradicts it: neither another step that uses it for
    the opposite stance, nor the table, nor another view of the same visit. A pointer counts once per claim and stance.

    Args:
        steps: a list of ``{claim, stance, evidence}``; anything else counts as no steps.
        record: the visit's evidence.
        table: the sign table.
    """
    rows = [_read(step, table) for step in _list(steps)]
    both = _both_stances(rows)
    used: set[tuple[str, str, str]] = set()
    checked = []
    for claim, stance, evidence in rows:
        pointers = []
        for pointer in evidence:
            verdict = _verdict(pointer, claim=claim, stance=stance, record=record, table=table)
            key = (claim or "", stance or "", pointer or "")
            if verdict not in ("unknown_claim", "no_such_pointer"):
                if (claim, pointer) in both:
                    verdict = "contradictory"
                elif key in used:
                    verdict = "duplicate"
                used.add(key)
            pointers.append(CheckedPointer(pointer, record.values.get(pointer or ""), verdict))
        checked.append(CheckedStep(claim, stance, tuple(pointers), _worst(pointers, is_known=claim and stance)))
    return tuple(checked)


def verifiability(checked: Sequence[CheckedStep]) -> float | None:
    """Return supported steps / all steps, rounded to four digits; None without steps."""
    return round(sum(step.is_supported for step in checked) / len(checked), 4) if checked else None


def conclusion_follows(checked: Sequence[CheckedStep], syndrome: str | None) -> bool | None:
    """Say whether at least one supported step speaks for the final syndrome.

    None where nothing was concluded: no syndrome, or ``insufficient_information``, which signs that speak for
    several syndromes at once can bring about as well as missing ones.
    """
    if syndrome in (None, INSUFFICIENT):
        return None
    return any(step.is_supported and (step.claim, step.stance) == (syndrome, "supports") for step in checked)


def differential(conditions: Any, record: Record, table: SignTable) -> tuple[ConditionRow, ...]:
    """List what on the record speaks for and against each proposed condition. Proposes none itself. Never raises.

    Args:
        conditions: ids, or ``{condition, confidence?, supported_by?, less_supported_by?}``; pointers that a bundle
            names are checked as steps are, otherwise the table's are filled in.
        record: the visit's evidence.
        table: the sign table; a condition that it does not know is left out.

    Returns:
        One row per known condition, each once, in order, at most ``MAX_DIFFERENTIAL``.
    """
    rows: dict[str, ConditionRow] = {}
    for item in _list(conditions):
        body = item if isinstance(item, Mapping) else {"condition": item}
        name = body.get("condition")
        if isinstance(name, str) and table.has(name, kind="condition") and name not in rows:
            rows[name] = _condition(name, body, record=record, table=table)
    return tuple(rows.values())[:MAX_DIFFERENTIAL]


def examine(answer: Mapping[str, Any], *, syndrome: str | None, record: Record, table: SignTable) -> Reasoning:
    """Check everything that Reason answered about its reasons.

    Args:
        answer: Reason's object; ``reasoning_steps``, ``working`` and ``differential`` (also in ``biomedical``) may lack.
        syndrome: the final syndrome after the thresholds, or None where none is shown.
        record: the visit's evidence.
        table: the sign table.
    """
    is_decided = "reasoning_steps" in answer
    steps = check(answer.get("reasoning_steps"), record, table)
    medical = answer.get("biomedical", answer)
    medical = medical if isinstance(medical, Mapping) else {}
    main, proposed = _proposed([medical.get("working")]), _proposed(medical.get("differential"))
    working = differential(main, record, table)
    named = {row.condition for row in working}
    others = differential([item for item in proposed if _name(item) not in named], record, table)
    findings = _step_findings(steps, syndrome) if is_decided else []
    if len(working) + len(others) < len(main) + len(proposed):
        findings.append("conditions_left_out")
    return Reasoning(steps, syndrome, working[0] if working else None, others, tuple(findings), is_decided)


def _step_findings(steps: Sequence[CheckedStep], syndrome: str | None) -> list[str]:
    found = []
    if len(steps) < MIN_STEPS:
        found.append("too_few_steps")
    if len(steps) > MAX_STEPS:
        found.append("too_many_steps")
    if conclusion_follows(steps, syndrome) is False:
        found.append("conclusion_without_support")
    return found


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray) else ()


def _proposed(conditions: Any) -> list[Any]:
    """Drop what proposes nothing: null and ``cannot_tell`` are answers, not faults."""
    return [item for item in _list(conditions) if item is not None and _name(item) != "cannot_tell"]


def _name(item: Any) -> str | None:
    name = item.get("condition") if isinstance(item, Mapping) else item
    return name if isinstance(name, str) else None


def _read(step: Any, table: SignTable) -> tuple[str | None, str | None, list[str | None]]:
    """Read one step of unknown shape; what is no known claim, stance or pointer becomes None."""
    body = step if isinstance(step, Mapping) else {}
    claim, stance = body.get("claim"), str(body.get("stance"))
    told = [p if isinstance(p, str) and _POINTER.fullmatch(p) else None for p in _list(body.get("evidence"))]
    pointers = [p if p is not None and field_of(p) in _FIELDS else None for p in told]
    return claim if table.has(claim) else None, stance if stance in STANCES else None, pointers


def _both_stances(
    rows: Sequence[tuple[str | None, str | None, list[str | None]]],
) -> set[tuple[str | None, str | None]]:
    """Return the (claim, pointer) pairs that some steps use for and others against the claim."""
    uses = {(claim, stance, pointer) for claim, stance, evidence in rows for pointer in evidence}
    return {(c, p) for c, s, p in uses if s == "supports" and (c, "against", p) in uses}


def _verdict(pointer: str | None, *, claim: str | None, stance: str | None, record: Record, table: SignTable) -> str:
    """Judge one pointer by itself."""
    if claim is None or stance is None:
        return "unknown_claim"
    if pointer is None or pointer not in record.values:
        return "no_such_pointer"
    value, field = record.values[pointer], field_of(pointer)
    if says_nothing(value) and claim != INSUFFICIENT:
        return "nothing_there"
    is_heard = pointer not in record.silent
    if is_heard and table.speaks(claim, stance, field=field, value=value):
        return "contradictory" if pointer in record.disputed else "supported"
    opposite = "against" if stance == "supports" else "supports"
    if is_heard and table.speaks(claim, opposite, field=field, value=value):
        return "contradictory"
    return "value_does_not_support"


def _worst(pointers: Sequence[CheckedPointer], *, is_known: Any) -> str:
    if not is_known:
        return "unknown_claim"
    return max((pointer.verdict for pointer in pointers), key=VERDICTS.index, default="no_evidence")


def _condition(name: str, body: Mapping[str, Any], *, record: Record, table: SignTable) -> ConditionRow:
    is_named = "supported_by" in body or "less_supported_by" in body
    if is_named:
        named = (body.get("supported_by"), body.get("less_supported_by"))
    else:
        named = (_filled(name, "supports", record, table), _filled(name, "against", record, table))
    steps = [{"claim": name, "stance": stance, "evidence": row} for stance, row in zip(STANCES, named, strict=True)]
    for_it, against_it = check(steps, record, table)
    return ConditionRow(name, _share(body.get("confidence")), for_it.evidence, against_it.evidence, is_named)


def _filled(claim: str, stance: str, record: Record, table: SignTable) -> list[str]:
    verdicts = {p: _verdict(p, claim=claim, stance=stance, record=record, table=table) for p in record.values}
    return [pointer for pointer, verdict in verdicts.items() if verdict == "supported"]


def _share(value: Any) -> float | None:
    """Return a confidence between 0 and 1, or None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return round(float(value), 4) if is_number and 0 <= value <= 1 else None
