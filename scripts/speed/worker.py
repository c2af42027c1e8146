"""One contender in a process of its own: reads commands from stdin, one JSON object a line, and answers likewise.

Commands: ``{"do": "load"}``, ``{"do": "run", "workload": NAME, "size": {}, "case": N}``. Both say what memory
they took. Ends with stdin.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from calibration.reference.cli import stay_offline
from scripts.speed.contender import Contender
from scripts.speed.contenders import Parts, make
from scripts.speed.workload import workload_named


def main() -> int:
    """Serve one contender; the first line says which."""
    stay_offline()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries talk on stdout
    first = json.loads(sys.stdin.readline())
    parts = {key: Path(value) for key, value in first["parts"].items()}
    contender = make(first["name"], Parts(**parts, side_px=first["side_px"]), is_strict=first["is_strict"])
    for line in sys.stdin:
        answers.write(json.dumps(_answer(contender, json.loads(line))) + "\n")
    return 0


def _answer(contender: Contender, command: Mapping[str, Any]) -> dict[str, Any]:
    if command["do"] == "load":
        started = perf_counter()
        contender.load()
        return {"seconds": perf_counter() - started, "note": contender.note, **memory()}
    _forget_peak()
    ran = asdict(contender.run(workload_named(command["workload"], **command["size"]), command["case"]))
    return {**ran, **memory()}


def _forget_peak() -> None:
    """Begin a new peak of resident memory. See proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory() -> dict[str, int]:
    """Return this process's memory in bytes: largest and present resident size, anonymous and file-backed. See proc(5)."""
    rows = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if ":" in line
    )
    names = {"peak_bytes": "VmHWM", "resident_bytes": "VmRSS", "anonymous_bytes": "RssAnon", "file_bytes": "RssFile"}
    return {name: 1024 * int(rows[key].split()[0]) for name, key in names.items()}


if __name__ == "__main__":
    sys.exit(main())
