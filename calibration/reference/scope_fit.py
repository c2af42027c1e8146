"""Fit the scope thresholds on the calibration split, with the same looks and averages that the device uses.

Three promises are set here and measured elsewhere on the test split: at least ``SENSITIVITY`` of the in-scope cases
stay in scope, at most ``DANGER_FALSE_ALARMS`` of them raise a danger family, and in at most ``DISAGREEMENTS`` of them
one view seems to contradict another. No photograph takes part; ``scope_tune`` may raise what is set here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from calibration.reference.engine_decider import EngineDecider, Row, row_of
from calibration.reference.pool import PoolCase, PoolView
from calibration.reference.scope_truth import is_to_be_found
from edge_agent.agents.scope import NOT_NEAR, names_another, read_view, seems_ours
from edge_agent.agents.second_look import turned
from edge_agent.contracts.case import AgentOutput, FieldValue, Finding

# The promise is 0.90 on unseen cases. What lies above it is spent on refusing: to call a tumour psoriasis is worse than
# to send a psoriasis to a person.
SENSITIVITY = 0.92
DANGER_FALSE_ALARMS = 0.015
DISAGREEMENTS = 0.01
LOOKS = 8
LOOK_CASES = 600  # in-scope cases that are looked at again; their quantile is known to about one point
Tell = Callable[[str, int, int, str], None]


@dataclass(frozen=True, slots=True)
class LookedAt:
    """One in-scope case: per view its distance, and its looks in order, the first one first."""

    shots: Sequence[str | None]
    looks: Sequence[Sequence[Row]]


def further_looks(
    decider: EngineDecider, cases: Sequence[PoolCase], recognised: Sequence[Sequence[AgentOutput]], *, tell: Tell
) -> list[LookedAt]:
    """Return every look at every view of the in-scope cases that show their lesions, at most ``LOOK_CASES`` of them.

    A visit in remission is in scope and has nothing to be found: no threshold could keep it, and it would only lower the
    one that the others need.

    Args:
        decider: with Rec's own adapter.
        cases: the calibration cases.
        recognised: the first look at each of their views.
        tell: progress as (stage, done, total, remark).
    """
    inside = [(case, rows) for case, rows in zip(cases, recognised, strict=True) if is_to_be_found(case)]
    inside = inside[:LOOK_CASES]
    looks = [[[row_of([output])] for output in rows] for _, rows in inside]
    chosen = [
        [n for n, one in enumerate(rows) if seems_ours(one.value["applicability"], one.value["family"])]
        for _, rows in inside
    ]
    for look in range(1, LOOKS):
        turned_cases = [
            replace(
                case, case_id=f"{case.case_id}/{look}", views=tuple(_turn(case.views[n], look=look) for n in places)
            )
            for (case, _), places in zip(inside, chosen, strict=True)
        ]
        answers = decider.recognition(turned_cases, lambda _done, _total: None)
        for one, places, rows in zip(looks, chosen, answers, strict=True):
            for n, output in zip(places, rows, strict=True):
                one[n].append(row_of([output]))
        tell("calibrate looks", look, LOOKS - 1, "")
    return [LookedAt([view.shot for view in case.views], one) for (case, _), one in zip(inside, looks, strict=True)]


def scope_thresholds(cases: Sequence[LookedAt], temperatures: Mapping[str, float]) -> dict[str, float]:
    """Return the scope thresholds that keep ``SENSITIVITY`` of the given in-scope cases, all rules together.

    The danger threshold is the lowest that alarms on at most ``DANGER_FALSE_ALARMS`` of them, and a foreign family
    contradicts at the lowest probability that at most ``DISAGREEMENTS`` of them reach in a view that the device asks.
    What these two refuse is part of what may be lost.

    Args:
        cases: every look at every view of in-scope cases.
        temperatures: of ``family`` and ``applicability``.
    """
    found, danger, foreign = [], [], []
    for case in cases:
        rows = [
            read_view(Finding(n, first), further)
            for n, (first, *further) in enumerate([_output(row, temperatures) for row in view] for view in case.looks)
        ]
        ours = [
            min(row.in_scope_family, row.lesion_visible) for row in rows if seems_ours(row.applicability, row.family)
        ]
        found.append(max(ours, default=0.0))
        danger.append(max(row.danger_family for row in rows))
        near = [row for row, shot in zip(rows, case.shots, strict=True) if shot not in NOT_NEAR]
        others = [row.named_family for row in near if names_another(row.applicability, row.family)]
        foreign.append(max(others, default=0.0))
    alarm = round(min(0.5, max(0.02, float(np.quantile(danger, 1 - DANGER_FALSE_ALARMS)))), 4)
    disagree = round(max(0.5, min(0.95, float(np.quantile(foreign, 1 - DISAGREEMENTS)))), 4)
    left = [0.0 if d >= alarm or f >= disagree else p for p, d, f in zip(found, danger, foreign, strict=True)]
    least = float(np.quantile(left, 1 - SENSITIVITY))
    return {
        "lesion_visible": round(max(0.5, min(0.9, least)), 4),
        "in_scope_family": round(max(0.5, min(0.995, least)), 4),
        "danger_family": alarm,
        "not_skin": 0.5,
        "views_disagree": disagree,
        "scope_looks": LOOKS,
    }


def _turn(view: PoolView, *, look: int) -> PoolView:
    return replace(view, pixels=turned(view.pixels, look=look))


def _output(row: Row, temperatures: Mapping[str, float]) -> AgentOutput:
    """Return one look as the device's engine gives it: calibrated probabilities of the fields that scope reads."""
    fields = {}
    for name, temperature in temperatures.items():
        value, logits = row[name]
        shares = dict(zip(logits, (torch.tensor(list(logits.values())) / temperature).softmax(0).tolist(), strict=True))
        fields[name] = FieldValue(value, shares[value], shares)
    value = {name: field.value for name, field in fields.items()}
    return AgentOutput("recognition", "describe", "", value, fields, tokens_sampled=len(fields), tokens_forced=0)
