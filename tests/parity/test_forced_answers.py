"""Teacher forcing reads the very distributions that free running decided on: same place, same prompt, same adapter."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.case import Request
from edge_agent.contracts.golden import read_golden
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import AgentName, FieldCalibration
from edge_agent.inference.engine import Engine, EngineSettings
from tests.simulators.reference import BUNDLE

CASES = 3


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The shipped bundle in exact arithmetic."""
    bundle = open_bundle(BUNDLE, keys=load_keys(shipped_key_folder()))
    with Engine(bundle, settings=EngineSettings(strict=True)) as loaded:
        yield loaded


def requests_for(engine: Engine, agent: AgentName) -> list[Request]:
    """Return requests of different lengths: other pictures, other texts."""
    golden = read_golden(engine.bundle.path_of("golden"))
    inputs = engine.bundle.manifest.agents[agent].inputs
    out = []
    for case in golden.cases[:CASES]:
        views = [engine.encode(_frame(golden.pictures[name])) for name in case.pictures]
        shown = {"none": (), "one": tuple(views[:1]), "all": tuple(views)}[inputs.images]
        out.append(Request(shown, {name: case.texts[name] for name in inputs.text}))
    return out


def _frame(data: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(data)) as image:
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


@pytest.mark.parametrize("agent", ["recognition", "representation", "reasoning"])
def test_forced_decisions_are_the_free_ones(engine: Engine, agent: AgentName) -> None:
    """Along its own answers, several rows and steps in a batch, every field has the probabilities of the free run."""
    requests = requests_for(engine, agent)
    free = engine.run(agent, requests)
    forced = engine.forced(agent, requests, [[output.text for output in steps] for steps in free])
    calibration = engine.bundle.manifest.thresholds.fields
    compared = 0
    for outputs, readings in zip(free, forced, strict=True):
        for output, reading in zip(outputs, readings, strict=True):
            seen: set[str] = set()
            for decision in reading.decisions:
                field = decision.field
                if field is None or field in seen or field not in output.fields:
                    continue
                seen.add(field)
                temperature = calibration.get(f"{agent}.{field}", FieldCalibration()).temperature
                powers = np.exp((decision.logits - decision.logits.max()) / temperature)
                expected = sorted(output.fields[field].alternatives.values())
                assert sorted((powers / powers.sum()).tolist()) == pytest.approx(expected, abs=1e-4)
                compared += 1
    assert compared >= CASES * 2


def test_another_bundles_answer_can_be_watched(engine: Engine) -> None:
    """Read again with an earlier reading at hand: the same tokens, and nothing else changes."""
    requests = requests_for(engine, "recognition")
    texts = [[output.text for output in steps] for steps in engine.run("recognition", requests)]
    first = engine.forced("recognition", requests, texts)
    again = engine.forced("recognition", requests, texts, like=first)
    for one, other in zip(first, again, strict=True):
        assert [d.ids.tolist() for d in one[0].decisions] == [d.ids.tolist() for d in other[0].decisions]
        assert one[0].tokens == other[0].tokens
