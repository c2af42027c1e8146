"""A replay counts a decision as equal only where this machine decided the very field, also inside an object."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calibration.golden import write_golden
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import AgentOutput, FieldValue, Frame, Request
from edge_agent.contracts.golden import TOKENS, GoldenCase, GoldenSet
from edge_agent.contracts.manifest import AgentName, FileEntry, Manifest
from edge_agent.errors import RejectedError
from edge_agent.inference.golden_replay import golden_decisions
from tests.simulators.cases import manifest
from tests.simulators.text_bundle import text_manifest

STEP = "assess"


def bundle_of(folder: Path, case: GoldenCase, declared: Manifest) -> Bundle:
    """Return a bundle that holds nothing but one golden case."""
    picture = io.BytesIO()
    Image.new("RGB", (28, 28)).save(picture, "PNG")
    write_golden(GoldenSet((case,), dict.fromkeys(case.pictures, picture.getvalue())), folder / "golden.zip")
    entry = FileEntry(path="golden.zip", role="golden", size_bytes=1, sha256="0" * 64)
    return Bundle(folder, declared.model_copy(update={"files": [entry]}), "nobody")


def replay(bundle: Bundle, output: AgentOutput | None = None, likeliest: Sequence[int] = ()) -> list[bool]:
    """Replay with an engine that always says the same."""

    def encode(frame: Frame) -> Any:
        return frame

    def run(_: AgentName, requests: Sequence[Request]) -> list[tuple[AgentOutput, ...]]:
        assert output is not None, "a text agent is followed, never run"
        return [(output,) for _ in requests]

    def follow(_: AgentName, requests: Sequence[Request], begun: Sequence[Sequence[int]]) -> list[list[int]]:
        return [list(likeliest) for _ in zip(requests, begun, strict=True)]

    return list(golden_decisions(bundle, encode=encode, run=run, follow=follow))


def schema_case(expected: dict[str, object]) -> GoldenCase:
    """Reason's expected decisions."""
    texts = dict.fromkeys(manifest().agents["reasoning"].inputs.text, "")
    return GoldenCase(case_id="c", pictures=[], texts=texts, expected={"reasoning": [{STEP: expected}]})


def said(working: str | None) -> AgentOutput:
    """Reason's answer as the engine gives it: the object as one field, and what was decided in it by its dotted name."""
    value = {"syndrome": "blood_heat", "biomedical": {"working": working}}
    fields = {
        "syndrome": FieldValue("blood_heat", 0.9),
        "biomedical": FieldValue({"working": working}, None),
        "biomedical.working": FieldValue(working, 0.8),
    }
    return AgentOutput("reasoning", STEP, "", value, fields, 1, 1)


@pytest.mark.parametrize(("working", "is_equal"), [("plaque_psoriasis", True), ("eczema", False), (None, False)])
def test_a_decision_inside_an_object_is_compared(tmp_path: Path, working: str | None, is_equal: bool) -> None:
    """By its dotted name, as the build writes it down."""
    case = schema_case({"syndrome": "blood_heat", "biomedical.working": "plaque_psoriasis"})
    assert replay(bundle_of(tmp_path, case, manifest()), said(working)) == [is_equal, True]


@pytest.mark.parametrize("name", ["stage", "biomedical.stage"])
def test_a_field_that_was_not_decided_is_not_equal_to_nothing(tmp_path: Path, name: str) -> None:
    """An expected null is a decision too; a field that is not there is none."""
    case = schema_case({name: None})
    assert replay(bundle_of(tmp_path, case, manifest()), said("eczema")) == [False]


def test_another_steps_field_does_not_count(tmp_path: Path) -> None:
    """The same name under another step is another decision."""
    case = GoldenCase(
        case_id="c",
        pictures=[],
        texts=schema_case({}).texts,
        expected={"reasoning": [{"other": {"syndrome": "blood_heat"}}]},
    )
    assert replay(bundle_of(tmp_path, case, manifest()), said("eczema")) == [False]


def test_a_text_is_compared_token_by_token(tmp_path: Path) -> None:
    """Of a text agent the likeliest token at each place, the expected ones before it given."""
    expected = [{"describe": {TOKENS: [5, 6, 7]}}]
    case = GoldenCase(case_id="c", pictures=["1.png"], expected={"recognition": expected})
    assert replay(bundle_of(tmp_path, case, text_manifest()), likeliest=[5, 9, 7]) == [True, False, True]


def test_a_text_without_its_first_tokens_is_refused(tmp_path: Path) -> None:
    """A bundle of before cannot be judged, so it is not."""
    case = GoldenCase(case_id="c", pictures=["1.png"], expected={"recognition": [{"describe": {}}]})
    with pytest.raises(RejectedError, match="golden case c lacks the first tokens of describe"):
        replay(bundle_of(tmp_path, case, text_manifest()))


def test_frames_are_decoded_upright_in_bgr(tmp_path: Path) -> None:
    """As cameras give them: a red picture has its red in the last channel."""
    red = io.BytesIO()
    Image.new("RGB", (28, 28), (255, 0, 0)).save(red, "PNG")
    expected = [{"describe": {TOKENS: [1]}}]
    case = GoldenCase(case_id="c", pictures=["1.png"], expected={"recognition": expected})
    bundle = bundle_of(tmp_path, case, text_manifest())
    write_golden(GoldenSet((case,), {"1.png": red.getvalue()}), tmp_path / "golden.zip")
    seen: list[Frame] = []

    def encode(frame: Frame) -> Any:
        seen.append(frame)

    list(golden_decisions(bundle, encode=encode, run=lambda *_: [], follow=lambda *_: [[1]]))
    assert [tuple(np.unique(frame.reshape(-1, 3), axis=0)[0]) for frame in seen] == [(0, 0, 255)]
