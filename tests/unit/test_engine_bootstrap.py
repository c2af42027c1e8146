"""What the engine's bootstrap wires."""

from __future__ import annotations

from edge_agent.engine_bootstrap import build_pipeline
from tests.simulators.cases import FLOOR, case, manifest
from tests.simulators.engine import ScriptedEngine


def test_a_report_names_the_processor_that_was_used() -> None:
    """The provenance says what the engine was loaded on, not a default."""
    pipeline = build_pipeline(ScriptedEngine({3: FLOOR}), manifest(), device="GPU.1")
    assert pipeline.run(case(marks=(3,)))["provenance"]["device"] == "GPU.1"
