"""Licences of base, adapters and calibration data: where they are read, and what contradicts what is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calibration.checkpoint.architecture import Architecture, read_architecture
from calibration.checkpoint.licences import LicenceFacts, front_matter, read_licences
from calibration.checkpoint.shape import model_config
from calibration.checkpoint.shapes import SHAPES
from edge_agent.errors import ExportError
from tests.simulators import hf_folder

QWEN_RESEARCH_TEXT = (
    "Qwen RESEARCH LICENSE AGREEMENT\n\nQwen RESEARCH LICENSE AGREEMENT Release Date: September 19, 2024\n"
)
APACHE_TEXT = "                                 Apache License\n                           Version 2.0, January 2004\n"


def base(folder: Path, *, like: str, card: str = "", declared: dict[str, Any] | None = None) -> Architecture:
    """Write a folder of this shape with a card and derm_edge.json, and return its architecture."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(model_config(SHAPES[like])))
    (folder / "README.md").write_text(f"---\n{card}\n---\n# Card\n" if card else "# Card\n")
    if declared is not None:
        hf_folder.edit(folder / "derm_edge.json", declared)
    return read_architecture(folder)


def read(folder: Path, arch: Architecture) -> tuple[LicenceFacts, list[str]]:
    """The licences of a folder without adapters."""
    return read_licences(folder, arch, adapters={})


DATA = {"licences": {"calibration_data": "CC0-1.0"}}


@pytest.mark.parametrize(
    ("card", "file", "name"),
    [
        ("license: apache-2.0", None, "apache-2.0"),
        ("license: other\nlicense_name: qwen-research", None, "qwen-research"),
        ("", QWEN_RESEARCH_TEXT, "qwen-research"),
        ("", APACHE_TEXT, "apache-2.0"),
    ],
)
def test_the_base_licence_is_read_from_card_or_licence_file(
    card: str, file: str | None, name: str, tmp_path: Path
) -> None:
    """Front matter as Hugging Face has it, or the licence's own text."""
    arch = base(tmp_path, like="0.6b", card=card, declared=DATA)
    if file is not None:
        (tmp_path / "LICENSE").write_text(file)
    facts, faults = read(tmp_path, arch)
    assert faults == []
    assert [one.name for one in facts.found if one.owner == "base"] == [name]


def test_the_3b_weights_under_a_freer_licence_are_refused(tmp_path: Path) -> None:
    """By shape or by base_model: Qwen2.5-VL-3B carries the Qwen research licence, whatever a card says."""
    arch = base(tmp_path, like="qwen2.5-vl-3b", card="license: apache-2.0", declared=DATA)
    (line,) = read(tmp_path, arch)[1]
    assert line.startswith("by its shape the base is Qwen2.5-VL-3B, which carries the qwen-research licence")
    assert "base_model: none" in line
    card = "license: mit\nbase_model:\n- Qwen/Qwen2.5-VL-3B-Instruct"
    (line,) = read(tmp_path, base(tmp_path, like="0.6b", card=card))[1]
    assert line.startswith("by base_model Qwen/Qwen2.5-VL-3B-Instruct the base is Qwen2.5-VL-3B")
    assert line.endswith("says mit: write qwen-research")


def test_the_3b_weights_under_their_own_licence_pass_with_a_note(tmp_path: Path) -> None:
    """The note says what the licence allows."""
    card = "license: other\nlicense_name: qwen-research\nbase_model: Qwen/Qwen2.5-VL-3B-Instruct"
    facts, faults = read(tmp_path, base(tmp_path, like="qwen2.5-vl-3b", card=card, declared=DATA))
    assert faults == []
    assert facts.known_base == "Qwen2.5-VL-3B"
    assert "research and evaluation only" in facts.notes[0]


def test_spdx_reference_is_the_same_licence(tmp_path: Path) -> None:
    """LicenseRef-qwen-research in derm_edge.json and qwen-research on the card do not contradict each other."""
    declared = {"licences": {"base": "LicenseRef-qwen-research", "calibration_data": "CC0-1.0"}}
    card = "license: other\nlicense_name: qwen-research"
    assert read(tmp_path, base(tmp_path, like="qwen2.5-vl-3b", card=card, declared=declared))[1] == []


