"""Cases without answers: golden ones stay the same bytes, calibration ones are others and of the form that builds take."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("PIL")

from calibration.cli import main
from calibration.golden import load_golden_source
from calibration.reference.golden_cases import write_golden_cases
from tests.simulators.reference import MODEL


def test_golden_cases_are_those_of_the_committed_model(tmp_path: Path) -> None:
    """Every file, byte for byte."""
    write_golden_cases(tmp_path)
    committed = MODEL / "base" / "golden"
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {
        one.name: one.read_bytes() for one in committed.iterdir()
    }


def test_calibration_cases_are_what_a_build_reads(tmp_path: Path) -> None:
    """As many as asked for, pictures and intake with each, none of them a golden case."""
    assert main(["reference", "calibration-cases", "--out", str(tmp_path), "--count", "3"]) == 0
    found = load_golden_source(tmp_path, limit=3)
    golden = load_golden_source(MODEL / "base" / "golden")
    assert len(found.cases) == 3
    assert all(case.pictures and case.intake for case in found.cases)
    assert not {case.case_id for case in found.cases} & {case.case_id for case in golden.cases}


@pytest.mark.parametrize("count", ["0", "257"])
def test_a_count_beyond_what_a_build_takes_is_refused(
    count: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, nothing written."""
    assert main(["reference", "calibration-cases", "--out", str(tmp_path / "out"), "--count", count]) != 0
    assert "--count is 1 to 256" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
