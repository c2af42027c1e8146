"""A second device with the real engine in real children: OpenVINO's CPU stands in for it, faults are injected around it.

The graphics themselves are untested: no computer of this project has any.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from device_profiles.graphics import resident_bytes
from edge_agent.bootstrap import child_settings, engine_wish
from edge_agent.case_wire import pack_case
from edge_agent.commands import device as command
from edge_agent.commands.screen import Screen
from edge_agent.config import Config, InferenceConfig
from edge_agent.contracts.bundle import Bundle
from edge_agent.contracts.case import Case
from edge_agent.daemon_bootstrap import open_daemon
from edge_agent.device_bootstrap import choose, open_runner, soak_sides
from edge_agent.devices.candidates import Candidate
from edge_agent.devices.soak import Observed, Soak
from edge_agent.devices.soak_verdict import reasons_against
from edge_agent.devices.verdict import Standing, Verdict
from edge_agent.engine_bootstrap import verify_bundle
from edge_agent.errors import InferenceError
from edge_agent.inference.runtime import describe_device
from edge_agent.inference_child import ChildSettings, InferenceChild
from edge_agent.ipc import Kind, connect, read_message, write_message
from edge_agent.supervision.safe_mode import Wish
from tests.simulators.cases import case
from tests.simulators.kiosk import wait_until
from tests.simulators.second_device import devices, stand_in

PATIENCE_S = 120.0
pytestmark = pytest.mark.long


@pytest.fixture
def config() -> Iterator[Config]:
    """A cart with two threads, in a folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="cart-") as folder:
        yield Config(state_dir=Path(folder) / "state", profile="core-ultra", inference=InferenceConfig(threads=2))


@pytest.fixture
def bundle(config: Config) -> Bundle:
    """The reference bundle."""
    return verify_bundle(engine_wish(config))


def child(config: Config, *arguments: str, job_timeout_s: float = PATIENCE_S) -> Callable[[bool], InferenceChild]:
    """Make soak children that compute as the profile says, around the simulator's faults."""

    def make(is_strict: bool) -> InferenceChild:
        usual = child_settings(config, engine_wish(config)).arguments
        words = [*usual, "--soak", *(["--careful"] if is_strict else []), *arguments]
        settings = ChildSettings(words, job_timeout_s=job_timeout_s, module="tests.simulators.second_device")
        return InferenceChild(settings, wait=lambda _seconds: False)

    return make


def soak(
    config: Config, *arguments: str, cases: int, cpu: tuple[str, ...] = (), patience_s: float = PATIENCE_S
) -> Observed:
    """Soak a stand-in with a fault beside a CPU with one."""
    sides = child(config, *arguments, job_timeout_s=patience_s), child(config, *cpu)
    return Soak(*sides, read_memory=resident_bytes, on_progress=lambda *_: None).run(cases=cases)


def test_a_sound_device_that_is_faster_earns_its_place(config: Config) -> None:
    """Beside a CPU that does every answer twice: the same logits and decisions, started twice, no growth."""
    seen = soak(config, cases=24, cpu=("--fault", "slow"))
    assert reasons_against(seen, start_timeout_s=60.0) == []
    assert (len(seen.load_s), len(seen.pairs), seen.device) == (2, 24, describe_device("CPU"))
    assert seen.logit_range > 1.0


def test_a_device_that_is_not_faster_is_refused(config: Config) -> None:
    """The same two the other way round."""
    seen = soak(config, "--fault", "slow", cases=24)
    (reason,) = reasons_against(seen, start_timeout_s=60.0)
    assert reason.startswith("it is not faster")


