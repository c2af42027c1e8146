"""The demo's story, step by step, with the real programs: broker, hub, daemon, one case, its report, the acknowledgement.

Without ``--once`` the kiosk's page stays open on a local port, with the drawn pictures as its camera and two made-up people.

Everything runs in a folder of its own, on a private port, and everything that was started here is stopped here.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from edge_agent.bootstrap import engine_wish
from edge_agent.config import load_config
from edge_agent.engine_bootstrap import verify_bundle
from edge_agent.errors import EdgeError
from edge_agent.ipc import SOCKET_NAME
from edge_agent.kiosk_bootstrap import open_registry
from edge_agent.store.accounts import Role
from tests.simulators.broker import Broker

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
PIN = "274913"  # of the two made-up people; the page takes nobody from outside this computer
PEOPLE = (("Demo worker", ("worker",)), ("Demo clinician", ("clinician", "prescriber", "maintainer")))
START_TIMEOUT_S = 180.0  # a program that died is noticed at once; this is for a computer that is busy
STOP_TIMEOUT_S = 20.0
STEPS = 5


class DemoError(Exception):
    """A step of the demo did not work; the message says which and where its log is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Returns:
        0 when the hub stored the result, else the exit code of the step that failed.
    """
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the acknowledgement")
    parser.add_argument("--language", choices=["zh", "en"], default="en", help="language of the report")
    parser.add_argument("--bundle", type=Path, help="another bundle than the reference bundle")
    options = parser.parse_args(arguments)
    ending = _Ending()
    ending.install()
    with tempfile.TemporaryDirectory(prefix="derm-demo-") as folder:
        try:
            return _run(Path(folder), once=options.once, settings=_settings(options), programs=_Programs(ending))
        except EdgeError as exc:
            print(f"demo: {exc}", file=sys.stderr)
            return exc.exit_code
        except (DemoError, TimeoutError, FileNotFoundError) as exc:
            print(f"demo: {exc}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 0 if not options.once else 130


class _Ending:
    """Leaves through the finally clauses when killed or when the terminal is closed, so that everything is stopped.

    Never between the birth of a program and the moment when it is known here: that one would live on, and write into the
    folder that is gone.
    """

    def __init__(self) -> None:
        self._is_starting = False
        self._told: int | None = None

    def install(self) -> None:
        """Take over the signals that end a program."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays what it is
                signal.signal(number, self._end)

    @contextmanager
    def waits(self) -> Iterator[None]:
        """Put the end off until the block is done; it comes right behind it."""
        self.check()
        self._is_starting = True
        try:
            yield
        finally:
            self._is_starting = False
            self.check()

    def check(self) -> None:
        """Leave if it was told before: an exit that is raised inside a destructor is lost, and the signals are ignored."""
        if self._told is not None:
            sys.exit(128 + self._told)

    def _end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  (the signature of a handler)
        # A closing terminal tells it twice, through the shell and through the kernel; the second must not cut this short.
        for later in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(later, signal.SIG_IGN)
        self._told = number
        if not self._is_starting:
            sys.exit(128 + number)


@dataclass(slots=True)
class _Programs:
    """Starts programs that cannot be lost."""

    ending: _Ending

    def call(self, words: list[str], *, stdout: int | None = None) -> tuple[int, bytes]:
        """Run a program to its end and return its exit code and, with a pipe, what it wrote; killed when the demo ends."""
        process: subprocess.Popen[bytes] | None = None
        try:
            with self.ending.waits():
                process = subprocess.Popen(_python(words), cwd=ROOT, stdout=stdout)
            written, _ = process.communicate()
            self.ending.check()
            return process.returncode, written or b""
        finally:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    @contextmanager
    def running(self, words: list[str], *, log: Path, ready: Path) -> Iterator[None]:
        """Run a program for the time of the block; the block starts when the file ``ready`` exists."""
        process: subprocess.Popen[bytes] | None = None
        try:
            with log.open("wb") as stream, self.ending.waits():
                # Of its own session: Ctrl-C ends the demo first, and the demo ends its programs in order.
                process = subprocess.Popen(
                    _python(words), cwd=ROOT, stdout=stream, stderr=stream, start_new_session=True
                )
            _await(process, words, log=log, ready=ready)
            yield
        finally:
            if process is not None:
                _stop(process)


