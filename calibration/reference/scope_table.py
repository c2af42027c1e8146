"""Print the scope of a bundle in one table: what it must find and what it must refuse, judged together.

A decider that refuses everything passes every refusal and fails the first two lines; one that accepts everything fails
the others. That is why no line stands alone. This module is the only reader of the photographs' half ``test``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from calibration.reference.cases import RenderedCase
from calibration.reference.pasted import PastedCase, pasted_cases
from calibration.reference.photographs import Half, Photograph, test_photographs, tune_photographs
from calibration.reference.scope_cases import (
    Outcome,
    ScopeCase,
    ScopeRow,
    decide_cases,
    from_pasted,
    from_photographs,
    is_read,
    is_refused,
    rendered,
)
from calibration.reference.scope_truth import is_to_be_found, shows_psoriasis
from calibration.reference.skin_patches import skin_patches
from edge_agent.agents.scope import DANGER_FAMILIES
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.errors import QualityGateError
from edge_agent.inference.engine import Engine

IN_SCOPE_RENDERED = 0.90
IN_SCOPE_PASTED = 0.70
PHOTOGRAPHS_REFUSED = 29 / 30
DANGER_REFUSED = 0.95
TWO_DISEASES_REFUSED = 0.90
PASTED_CASES = 200  # over both halves of the photographs
PASTED_DANGER = 80
PER_TONE = 50
DANGER_PER_TONE = 20
OTHER_PER_TONE = 20
BOTH_PER_TONE = 12  # about one visit in sixty of the split shows two diseases
HALVES: tuple[Half, ...] = ("tune", "test")
Progress = Callable[[str, int, int, str], None]
Run = Callable[[str, Sequence[ScopeCase]], tuple[Outcome, ...]]  # the group's name, its cases
FIND, REFUSE = "in scope", "not read"


def is_danger(drawn: RenderedCase) -> bool:
    """Say whether a case shows a family that must never be called psoriasis."""
    return drawn.signs.family in DANGER_FAMILIES


def is_contradictory(drawn: RenderedCase) -> bool:
    """Say whether one view shows psoriasis-like lesions and another one something else."""
    return shows_psoriasis(drawn.signs) and not drawn.in_scope


def is_other(drawn: RenderedCase) -> bool:
    """Say whether nothing in scope and nothing dangerous is there: other families, stains, healthy skin, things."""
    return not (is_danger(drawn) or is_to_be_found(drawn) or is_contradictory(drawn))


def measure_scope(bundle: Bundle, photos: Path | None, *, on_progress: Progress, scale: float = 1.0) -> list[ScopeRow]:
    """Decide every group of cases and return the table's rows.

    Args:
        bundle: verified; run in production settings.
        photos: folder of the PAD-UFES-20 sample; None measures the drawn cases alone.
        on_progress: told of every group.
        scale: shares of the full numbers of drawn cases, for a quick look; the photographs are always all.

    Raises:
        CalibrationError: the folder is not the sample.
        InferenceError: the engine failed.
    """
    read: dict[Half, tuple[Photograph, ...]] = {}
    if photos is not None:
        read = {"tune": tuple(tune_photographs(photos)), "test": tuple(test_photographs(photos))}
    with Engine(bundle) as engine:

        def run(name: str, cases: Sequence[ScopeCase]) -> tuple[Outcome, ...]:
            return decide_cases(
                engine,
                cases,
                thresholds=bundle.manifest.thresholds,
                tell=lambda done, total: on_progress(f"scope {name}", done, total, ""),
            )

        return [*_drawn_rows(run, scale), *(_photograph_rows(run, read, scale) if read else [])]


def _drawn_rows(run: Run, scale: float) -> list[ScopeRow]:
    """Return the rows of cases that are drawn on drawn skin."""
    found = run("drawn", list(rendered(is_to_be_found, per_tone=_share(PER_TONE, scale))))
    danger = run("danger", list(rendered(is_danger, per_tone=_share(DANGER_PER_TONE, scale))))
    other = run("other", list(rendered(is_other, per_tone=_share(OTHER_PER_TONE, scale))))
    both = run("two diseases", list(rendered(is_contradictory, per_tone=_share(BOTH_PER_TONE, scale))))
    return [
        ScopeRow("drawn, in scope", FIND, found, IN_SCOPE_RENDERED, is_read),
        *_by_tone("drawn, in scope", found),
        ScopeRow("drawn, danger families", REFUSE, danger, DANGER_REFUSED, is_refused),
        ScopeRow("drawn, neither", REFUSE, other, None, is_refused),
        ScopeRow("drawn, two diseases in one visit", REFUSE, both, TWO_DISEASES_REFUSED, is_refused),
    ]


def _photograph_rows(run: Run, read: dict[Half, tuple[Photograph, ...]], scale: float) -> list[ScopeRow]:
    """Return the rows of lesions drawn on photographed skin, and of whole photographs."""
    pasted = {half: run(f"pasted {half}", _pasted(read[half], is_to_be_found, PASTED_CASES, scale)) for half in HALVES}
    lumps = {half: run(f"danger {half}", _pasted(read[half], is_danger, PASTED_DANGER, scale)) for half in HALVES}
    real = {half: run(f"photographs {half}", list(from_photographs(read[half]))) for half in HALVES}
    cancers = tuple(outcome for half in HALVES for outcome in real[half] if outcome.is_cancer)
    return [
        *_with_halves("pasted on real skin, in scope", FIND, pasted, floor=IN_SCOPE_PASTED, wish=is_read),
        *_by_tone("pasted, in scope", (*pasted["tune"], *pasted["test"])),
        *_with_halves("pasted on real skin, danger families", REFUSE, lumps, floor=None, wish=is_refused),
        *_with_halves("real photographs", REFUSE, real, floor=PHOTOGRAPHS_REFUSED, wish=is_refused),
        ScopeRow("real carcinomas and melanomas", REFUSE, cancers, 1.0, is_refused),
    ]


def scope_table(bundle: Path, photos: Path, *, out: Path | None, on_progress: Progress, scale: float = 1.0) -> None:
    """Measure a bundle, print the table, write the figures.

    Args:
        bundle: signed with a key that this program trusts.
        photos: folder of the PAD-UFES-20 sample.
        out: JSON file; None writes none.
        on_progress: told of every group.
        scale: as for ``measure_scope``.

    Raises:
        RejectedError: the bundle is damaged or nobody trusted signed it.
        QualityGateError: a floor is missed; the table and the file are written first.
    """
    opened = open_bundle(bundle, keys=load_keys(shipped_key_folder()))
    rows = measure_scope(opened, photos, on_progress=on_progress, scale=scale)
    print_rows(rows, title=f"scope of {bundle} - drawn lesions prove nothing about people")
    if out is not None:
        document: dict[str, Any] = {"bundle": str(bundle), "rows": [row.as_data() for row in rows]}
        out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    require_met(rows)


def require_met(rows: Sequence[ScopeRow]) -> None:
    """Refuse rows that miss a floor.

    Raises:
        QualityGateError: names them.
    """
    missed = [row.name for row in rows if row.is_met is False]
    if missed:
        raise QualityGateError(f"the scope misses {len(missed)} floors ({', '.join(missed)}); do not ship this bundle")


def print_rows(rows: Sequence[ScopeRow], *, title: str) -> None:
    """Print the table: share with its 95 % interval, the floor, and the two constant answers."""
    console = Console(width=140)
    table = Table(title=title)
    for column in ("cases", "wish", "n", "share", "95 %", "floor", "always refuse", "always accept", ""):
        table.add_column(column)
    for row in rows:
        data = row.as_data()
        low, high = data["interval"] or (float("nan"), float("nan"))
        table.add_row(
            row.name,
            row.wish,
            str(row.n),
            f"{data['share']:.3f} ({row.hits})" if row.n else "-",
            f"{low:.3f}-{high:.3f}",
            "" if row.floor is None else f"{row.floor:.3f}",
            f"{data['always_refuse']:.0f}",
            f"{data['always_accept']:.0f}",
            {True: "met", False: "NOT met", None: ""}[row.is_met],
        )
    console.print(table)


def _pasted(
    photos: Sequence[Photograph], wanted: Callable[[RenderedCase], bool], count: int, scale: float
) -> list[ScopeCase]:
    patches = [patch for photo in photos for patch in skin_patches(photo)]
    cases: list[PastedCase] = pasted_cases(patches, count=_share(count // len(HALVES), scale), wanted=wanted)
    return list(from_pasted(cases))


def _share(count: int, scale: float) -> int:
    return max(1, round(count * scale))


def _with_halves(
    name: str,
    wish_name: str,
    outcomes: dict[Half, tuple[Outcome, ...]],
    *,
    floor: float | None,
    wish: Callable[[Outcome], bool],
) -> list[ScopeRow]:
    """Return the row of both halves, which is judged, and each half apart."""
    whole = ScopeRow(name, wish_name, tuple(o for half in HALVES for o in outcomes[half]), floor, wish)
    return [whole, *(replace(whole, name=f"  {half} half", outcomes=outcomes[half], floor=None) for half in HALVES)]


def _by_tone(name: str, outcomes: Sequence[Outcome]) -> list[ScopeRow]:
    """Return per tone how much of what should be found is refused."""
    tones = sorted({outcome.tone for outcome in outcomes})
    return [
        ScopeRow(
            f"  tone {tone}: refused of {name}", "few", tuple(o for o in outcomes if o.tone == tone), None, is_refused
        )
        for tone in tones
    ]
