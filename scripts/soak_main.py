"""The long loops: kill supervisor and child at random moments, feed garbage to every door, and print the counts."""

from __future__ import annotations

import argparse
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from edge_agent.capture.stills import decode_picture
from edge_agent.config import parse_config
from edge_agent.contracts.messages import decode_up
from edge_agent.contracts.record_files import parse_consent, parse_intake
from edge_agent.errors import EdgeError
from edge_agent.ipc import read_message
from tests.simulators.kiosk import DEMO, ROOT, Kiosk, wait_until

CASE = ("--intake", str(DEMO / "intake.json"), "--consent", str(DEMO / "consent.json"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loops one after the other.

    Returns:
        0 when nothing was lost and nothing crashed.
    """
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="time for each loop")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    seconds = options.minutes * 60
    kills = kill_daemon(seconds, random.Random(options.seed))
    print("kill daemon and child:", dict(kills), flush=True)
    fuzz = fuzz_doors(seconds, random.Random(options.seed))
    print("garbage at the doors:", dict(fuzz), flush=True)
    words = ["--kills", str(max(1, int(10 * options.minutes))), "--seed", str(options.seed)]
    sync = subprocess.run([sys.executable, "-m", "tests.soak_sync", *words], cwd=ROOT, check=False)
    return 1 if kills["lost"] or fuzz["crash"] or sync.returncode else 0


def kill_daemon(seconds: float, chance: random.Random) -> Counter[str]:
    """Give cases to a daemon, kill it or its child at random moments, and count what was stored and reported."""
    counts: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Kiosk(Path(folder)) as kiosk:
        kiosk.start()
        while time.monotonic() < deadline:
            case = kiosk.begin_case(*CASE)
            time.sleep(chance.uniform(0, 4))  # the random moment is the subject
            if chance.random() < 0.5:
                kiosk.kill()
                counts["supervisor killed"] += 1
            else:
                child = kiosk.status()["daemon"]["child_pid"]
                if child is not None:
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                    counts["child killed"] += 1
            case.communicate()
            counts["stored"] += " stored" in kiosk.case_notes()
            if kiosk.daemon is not None and kiosk.daemon.poll() is not None:
                kiosk.start()
            wait_until(lambda: kiosk.status()["pending"] == 0, what="a case stays pending", timeout_s=300)
        cases = kiosk.status()["cases"]
    counts["reported"], counts["put aside"] = cases["reported"], cases["failed"]
    counts["lost"] = max(0, counts["stored"] - cases["reported"] - cases["failed"])
    return counts


def fuzz_doors(seconds: float, chance: random.Random) -> Counter[str]:
    """Feed damaged input to every parser of foreign bytes; anything but a result or an EdgeError is a crash."""
    picture = next((DEMO / "pictures").glob("*.png")).read_bytes()
    intake, consent = (DEMO / "intake.json").read_bytes(), (DEMO / "consent.json").read_bytes()
    doors: dict[str, tuple[Callable[[bytes], object], bytes]] = {
        "picture": (decode_picture, picture),
        "intake": (lambda data: parse_intake(data.decode("utf-8", "replace")), intake),
        "consent": (lambda data: parse_consent(data.decode("utf-8", "replace")), consent),
        "config": (
            lambda data: parse_config(data.decode("utf-8", "replace"), name="x"),
            b'[broker]\nurl = "mqtt://h"\n',
        ),
        "ipc": (lambda data: read_message(io.BytesIO(data)), b'{"body": {"kind": "case"}, "blobs": [3]}\nabc'),
        "payload": (decode_up, b"\x01" + bytes(40)),
    }
    counts: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        name, (door, sound) = chance.choice(list(doors.items()))
        data = damaged(sound, chance)
        try:
            door(data)
            counts[f"{name} accepted"] += 1
        except EdgeError:
            counts[f"{name} refused"] += 1
        except Exception as exc:  # noqa: BLE001  (the subject: nothing else may come out)
            counts["crash"] += 1
            print(f"crash at {name}: {type(exc).__name__}: {exc}; input {data[:200]!r}", file=sys.stderr)
    return counts


def damaged(sound: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat or insert some bytes."""
    data = bytearray(sound)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0 if place < len(data):
                data[place] = chance.randrange(256)
            case 1:
                del data[place : place + chance.randint(1, 20)]
            case 2:
                data[place:place] = chance.randbytes(chance.randint(1, 20))
            case _:
                data[place:place] = data[place : place + 40]
    return bytes(data)


if __name__ == "__main__":
    sys.exit(main())