def test_a_device_whose_memory_grows_is_refused(config: Config) -> None:
    """Some megabytes per answer that are never given back."""
    seen = soak(config, "--fault", "leak", cases=24, cpu=("--fault", "slow"))
    (reason,) = reasons_against(seen, start_timeout_s=60.0)
    assert reason.startswith("its memory grows")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("crash", "it failed: the inference child ended while"),
        ("hang", "it failed: the inference child was too slow"),
        ("error", "it failed: [GPU] CL_OUT_OF_RESOURCES"),
        ("crash-loading", "it failed: the inference child ended while loading"),
        ("canary", "it does not answer as the bundle expects: 0 of "),
        ("flip", "decisions differ from the CPU's, the first is calibration-"),
        ("logits", "in f32 its logits differ from the CPU's by 0.1"),
    ],
)
def test_each_fault_of_a_device_refuses_it(config: Config, fault: str, words: str) -> None:
    """Injected around the real engine; the sound one of the test above has no such reason."""
    patience_s = 10.0 if fault == "hang" else PATIENCE_S
    seen = soak(config, "--fault", fault, cases=4, patience_s=patience_s)
    assert any(words in reason for reason in reasons_against(seen, start_timeout_s=60.0))


def test_a_cpu_that_fails_says_nothing_about_the_device(config: Config) -> None:
    """The error is the CPU's, and tells the operator to look at it."""
    with pytest.raises(InferenceError, match="the CPU failed the soak test itself"):
        soak(config, cases=4, cpu=("--fault", "error"))


