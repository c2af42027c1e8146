"""Rendered cases as a folder of labelled cases: every tone, only labels that a picture can show, resumable."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.evaluation.case_folder import EvaluationCase, read_cases
from calibration.evaluation.drawn_cases import write_drawn_cases
from calibration.reference.evaluate import OVERVIEW_FIELDS

SIZE_PX = 84


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small cases of each tone."""
    found = tmp_path_factory.mktemp("drawn")
    write_drawn_cases(found, per_tone=2, tell=lambda *_: None, size=SIZE_PX)
    return found


@pytest.fixture(scope="module")
def cases(folder: Path) -> list[EvaluationCase]:
    """The same cases, checked as anybody's."""
    return read_cases(folder)


def test_every_tone_has_as_many(cases: list[EvaluationCase]) -> None:
    """The tones are counted, not the indices of the split."""
    tones = [case.file.tone_group for case in cases]
    assert {tone: tones.count(tone) for tone in tones} == dict.fromkeys("12345", 2)


def test_overviews_are_labelled_with_what_they_show(cases: list[EvaluationCase]) -> None:
    """What is fixed by rule on an overview would count as right without anybody looking."""
    views = [view for case in cases for view in case.file.views if view.shot == "overview"]
    assert views
    assert {name for view in views for name in view.labels} == set(OVERVIEW_FIELDS)


def test_only_cases_in_scope_have_conclusions(cases: list[EvaluationCase]) -> None:
    """Rep and Reason are never trained on others, and are not measured on them."""
    for case in cases:
        assert bool(case.file.reasoning) == bool(case.file.representation) == case.file.in_scope


def test_finished_cases_are_not_drawn_again(folder: Path, cases: list[EvaluationCase]) -> None:
    """An interrupted command goes on where it was; one that is gone is drawn again with the same bytes."""
    path = cases[0].folder / "1.png"
    pixels, other = path.read_bytes(), (cases[1].folder / "1.png").stat().st_mtime_ns
    (cases[0].folder / "case.json").unlink()
    path.unlink()
    write_drawn_cases(folder, per_tone=2, tell=lambda *_: None, size=SIZE_PX)
    assert path.read_bytes() == pixels
    assert (cases[1].folder / "1.png").stat().st_mtime_ns == other