def _await(process: subprocess.Popen[bytes], words: list[str], *, log: Path, ready: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
            raise DemoError(f"{' '.join(words[:2])} did not start; the end of its log:\n{tail}")
        time.sleep(0.05)  # a poll of another process, with a deadline


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its children too: they write into the folder that goes next
        process.wait()


def _settings(options: argparse.Namespace) -> str:
    lines = [f'language = "{options.language}"']
    if options.bundle is not None:
        path = json.dumps(str(options.bundle.absolute()), ensure_ascii=False)  # JSON's strings are TOML's too
        lines.append(f"bundle_dir = {path}")
    return "\n".join(lines)


def _run(folder: Path, *, once: bool, settings: str, programs: _Programs) -> int:
    _say(1, "broker: mosquitto on a private port")
    with _broker(folder) as broker:
        config = folder / "config.toml"
        config.write_text(
            f'state_dir = "{folder / "device"}"\n{settings}\n[broker]\nurl = "{broker.url}"\n'
            f'[capture]\nsource = "{DEMO / "pictures"}"\n[kiosk]\nis_demo = true\n',
            encoding="utf-8",
        )
        _add_people(config)
        database = f"sqlite:///{folder / 'hub.db'}"
        ready = folder / "hub.ready"
        _say(2, "hub: derm-fleet serve")
        serve = ["fleet", "serve", "--broker", broker.url, "--database", database, "--ready-file", str(ready)]
        with programs.running(serve, log=folder / "hub.log", ready=ready):
            bundle = verify_bundle(engine_wish(load_config(config)))
            use = "" if bundle.manifest.clinical_use else "; NOT for clinical use"
            _say(3, f"daemon: derm-edge run, bundle {bundle.manifest.name} signed by the {bundle.signed_by}{use}")
            edge = ["edge_agent", "--config", str(config)]
            with programs.running([*edge, "run"], log=folder / "daemon.log", ready=folder / "device" / SOCKET_NAME):
                code = _show_case(edge, database=database, programs=programs)
                if code == 0 and not once:
                    _keep_open(folder / "device", broker)
                return code


def _add_people(config: Path) -> None:
    """Add the made-up people, so that somebody can sign in at the page."""
    with open_registry(load_config(config)) as registry:
        for name, roles in PEOPLE:
            registry.accounts.add(name, roles={Role(role) for role in roles}, pin=PIN, by="(demo)")


def _keep_open(state_dir: Path, broker: Broker) -> None:
    """Say where the kiosk's page is, and wait for Ctrl-C."""
    page = state_dir / "kiosk.url"
    print(
        f"The kiosk is open at {page.read_text(encoding='utf-8').strip()}\n"
        f"  The address is good for one browser; the next one stands in {page}\n"
        f"  People: {' and '.join(name for name, _ in PEOPLE)}, both with the PIN {PIN}. The camera shows drawn pictures.\n"
        f"The hub and the daemon go on at {broker.url}; Ctrl-C ends everything.",
        file=sys.stderr,
        flush=True,
    )
    while True:
        time.sleep(3600)


def _show_case(edge: list[str], *, database: str, programs: _Programs) -> int:
    pictures = sorted((DEMO / "pictures").glob("*.png"))
    _say(4, f"case: {len(pictures)} drawn pictures, a fictitious form and a fictitious consent")
    images = [word for picture in pictures for word in ("--image", str(picture))]
    forms = ["--intake", str(DEMO / "intake.json"), "--consent", str(DEMO / "consent.json")]
    code, _ = programs.call([*edge, "case", *images, *forms])
    if code:
        return code
    _say(5, "sync: the de-identified result to the hub, and the hub's acknowledgement back")
    code, _ = programs.call([*edge, "sync"], stdout=subprocess.DEVNULL)
    if code:
        return code
    code, status = programs.call(["fleet", "status", "--json", "--database", database], stdout=subprocess.PIPE)
    if code:
        return code
    stored = json.loads(status)["stored"]
    print(f"stored at hub: {stored}", flush=True)
    if stored != 1:
        raise DemoError("the hub did not store the result; this is a defect")
    return 0


def _say(step: int, text: str) -> None:
    print(f"[{step}/{STEPS}] {text}", file=sys.stderr, flush=True)


def _python(words: list[str]) -> list[str]:
    return [sys.executable, "-m", *words]


@contextmanager
def _broker(folder: Path) -> Iterator[Broker]:
    """Run mosquitto for the time of the block; ends it also when the demo is told to end while it starts."""
    broker = Broker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


if __name__ == "__main__":
    sys.exit(main())
