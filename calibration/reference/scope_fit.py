"""Fit the scope thresholds on the calibration split, with the same looks and averages that the device uses.

Three promises are set here and measured elsewhere on the test split: at least ``SENSITIVITY`` of the in-scope cases
stay in scope, at most ``DANGER_FALSE_ALARMS`` of them raise a danger family, and in at most ``DISAGREEMENTS`` of them
one view seems to contradict another. No photograph takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.reference.encode import encode_cases
from calibration.reference.exercises import EncodedCase
from calibration.reference.pool import PoolView
from calibration.reference.torch_decider import Row, TorchDecider
from edge_agent.agents.scope import names_another, read_view, seems_ours
from edge_agent.agents.second_look import turned
from edge_agent.contracts.case import AgentOutput, FieldValue, Finding

# The promise is 0.90 on unseen cases. What lies above it is spent on refusing: to call a tumour psoriasis is worse than
# to send a psoriasis to a person.
SENSITIVITY = 0.92
DANGER_FALSE_ALARMS = 0.015
DISAGREEMENTS = 0.005
LOOKS = 8
LOOK_CASES = 600  # in-scope cases that are looked at again; their quantile is known to about one point
Tell = Callable[[str, int, int, str], None]
Looks = Sequence[Sequence[Sequence[Row]]]  # per case, per view: the first look, then the further ones


def further_looks(
    model: Qwen2_5_VLForConditionalGeneration,
    decider: TorchDecider,
    encoded: Sequence[EncodedCase],
    recognised: Sequence[Sequence[Row]],
    *,
    tell: Tell,
) -> list[list[list[Row]]]:
    """Return every look at every view of the in-scope cases, at most ``LOOK_CASES`` of them.

    Args:
        model: the backbone, for its vision tower.
        decider: with Rec's own adapter.
        encoded: the calibration cases.
        recognised: the first look at each of their views.
        tell: progress as (stage, done, total, remark).
    """
    inside = [(item, rows) for item, rows in zip(encoded, recognised, strict=True) if item.case.in_scope][:LOOK_CASES]
    looks = [[[row] for row in rows] for _, rows in inside]
    chosen = [
        [n for n, row in enumerate(rows) if seems_ours(row["applicability"][0], row["family"][0])] for _, rows in inside
    ]
    for look in range(1, LOOKS):
        cases = [
            replace(item.case, views=tuple(_turn(item.case.views[n], look=look) for n in places))
            for (item, _), places in zip(inside, chosen, strict=True)
        ]
        answers = decider.recognition(encode_cases(model, cases, _untold), lambda _done, _total: None)
        for case, places, rows in zip(looks, chosen, answers, strict=True):
            for n, row in zip(places, rows, strict=True):
                case[n].append(row)
        tell("calibrate looks", look, LOOKS - 1, "")
    return looks


def scope_thresholds(looks: Looks, temperatures: Mapping[str, float]) -> dict[str, float]:
    """Return the scope thresholds that keep ``SENSITIVITY`` of the given in-scope cases.

    The danger threshold is the lowest that alarms on at most ``DANGER_FALSE_ALARMS`` of them, and a foreign family
    contradicts at the lowest probability that at most ``DISAGREEMENTS`` of them reach.

    Args:
        looks: every look at every view of in-scope cases.
        temperatures: of ``family`` and ``applicability``.
    """
    found, danger, foreign = [], [], []
    for case in looks:
        rows = [
            read_view(Finding(n, first), further)
            for n, (first, *further) in enumerate([_output(row, temperatures) for row in view] for view in case)
        ]
        ours = [
            min(row.in_scope_family, row.lesion_visible) for row in rows if seems_ours(row.applicability, row.family)
        ]
        found.append(max(ours, default=0.0))
        danger.append(max(row.danger_family for row in rows))
        others = [row.named_family for row in rows if names_another(row.applicability, row.family)]
        foreign.append(max(others, default=0.0))
    least = float(np.quantile(found, 1 - SENSITIVITY))
    alarm = float(np.quantile(danger, 1 - DANGER_FALSE_ALARMS))
    return {
        "lesion_visible": round(max(0.5, min(0.9, least)), 4),
        "in_scope_family": round(max(0.5, min(0.995, least)), 4),
        "danger_family": round(min(0.5, max(0.02, alarm)), 4),
        "not_skin": 0.5,
        "views_disagree": round(max(0.5, min(0.95, float(np.quantile(foreign, 1 - DISAGREEMENTS)))), 4),
        "scope_looks": LOOKS,
    }


def _turn(view: PoolView, *, look: int) -> PoolView:
    return replace(view, pixels=turned(view.pixels, look=look))


def _untold(_stage: str, _done: int, _total: int, _remark: str) -> None:
    """Tell nobody: the looks are counted, not their pictures."""


def _output(row: Row, temperatures: Mapping[str, float]) -> AgentOutput:
    """Return one look as the device's engine gives it: calibrated probabilities of the fields that scope reads."""
    fields = {}
    for name, temperature in temperatures.items():
        value, logits = row[name]
        shares = dict(zip(logits, (torch.tensor(list(logits.values())) / temperature).softmax(0).tolist(), strict=True))
        fields[name] = FieldValue(value, shares[value], shares)
    value = {name: field.value for name, field in fields.items()}
    return AgentOutput("recognition", "describe", "", value, fields, tokens_sampled=len(fields), tokens_forced=0)
