"""``python -m scripts.bench_main idle``: what the daemon costs while nothing happens, outside the inference child."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_agent.commands.submission import ask
from edge_agent.errors import DaemonError
from edge_agent.ipc import Kind, Message
from tests.simulators.mjpeg_camera import MjpegCamera

ROOT = Path(__file__).resolve().parent.parent
START_S = 300.0
RSS_LIMIT_BYTES = 200_000_000
CPU_LIMIT = 0.01
DRAWN = "mjpeg"  # a camera that this command draws: MJPEG, 1280x720, 15 pictures a second of about 280 kB


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process holds and uses: bytes resident and proportional, share of one core, times a second it is woken."""

    name: str
    pid: int
    rss_bytes: int
    pss_bytes: int
    cpu_share: float
    wakes_per_s: float


def add_idle(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    idle = commands.add_parser("idle", help="memory and processor of a daemon while nothing happens")
    idle.add_argument("--seconds", type=float, default=60.0, help="how long to look (default: 60)")
    idle.add_argument(
        "--source",
        default=DRAWN,
        help=f"a camera, video or folder for the camera child; {DRAWN!r} draws one, 'none' measures without (default: {DRAWN})",
    )
    idle.set_defaults(run=run_idle)


def run_idle(options: argparse.Namespace) -> int:
    """Start a daemon in a folder of its own, let it settle, look, and stop it.

    Returns:
        0 when all but the inference child stay below the limits together, else 1.
    """
    with tempfile.TemporaryDirectory(prefix="idle-") as folder, _camera(options.source) as source:
        costs = measure(Path(folder), seconds=options.seconds, source=source)
    for cost in costs:
        print(json.dumps(asdict(cost)))
    counted = [cost for cost in costs if cost.name != "inference"]
    rss, cpu = sum(cost.rss_bytes for cost in counted), sum(cost.cpu_share for cost in counted)
    print(f"outside the inference child: {rss / 1e6:.0f} MB RSS (limit 200), {100 * cpu:.2f} % CPU (limit 1)")
    return 0 if rss <= RSS_LIMIT_BYTES and cpu < CPU_LIMIT else 1


@contextmanager
def _camera(source: str) -> Iterator[str | None]:
    """Give the source for the configuration; draws the usual camera in this process, whose work is not counted."""
    if source == DRAWN:
        with MjpegCamera(width=1280, height=720, fps=15.0) as camera:
            yield camera.url
    else:
        yield None if source == "none" else source


def measure(folder: Path, *, seconds: float, source: str | None) -> list[Cost]:
    """Return what every process of a fresh daemon costs over so many idle seconds.

    Raises:
        DaemonError: it does not start.
    """
    capture = "" if source is None else f"[capture]\nsource = {json.dumps(source)}\n"
    config = folder / "config.toml"
    config.write_text(f'state_dir = "{folder}/s"\n[broker]\nurl = "mqtt://127.0.0.1:9"\n{capture}', encoding="utf-8")
    with (folder / "err").open("wb") as err:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", "--config", str(config), "run"], cwd=ROOT, stderr=err
        )
    try:
        processes = _settled(folder / "s", daemon)
        before = {name: _used(pid) for name, pid in processes.items()}
        time.sleep(seconds)
        return [_cost(name, pid, before[name], seconds) for name, pid in processes.items()]
    finally:
        daemon.terminate()
        daemon.wait()


def _settled(state_dir: Path, daemon: subprocess.Popen[bytes]) -> dict[str, int]:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and daemon.poll() is None:
        answer = ask(state_dir, Message(body={"kind": Kind.STATUS}), timeout_s=30.0)
        camera = {} if answer is None else answer.body.get("camera") or {"state": "live"}
        if answer is not None and answer.body["daemon"]["child_state"] == "idle" and camera["state"] == "live":
            time.sleep(15.0)  # the first retries of the uplink, the first pictures
            found = {
                "supervisor": daemon.pid,
                "inference": answer.body["daemon"]["child_pid"],
                "camera": camera.get("pid"),
            }
            return {name: pid for name, pid in found.items() if pid}
        time.sleep(0.5)
    raise DaemonError("the daemon did not come to rest; look at its log")


def _cost(name: str, pid: int, before: tuple[float, int], seconds: float) -> Cost:
    cpu_s, wakes = _used(pid)
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    held = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in rollup.splitlines()[1:]}
    share, rate = (cpu_s - before[0]) / seconds, (wakes - before[1]) / seconds
    return Cost(name, pid, held["Rss"], held["Pss"], round(share, 5), round(rate, 2))


def _used(pid: int) -> tuple[float, int]:
    """Return the seconds of processor that a process has used, and how often its threads went to sleep by themselves."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    wakes = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                wakes += int(line.split()[1])
    return ticks / os.sysconf("SC_CLK_TCK"), wakes
