"""Write rendered cases of the reference project as a folder of labelled cases (``derm-calibrate reference cases``).

They come from a part of the test split that nothing else reads: no training, no threshold, no benchmark. Drawings prove
nothing about people; they show what a compression loses.
"""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from PIL import Image

from calibration.evaluation.case_folder import CASE_NAME, CaseFile, Label, LabelledView, write_case
from calibration.reference.cases import TONES, RenderedCase, case, text_case
from calibration.reference.evaluate import OVERVIEW_FIELDS
from calibration.reference.forms import form_of

FIRST = 200_000  # of the test split: benchmarks, demo, golden cases, scope table and tests read elsewhere
SIZE_PX = 280
_SPLIT = "test"
Tell = Callable[[str, int, int], None]


def write_drawn_cases(
    folder: Path,
    *,
    per_tone: int,
    tell: Tell,
    size: int = SIZE_PX,
    first: int = FIRST,
    processes: int = 1,
) -> None:
    """Draw cases until every tone has enough; a case that is there already is not drawn again.

    Args:
        folder: of cases.
        per_tone: cases of each tone.
        tell: called as (stage, done, total).
        size: shorter side of the pictures in px.
        first: index of the test split to begin at.
        processes: how many draw at once.

    Raises:
        CaseError: the folder cannot be written.
    """
    chosen = _choose(per_tone, first=first)
    missing = [(folder, index, size) for index, name in chosen if not (folder / name / CASE_NAME).is_file()]
    done = len(chosen) - len(missing)
    tell("draw cases", done, len(chosen))
    with (
        multiprocessing.get_context("spawn").Pool(processes) if processes > 1 and missing else nullcontext() as workers
    ):
        for _ in (map if workers is None else workers.imap_unordered)(_draw, missing):
            done += 1
            tell("draw cases", done, len(chosen))


def _choose(per_tone: int, *, first: int) -> list[tuple[int, str]]:
    """Return index and name of the first so many cases of each tone, as they come; draws nothing."""
    left = dict.fromkeys(TONES, per_tone)
    chosen, index = [], first
    while any(left.values()):
        bare = text_case(_SPLIT, index)
        if left[bare.tone]:
            left[bare.tone] -= 1
            chosen.append((index, bare.case_id))
        index += 1
    return chosen


def _draw(job: tuple[Path, int, int]) -> None:
    folder, index, size = job
    write_drawn(folder, case(_SPLIT, index, size=size))


def write_drawn(folder: Path, drawn: RenderedCase) -> None:
    """Write one rendered case with its pictures as PNG."""
    pictures, views = {}, []
    for number, view in enumerate(drawn.views, start=1):
        buffer = io.BytesIO()
        Image.fromarray(view.pixels).save(buffer, "PNG")
        pictures[f"{number}.png"] = buffer.getvalue()
        names = OVERVIEW_FIELDS if view.shot == "overview" else tuple(view.labels)
        labels = {name: _label(view.labels[name]) for name in names}
        views.append(LabelledView(picture=f"{number}.png", shot=view.shot, labels=labels))  # type: ignore[arg-type]
    file = CaseFile(
        case_id=drawn.case_id,
        tone_group=str(drawn.tone),
        in_scope=drawn.in_scope,
        intake=form_of(drawn.intake),
        previous=None if drawn.previous is None else dict(drawn.previous),
        views=views,
        representation=_representation(drawn),
        reasoning=_reasoning(drawn.reasoning) if drawn.in_scope else {},
    )
    write_case(folder, file, pictures)


def _representation(drawn: RenderedCase) -> dict[str, Label]:
    """Leave out what a case cannot tell by rule: it would prove nothing (as ``reference.evaluate.represented_fields``)."""
    if not drawn.in_scope:
        return {}
    always = ("phenotype", "stage", "mechanism")
    names = ("distribution", "symmetry", *always) if "overview" in drawn.shots else always
    return {name: _label(drawn.representation[name]) for name in names}


def _reasoning(answer: Mapping[str, Any]) -> dict[str, Label]:
    flat = {name: value for name, value in answer.items() if name not in ("reasoning_steps", "biomedical")}
    flat |= {f"biomedical.{name}": value for name, value in answer["biomedical"].items()}
    return {name: _label(value) for name, value in flat.items()}


def _label(value: Any) -> Label:
    return list(value) if isinstance(value, tuple) else value
