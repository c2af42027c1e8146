"""SBOM, licences, change plan and model card as the build writes them, and the reference model's own papers."""

from __future__ import annotations

import json
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("cyclonedx")
pytest.importorskip("tokenizers")

from calibration.declaration import BundleDeclaration, parse_declaration
from calibration.package import file_entries
from calibration.trust.change_plan import parse_plan
from calibration.trust.licences import ClinicalUse, ids_of, use_of
from calibration.trust.model_card import TITLES, sections_of
from calibration.trust.soup import load_soup
from calibration.trust.write import write_trust_files
from edge_agent.commands import bundle as bundle_command
from edge_agent.contracts.bundle import open_bundle
from edge_agent.errors import ExportError, RejectedError
from tests.simulators.bundles import signed_folder
from tests.simulators.declaration import declaration
from tests.simulators.trusted_bundle import PLAN, trusted_folder

ROOT = Path(__file__).resolve().parents[2]
RECIPE = {"name": "int4", "tools": {"openvino": "2026.4.1", "nncf": "3.4.0", "torch": "2.13.0"}}
DIGEST = "e" * 64


def declared(**changes: object) -> BundleDeclaration:
    """Return a declaration with some fields changed."""
    return parse_declaration(declaration() | changes, source="test")


def write(folder: Path, source: Path, **changes: object) -> Path:
    """Write the papers of a checkpoint folder into a new folder and return it."""
    folder.mkdir()
    write_trust_files(folder, source=source, declaration=declared(**changes), content_digest=DIGEST, recipe=RECIPE)
    return folder


# --- writing -------------------------------------------------------------------------------------------------------