def test_the_7b_weights_are_apache(tmp_path: Path) -> None:
    """No research licence there, and no note."""
    card = "license: apache-2.0\nbase_model: Qwen/Qwen2.5-VL-7B-Instruct"
    facts, faults = read(tmp_path, base(tmp_path, like="qwen2.5-vl-7b", card=card, declared=DATA))
    assert (faults, facts.known_base, facts.notes) == ([], "Qwen2.5-VL-7B", ())


def test_a_missing_base_licence_comes_with_what_is_known(tmp_path: Path) -> None:
    """The line suggests where to look, it does not fill the licence in."""
    (line,) = read(tmp_path, base(tmp_path, like="qwen2.5-vl-7b", declared=DATA))[1]
    assert "by its shape it may be Qwen2.5-VL-7B, which carries apache-2.0" in line


def test_weights_of_that_shape_but_from_nothing_are_free(tmp_path: Path) -> None:
    """Random weights of the 3b shape are nobody's: the card says base_model: none."""
    arch = base(tmp_path, like="qwen2.5-vl-3b", card="license: apache-2.0\nbase_model: none", declared=DATA)
    facts, faults = read(tmp_path, arch)
    assert (faults, facts.known_base) == ([], None)


def test_an_unknown_parent_of_that_shape_is_remarked(tmp_path: Path) -> None:
    """A fine-tune of a fine-tune hides where the weights come from: nothing is proved, and a person is told."""
    card = "license: mit\nbase_model: someone/derm-3b"
    facts, faults = read(tmp_path, base(tmp_path, like="qwen2.5-vl-3b", card=card, declared=DATA))
    assert faults == []
    (note,) = facts.notes
    assert "base_model someone/derm-3b is not known here; by its shape the base may come from Qwen2.5-VL-3B" in note


def test_a_research_licence_and_clinical_use_exclude_each_other(tmp_path: Path) -> None:
    """The declaration must not promise what the base's licence forbids."""
    card = "license: other\nlicense_name: qwen-research"
    arch = base(tmp_path, like="qwen2.5-vl-3b", card=card, declared={**DATA, "clinical_use": True})
    (line,) = read(tmp_path, arch)[1]
    assert "clinical_use is true" in line


def test_two_sources_that_disagree_are_named(tmp_path: Path) -> None:
    """Nobody guesses which of them is right."""
    declared = {"licences": {"base": "MIT", "calibration_data": "CC0-1.0"}}
    (line,) = read(tmp_path, base(tmp_path, like="0.6b", card="license: apache-2.0", declared=declared))[1]
    assert "the base is mit in derm_edge.json and apache-2.0 in" in line


def test_an_adapter_may_bring_its_own_licence(tmp_path: Path) -> None:
    """The card of the adapter's folder counts as the declaration does."""
    arch = base(tmp_path / "base", like="0.6b", card="license: apache-2.0", declared=DATA)
    adapter = hf_folder.write_peft(tmp_path / "reasoning")
    faults = read_licences(tmp_path / "base", arch, adapters={"reasoning": adapter})[1]
    assert ["no licence for the adapters" in line for line in faults] == [True]
    (adapter / "README.md").write_text("---\nlicense: mit\n---\n")
    assert read_licences(tmp_path / "base", arch, adapters={"reasoning": adapter})[1] == []


def test_front_matter_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    """A broken card is named, not skipped; a card without front matter is simply one without."""
    (tmp_path / "README.md").write_text("---\nlicense: [apache\n---\n")
    with pytest.raises(ExportError, match="the front matter is not YAML"):
        front_matter(tmp_path / "README.md")
    (tmp_path / "README.md").write_text("# Title\n---\nlicense: mit\n---\n")
    assert front_matter(tmp_path / "README.md") == {}
