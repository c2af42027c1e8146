"""The daemon in this process, with a real store, socket and child: it runs every case, or ends and says so."""

from __future__ import annotations

import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
import structlog

from edge_agent.case_wire import pack_case
from edge_agent.casework import CaseWork, OnProgress, Report
from edge_agent.contracts.case import Case
from edge_agent.contracts.shown_field import OnField, ShownField
from edge_agent.daemon import Daemon, Log, Parts
from edge_agent.errors import DaemonError, EdgeError, SignatureRejected
from edge_agent.inference_child import ChildSettings, InferenceChild
from edge_agent.ipc import Kind, Message, connect, read_message, write_message
from edge_agent.store import database as database_module
from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox
from edge_agent.supervision.keeper import Pulse
from edge_agent.supervision.notify import Notifier
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.uplink import Uplink
from tests.simulators.cases import case
from tests.simulators.kiosk import wait_until

PATIENCE_S = 30.0


class Runner:
    """Answer every case after ``action``, which may raise."""

    def __init__(self) -> None:
        self.action: Callable[[], None] = lambda: None
        self.waiting: dict[str, Callable[[], None]] = {}  # what comes first for these cases
        self.runs: list[str] = []
        self.tells = False

    def run(self, case: Case, *, on_progress: OnProgress | None = None, on_field: OnField | None = None) -> Report:
        """Do the action, tell of one stage and one sign where it should, then answer."""
        self.runs.append(case.case_id)
        if self.tells and on_progress is not None and on_field is not None:
            on_progress("encode", 0, 3)
            on_field(ShownField("recognition", 0, "describe", "colour", ["bright_red"], is_decided=True))
        self.waiting.get(case.case_id, self.action)()
        return {"case_id": case.case_id, "is_test_case": True}


class SlowStore(CaseStore):
    """Come back from ``add`` only when the daemon has found, run and reported the case by itself."""

    def add(self, case: Case, *, language: str, awaits_sign_off: bool = False) -> None:
        """Store the case, then dawdle."""
        super().add(case, language=language, awaits_sign_off=awaits_sign_off)
        wait_until(lambda: self.report(case.case_id) is not None, what="the case was not found")


class BrokenLog:
    """A log file on a disk that is full from some moment on."""

    is_full = False

    def write(self, text: str) -> int:
        """Take the text, or fail like the disk does."""
        if self.is_full:
            raise OSError(28, "No space left on device")
        return len(text)

    def flush(self) -> None:
        """Do nothing."""


class Device:
    """One daemon on its own thread, over a database that a test may lock from outside."""

    def __init__(
        self, folder: Path, database: Database, *, log: Log, store: CaseStore, runner: Runner, resume_after_s: float
    ) -> None:
        self.folder, self.store, self.runner = folder, store, runner
        self.stop, self.ready = threading.Event(), threading.Event()
        self.error: BaseException | None = None
        outbox = Outbox(database)
        child = InferenceChild(
            ChildSettings(arguments=["answer"], start_timeout_s=300.0, module="tests.simulators.worker"),
            wait=self.stop.wait,
        )
        work = CaseWork(
            self.store,
            runner=self.runner,
            without_model=lambda given: {"case_id": given.case_id, "is_test_case": True},
            profile_class="generic",
            is_stopping=self.stop.is_set,
            on_failure=lambda _name, _error: None,
        )
        uplink = Uplink(outbox, UplinkSettings(host="127.0.0.1", port=9, device="d" * 32), log=_silent())
        parts = Parts(cases=self.store, outbox=outbox, child=child, work=work, uplink=uplink, stop=self.stop, log=log)
        self.daemon = Daemon(
            parts, bundle_dir=folder, resume_after_s=resume_after_s, predict=lambda views: 10.0 * views
        )
        self.heard: list[Message] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.daemon.run(self.folder, ready=self.ready)
        except EdgeError as exc:
            self.error = exc

    def give(self, given: Case, *, on_stored: Callable[[], None] = lambda: None) -> Message | None:
        """Give a case over the socket and return what ends it."""
        channel = connect(self.folder, timeout_s=PATIENCE_S)
        assert channel is not None
        with channel, channel.makefile("rwb") as stream:
            peer = cast(BinaryIO, stream)
            write_message(peer, pack_case(given, language="en"))
            while (message := read_message(peer)) is not None:
                self.heard.append(message)
                if message.kind == Kind.STORED:
                    on_stored()
                if message.kind in (Kind.REPORT, Kind.ERROR):
                    return message
        return None


