"""The live camera's judgement, by the clock of the test: states, faults, restarts; its settings, words and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from device_profiles.loader import load_profile
from edge_agent import private_memory
from edge_agent.capture.live_source import (
    CameraSettings,
    SourceKind,
    camera_settings,
    is_present,
    kind_of,
    own_name,
    shown_source,
)
from edge_agent.capture.live_states import TRANSITIONS, Event, Fault, State, step
from edge_agent.capture.live_watch import Action, CameraWatch
from edge_agent.capture.live_wire import Beat, PictureMemory
from edge_agent.config import CaptureConfig, parse_config
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import ConfigError
from tests.simulators.core_limit import needs_core_dumps

SETTINGS = CameraSettings("/dev/video0", width_px=640, height_px=480)
UNPLUGGED_EXIT = 4


class Story:
    """One camera by the second: what is told to the watch, and when; ``now_s`` moves with every picture."""

    def __init__(self, settings: CameraSettings = SETTINGS) -> None:
        self.watch = CameraWatch(settings)
        self.now_s = 100.0
        self.sequence = 0
        self.watch.start(self.now_s)

    def state(self) -> State:
        return self.watch.state

    def fault(self) -> Fault | None:
        return self.watch.fault

    def open(self, name: str = "USB camera") -> Story:
        assert self.tick() is Action.SPAWN
        self.watch.spawned(self.now_s)
        self.watch.opening(self.now_s)
        self.watch.opened(self.now_s, name)
        return self

    def tick(self, *, is_present: bool = True) -> Action:
        return self.watch.tick(self.now_s, is_present=is_present)

    def show(
        self, seconds: float = 1.0, *, is_same: bool = False, dark: float = 0.0, bright: float = 0.0, width: int = 640
    ) -> Story:
        """Let pictures come, two a second."""
        for _ in range(round(seconds * 2)):
            self.now_s += 0.5
            self.sequence += 1
            is_first = self.sequence == 1
            self.watch.beat(self.now_s, Beat(self.sequence, width, 480, 0.0, is_same and not is_first, dark, bright))
        return self

    def lose(self, code: int | None = -9, *, is_present: bool = True) -> None:
        self.watch.lost(self.now_s, code=code, is_present=is_present)

    def seconds_to_spawn(self) -> float:
        """Let time pass in steps of a tick until a child is wanted."""
        began_s = self.now_s
        while self.tick() is not Action.SPAWN:
            self.now_s += 0.25
        return self.now_s - began_s


def live() -> Story:
    story = Story().open().show()
    assert story.state() is State.LIVE
    return story


def seconds_to(story: Story, fault: Fault, **picture: object) -> float:
    """Show a picture until the fault is told."""
    began_s = story.now_s
    while story.fault() is not fault:
        assert story.now_s - began_s < 30
        story.show(0.5, **picture)  # type: ignore[arg-type]
    return story.now_s - began_s


@pytest.mark.parametrize(
    ("fault", "picture"),
    [
        (Fault.BLACK, {"dark": 1.0, "is_same": True}),
        (Fault.BLACK, {"dark": 0.99}),
        (Fault.OVEREXPOSED, {"bright": 0.95}),
        (Fault.FROZEN, {"is_same": True}),
        (Fault.TOO_SMALL, {"width": 320}),
    ],
)
def test_every_sign_is_told_within_five_seconds(fault: Fault, picture: dict[str, object]) -> None:
    """At two pictures a second, with 0.5 s for what lies between the lens and this judgement."""
    story = live()
    assert seconds_to(story, fault, **picture) <= 4.5
    assert story.state() is State.FAULTED


def test_silence_is_a_blocked_driver_and_costs_the_child_its_life() -> None:
    """Nothing for 3.6 seconds: kill it."""
    story = live()
    story.now_s += 3.5
    assert story.tick() is Action.NONE
    story.now_s += 0.2
    assert story.tick() is Action.KILL
    assert story.fault() is Fault.BLOCKED


def test_a_camera_that_never_opens_is_blocked() -> None:
    """Opening has its own patience, counted from the moment when the child has loaded."""
    story = Story()
    assert story.tick() is Action.SPAWN
    story.watch.spawned(story.now_s)
    story.now_s += 20  # a slow computer loads OpenCV
    assert story.tick() is Action.NONE
    story.watch.opening(story.now_s)
    story.now_s += SETTINGS.open_timeout_s - 0.1
    assert story.tick() is Action.NONE
    story.now_s += 0.2
    assert story.tick() is Action.KILL
    assert story.fault() is Fault.BLOCKED


@pytest.mark.parametrize(("picture"), [{"dark": 1.0}, {"bright": 1.0}, {"is_same": True}])
def test_a_moment_is_no_fault(picture: dict[str, object]) -> None:
    """A hand over the lens for a second, or two equal pictures, leave the camera live."""
    story = live()
    for _ in range(5):
        story.show(1.5, **picture)  # type: ignore[arg-type]
        assert story.state() is State.LIVE
        story.show(0.5)
        assert story.state() is State.LIVE


def test_a_sound_picture_ends_a_dark_one_at_once_and_without_a_restart() -> None:
    """The cap comes off: the same child goes on."""
    story = live().show(4, dark=1.0)
    assert story.fault() is Fault.BLACK
    assert story.tick() is Action.NONE
    story.show(0.5)
    assert (story.state(), story.fault(), story.watch.restarts) == (State.LIVE, None, 0)


def test_a_frozen_camera_is_not_live_again_before_it_has_moved() -> None:
    """The first picture of a new child proves nothing: a stuck camera gives one too."""
    story = live().show(5, is_same=True)
    assert story.tick() is Action.KILL
    story.lose()
    story.seconds_to_spawn()
    story.sequence = 1
    story.open().watch.beat(story.now_s, Beat(1, 640, 480, 0.0, None, 0.0, 0.0))
    assert story.fault() is Fault.FROZEN
    story.show(1, is_same=True)
    assert story.state() is State.FAULTED
    story.show(0.5)
    assert story.state() is State.LIVE


def test_another_name_or_size_is_the_wrong_device() -> None:
    """The name may stand anywhere in the camera's own, capitals or not; the size counts where it was written down."""
    named = CameraSettings("/dev/video0", expected_name="dermlite", min_edge_px=100)
    assert Story(named).open("Integrated camera").fault() is Fault.WRONG_DEVICE
    assert Story(named).open("DermLite Cam (3A:01)").show().state() is State.LIVE
    sized = CameraSettings("/dev/video0", width_px=1280, height_px=720, is_size_required=True)
    assert Story(sized).open().show().fault() is Fault.WRONG_DEVICE
    free = CameraSettings("/dev/video0", width_px=1280, height_px=720)
    assert Story(free).open().show().state() is State.LIVE


