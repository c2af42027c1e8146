"""Which arithmetic each model is compiled with."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from edge_agent.inference.runtime import EngineSettings, Runtime

PRECISION, GROUP = "INFERENCE_PRECISION_HINT", "DYNAMIC_QUANTIZATION_GROUP_SIZE"


def test_the_vision_tower_has_an_arithmetic_of_its_own() -> None:
    """Its own precision and group where set, and nothing else changes; group 0 counts as set."""
    settings = EngineSettings(
        threads=2,
        precision="bf16",
        activation_group_size=32,
        vision_precision="f32",
        vision_activation_group_size=0,
    )
    own, shared = settings.of_vision().properties(), settings.properties()
    assert (own[PRECISION], own[GROUP]) == ("f32", "0")
    assert (shared[PRECISION], shared[GROUP]) == ("bf16", "32")
    assert own | {PRECISION: "bf16", GROUP: "32"} == shared


def test_without_one_it_computes_as_the_rest() -> None:
    """Nothing set: the settings of all models."""
    settings = EngineSettings(precision="f32", activation_group_size=64)
    assert settings.of_vision().properties() == settings.properties()
    assert PRECISION not in EngineSettings().of_vision().properties()


def test_strict_overrules_the_vision_tower_too() -> None:
    """An integrity check computes the tower in f32 on activations as they are."""
    settings = EngineSettings(strict=True, vision_precision="bf16", vision_activation_group_size=128)
    own = settings.of_vision().properties()
    assert (own[PRECISION], own[GROUP]) == ("f32", "0")


def test_a_model_is_compiled_with_the_settings_that_it_is_given() -> None:
    """The compiled model says so itself; without settings of its own it takes the runtime's."""
    settings = EngineSettings(precision="f32", activation_group_size=32, vision_activation_group_size=128)
    runtime = Runtime(settings)
    own = runtime.request(doubling(), settings=settings.of_vision()).get_compiled_model()
    shared = runtime.request(doubling()).get_compiled_model()
    assert [one.get_property(GROUP) for one in (own, shared)] == [128, 32]
    assert own.get_property(PRECISION) == ov.Type.f32


def doubling() -> ov.Model:
    """A model of one addition."""
    value = ops.parameter([1], np.float32)
    return ov.Model([ops.add(value, value)], [value])


USED = """
import os, signal, threading
from pathlib import Path
from edge_agent.inference.runtime import EngineSettings, Runtime, describe_device
from tests.unit.test_inference_runtime import doubling

def started():
    runtime = Runtime(EngineSettings())
    return [runtime, runtime.request(doubling())]

{use}
signal.signal(signal.SIGTERM, lambda number, frame: print("heard", number))
os.kill(os.getpid(), signal.SIGTERM)
"""
IN_ORDER = "first = started(); second = started(); first.clear(); second.clear()"
IN_A_THREAD = "held = started(); giver = threading.Thread(target=held.clear); giver.start(); giver.join()"


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(IN_ORDER, id="in the order they came"),
        pytest.param(IN_A_THREAD, id="in another thread"),
        pytest.param("describe_device('CPU')", id="only asked for its name"),
    ],
)
def test_a_process_that_gave_up_its_models_still_hears_a_signal(use: str) -> None:
    """Runtimes given up in the order they came, or in another thread: SIGTERM reaches its handler, not a freed stack."""
    words = [sys.executable, "-c", USED.format(use=use)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "heard 15\n"), done.stderr