def _silent() -> Log:
    def drop(_logger: object, _method: str, _event: object) -> str:
        raise structlog.DropEvent

    return cast(Log, structlog.wrap_logger(None, processors=[drop]))


@contextmanager
def _running(
    database: Database,
    *,
    log: Log,
    store: CaseStore | None = None,
    runner: Runner | None = None,
    resume_after_s: float = 0.05,
) -> Iterator[Device]:
    with tempfile.TemporaryDirectory(prefix="daemon-") as folder:  # a short path: sockets allow 107 bytes
        device = Device(
            Path(folder),
            database,
            log=log,
            store=store or CaseStore(database),
            runner=runner or Runner(),
            resume_after_s=resume_after_s,
        )
        device.thread.start()
        try:
            assert device.ready.wait(PATIENCE_S)
            yield device
        finally:
            device.stop.set()
            device.thread.join(PATIENCE_S)
        assert not device.thread.is_alive()


def _left_over(database: Database) -> Runner:
    """Leave three cases without a report, as a daemon that was killed does; return a runner for the next daemon."""
    for name in ("old-1", "old-2", "old-3"):
        CaseStore(database).add(case(case_id=name), language="en")
    return Runner()


def _wait_for(event: threading.Event) -> None:
    assert event.wait(PATIENCE_S)


def _refuse() -> None:
    raise SignatureRejected("nobody signed this")


@pytest.fixture
def key() -> StoreKey:
    return StoreKey(secrets.token_hex(32))


