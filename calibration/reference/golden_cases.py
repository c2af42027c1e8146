"""Draw cases without answers: golden cases, which every device replays, and calibration cases, for recipes that look at
activations.

Both come from the far end of the calibration split, which no fit reads. What is right about them nobody says here: a build
asks PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from calibration.export import write_json
from calibration.reference.cases import RenderedCase
from calibration.reference.cases import case as draw_case
from calibration.reference.exercises import record_text
from calibration.reference.forms import form_of
from calibration.reference.pool import reduce_picture
from edge_agent.contracts.golden import CASES_NAME

GOLDEN_CASES, GOLDEN_OUT_OF_SCOPE = 6, 2
GOLDEN_FROM, CALIBRATION_FROM = 50_000, 60_000  # of the calibration split


def write_golden_cases(folder: Path) -> None:
    """Draw the golden cases: four in scope, two that are not.

    Args:
        folder: for ``cases.json`` and the pictures; it is made.
    """
    _write(folder, _golden())


def write_calibration_cases(folder: Path, *, count: int) -> None:
    """Draw cases as they come.

    Args:
        folder: for ``cases.json`` and the pictures; it is made.
        count: how many.
    """
    _write(folder, (draw_case("calibration", CALIBRATION_FROM + number) for number in range(count)))


def _golden() -> Iterator[RenderedCase]:
    left = {True: GOLDEN_CASES - GOLDEN_OUT_OF_SCOPE, False: GOLDEN_OUT_OF_SCOPE}
    index = GOLDEN_FROM
    while any(left.values()):
        drawn = draw_case("calibration", index)
        index += 1
        if left[drawn.in_scope]:
            left[drawn.in_scope] -= 1
            yield drawn


def _write(folder: Path, cases: Iterable[RenderedCase]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for drawn in cases:
        names = []
        for number, view in enumerate(drawn.views):
            names.append(f"{drawn.case_id}-{number}.png")
            Image.fromarray(reduce_picture(view.pixels)).save(folder / names[-1])
        texts = {"record": record_text(drawn.record)}
        rows.append({"case_id": drawn.case_id, "pictures": names, "texts": texts, "intake": form_of(drawn.intake)})
    write_json(folder / CASES_NAME, {"schema_version": 1, "cases": rows})