def test_five_restarts_in_a_minute_degrade_and_half_minutes_follow() -> None:
    """Each wait is twice the one before; then the camera is tried every 30 seconds, and may still come back."""
    story = Story()
    waits = []
    for _ in range(6):
        story.open().lose()
        waits.append(story.seconds_to_spawn())
    assert waits == [0.5, 1.0, 2.0, 4.0, 30.0, 30.0]
    assert story.state() is State.DEGRADED
    story.open().show()
    assert story.state() is State.LIVE


def test_rare_restarts_do_not_degrade() -> None:
    """One loss in 20 seconds for an hour: every time the camera is back at once."""
    story = live()
    for _ in range(180):
        story.show(20).lose()
        story.seconds_to_spawn()
        story.open().show()
        assert story.state() is State.LIVE


def test_a_camera_that_is_not_there_starts_no_child_and_is_opened_when_it_comes() -> None:
    """Looking for its name costs nothing; no number of looks degrades it."""
    story = live()
    story.lose(UNPLUGGED_EXIT, is_present=False)
    for _ in range(1000):
        story.now_s += 0.25
        assert story.tick(is_present=False) is Action.NONE
    assert (story.state(), story.fault()) == (State.FAULTED, Fault.UNPLUGGED)
    assert story.seconds_to_spawn() <= 1


