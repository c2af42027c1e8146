"""Weights or data that nobody licensed."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.checkpoint.preflight import check_before_build
from calibration.recipe import load_recipe
from tests.simulators import hf_folder
from tests.simulators.preflight import ROOMY, refusal


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


def test_adapter_without_a_licence_beside_one_with(folder: Path, tmp_path: Path) -> None:
    """One card does not license the other adapters."""
    licences = {name: text for name, text in hf_folder.LICENCES.items() if name != "adapters"}
    hf_folder.edit(folder / "derm_edge.json", {"licences": licences})
    places = {name: hf_folder.write_peft(tmp_path / name) for name in ("recognition", "reasoning")}
    (places["recognition"] / "README.md").write_text("---\nlicense: mit\n---\n")
    line = refusal(folder, adapters=places)
    assert line.startswith("no licence for the adapter reasoning: write license: into the front matter of")
    (places["reasoning"] / "README.md").write_text("---\nlicense: mit\n---\n")
    check_before_build(
        folder, adapters=places, recipe=load_recipe("int4-data-free"), out=folder.parent / "out", workstation=ROOMY
    )


def test_agents_that_are_no_table(folder: Path) -> None:
    """Whether there are adapters to license is read from the declaration's agents; a list of them says nothing."""
    hf_folder.edit(folder / "derm_edge.json", {"agents": [1]})
    assert refusal(folder).startswith(f"{folder / 'derm_edge.json'}: agents is not an object")


def test_a_card_with_an_impossible_date(folder: Path) -> None:
    """YAML reads dates by itself, and this one is none."""
    (folder / "README.md").write_text("---\nlicense: apache-2.0\ndate: 2025-13-01\n---\n")
    assert refusal(folder).startswith(f"{folder / 'README.md'}: the front matter is not YAML")


@pytest.mark.parametrize("word", ["unknown", "none", "TODO", "NOASSERTION", ""])
@pytest.mark.parametrize("owner", ["base", "adapters", "calibration_data"])
def test_a_word_for_no_licence_is_no_licence(folder: Path, tmp_path: Path, owner: str, word: str) -> None:
    """A placeholder says that nobody has looked."""
    (folder / "README.md").write_text("# A card without front matter\n")
    hf_folder.edit(folder / "derm_edge.json", {"licences": hf_folder.LICENCES | {owner: word}})
    line = refusal(folder, adapters={"reasoning": hf_folder.write_peft(tmp_path / "reasoning")})
    assert line.startswith("no licence for the ")
