"""Weights or data that nobody licensed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators import hf_folder
from tests.simulators.preflight import refusal


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ("base", "no licence for the base: write licences.base into"),
        ("adapters", "no licence for the adapters: write licences.adapters into"),
        ("calibration_data", "no licence for the calibration data: write licences.calibration_data into"),
    ],
)
def test_no_licence(folder: Path, tmp_path: Path, owner: str, words: str) -> None:
    """Each of the three has to be licensed by somebody; the line says where to write it."""
    licences = {name: text for name, text in hf_folder.LICENCES.items() if name != owner}
    hf_folder.edit(folder / "derm_edge.json", {"licences": licences})
    (folder / "README.md").write_text("# A card without front matter\n")
    line = refusal(folder, adapters={"reasoning": hf_folder.write_peft(tmp_path / "reasoning")})
    assert line.startswith(words)
    assert str(folder / "derm_edge.json") in line