def test_how_a_child_ended_tells_unplugged_from_blocked() -> None:
    """Its own two exit codes, or a name that is gone, are a cable; a signal is not."""
    for code, is_there, fault in ((3, True, Fault.UNPLUGGED), (4, True, Fault.UNPLUGGED), (-11, True, Fault.BLOCKED),
                                    (-9, False, Fault.UNPLUGGED), (None, True, Fault.BLOCKED)):  # fmt: skip
        story = live()
        story.lose(code, is_present=is_there)
        assert story.fault() is fault


def test_since_counts_from_the_last_change() -> None:
    """Another fault is a change; the same fault again is none."""
    story = live().show(4, dark=1.0)
    changed_s = story.watch.changed_s
    story.show(4, dark=1.0)
    assert story.watch.changed_s == changed_s
    story.show(4, bright=1.0)
    assert story.watch.changed_s > changed_s


def test_every_state_can_fail_and_stop() -> None:
    """No state is a dead end; what is not in the table is a programmer's mistake."""
    for state in State:
        assert step(state, Event.STOP) is State.OFF
        assert state is State.OFF or (state, Event.FAULT) in TRANSITIONS
    with pytest.raises(RuntimeError):
        step(State.OFF, Event.SEEN)


def test_every_state_and_fault_has_its_sentence() -> None:
    """In both languages, one sentence at least, and the ids are the same."""
    vocabulary = Vocabulary.load()
    assert tuple(vocabulary.lists["camera_fault"].terms) == tuple(Fault)
    assert tuple(vocabulary.lists["camera_state"].terms) == tuple(State)
    for name in ("camera_fault", "camera_state"):
        for term in vocabulary.lists[name].terms.values():
            assert term.en.endswith(".")
            assert term.zh.endswith("。")


def test_the_page_has_every_transition_and_every_sentence() -> None:
    """docs/camera.md is the table of the states and the English words of every fault."""
    page = (Path(__file__).parents[2] / "docs" / "camera.md").read_text(encoding="utf-8")
    drawn = page.split("```\n")[-2].splitlines()
    assert drawn == [f"{old} -{event}-> {new}" for (old, event), new in TRANSITIONS.items() if old != new]
    for fault, term in Vocabulary.load().lists["camera_fault"].terms.items():
        assert any(line.startswith(f"| `{fault}` |") and f"| {term.en} |" in line for line in page.splitlines())


def test_the_profile_gives_what_the_operator_leaves_open() -> None:
    """Size and patience; a size that the operator wrote is required, the profile's only asked for."""
    usual = load_profile("generic").camera
    settings = camera_settings(CaptureConfig(source="http://camera/"), usual)
    assert (settings.width_px, settings.height_px, settings.is_size_required) == (1280, 720, False)
    assert settings.open_timeout_s == usual.timeout_s
    wished = camera_settings(CaptureConfig(source="0", width_px=640, height_px=480, fps=30, timeout_s=7), usual)
    assert (wished.width_px, wished.height_px, wished.is_size_required) == (640, 480, True)
    assert (wished.fps, wished.open_timeout_s) == (30, 7)
    with pytest.raises(ConfigError, match="no camera is configured"):
        camera_settings(CaptureConfig(), usual)


def test_half_a_size_is_refused() -> None:
    """A width without a height says nothing."""
    with pytest.raises(ConfigError, match="both, or neither"):
        parse_config("[capture]\nwidth_px = 640\n", name="config.toml")


def test_sources_are_told_apart(tmp_path: Path) -> None:
    """By what is there, not by how it is called; what is not there yet is a device."""
    (tmp_path / "clip").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    kinds = {
        "rtsp://camera/1": SourceKind.ADDRESS,
        str(tmp_path): SourceKind.FOLDER,
        str(tmp_path / "clip"): SourceKind.VIDEO,
        str(tmp_path / "pipe"): SourceKind.PIPE,
        "/dev/null": SourceKind.DEVICE,
        "/dev/v4l/by-id/usb-none": SourceKind.DEVICE,
        "7": SourceKind.DEVICE,
    }
    assert {source: kind_of(source) for source in kinds} == kinds
    assert not is_present("/dev/v4l/by-id/usb-none")
    assert is_present("http://127.0.0.1:9/")
    assert own_name("http://camera.local:80/x") == "camera.local"


