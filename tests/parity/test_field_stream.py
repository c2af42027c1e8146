"""The shipped bundle on the real engine: who listens changes neither a token nor the report, and hears what it will say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from edge_agent.agents.pipeline import CasePipeline
from edge_agent.capture.stills import picture_paths, read_picture
from edge_agent.contracts.case import Case, views_of
from edge_agent.contracts.keys import shipped_key_folder
from edge_agent.contracts.record_files import load_intake
from edge_agent.contracts.shown_field import ShownField
from edge_agent.engine_bootstrap import EngineWish, open_pipeline

ROOT = Path(__file__).resolve().parents[2]


def test_a_listener_changes_neither_tokens_nor_report() -> None:
    """The demo's case, heard and unheard; the last word about every sign is the report's."""
    intake = load_intake(ROOT / "demo" / "intake.json")
    frames = [read_picture(path) for path in picture_paths([ROOT / "demo" / "pictures"])]
    case = Case("demo", views_of(frames, intake=intake), intake, None, datetime(2026, 3, 4, tzinfo=UTC))
    wish = EngineWish(ROOT / "edge_agent" / "bundles" / "reference", shipped_key_folder(), "CPU", 1)
    heard: list[ShownField] = []
    with open_pipeline(wish) as loaded:
        assert isinstance(loaded.runner, CasePipeline)
        silent, told = loaded.runner.run(case), loaded.runner.run(case, on_field=heard.append)
    for report in (silent, told):
        report["provenance"].pop("timings_ms")
    assert told == silent
    assert {one.agent for one in heard} == {"recognition", "representation"}
    for one in {(s.agent, s.view, s.field): s for s in heard}.values():
        part = told["recognition"][one.view] if one.view is not None else told["representation"]
        assert part["fields"][one.field]["value"] == one.value
        assert part["fields"][one.field]["is_withheld"] is not one.is_decided