def test_the_sbom_names_bundle_tools_and_parts(tmp_path: Path) -> None:
    """Versions are the recipe's, not whatever is installed; every component has what the NTIA asks for but the time."""
    folder = write(tmp_path / "out", tmp_path, licences={"base": "MIT", "calibration_data": "CC-BY-4.0"})
    document = json.loads((folder / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["name"] == "random-weights"
    rows = {row["name"]: row for row in document["components"]}
    assert (rows["openvino"]["version"], rows["openvino"]["purl"]) == ("2026.4.1", "pkg:pypi/openvino@2026.4.1")
    assert rows["torch"]["version"] == "2.13.0"
    assert rows["llguidance"]["version"] == metadata.version("llguidance")
    assert rows["base"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert {"name": "derm-edge:content-digest", "value": DIGEST} in rows["base"]["properties"]
    assert rows["calibration_data"]["type"] == "data"
    assert all({"name", "version", "supplier", "licenses", "bom-ref"} <= set(row) for row in rows.values())
    (edges,) = [row["dependsOn"] for row in document["dependencies"] if row["ref"] == "bundle"]
    assert set(edges) == {row["bom-ref"] for row in rows.values()}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time, no random number and no path stands in the papers; a declared time is the only one there can be."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    first = (write(tmp_path / "a", tmp_path) / "sbom.cdx.json").read_bytes()
    again = (write(tmp_path / "b", tmp_path) / "sbom.cdx.json").read_bytes()
    assert first == again
    assert "timestamp" not in json.loads(first)["metadata"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764547200")
    timed = json.loads((write(tmp_path / "c", tmp_path) / "sbom.cdx.json").read_bytes())
    assert timed["metadata"].pop("timestamp").startswith("2025-12-01T00:00:00")
    assert timed == json.loads(first)


@pytest.mark.parametrize("epoch", ["", "yesterday", "-1", "9" * 12])
def test_a_time_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str) -> None:
    """A declared time that is no number of seconds ends the build instead of being left out."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(ExportError, match="no number of seconds"):
        write(tmp_path / "out", tmp_path)


def test_plan_and_texts_are_copied_as_they_were_reviewed(tmp_path: Path) -> None:
    """The plan's and the licences' bytes are the checkpoint's; their roles are what devices and verify look for."""
    base = tmp_path / "base"
    (base / "licences").mkdir(parents=True)
    plan = PLAN.replace('"paper"', '"random"')
    (base / "pccp.toml").write_text(plan, encoding="utf-8")
    (base / "licences" / "Apache-2.0.txt").write_bytes(b"the text\n")
    folder = write(tmp_path / "out", base)
    assert {entry.path: entry.role for entry in file_entries(folder)} == {
        "LICENCE.Apache-2.0.txt": "licence.Apache-2.0",
        "pccp.toml": "pccp",
        "sbom.cdx.json": "sbom",
    }
    assert (folder / "pccp.toml").read_text(encoding="utf-8") == plan
    assert (folder / "LICENCE.Apache-2.0.txt").read_bytes() == b"the text\n"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("pccp.toml", PLAN, "is for lineage paper, derm_edge.json says random"),
        ("pccp.toml", "lineage = 1", "change plan"),
        ("licences/MIT.txt", "MIT", "is no text of a licence that derm_edge.json names"),
        ("licences/notes.md", "x", "is no text of a licence"),
    ],
)
def test_papers_that_do_not_fit_end_the_build(tmp_path: Path, name: str, text: str, words: str) -> None:
    """A plan or a text that belongs to something else is found at the build, not by a customer."""
    base = tmp_path / "base"
    (base / name).parent.mkdir(parents=True)
    (base / name).write_text(text, encoding="utf-8")
    with pytest.raises(ExportError, match=words):
        write(tmp_path / "out", base)


def test_a_licence_that_is_no_spdx_id_ends_the_build(tmp_path: Path) -> None:
    """A made-up licence name would reach customers in the SBOM."""
    with pytest.raises(ExportError, match="'Apache 2' is no SPDX id"):
        write(tmp_path / "out", tmp_path, licences={"base": "Apache 2"})


# --- lists of software and licences --------------------------------------------------------------------------------


def test_the_list_of_software_has_every_tool_of_the_recipe() -> None:
    """A tool that the build records and the list leaves out would be missing in every SBOM."""
    recipe = json.loads((ROOT / "edge_agent/bundles/reference/recipe.json").read_text(encoding="utf-8"))
    names = [item.name for item in load_soup()]
    assert set(recipe["tools"]) <= set(names)
    assert len(set(names)) == len(names)


def test_the_list_of_software_states_the_licences_of_the_installed_packages() -> None:
    """Where a distribution declares an SPDX expression, ours is the same."""
    declared = {item.name: metadata.metadata(item.name).get("License-Expression") for item in load_soup()}
    assert {item.name: item.licence for item in load_soup() if declared[item.name]} == {
        name: expression for name, expression in declared.items() if expression
    }


@pytest.mark.parametrize(
    ("expression", "use"),
    [
        ("Apache-2.0", ClinicalUse.ALLOWED),
        ("apache-2.0", ClinicalUse.ALLOWED),
        ("qwen-research", ClinicalUse.FORBIDDEN),
        ("Apache-2.0 AND CC-BY-NC-4.0", ClinicalUse.FORBIDDEN),
        ("Apache-2.0 OR CC-BY-NC-4.0", ClinicalUse.ALLOWED),
        ("(MIT OR CC-BY-NC-4.0) AND EUPL-1.2", ClinicalUse.UNKNOWN),
        ("Apache-2.0 WITH LLVM-exception", ClinicalUse.ALLOWED),
    ],
)
def test_what_an_expression_allows(expression: str, use: ClinicalUse) -> None:
    """OR is a choice, AND binds to all, and what nobody has looked at stays unknown."""
    ids_of(expression)
    assert use_of(expression, {}) is use


# --- the reference model's papers ----------------------------------------------------------------------------------


def test_the_reference_plan_is_for_the_reference_model() -> None:
    """The plan that the release copies is well formed and speaks for the lineage that the release declares."""
    plan = parse_plan((ROOT / "calibration/reference/pccp.toml").read_bytes())
    source = (ROOT / "calibration/reference/release.py").read_text(encoding="utf-8")
    assert f'"lineage": "{plan.lineage}"' in source
    assert plan.submission_of("backbone.content_digest") is not None
    assert plan.submission_of("evidence.age_years") is not None
    assert plan.submission_of("thresholds.text_scope.danger_cases") is not None
    assert plan.submission_of("thresholds.danger_family") is None
    assert plan.modification_of("files.adapter.reasoning.bin") is not None
    assert plan.modification_of("preprocessing.max_pixels") is None
    assert {f"metrics.accuracy_per_tone.recognition.{tone}" for tone in range(1, 6)} <= {g.metric for g in plan.gates}


def test_the_reference_papers_are_complete(tmp_path: Path) -> None:
    """With figures of every tone the card that the release writes has all sections; the licence text is Apache's own."""
    torch = pytest.importorskip("torch")
    assert torch is not None
    from calibration.reference.papers import write_papers

    per_tone = {"recognition": {str(tone): 0.9 + tone / 100 for tone in range(1, 6)}}
    metrics = {"cases": 1500, "split": "calibration", "precision": "int4", "accuracy_per_tone": per_tone}
    write_papers(tmp_path, notice="Reference model: not for clinical use.", metrics=metrics)
    sections = sections_of((tmp_path / "README.md").read_text(encoding="utf-8"))
    assert all(any(title in sections for title in titles) for titles in TITLES.values())
    assert "| 5 | 0.950 |" in sections["figures per tone"]
    assert "Reference model: not for clinical use." in sections["not for clinical use"]
    licence = (tmp_path / "licences" / "Apache-2.0.txt").read_bytes()
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert tomllib.loads((tmp_path / "pccp.toml").read_text(encoding="utf-8"))["schema_version"] == 1


def test_plan_errors_are_one_line() -> None:
    """Whatever is wrong with a plan, the message is one line that names the place."""
    with pytest.raises(RejectedError, match=r"change plan, modifications.0.gates") as caught:
        parse_plan(PLAN.replace('gates = ["family", "dark"]\n', "", 1).encode())
    assert "\n" not in str(caught.value)


# --- what a device tells -------------------------------------------------------------------------------------------


def test_bundle_show_tells_licences_and_papers(tmp_path: Path) -> None:
    """A device names the licences and the papers that came along, and says so where there are none."""
    with_papers, without = trusted_folder(tmp_path / "new"), signed_folder(tmp_path / "old")
    facts = bundle_command._facts(open_bundle(with_papers.path, keys=with_papers.signed.keys))
    assert facts["licences"] == ["adapters Apache-2.0", "base Apache-2.0", "calibration_data Apache-2.0"]
    assert facts["papers"] == ["SBOM sbom.cdx.json", "change plan pccp.toml", "LICENCE.Apache-2.0.txt"]
    facts = bundle_command._facts(open_bundle(without.path, keys=without.keys))
    assert facts["papers"] == ["none: no SBOM, no change plan, no licence text"]
