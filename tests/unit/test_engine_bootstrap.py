"""What the engine's bootstrap wires."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_profiles.loader import load_profile
from edge_agent.contracts.keys import shipped_key_folder
from edge_agent.engine_bootstrap import EngineWish, build_pipeline, verify_bundle
from edge_agent.errors import Incompatible
from tests.simulators.cases import FLOOR, case, manifest
from tests.simulators.engine import ScriptedEngine

WISH = EngineWish(
    Path(__file__).resolve().parents[2] / "edge_agent" / "bundles" / "reference", shipped_key_folder(), "CPU", 2
)


def test_no_bundle_is_taken_on_a_processor_without_avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is loaded, and only where a device is about to run it: looking at a bundle stays possible."""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX")
    with pytest.raises(Incompatible, match="ONEDNN_MAX_CPU_ISA=AVX"):
        verify_bundle(WISH, profile=load_profile("generic"))
    assert verify_bundle(WISH).manifest.name == "derm-edge-reference"


def test_a_bundle_that_does_not_fit_is_told_where_it_would() -> None:
    """The shipped profiles are searched, the smallest first."""
    with pytest.raises(Incompatible, match="the smallest profile that fits is generic"):
        verify_bundle(WISH, profile=load_profile("tiny"))


def test_a_report_names_the_processor_that_was_used() -> None:
    """The provenance says what the engine was loaded on, not a default."""
    pipeline = build_pipeline(ScriptedEngine({3: FLOOR}), manifest(), device="GPU.1")
    assert pipeline.run(case(marks=(3,)))["provenance"]["device"] == "GPU.1"