def test_the_command_writes_the_verdict(
    config: Config, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused with its reason and figures, by the program that an operator runs; the exit code is the engine's."""
    known = devices(tmp_path, stand_in("--fault", "slow"))
    options = argparse.Namespace(cases=24, minutes=None)
    with pytest.raises(InferenceError, match="GPU is refused: it is not faster"):
        command.soak(options, config, Screen(), devices=known)
    choice = choose(config, bundle.manifest, devices=known)
    assert choice is not None
    held = choice.verdicts.read()
    assert held is not None
    assert (held.standing, held.key.device) == (Standing.REFUSED, describe_device("CPU"))
    assert held.figures["cases"] == 24
    assert held.figures["ratio"] > 0.9
    assert "refused: it is not faster" in choice.reason
    assert "verdict    GPU refused" in capsys.readouterr().out


def earn(config: Config, bundle: Bundle, candidate: Candidate, root: Path) -> Any:
    """Write an earned verdict for these devices and return them."""
    known = devices(root, candidate)
    choice = choose(config, bundle.manifest, devices=known)
    assert choice is not None
    choice.verdicts.begin_test("GPU", choice.key)
    key = choice.key.model_copy(update={"device": describe_device("CPU")})
    choice.verdicts.end_test(key, reasons=(), figures={})
    return known


def verdict(config: Config, bundle: Bundle, known: Any) -> Verdict:
    """Return the verdict that lies in the state folder."""
    choice = choose(config, bundle.manifest, devices=known)
    assert choice is not None
    held = choice.verdicts.read()
    assert held is not None
    return held


def run_alone(config: Config, bundle: Bundle, known: Any, given: Case) -> tuple[dict[str, Any], list[str]]:
    """Run a case as a single command does; return report and notes."""
    notes: list[str] = []
    with open_runner(bundle, engine_wish(config), config=config, note=notes.append, devices=known) as runner:
        return runner.run(given), notes


def said(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report without what two runs never share."""
    origin = {name: value for name, value in report["provenance"].items() if name not in {"timings_ms", "device"}}
    triage = {name: value for name, value in report["triage"].items() if name != "deadline"}
    return {**report, "provenance": origin, "triage": triage, "created": None}


def test_a_case_runs_on_the_device_that_earned_it(config: Config, bundle: Bundle, tmp_path: Path) -> None:
    """The report names it, and says what the CPU says."""
    known = earn(config, bundle, stand_in(), tmp_path)
    report, notes = run_alone(config, bundle, known, case(marks=(3,)))
    assert report["provenance"]["device"] == "GPU"
    assert notes == []
    assert verdict(config, bundle, known).unfinished == 0
    choice = choose(config, bundle.manifest, devices=known)
    assert choice is not None
    choice.verdicts.revoke("to compare")
    alone, notes = run_alone(config, bundle, known, case(marks=(3,)))
    assert alone["provenance"]["device"] == "CPU"
    assert notes == ["GPU: revoked: to compare; run derm-edge device soak; cases run on the CPU"]
    assert said(alone) == said(report)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("crash", "ended while running the case"),
        ("error", "[GPU] CL_OUT_OF_RESOURCES"),
        ("contract", "the answer does not end"),
        ("canary", "the engine does not answer as the bundle expects"),
        ("crash-loading", "ended while loading"),
    ],
)
def test_a_fault_costs_the_place_and_not_the_case(
    config: Config, bundle: Bundle, tmp_path: Path, fault: str, words: str
) -> None:
    """The report comes from the CPU, names it, and the next start does not try the device again."""
    known = earn(config, bundle, stand_in("--fault", fault), tmp_path)
    report, notes = run_alone(config, bundle, known, case(marks=(3,)))
    assert report["provenance"]["device"] == "CPU"
    held = verdict(config, bundle, known)
    assert (held.standing, held.revocations) == (Standing.REVOKED, 1)
    assert words in held.reasons[0]
    assert words in notes[0]


def test_the_daemon_goes_on_when_the_device_hangs(config: Config, bundle: Bundle, tmp_path: Path) -> None:
    """A hang in the middle of a case: the client gets its report from the CPU, and status names the rung."""
    known = earn(config, bundle, stand_in("--fault", "hang"), tmp_path)
    config = config.model_copy(update={"inference": InferenceConfig(threads=2, job_timeout_s=20.0)})
    stop, ready = threading.Event(), threading.Event()
    with open_daemon(Wish(config), stop=stop, devices=known) as daemon:
        thread = threading.Thread(target=daemon.run, args=(config.state_dir,), kwargs={"ready": ready})
        thread.start()
        try:
            assert ready.wait(PATIENCE_S)
            wait_until(lambda: daemon.status()["device"] == "GPU", what="the device was not loaded")
            report = _through(config, case(marks=(3,)))
            assert report["provenance"]["device"] == "CPU"
            assert daemon.status()["device"] == "CPU"
            assert daemon.status()["pending"] == 0
        finally:
            stop.set()
            thread.join(PATIENCE_S)
    assert "too slow running the case" in verdict(config, bundle, known).reasons[0]


def _through(config: Config, given: Case) -> dict[str, Any]:
    channel = connect(config.state_dir, timeout_s=PATIENCE_S)
    assert channel is not None
    with channel, channel.makefile("rwb") as stream:
        write_message(stream, pack_case(given, language="en"))  # type: ignore[arg-type]
        while (message := read_message(stream)) is not None and message.kind != Kind.REPORT:  # type: ignore[arg-type]
            assert message.kind != Kind.ERROR, message.body
    assert message is not None
    return dict(message.body["report"])


def test_the_careful_rung_answers_like_the_usual_one(config: Config, bundle: Bundle) -> None:
    """Every optimisation off, f32: another way to the same decisions on a drawn case."""
    from dataclasses import replace

    from edge_agent.engine_bootstrap import load_pipeline

    usual = engine_wish(config)
    reports = []
    for wish in (usual, replace(usual, is_careful=True)):
        with load_pipeline(bundle, wish, replay_canary=True) as loaded:
            reports.append(loaded.runner.run(case(marks=(3,))))
    assert [one["provenance"]["device"] for one in reports] == ["CPU", "CPU, careful"]
    assert reports[0]["triage"]["final"] == reports[1]["triage"]["final"]
    assert [row["reason"] for row in reports[0]["abstentions"]] == [row["reason"] for row in reports[1]["abstentions"]]


def test_the_shipped_graphics_are_refused_where_there_are_none(config: Config) -> None:
    """OpenVINO's own GPU plugin on a computer without graphics: a fault of the device, told in its words, not a crash."""
    on_candidate, _ = soak_sides(config, devices(config.state_dir, stand_in()).candidates["GPU"])
    assert on_candidate(True).rung == "GPU, careful"
    with pytest.raises(InferenceError, match="OpenVINO finds no device GPU"):
        describe_device("GPU")