def test_a_password_is_never_shown() -> None:
    """Nor a query, which often holds a token."""
    assert shown_source("rtsp://nurse:secret@10.0.0.9:554/live?key=secret") == "rtsp://10.0.0.9:554/live"
    assert shown_source("/dev/video0") == "/dev/video0"


def test_a_picture_that_was_overtaken_is_not_read() -> None:
    """Two places: the last two pictures are there, whole; the one before has gone."""
    descriptor = PictureMemory.create()
    writer, reader = PictureMemory(descriptor, is_writer=True), PictureMemory(descriptor, is_writer=False)
    os.close(descriptor)
    frames = [np.random.default_rng(n).integers(0, 255, (60, 80 + n, 3), dtype=np.uint8) for n in range(4)]
    for sequence in (1, 2, 3):
        writer.write(frames[sequence], sequence)
    assert reader.read(Beat(1, 81, 60, 0.0)) is None
    for sequence in (2, 3):
        read = reader.read(Beat(sequence, 80 + sequence, 60, 0.0))
        assert read is not None
        assert np.array_equal(read, frames[sequence])


def test_the_supervisor_s_part_loads_no_opencv() -> None:
    """A driver can crash only the child."""
    code = "import edge_agent.capture.live, sys; print('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


DIES = "from edge_agent.private_memory import keep_private; {}; print(open('/proc/self/limits').read(), flush=True); import os; os.abort()"


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_private_process_leaves_no_core(is_kept: bool, tmp_path: Path) -> None:
    """It aborts with the limit of core dumps lifted before it; without the call the limit stays lifted."""
    needs_core_dumps()
    call = "keep_private()" if is_kept else "pass"
    lifted = (
        f"import resource as r; r.setrlimit(r.RLIMIT_CORE, (r.getrlimit(r.RLIMIT_CORE)[1],) * 2); {DIES.format(call)}"
    )
    path = os.environ.get("PYTHONPATH", "")
    child = subprocess.run(
        [sys.executable, "-c", lifted], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parents[2]}:{path}"},
    )  # fmt: skip
    assert child.returncode == -signal.SIGABRT
    core = next(line for line in child.stdout.splitlines() if line.startswith("Max core file size"))
    assert (core.split()[4:6] == ["0", "0"]) == is_kept
    if is_kept:
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another account")
@pytest.mark.parametrize("is_kept", [True, False])
def test_nobody_of_the_same_account_can_look_into_a_private_process(is_kept: bool) -> None:
    """The kernel gives /proc/PID of a process that is not dumpable to root: seen from outside, on a real process."""
    source = Path(private_memory.__file__).read_text(encoding="utf-8")
    call = "keep_private()" if is_kept else ""
    code = f"{source}\n{call}\nprint('ready', flush=True)\nimport sys\nsys.stdin.read()\n"
    nobody = 65534
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=nobody
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        assert Path(f"/proc/{child.pid}/environ").stat().st_uid == (0 if is_kept else nobody)


def test_what_protects_from_swap_is_told_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """No swap at all, else the unit's limit, else locked pages, else nothing: never a protection that is not there."""
    told = {"/proc/swaps": "Filename Type\n", "/proc/self/cgroup": "0::/system.slice/derm-edge.service\n"}
    limit = "/sys/fs/cgroup/system.slice/derm-edge.service/memory.swap.max"
    monkeypatch.setattr(private_memory, "_text", lambda path, missing="": told.get(str(path), missing))
    guard = private_memory._swap_guard
    assert guard(is_locked=False) == "no_swap"
    told["/proc/swaps"] += "/dev/sda2 partition\n"
    assert guard(is_locked=False) == "none"
    assert guard(is_locked=True) == "locked"
    told[limit] = "max\n"
    assert guard(is_locked=False) == "none"
    told[limit] = "0\n"
    assert guard(is_locked=True) == "cgroup"
    del told["/proc/swaps"], told[limit]
    assert guard(is_locked=False) == "none"  # who cannot look does not know