@pytest.fixture
def database(tmp_path: Path, key: StoreKey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(database_module, "_BUSY_TIMEOUT_S", 0.05)
    with Database(tmp_path / "store.db", key) as opened:
        yield opened


def test_a_case_left_by_a_busy_store_is_run_again(database: Database, key: StoreKey) -> None:
    """The client is told; once the store is free and nothing else waits, the daemon runs the case by itself."""
    is_at_work, is_locked = threading.Event(), threading.Event()

    def work() -> None:
        is_at_work.set()
        assert is_locked.wait(PATIENCE_S)

    with (
        Database(database.path, key) as other,
        _running(database, log=_silent()) as device,
        ThreadPoolExecutor(1) as client,
    ):
        device.runner.action = work
        answer = client.submit(device.give, case(case_id="one"))
        assert is_at_work.wait(PATIENCE_S)
        with other.transaction():
            is_locked.set()
            end = answer.result(PATIENCE_S)
            assert end is not None
            assert (end.kind, end.body["error"]) == (Kind.ERROR, "StoreError")
            assert device.store.pending() == ["one"]
        wait_until(lambda: device.store.report("one") is not None, what="the case was not run again")
        assert device.store.pending() == []


def test_whoever_follows_a_case_hears_stages_with_the_time_left_and_signs(database: Database) -> None:
    """In their order, between "stored" and the report; the estimate is the prediction for three pictures."""
    runner = Runner()
    runner.tells = True
    with _running(database, log=_silent(), runner=runner) as device:
        device.give(case())
    kinds = [message.kind for message in device.heard]
    assert kinds == [Kind.STORED, Kind.PROGRESS, Kind.FIELD, Kind.REPORT]
    assert 29.0 < device.heard[1].body["remaining_s"] <= 30.0
    assert (device.heard[2].body["field"], device.heard[2].body["value"]) == ("colour", ["bright_red"])


def test_a_case_queued_twice_is_run_once(database: Database) -> None:
    """A new case that the search for forgotten ones has found and run first is no error when its own turn comes."""
    lines: list[str] = []

    def record(_logger: object, _method: str, event: Any) -> str:
        lines.append(str(event["event"]))
        raise structlog.DropEvent

    log = cast(Log, structlog.wrap_logger(None, processors=[record]))
    with _running(database, log=log, store=SlowStore(database)) as device:
        for name in ("one", "two"):
            end = device.give(case(case_id=name))
            assert end is not None
            assert end.kind == Kind.REPORT
        assert device.runner.runs == ["one", "two"]
    assert "failed" not in lines
    assert lines.count("case.resumed") >= 2  # else the search never came first, and nothing was tested


def test_a_new_case_comes_before_those_left_over(database: Database) -> None:
    """A person waits for a new case, nobody for the old ones: it is the next one to be run."""
    runner, is_stored = _left_over(database), threading.Event()
    runner.waiting["old-1"] = lambda: _wait_for(is_stored)
    with _running(database, log=_silent(), runner=runner, resume_after_s=300.0) as device:
        end = device.give(case(case_id="new"), on_stored=is_stored.set)
        assert end is not None
        assert end.kind == Kind.REPORT
        wait_until(lambda: device.store.pending() == [], what="the old cases were not run")
    assert runner.runs == ["old-1", "new", "old-2", "old-3"]


def test_a_refusal_of_an_old_case_stops_the_backlog(database: Database) -> None:
    """A bad bundle refuses the other old cases too: they wait for a pause, and no new case waits for their attempts."""
    runner = _left_over(database)
    runner.action = _refuse
    with _running(database, log=_silent(), runner=runner, resume_after_s=300.0) as device:
        wait_until(lambda: runner.runs == ["old-1"], what="the old cases were not tried")
        for name in ("new-1", "new-2"):
            end = device.give(case(case_id=name))
            assert end is not None
            assert (end.kind, end.body["error"]) == (Kind.ERROR, "SignatureRejected")
        assert device.store.pending() == ["old-1", "old-2", "old-3", "new-1", "new-2"]
    assert runner.runs == ["old-1", "new-1", "new-2"]


def test_an_old_case_that_never_ends_does_not_hold_up_the_rest(database: Database) -> None:
    """After the pause the next old case has its turn, not the same one again."""
    runner = _left_over(database)
    runner.waiting["old-1"] = _refuse
    with _running(database, log=_silent(), runner=runner) as device:
        wait_until(lambda: device.store.pending() == ["old-1"], what="the first old case held up the others")


def test_a_daemon_whose_thread_died_ends_with_an_error(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that raises ends the thread that runs cases; the daemon must not go on taking cases that nobody runs."""
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)  # the dead thread is the subject
    file = BrokenLog()
    log = cast(Log, structlog.wrap_logger(structlog.PrintLogger(file), processors=[lambda *_: "line"]))  # type: ignore[arg-type]
    with _running(database, log=log) as device:
        file.is_full = True
        device.give(case(case_id="one"))
        device.thread.join(PATIENCE_S)
        assert not device.thread.is_alive()
        assert device.stop.is_set()
        assert isinstance(device.error, DaemonError)
        assert "cases thread ended" in str(device.error)


class Hung:
    """A part that breaks its promise at once, and goes on doing nothing."""

    name = "camera"

    def __init__(self) -> None:
        self.is_in = threading.Event()

    def run(self, pulse: Pulse) -> None:
        """Hang until the daemon ends."""
        pulse.promise(-1.0)
        self.is_in.set()
        pulse.stop.wait(PATIENCE_S)


@pytest.mark.parametrize("is_hung", [False, True])
def test_the_watchdog_is_fed_only_while_every_part_answers(database: Database, is_hung: bool) -> None:
    """One part that hangs is enough: then the service manager starts the whole daemon again."""
    with (
        tempfile.TemporaryDirectory(prefix="d-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(f"{folder}/n")
        manager.settimeout(PATIENCE_S)
        device = Device(
            Path(folder), database, log=_silent(), store=CaseStore(database), runner=Runner(), resume_after_s=1.0
        )
        daemon, hung = device.daemon, Hung()
        daemon._parts = replace(daemon._parts, notifier=Notifier(f"{folder}/n", watchdog_s=0.03))
        if is_hung:
            daemon.supervise(hung)
        device.thread.start()
        try:
            assert not is_hung or hung.is_in.wait(PATIENCE_S)
            said = [manager.recv(4096).decode() for _ in range(40)][20:]  # the first ones may be older than the hang
        finally:
            device.stop.set()
            manager.settimeout(0.0)
            device.thread.join(PATIENCE_S)
        assert ("WATCHDOG=1" in said) is not is_hung
        assert any(one.startswith("STATUS=") for one in said)
