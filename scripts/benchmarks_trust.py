"""Write the parts of docs/benchmarks.md that say how far an answer can be trusted: confidence, steps, scope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.benchmarks_table import share_of, table

Data = Mapping[str, Any]
CONFIDENCE = """## Confidence

Temperatures and least confidences were fitted on the calibration split, on the device's engine with INT4 weights, and are
judged here on the test split.

- **ECE**: expected calibration error, 15 bins of equal width; **by chance**: what a perfectly calibrated model would show
  on as many answers; **adaptive**: bins of equal counts; **worst tone**: the tone furthest above what chance explains.
- **kept**: the share of answers that say something and reach the field's least confidence, so that the report shows them;
  **right of kept**: how many of these are right. Of a list both are about the leading id.
"""
STEPS = """## Verifiability

Code checks every reasoning step against the record that Reason was given: each pointer must be there, its value must speak
for (or against) the claim by the sign table, and neither another step nor another view may contradict it. *share*: supported
steps of all steps. *constant*: the same for a model that writes one and the same step for every visit without reading it.
"""
SCOPE = """## Scope

What the shipped INT4 bundle finds and what it refuses, on the device's own decision: Rec, the second look, the scope rule.
No line stands alone: always refusing passes every refusal and finds nothing; always accepting is the reverse.
"""
NOT_MEASURED = """Lesions drawn on photographed skin, and whole photographs: **not measured here**. They need the sample of PAD-UFES-20
(`DERM_REAL_PHOTOS` names its folder).
"""
PHOTOGRAPHS = """Photographs: 30 of PAD-UFES-20 (none shows psoriasis), split by patient into halves `tune` and `test` in a committed list.
None trained anything; the half `tune` raised one threshold (ADR 0013), the half `test` fitted nothing. *pasted*: the drawn
lesion on bare skin of a photograph, outside its own lesion.
"""


def confidence(accuracy: Data) -> str:
    """Return the section on calibration and on what is shown, of every field with a confidence.

    Args:
        accuracy: figures by precision and mode; ``int4`` is the precision that the thresholds were fitted on.
    """
    rows = []
    for name, row in accuracy["int4"]["own"]["fields"].items():
        if "ece" not in row:
            continue
        others = [accuracy[precision]["own"]["fields"].get(name, {}).get("ece") for precision in ("int8", "fp32")]
        figures = [row["ece"], row["ece_by_chance"], row["ece_adaptive"]]
        shown = [row["kept"], row["kept_precision"]]
        rows.append(
            [name, *map(share_of, figures), _worst_tone(row), *map(share_of, shown), *map(share_of, others)],
        )
    head = ["field", "ECE", "by chance", "adaptive", "worst tone", "kept", "right of kept", "ECE INT8", "ECE FP32"]
    return f"{CONFIDENCE}\n{table(head, rows)}"


def _worst_tone(row: Data) -> str:
    errors, chance = row["ece_per_tone"], row["ece_by_chance_per_tone"]
    tone = max(errors, key=lambda one: float(errors[one]) - float(chance[one]))
    return f"{errors[tone]:.3f} ({tone})"


def verifiability(accuracy: Data) -> str:
    """Return the section on the reasoning steps, for every precision and every choice of adapters."""
    rows = [
        [
            f"{precision.upper()}, {mode}, {'true record' if agent == 'reasoning' else agent}",
            str(checked["steps"]),
            share_of(checked["verifiability"]),
            share_of(checked["constant"]),
        ]
        for precision in ("int4", "int8", "fp32")
        for mode, figures in accuracy[precision].items()
        for agent, checked in figures["verifiability"].items()
    ]
    return f"{STEPS}\n{table(['variant', 'steps', 'share', 'constant'], rows)}"


def scope(measured: Data) -> str:
    """Return the section on the scope decision.

    Args:
        measured: ``rows`` (``ScopeRow.as_data``) and ``has_photographs``.
    """
    rows = []
    for row in measured["rows"]:
        low, high = row["interval"] or (None, None)
        interval = "–" if low is None or high is None else f"{low:.3f}–{high:.3f}"
        judged = {True: "met", False: "**not met**", None: ""}[row["is_met"]]
        floor = "" if row["floor"] is None else f"{row['floor']:.3f}"
        constants = [f"{row['always_refuse']:.0f}", f"{row['always_accept']:.0f}"]
        rows.append(
            [
                row["name"].strip(),
                row["wish"],
                str(row["n"]),
                share_of(row["share"]),
                interval,
                floor,
                *constants,
                judged,
            ]
        )
    head = ["cases", "wish", "n", "share", "95 %", "floor", "always refuse", "always accept", ""]
    remark = PHOTOGRAPHS if measured["has_photographs"] else NOT_MEASURED
    return f"{SCOPE}\n{remark}\n{table(head, rows)}"
