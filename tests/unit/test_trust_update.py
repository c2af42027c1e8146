"""An update changes only what the previous bundle's change plan allows, within its limits and gates."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cyclonedx")

from calibration.trust.facts import changed_facts, facts_of
from calibration.trust.outcome import Report
from calibration.trust.verify import verify
from edge_agent.contracts.bundle import parse_manifest
from tests.simulators.bundles import write_key
from tests.simulators.trusted_bundle import PLAN, TrustedFolder, trusted_folder

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> TrustedFolder:
    """Write the bundle in use once: version 1.0.0."""
    return trusted_folder(tmp_path_factory.mktemp("previous"))


@pytest.fixture
def new(previous: TrustedFolder, tmp_path: Path) -> TrustedFolder:
    """Return the next version, in which nothing else has changed yet."""
    bundle = previous.copy(tmp_path)
    bundle.document["version"] = "1.0.1"
    return bundle


def update_faults(new: TrustedFolder, previous: TrustedFolder, *, keys: Any = None) -> list[str]:
    """Seal the new bundle and return what its update check says, after checking that nothing else failed."""
    new.write_sbom()
    new.seal()
    report: Report = verify(new.path, keys=keys or new.signed.keys, previous=previous.path)
    (update,) = [one for one in report.outcomes if one.check == "update"]
    assert [str(fault) for fault in report.faults] == [str(fault) for fault in update.findings.faults]
    assert report.exit_code == (update.findings.faults[0].exit_code if update.findings.faults else 0)
    return [str(fault) for fault in update.findings.faults]


def test_a_planned_modification_within_its_limits_passes(new: TrustedFolder, previous: TrustedFolder) -> None:
    """Thresholds move as planned, figures stay within their gates, the version is raised: nothing is refused."""
    new.document["thresholds"]["danger_family"] = 0.6
    new.document["thresholds"]["lesion_visible"] = 0.4
    new.document["metrics"]["accuracy_per_tone"]["5"] = 0.93
    assert update_faults(new, previous) == []


def test_a_retrained_adapter_passes(new: TrustedFolder, previous: TrustedFolder) -> None:
    """The plan names Reason's adapter; its files may change, with the canary's bound and the expected values."""
    new.put("adapter.reasoning.bin", bytes(48))
    new.document["canary"]["bounds"]["strict_max_abs"] = 0.2
    assert update_faults(new, previous) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["thresholds"].update(danger_family=0.66), "allows a step of 0.15"),
        (lambda d: d["thresholds"].update(danger_family=0.1), "allows at least 0.2"),
        (lambda d: d["thresholds"].update(danger_family=0.8), "allows at most 0.7"),
        (lambda d: d["preprocessing"].update(max_pixels=3136), "preprocessing.max_pixels changed from 19600 to 3136"),
        (
            lambda d: d["golden"].update(min_agreement=0.5),
            "golden.min_agreement changed from 1.0 to 0.5: the plan does not",
        ),
        (lambda d: d["canary"]["bounds"].update(strict_min_argmax=0.1), "canary.bounds.strict_min_argmax"),
        (lambda d: d.update(languages=["en", "zh"]), "languages changed"),
        (
            lambda d: d["adapters"][2].update(r=8),
            "adapters.reasoning.r changed from 4 to 8: the plan does not allow it",
        ),
        (lambda d: d["agents"]["reasoning"]["steps"][0].update(prompt="{images} go"), "agents.reasoning.one.prompt"),
        (
            lambda d: d["agents"]["reasoning"]["steps"][0].update(prompt="{images} go"),
            "needs a new submission (another f",
        ),
        (
            lambda d: d["backbone"].update(hidden_size=256),
            "backbone.hidden_size changed from 128 to 256: this needs a new",
        ),
        (lambda d: d.update(version="1.0.0"), "version 1.0.0 does not follow 1.0.0"),
        (lambda d: d.update(version="0.9.9"), "version 0.9.9 does not follow 1.0.0"),
        (lambda d: d.update(name="glass"), "name changed from paper to glass: no plan can allow it"),
    ],
)
def test_a_change_that_the_plan_does_not_allow(
    new: TrustedFolder, previous: TrustedFolder, change: Change, words: str
) -> None:
    """What the plan leaves out, bounds tighter or sends to a new submission is refused by its name."""
    change(new.document)
    faults = update_faults(new, previous)
    assert any(words in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("language_model.bin", "files.language_model.bin changed"),
        ("adapter.recognition.bin", "files.adapter.recognition.bin changed"),
    ],
)
def test_weights_that_the_plan_does_not_name(
    new: TrustedFolder, previous: TrustedFolder, role: str, words: str
) -> None:
    """Other weights under the same manifest are seen by their digest: only Reason's adapter may change."""
    new.put(role, bytes(48))
    (fault,) = update_faults(new, previous)
    assert fault.startswith(words)
    assert "the plan does not allow it" in fault


