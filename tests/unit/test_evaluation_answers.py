"""Finished cases on disk: an interrupted run goes on, and other figures are never taken for these."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.evaluation.answers import AnswerFile
from edge_agent.errors import CalibrationError
from tests.simulators.answered_cases import labelled_case, right_answer

ANSWERS = [right_answer(labelled_case(number)) for number in range(3)]


def test_finished_cases_are_kept(tmp_path: Path) -> None:
    """What was appended is there when the file is opened again under the same key."""
    path = tmp_path / "deep" / "candidate.jsonl"
    AnswerFile(path, key="k").append(ANSWERS[:2])
    again = AnswerFile(path, key="k")
    assert list(again.found) == ANSWERS[:2]
    again.append(ANSWERS[2:])
    assert list(AnswerFile(path, key="k").found) == ANSWERS


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    """A power cut in the middle of a line loses that case alone, and the next one is written behind whole lines."""
    path = tmp_path / "candidate.jsonl"
    AnswerFile(path, key="k").append(ANSWERS)
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    again = AnswerFile(path, key="k")
    assert list(again.found) == ANSWERS[:2]
    again.append(ANSWERS[2:])
    assert path.read_bytes() == data


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe", b"{}\n", b"not json\n"])
def test_a_foreign_file_is_started_anew(tmp_path: Path, garbage: bytes) -> None:
    """Nothing is read from what this program did not write."""
    path = tmp_path / "candidate.jsonl"
    path.write_bytes(garbage)
    assert AnswerFile(path, key="k").found == ()


def test_another_bundle_or_other_cases_start_anew(tmp_path: Path) -> None:
    """Another key, another file."""
    path = tmp_path / "candidate.jsonl"
    AnswerFile(path, key="k").append(ANSWERS)
    assert AnswerFile(path, key="other").found == ()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A file in the place of the folder is an error with what to do."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CalibrationError, match="choose another --out"):
        AnswerFile(tmp_path / "file" / "candidate.jsonl", key="k")
