"""The way down: a fault costs the second device its place, never the case; real child processes, no engine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edge_agent.devices.ladder import Earned, Ladder
from edge_agent.devices.verdict import Event, Standing, Verdicts
from edge_agent.errors import CaseError, ContractError, InferenceError, SignatureRejected
from edge_agent.inference_child import ChildSettings, InferenceChild, StartError, State
from tests.simulators.cases import case
from tests.simulators.second_device import key, noon


class Device:
    """A ladder of simulated children under an earned verdict; remembers every step down."""

    def __init__(
        self,
        folder: Path,
        *,
        gpu: str,
        cpu: str = "answer",
        careful: str = "answer",
        timeout_s: float = 300.0,
        told: str = "",
    ) -> None:
        self.verdicts = Verdicts(folder / "verdict.json", now=noon)
        self.verdicts.begin_test("GPU", key(device=""))
        self.verdicts.end_test(key(device=told), reasons=(), figures={})
        self.is_stopping = False
        self.steps: list[tuple[str, str, str]] = []
        self.gpu = self._child("GPU", gpu, timeout_s)
        self.cpu = self._child("CPU", cpu, 300.0)
        self.ladder = Ladder(
            [self.cpu, self._child("CPU, careful", careful, 300.0)],
            earned=Earned("GPU", self.gpu, self.verdicts, key(device="")),
            is_stopping=lambda: self.is_stopping,
            on_step=lambda *step: self.steps.append(step),
        )

    @staticmethod
    def _child(rung: str, behaviour: str, timeout_s: float) -> InferenceChild:
        settings = ChildSettings(
            arguments=[behaviour],
            start_timeout_s=timeout_s,
            job_timeout_s=timeout_s,
            module="tests.simulators.worker",
            rung=rung,
        )
        return InferenceChild(settings, wait=lambda _seconds: False)

    def run(self, name: str = "c1") -> str:
        """Run a case and return the rung that reported it."""
        report: dict[str, Any] = self.ladder.run(case(case_id=name))
        assert report["case_id"] == name
        return self.ladder.rung

    @property
    def standing(self) -> tuple[Standing, tuple[str, ...], int]:
        """Return what the file says: standing, reasons and unfinished work."""
        held = self.verdicts.read()
        assert held is not None
        return held.standing, held.reasons, held.unfinished


@pytest.fixture
def device(tmp_path: Path) -> Any:
    """Make devices and end their children."""
    made: list[Device] = []

    def make(**words: Any) -> Device:
        made.append(Device(tmp_path, **words))
        return made[-1]

    yield make
    for one in made:
        one.ladder.stop()


def test_an_earned_device_runs_the_cases(device: Any) -> None:
    """One child for all of them, and no work left open."""
    held = device(gpu="answer")
    held.ladder.start()
    assert [held.run("c1"), held.run("c2")] == ["GPU", "GPU"]
    assert held.standing == (Standing.EARNED, (), 0)
    assert held.cpu.pid is None
    assert held.steps == []


def test_work_is_counted_on_the_disk_while_it_goes_on(device: Any) -> None:
    """What a power cut would leave behind in the middle of a case."""
    held = device(gpu="answer")
    seen: list[int] = []
    held.ladder.run(case(), on_progress=lambda *_: seen.append(held.standing[2]))
    assert seen == [1]
    assert held.standing[2] == 0


def test_one_engine_is_in_memory_at_a_time(device: Any) -> None:
    """Every rung's child ends before the next one's loads."""
    held = device(gpu="fail", cpu="crash-on=poison")
    children = [held.gpu, *held.ladder._rungs]
    for name in ("c1", "poison", "poison", "poison", "c2"):
        with suppress(InferenceError):
            held.run(name)
        assert sum(child.pid is not None for child in children) <= 1


@pytest.mark.parametrize(
    ("gpu", "timeout_s", "words"),
    [
        ("crash-on=c1", 300.0, "ended while running the case"),
        ("hang", 2.0, "too slow running the case"),
        (f"crash-loading={__file__}", 300.0, "ended while loading"),
        ("hang-loading", 1.0, "too slow loading"),
        ("fail-loading", 300.0, "no memory for the engine"),
        ("fail", 300.0, "it failed where the CPU does not: the device gave up"),
        ("break-contract", 300.0, "it failed where the CPU does not: the answer does not fit"),
        ("refuse", 300.0, "nobody signed this"),
    ],
)
def test_a_fault_revokes_and_the_case_is_repeated(device: Any, gpu: str, timeout_s: float, words: str) -> None:
    """Every kind of fault: the report comes from the CPU, the reason stands in the file, and no child of it is left."""
    held = device(gpu=gpu, timeout_s=timeout_s)
    assert held.run() == "CPU"
    standing, reasons, unfinished = held.standing
    assert (standing, unfinished) == (Standing.REVOKED, 0)
    assert words in reasons[0]
    assert held.gpu.state is State.STOPPED
    assert [(before, after) for before, after, _ in held.steps] == [("GPU", "CPU")]
    assert held.run("c2") == "CPU"
    assert len(held.steps) == 1


@pytest.mark.parametrize("gpu", [f"crash-loading={__file__}", "refuse"])
def test_a_device_that_does_not_load_costs_no_start(device: Any, gpu: str) -> None:
    """The daemon comes up on the CPU, and the verdict is gone."""
    held = device(gpu=gpu)
    held.ladder.start()
    assert (held.ladder.rung, held.ladder.state) == ("CPU", State.IDLE)
    assert held.standing[0] is Standing.REVOKED


def test_a_bundle_that_the_cpu_refuses_too_is_not_the_devices_fault(device: Any) -> None:
    """The daemon must not start with it, and the device keeps its place."""
    held = device(gpu="refuse", cpu="refuse")
    with pytest.raises(SignatureRejected):
        held.ladder.start()
    assert held.standing == (Standing.EARNED, (), 0)


@pytest.mark.parametrize(("behaviour", "error"), [("fail", InferenceError), ("break-contract", ContractError)])
def test_a_case_that_the_cpu_cannot_do_either_is_not_the_devices_fault(
    device: Any, behaviour: str, error: type[Exception]
) -> None:
    """The comparison decides who is to blame."""
    held = device(gpu=behaviour, cpu=behaviour)
    with pytest.raises(error):
        held.run()
    assert held.standing == (Standing.EARNED, (), 0)


def test_a_refused_case_is_not_the_devices_fault(device: Any) -> None:
    """A complaint about the case itself is told as it is."""
    held = device(gpu="complain")
    with pytest.raises(CaseError):
        held.run()
    assert held.standing == (Standing.EARNED, (), 0)
    assert held.steps == []


def test_the_end_of_the_daemon_is_not_the_devices_fault(device: Any) -> None:
    """A case cut off by SIGTERM is resumed at the next start, on the device that it was on."""
    held = device(gpu="crash-on=c1")
    held.is_stopping = True
    with pytest.raises(InferenceError):
        held.run()
    assert held.standing == (Standing.EARNED, (), 0)


def test_a_case_that_fails_on_the_cpu_ends_on_the_careful_rung(device: Any) -> None:
    """Two attempts as usual, the third careful; the next case begins at the top again."""
    held = device(gpu="crash-on=poison", cpu="crash-on=poison")
    for _ in range(2):
        with pytest.raises(InferenceError, match="ended while"):
            held.run("poison")
    assert held.run("poison") == "CPU, careful"
    assert held.run("c2") == "CPU"
    assert [(before, after) for before, after, _ in held.steps] == [("GPU", "CPU"), ("CPU", "CPU, careful")]


def test_an_engine_that_does_not_start_is_no_reason_for_a_step(device: Any) -> None:
    """It says nothing about the rung: the case waits, as without a ladder."""
    held = device(gpu="fail-loading", cpu="fail-loading")
    for _ in range(4):
        with pytest.raises(StartError):
            held.run()
    assert [(before, after) for before, after, _ in held.steps] == [("GPU", "CPU")]


def test_an_operator_takes_the_place_away_from_a_running_daemon(device: Any) -> None:
    """The verdict is read again before every case."""
    held = device(gpu="answer")
    assert held.run("c1") == "GPU"
    Verdicts(held.verdicts._path).revoke("the fan is broken", by=Event.OPERATOR)
    assert held.run("c2") == "CPU"
    assert held.gpu.pid is None
    assert "the fan is broken" in held.steps[0][2]


def test_a_device_that_tells_another_name_does_not_work(device: Any) -> None:
    """The verdict was another device's or driver's; it is not revoked, since nothing failed."""
    held = device(gpu="answer", told="Intel(R) Arc(TM) Graphics, driver 24.35")
    assert held.run() == "CPU"
    assert held.standing[0] is Standing.EARNED
    assert "device was Intel(R) Arc(TM) Graphics, driver 24.35" in held.steps[0][2]


def test_work_that_ended_with_the_computer_stays_counted(device: Any) -> None:
    """The count is on the disk before the device is loaded: two ends in a row, and the CPU runs."""
    held = device(gpu="answer")
    held.verdicts.begin_work()
    held.verdicts.begin_work()
    assert held.run() == "CPU"
    assert "2 times in a row" in held.steps[0][2]


def test_a_fault_that_cannot_be_written_down_keeps_the_device_out(
    device: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: this process leaves the device all the same, and no case begins where a fault could not be noted."""
    held = device(gpu="answer")
    monkeypatch.setattr(held.verdicts, "_path", tmp_path / "verdict.json" / "no folder")
    assert held.run() == "CPU"
    held = device(gpu="answer")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge_agent.store.durable.sync_path", full)
    assert held.run() == "CPU"
    assert "no space left" in held.steps[0][2]
