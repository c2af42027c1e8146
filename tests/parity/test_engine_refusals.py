"""What does not belong together is refused at load or before the model runs, each by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import Request
from edge_agent.contracts.manifest import AgentName
from edge_agent.errors import ContractError, EdgeError, Incompatible, InferenceError, RejectedError
from edge_agent.inference.decoding import FieldEvent
from edge_agent.inference.engine import Engine, EngineSettings
from tests.parity.conftest import BundleOf
from tests.parity.test_logits import PAD
from tests.parity.toy_model import picture

Document = dict[str, Any]


def changed(bundle: Bundle, change: Callable[[Document], None]) -> Bundle:
    """The same files under a changed manifest."""
    document = bundle.manifest.model_dump()
    change(document)
    return replace(bundle, manifest=type(bundle.manifest).model_validate(document))


def wrong_tokenizer(document: Document) -> None:
    document["agents"]["recognition"]["rendered_prompt"]["token_ids"][-1] += 1


def no_invocation(document: Document) -> None:
    document["agents"]["representation"]["steps"][0]["prompt"] = "integrate {images}"


def other_vocabulary(document: Document) -> None:
    document["backbone"]["vocab_size"] += 64


def other_backbone(document: Document) -> None:
    document["adapters"][1]["base_digest"] = "b" * 64


def swapped_files(document: Document) -> None:
    for entry in document["files"]:
        entry["role"] = entry["role"].replace("adapter.reasoning", "adapter.swap")
        entry["role"] = entry["role"].replace("adapter.recognition", "adapter.reasoning")
        entry["role"] = entry["role"].replace("adapter.swap", "adapter.recognition")


def ambiguous_values(document: Document) -> None:
    rules = document["agents"]["reasoning"]["steps"][0]["output_schema"]["properties"]
    rules["syndrome"]["enum"] = ["heat_a", "heat_b", "dryness"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (wrong_tokenizer, RejectedError, "splits the recognition prompt otherwise"),
        (no_invocation, RejectedError, "representation prompt lacks its adapter's invocation"),
        (other_vocabulary, Incompatible, "hidden size and vocabulary"),
        (other_backbone, Incompatible, "representation adapter was trained on another backbone"),
        (swapped_files, Incompatible, "name = reasoning"),
        (ambiguous_values, RejectedError, r"reasoning\.reasoning\.syndrome: the values heat_a and heat_b"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(
    bundle_of: BundleOf, change: Callable[[Document], None], error: type[EdgeError], message: str
) -> None:
    """One planted fault each; the message names the part."""
    with pytest.raises(error, match=message):
        Engine(changed(bundle_of("f32", "int8"), change))


@pytest.fixture(scope="module")
def engine(bundle_of: BundleOf) -> Iterator[Engine]:
    """The production configuration: INT4 backbone, INT8 adapters, default settings."""
    with Engine(bundle_of("int4", "int8")) as loaded:
        yield loaded


def test_production_settings_answer_every_agent(engine: Engine) -> None:
    """INT4 + INT8 with every optimisation on: each step answers with probabilities that sum to one."""
    views = tuple(engine.encode(picture(seed)) for seed in (1, 2))
    texts = {"representation": "colour bright_red", "intake": "tongue 舌红"}
    cases: list[tuple[AgentName, list[Request]]] = [
        ("recognition", [Request((view,), {}) for view in views]),
        ("representation", [Request(views, {})]),
        ("reasoning", [Request((), texts)]),
    ]
    for agent, requests in cases:
        for output in (o for steps in engine.run(agent, requests) for o in steps):
            sums = [sum(f.alternatives.values()) for f in output.fields.values() if f.probability is not None]
            assert sums
            assert sums == pytest.approx([1.0] * len(sums))


def test_fields_arrive_while_the_answer_is_written(engine: Engine) -> None:
    """on_field is called once per decided field and row, in the schema's order."""
    view = engine.encode(picture(3))
    events: list[FieldEvent] = []
    [[output]] = engine.run("recognition", [Request((view,), {})], on_field=events.append)
    assert [event.field for event in events] == ["family", "colour", "induration", "border"]
    assert [event.value for event in events] == [output.fields[event.field] for event in events]


def test_an_agent_sees_only_what_it_declares(engine: Engine) -> None:
    """Views and texts beyond, or short of, the declared inputs are refused before the model runs."""
    view = engine.encode(picture(4))
    with pytest.raises(InferenceError, match="recognition takes one views, but 2"):
        engine.run("recognition", [Request((view, view), {})])
    with pytest.raises(InferenceError, match="reasoning takes none views"):
        engine.run("reasoning", [Request((view,), {"representation": "", "intake": ""})])
    with pytest.raises(InferenceError, match="takes the texts"):
        engine.run("reasoning", [Request((), {"intake": ""})])
    with pytest.raises(InferenceError, match="'intake' holds the control token"):
        engine.run("reasoning", [Request((), {"representation": "", "intake": "<|image_pad|>"})])


def test_pads_that_do_not_fit_their_picture_are_refused(engine: Engine) -> None:
    """A prompt of ids with one picture token too few, or with a picture that nobody gave."""
    view = engine.encode(picture(4))
    count = view.embeddings.shape[0]
    engine.logits([40, *[PAD] * count, 41], adapter=None, views=[view])
    for ids, views in (([40, *[PAD] * (count - 1), 41], [view]), ([40, *[PAD] * count, 41], [])):
        with pytest.raises(InferenceError, match="picture tokens do not fit the pictures"):
            engine.logits(ids, adapter=None, views=views)


def test_frames_that_cannot_be_cut_are_refused(engine: Engine) -> None:
    """Grey, empty, float and strip-shaped frames are InferenceErrors, not crashes."""
    for frame in (np.zeros((50, 50), np.uint8), np.zeros((0, 9, 3), np.uint8), np.zeros((50, 50, 3), np.float32)):
        with pytest.raises(InferenceError, match="uint8"):
            engine.encode(frame)  # type: ignore[arg-type]
    with pytest.raises(InferenceError, match="too narrow"):
        engine.encode(np.zeros((2, 900, 3), np.uint8))


def test_an_answer_beyond_its_limit_is_a_contract_error(bundle_of: BundleOf) -> None:
    """max_tokens is honoured: the answer is refused, not cut."""

    def short(document: Document) -> None:
        document["agents"]["reasoning"]["steps"][0]["generation"]["max_tokens"] = 3

    with (
        Engine(changed(bundle_of("f32", "int8"), short), settings=EngineSettings()) as engine,
        pytest.raises(ContractError, match="did not end within 3 tokens"),
    ):
        engine.run("reasoning", [Request((), {"representation": "", "intake": ""})])


def test_a_closed_engine_is_a_programmers_mistake(bundle_of: BundleOf) -> None:
    """close() may be called twice; using the engine afterwards is a RuntimeError."""
    engine = Engine(bundle_of("f32", "f32"))
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.encode(picture(1))


def test_the_bare_engine_ignores_adapters(bundle_of: BundleOf) -> None:
    """adapters=False runs every agent on the backbone alone, the `bare` gate of a full engine."""
    ids = list(range(20, 40))
    with Engine(bundle_of("f32", "f32"), settings=EngineSettings(strict=True)) as full:
        expected = full.logits(ids, adapter=None)
    with Engine(bundle_of("f32", "f32"), settings=EngineSettings(strict=True), adapters=False) as bare:
        np.testing.assert_allclose(bare.logits(ids, adapter="recognition"), expected, atol=1e-4)
