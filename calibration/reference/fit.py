"""Fit temperatures, least confidences and scope thresholds on the calibration split, on the device's own engine.

What is fitted holds for the precision that is shipped and for the very code that decides on the device. Nothing here
looks at the ``test`` split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration.reference.confidence import Sample, accuracy_of, fit_field, record
from calibration.reference.engine_decider import EngineDecider, Row
from calibration.reference.evaluate import Measurement
from calibration.reference.list_values import items, leading
from calibration.reference.pool import PoolCase
from calibration.reference.scope_fit import further_looks, scope_thresholds
from edge_agent.contracts.bundle import Bundle

SPLIT = "calibration"
Tell = Callable[[str, int, int, str], None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a declaration and a model folder carry of a fit: thresholds, calibration record, metrics."""

    thresholds: dict[str, Any]
    calibration: dict[str, Any]
    metrics: dict[str, Any]


def fit(bundle: Bundle, cases: Sequence[PoolCase], *, tell: Tell) -> Fitted:
    """Fit everything that is fitted.

    Args:
        bundle: a draft with neutral thresholds.
        cases: of the calibration split.
        tell: progress as (stage, done, total, remark).
    """
    decider = EngineDecider(bundle)
    try:
        measurement = Measurement(
            decider,
            cases,
            confidences=None,
            tell=lambda agent, done, total: tell(f"calibrate {agent}", done, total, ""),
        )
        figures = measurement.run()
        looks = further_looks(decider, cases, measurement.recognised, tell=tell)
    finally:
        decider.close()
    samples = collect(measurement.samples)
    fields = {name: fit_field(rows) for name, rows in samples.items()}
    temperatures = {name: fields[f"recognition.{name}"]["temperature"] for name in ("family", "applicability")}
    metrics = {
        "precision": "int4",
        "split": SPLIT,
        "cases": len(cases),
        "accuracy": {name: accuracy_of(rows) for name, rows in samples.items()},
        "accuracy_per_tone": figures["means_per_tone"],
        "verifiability": figures["verifiability"],
    }
    thresholds = scope_thresholds(looks, temperatures) | {"fields": fields}
    return Fitted(thresholds, record(samples, fields, split=SPLIT, cases=len(cases)), metrics)


def collect(answers: Sequence[tuple[str, Row, Mapping[str, Any]]]) -> dict[str, list[Sample]]:
    """Return the decisions of every field whose truth is known; the cascade is left out.

    Of a list the leading item is judged: it is right when the true list names it.
    """
    samples: dict[str, list[Sample]] = defaultdict(list)
    for agent, row, truth in answers:
        if agent == "cascade":
            continue
        for name, true in truth.items():
            value, logits = row.get(name, (None, {}))
            if not logits:
                continue
            options = tuple(logits)
            wanted = leading(value) if leading(value) in items(true) else leading(true)
            samples[f"{agent}.{name}"].append(Sample(tuple(logits.values()), options, options.index(_label(wanted))))
    return dict(samples)


def _label(value: Any) -> str:
    return "null" if value is None else str(value)
