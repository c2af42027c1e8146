"""Answers with lists and lists of objects: the device's engine writes what PyTorch + PEFT would, token for token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from calibration.torch_reference import TorchReference
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import AgentOutput, Request
from edge_agent.contracts.manifest import Step
from edge_agent.inference.engine import Engine, EngineSettings
from tests.parity.conftest import BundleOf
from tests.parity.toy_model import ToyModel, make_tokenizer, picture

COLOURS = ["bright_red", "dark_red", "grey_brown", "cannot_tell"]
POINTERS = [f"view:{n}.{sign}" for n in (1, 2) for sign in ("colour", "scale")] + ["intake.pulse", "intake.tongue.body"]
STEP = {
    "type": "object",
    "properties": {
        "claim": {"enum": ["血热", "heat", "dryness"]},
        "stance": {"enum": ["supports", "against"]},
        "evidence": {"type": "array", "items": {"enum": POINTERS}, "minItems": 1, "maxItems": 3},
    },
    "required": ["claim", "stance", "evidence"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "steps": {"type": "array", "items": STEP, "minItems": 2, "maxItems": 4},
        "colour": {"type": "array", "items": {"enum": COLOURS}, "minItems": 1, "maxItems": 3},
        "medical": {
            "type": "object",
            "properties": {"working": {"enum": ["psoriasis", "eczema", "cannot_tell"]}},
            "required": ["working"],
            "additionalProperties": False,
        },
        "induration": {"enum": [0, 1, 3, None]},
    },
    "required": ["steps", "colour", "medical", "induration"],
    "additionalProperties": False,
}
DECIDED = ["colour", "medical.working", "induration"]
TEXTS = [
    {"representation": "colour bright_red\nscale none", "intake": "tongue 舌红苔黄\npulse 脉数"},
    {"representation": "colour grey_brown", "intake": "pulse 脉数"},
    {"representation": "scale colour", "intake": "describe the view"},
    {"representation": "assess", "intake": "血热证 皮损鲜红"},
]


def nested(bundle: Bundle) -> Bundle:
    """Return the toy bundle with the nested schema for Rec and for Reason."""
    agents = dict(bundle.manifest.agents)
    for name in ("recognition", "reasoning"):
        spec = agents[name]
        generation = spec.steps[0].generation.model_copy(update={"max_tokens": 2000})
        changed = {"output_schema": SCHEMA, "decided_fields": DECIDED, "generation": generation}
        agents[name] = spec.model_copy(update={"steps": [spec.steps[0].model_copy(update=changed)]})
    return Bundle(bundle.path, bundle.manifest.model_copy(update={"agents": agents}), bundle.signed_by)


class Judge:
    """PyTorch + PEFT in FP32, asked for whole answers."""

    def __init__(self, toy: ToyModel, bundle: Bundle) -> None:
        manifest = bundle.manifest
        self._reference = TorchReference(
            toy.hf, adapters=toy.peft, backbone=manifest.backbone, preprocessing=manifest.preprocessing
        )
        self._manifest = manifest

    def answer(self, agent: Any, *, pixels: list[Any], texts: dict[str, str]) -> dict[str, object]:
        """Return every property of the answer, decided fields or not."""
        step: Step = self._manifest.agents[agent].steps[0]
        whole = step.model_copy(update={"decided_fields": list(SCHEMA["properties"])})
        return self._reference.decide([whole], pixels=pixels, texts=texts, adapter=agent)[step.name]


@pytest.fixture(scope="module")
def bundle(bundle_of: BundleOf) -> Bundle:
    """FP32 backbone and adapters: what differs is not the precision."""
    return nested(bundle_of("f32", "f32"))


@pytest.fixture(scope="module")
def judge(toy: ToyModel, bundle: Bundle) -> Judge:
    """The source of expected answers."""
    return Judge(toy, bundle)


@pytest.fixture(scope="module", params=[True, False], ids=["skipping", "one by one"])
def engine(bundle: Bundle, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The device's engine, with forced tokens skipped and generated."""
    with Engine(bundle, settings=EngineSettings(strict=True, skip_forced=request.param)) as opened:
        yield opened


def assert_canonical(output: AgentOutput, expected: dict[str, object]) -> None:
    """The judge's answer, spelled in the tokenizer's own split and in no other."""
    text = json.dumps(expected, ensure_ascii=False, separators=(",", ":"))
    assert output.text == text
    assert output.tokens_sampled + output.tokens_forced == len(make_tokenizer().encode(text))


def test_nested_answers_are_the_judges(engine: Engine, judge: Judge) -> None:
    """Steps, lists, an object and a grade, on four records: the same ids in the same order and number."""
    outputs = [steps[0] for steps in engine.run("reasoning", [Request((), texts) for texts in TEXTS])]
    for texts, output in zip(TEXTS, outputs, strict=True):
        assert_canonical(output, judge.answer("reasoning", pixels=[], texts=texts))
    assert len({output.text for output in outputs}) > 1


def test_nested_answers_on_pictures_are_the_judges(engine: Engine, judge: Judge) -> None:
    """The same of two pictures of different sizes in one batch, whose rows end at different times."""
    frames = [picture(5), picture(6, height=100, width=180)]
    outputs = engine.run("recognition", [Request((engine.encode(frame),), {}) for frame in frames])
    for frame, (output,) in zip(frames, outputs, strict=True):
        assert_canonical(output, judge.answer("recognition", pixels=[frame[:, :, ::-1].copy()], texts={}))


def test_a_nested_answer_tells_its_decided_fields(engine: Engine) -> None:
    """A list's confidence is its leading item's; an object's field stands under its dotted name; steps have none."""
    [(output,)] = engine.run("reasoning", [Request((), TEXTS[0])])
    told = {name: field for name, field in output.fields.items() if field.probability is not None}
    assert sorted(told) == sorted(DECIDED)
    assert told["colour"].value == output.value["colour"]
    assert told["colour"].probability == told["colour"].alternatives[output.value["colour"][0]]
    assert set(told["colour"].alternatives) == set(COLOURS)
    assert told["medical.working"].value == output.value["medical"]["working"]