def test_third_party_software_that_changed(new: TrustedFolder, previous: TrustedFolder) -> None:
    """The SBOM's versions are part of the comparison: another OpenVINO is a change that the plan must name."""
    new.document["recipe"]["tools"]["openvino"] = "2027.1.0"
    new.put("recipe", json.dumps(new.document["recipe"]))
    told = " | ".join(update_faults(new, previous))
    assert "soup.openvino changed from" in told
    assert "recipe.tools.openvino changed from" in told


def test_a_gate_that_falls_against_the_previous_bundle(new: TrustedFolder, previous: TrustedFolder) -> None:
    """One tone drops by more than the plan allows, though it stays above every absolute bound."""
    new.document["thresholds"]["danger_family"] = 0.55
    new.document["metrics"]["accuracy_per_tone"]["5"] = 0.91
    (fault,) = update_faults(new, previous)
    assert fault == "gate dark: metrics.accuracy_per_tone.5 fell from 0.94 to 0.91, the plan allows 0.02"


def test_a_gate_counts_only_where_its_modification_is_used(new: TrustedFolder, previous: TrustedFolder) -> None:
    """The tone's gate belongs to the refit alone; a new adapter is judged by its own gates."""
    new.put("adapter.reasoning.bin", bytes(48))
    new.document["metrics"]["accuracy_per_tone"]["5"] = 0.91
    assert update_faults(new, previous) == []


def test_the_new_bundles_own_plan_allows_nothing(new: TrustedFolder, previous: TrustedFolder) -> None:
    """A laxer plan in the update changes nothing but itself, and that no plan can allow."""
    new.put("pccp", PLAN.replace('"thresholds.*"]', '"thresholds.*", "preprocessing.*"]'))
    new.document["preprocessing"]["max_pixels"] = 3136
    told = " | ".join(update_faults(new, previous))
    assert "preprocessing.max_pixels changed from 19600 to 3136: the plan does not allow it" in told
    assert "files.pccp changed" in told
    assert "no plan can allow it" in told


def test_a_previous_bundle_without_a_plan_allows_nothing(
    new: TrustedFolder, previous: TrustedFolder, tmp_path: Path
) -> None:
    """Where nobody agreed to changes beforehand, there is no update to check, only a new submission."""
    older = previous.copy(tmp_path / "older")
    older.drop("pccp")
    older.seal()
    (fault,) = update_faults(new, older)
    assert "the previous bundle allows no change: the bundle has no file with the role pccp" in fault


def test_a_previous_bundle_that_nobody_signed(new: TrustedFolder, previous: TrustedFolder, tmp_path: Path) -> None:
    """A forged predecessor with a convenient plan is refused by its signature."""
    forged = previous.copy(tmp_path / "forged")
    signed = type(forged.signed)(forged.path, forged.document, write_key(tmp_path / "evil", "evil"), new.signed.keys)
    TrustedFolder(signed).seal()
    (fault,) = update_faults(new, forged)
    assert "no configured key signed this bundle" in fault


def test_facts_name_every_part_of_a_manifest(previous: TrustedFolder) -> None:
    """Each kind of change has its own path: rows by name, files by role, census by part, packages by name."""
    document = json.loads(json.dumps(previous.document))
    old = facts_of(parse_manifest(json.dumps(document).encode()), {"numpy": "2.4.6"})
    document["adapters"][0]["alpha"] = 4.0
    document["agents"]["representation"]["steps"][0]["generation"]["max_tokens"] = 9
    document["census"][0]["tensors"] = 2
    document["files"][0]["sha256"] = "d" * 64
    document["thresholds"]["fields"] = {"recognition.family": {"temperature": 1.5}}
    document["evidence"] = {"age_years": [18, 80]}
    new = facts_of(parse_manifest(json.dumps(document).encode()), {"numpy": "2.5.0"})
    assert changed_facts(old, new) == [
        "adapters.recognition.alpha",
        "agents.representation.one.generation.max_tokens",
        "census.vision_embeddings.f32",
        "evidence.age_years",
        "files.vision_embeddings.xml",
        "soup.numpy",
        "thresholds.fields.recognition.family.min_confidence",
        "thresholds.fields.recognition.family.temperature",
    ]
