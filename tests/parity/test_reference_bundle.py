"""The shipped reference bundle is what the committed model gives: built again, the bytes are the same."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.build import BuildRequest, build
from calibration.golden import write_golden
from calibration.package import manifest_bytes
from calibration.recipe import load_recipe
from calibration.sign import development_key, sign_bundle
from edge_agent.contracts.bundle import Bundle, open_bundle
from edge_agent.contracts.golden import Decisions, GoldenCase, GoldenSet, read_golden
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AGENTS, Manifest
from edge_agent.engine_bootstrap import EngineWish, open_pipeline
from edge_agent.errors import Incompatible
from edge_agent.inference.engine import Engine, EngineSettings
from tests.simulators.reference import BUNDLE, MODEL

MAX_BUNDLE_BYTES = 15_000_000
MAX_MODEL_BYTES = 20_000_000
BY_TOLERANCE = "canary.npz"  # FP32 logits: the last bits depend on the processor's vector width


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    """The bundle in the device package."""
    return open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Manifest]]:
    """The same bundle built again from the committed model, unsigned."""
    out = tmp_path_factory.mktemp("rebuilt") / "reference"
    request = BuildRequest(
        base=MODEL / "base",
        adapters={agent: MODEL / "adapters" / agent for agent in AGENTS},
        recipe=load_recipe("int4"),
        out=out,
    )
    yield out, build(request, announce=lambda _: None)


def digests(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Return the sha256 of every listed file but the one compared by tolerance."""
    paths = [entry.path for entry in manifest.files if entry.path != BY_TOLERANCE]
    return {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in paths}


def test_files_are_the_same_bytes(shipped: Bundle, rebuilt: tuple[Path, Manifest]) -> None:
    """IRs, adapters, tokenizer, golden cases with PyTorch's decisions, recipe, card: byte for byte."""
    folder, manifest = rebuilt
    assert digests(folder, manifest) == digests(shipped.path, shipped.manifest)


def test_manifests_agree(shipped: Bundle, rebuilt: tuple[Path, Manifest]) -> None:
    """Everything that the manifests say is equal, but for the canary's bytes and the bound derived from them."""

    def said(manifest: Manifest) -> dict[str, Any]:
        document = manifest.model_dump(mode="json")
        document["files"] = [row for row in document["files"] if row["path"] != BY_TOLERANCE]
        del document["canary"]["bounds"]["strict_max_abs"]
        # Lists of the kiosk came after this bundle was signed; that it says nothing unknown is ``check_manifest``'s to see.
        del document["vocabulary_sha256"]
        return document

    assert said(rebuilt[1]) == said(shipped.manifest)
    bounds = [m.canary.bounds.strict_max_abs for m in (rebuilt[1], shipped.manifest)]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-3)


def test_canary_logits_agree(shipped: Bundle, rebuilt: tuple[Path, Manifest]) -> None:
    """The same prompts; the expected logits differ by less than a thousandth."""
    with np.load(rebuilt[0] / BY_TOLERANCE) as new, np.load(shipped.path / BY_TOLERANCE) as old:
        assert sorted(new.files) == sorted(old.files)
        for name in new.files:
            if name.endswith(".logits"):
                np.testing.assert_allclose(new[name], old[name], atol=1e-3, err_msg=name)
            else:
                np.testing.assert_array_equal(new[name], old[name], err_msg=name)


@pytest.mark.parametrize("strict", [True, False])
def test_golden_cases_are_decided_as_by_pytorch(shipped: Bundle, strict: bool) -> None:
    """The shipped bundle passes its canary and repeats PyTorch's decisions, strictly and as devices run it."""
    with Engine(shipped, settings=EngineSettings(strict=strict)) as engine:
        report = engine.run_canary()
    assert not report.failures()
    golden = read_golden(shipped.path_of("golden"))
    assert report.golden_total >= 8 * sum(len(case.pictures) for case in golden.cases)
    assert report.golden_equal >= shipped.manifest.golden.min_agreement * report.golden_total


def test_decisions_inside_objects_are_compared_too(shipped: Bundle, tmp_path: Path) -> None:
    """Golden cases that ask for nothing but fields of the object `biomedical` are repeated like all others."""
    golden = read_golden(shipped.path_of("golden"))
    nested = [case.model_copy(update={"expected": {"reasoning": _only_nested(case)}}) for case in golden.cases]
    folder = shutil.copytree(shipped.path, tmp_path / "bundle")
    write_golden(GoldenSet(cases=tuple(nested), pictures=golden.pictures), folder / "golden.zip")
    with Engine(Bundle(folder, shipped.manifest, shipped.signed_by)) as engine:
        report = engine.run_canary()
    assert report.golden_total == 2 * len(nested)
    assert report.golden_equal >= shipped.manifest.golden.min_agreement * report.golden_total


def _only_nested(case: GoldenCase) -> list[Decisions]:
    return [
        {step: {name: value for name, value in fields.items() if "." in name} for step, fields in decisions.items()}
        for decisions in case.expected["reasoning"]
    ]


def test_an_engine_that_answers_otherwise_is_refused_at_load(shipped: Bundle, tmp_path: Path) -> None:
    """Asked to repeat every single decision of FP32, INT4 cannot: the daemon's child must not start with it."""
    folder = shutil.copytree(shipped.path, tmp_path / "bundle")
    stricter = shipped.manifest.golden.model_copy(update={"min_agreement": 1.0})
    changed = shipped.manifest.model_copy(update={"golden": stricter})
    (folder / "manifest.dsse.json").unlink()
    (folder / "manifest.json").write_bytes(manifest_bytes(changed))
    sign_bundle(folder, private_key=development_key())
    wish = EngineWish(folder, shipped_key_folder(), "CPU", 2)
    with open_pipeline(wish) as loaded:
        assert loaded.bundle.manifest.golden.min_agreement == 1.0
    with (
        pytest.raises(Incompatible, match="does not answer as the bundle expects"),
        open_pipeline(wish, replay_canary=True),
    ):
        pass


def test_the_bundle_is_small_and_says_what_it_is(shipped: Bundle) -> None:
    """At most 15 MB (the model 20 MB), signed by the development key, not for clinical use."""
    assert sum(entry.size_bytes for entry in shipped.manifest.files) <= MAX_BUNDLE_BYTES
    assert sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file()) <= MAX_MODEL_BYTES
    assert shipped.signed_by == "development key"
    assert not shipped.manifest.clinical_use
    assert "not for clinical use" in shipped.manifest.notice
