"""Hold measured figures against the floors that the reference model must reach. Does not measure anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge_agent.errors import QualityGateError

REC_MEAN = 0.80  # over 15 fields, lists and grades exactly; version 0.1.0 had eight fields and .85
REP_MEAN = 0.85
SYNDROME = 0.90
ABOVE_CONSTANT = 0.15
CALIBRATION_ERROR = 0.05
VERIFIABILITY = 0.85  # of the steps at the end of the cascade, checked by code against the record
RIGHT_OF_KEPT = 0.87  # the thresholds promise .90 on the split that they were fitted on; other cases may miss it by .03
AIM = 0.95  # where "above the constant answer" would ask for more than this, balanced accuracy is judged instead
ADAPTER_WORTH = 0.20
CHANCE_Z = 1.64  # one-sided 5 % of the normal distribution
AGENTS = ("recognition", "representation", "reasoning")

Figures = Mapping[str, Any]  # what ``evaluate.measure`` returned


@dataclass(frozen=True, slots=True)
class Floor:
    """One floor: what it asks, whether it is met, and the figures that say so."""

    name: str
    is_met: bool
    figures: str

    def line(self) -> str:
        """Return the floor as one line."""
        return f"{'met' if self.is_met else 'NOT met':<8} {self.name}: {self.figures}"


def floors(own: Figures, *, others: Mapping[str, Figures]) -> list[Floor]:
    """Judge one set of weights.

    Args:
        own: measured with each agent's own adapter.
        others: measured with no or foreign adapters, by name; may be empty.
    """
    means = own["means"]
    rows = [_at_least("Rec mean", means["recognition"], REC_MEAN)]
    rows += [above_constant(name, own["fields"][name]) for name in own["fields"] if name.startswith("recognition.")]
    rows += [row for name, figures in own["fields"].items() for row in calibrated(name, figures)]
    rows.append(_at_least("Rep mean", means["representation"], REP_MEAN))
    rows.append(_at_least("syndrome on gold Representation", own["fields"]["reasoning.syndrome"]["accuracy"], SYNDROME))
    rows.append(verifiable(own["verifiability"]["cascade"]))
    rows += list(_adapters_matter(own, others))
    z = own["tone_to_syndrome"]["z"]
    rows.append(Floor("tone -> syndrome at chance", z < CHANCE_Z, f"z {z:.2f}, bound {CHANCE_Z}"))
    return rows


def require(results: Mapping[str, Mapping[str, Figures]]) -> None:
    """Refuse figures that miss a floor.

    Args:
        results: by name of what was measured, then by mode; ``own`` is judged, the other modes are its comparison.

    Raises:
        QualityGateError: names the first floor that is missed and how many are.
    """
    missed = [
        f"{name}: {floor.line()}"
        for name, modes in results.items()
        for floor in floors(modes["own"], others={mode: rows for mode, rows in modes.items() if mode != "own"})
        if not floor.is_met
    ]
    if missed:
        raise QualityGateError(f"{len(missed)} floors are missed, first {missed[0]}; do not ship this model")


def above_constant(name: str, row: Figures) -> Floor:
    """Judge one field against the constant answer.

    Where the constant answer is right so often that hardly anything can be 15 points better, the balanced accuracy
    (mean over the true values) is compared with that of a constant answer instead.
    """
    asked = f"{name} {ABOVE_CONSTANT:.2f} above the constant answer"
    accuracy, constant = row["accuracy"], row["constant"]
    if constant + ABOVE_CONSTANT <= AIM:
        return Floor(asked, accuracy >= constant + ABOVE_CONSTANT, f"{accuracy:.3f} against {constant:.3f}")
    constant = 1 / row["values"]
    figures = (
        f"balanced {row['balanced']:.3f} against {constant:.3f}, since the constant answer has {row['constant']:.3f}"
    )
    return Floor(asked, row["balanced"] >= constant + ABOVE_CONSTANT, figures)


def calibrated(name: str, row: Figures) -> Iterator[Floor]:
    """Judge one field's calibration error, on all tones and on the worst, and what is shown; none without figures.

    One tone has a fifth of the answers, and few answers make every calibration error larger: there the error may lie
    above the bound by what a perfectly calibrated decider would show on as many answers.
    """
    if "ece" not in row:
        return
    yield Floor(
        f"{name} calibration error <= {CALIBRATION_ERROR:.2f}", row["ece"] <= CALIBRATION_ERROR, f"{row['ece']:.3f}"
    )
    chance = row["ece_by_chance_per_tone"]
    tone, error = max(row["ece_per_tone"].items(), key=lambda item: float(item[1]) - float(chance[item[0]]))
    most = CALIBRATION_ERROR + chance[tone]
    yield Floor(
        f"{name} calibration error on every tone <= {CALIBRATION_ERROR:.2f} beyond chance",
        error <= most,
        f"{error:.3f} on tone {tone}, bound {most:.3f}",
    )
    if row.get("kept_precision") is not None:
        yield Floor(
            f"{name} right of what is shown >= {RIGHT_OF_KEPT:.2f}",
            row["kept_precision"] >= RIGHT_OF_KEPT,
            f"{row['kept_precision']:.3f} of {row['kept']:.3f} kept",
        )


def verifiable(checked: Figures) -> Floor:
    """Judge the reasoning steps of the cascade; without any step nothing is verified."""
    share = checked["verifiability"] or 0.0
    figures = f"{share:.3f} of {checked['steps']} steps; always the same step {checked['constant'] or 0.0:.3f}"
    return Floor(f"verifiability in the cascade >= {VERIFIABILITY:.2f}", share >= VERIFIABILITY, figures)


def _at_least(name: str, value: float, least: float) -> Floor:
    return Floor(f"{name} >= {least:.2f}", value >= least, f"{value:.3f}")


def _adapters_matter(own: Figures, others: Mapping[str, Figures]) -> Iterator[Floor]:
    for mode, figures in others.items():
        for agent in AGENTS:
            here, there = own["means"][agent], figures["means"][agent]
            name = f"{agent} with {mode} adapters {ADAPTER_WORTH:.2f} lower"
            yield Floor(name, here - there >= ADAPTER_WORTH, f"{there:.3f} against {here:.3f}")
