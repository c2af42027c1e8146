"""Start a worker for one stage, hand on what it says, and translate how it ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from calibration.sweep.inputs import thread_count
from calibration.sweep.tasks import MESSAGE, At, BuildTask, Done, EvaluateTask, ExportTask, Refused, Say
from edge_agent.errors import CalibrationError, EdgeError

Hear = Callable[[Say | At], None]
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_worker(task: ExportTask | BuildTask | EvaluateTask, *, hear: Hear, log: Path, lock: int) -> dict[str, Any]:
    """Run one task in a process of its own and return its result.

    Args:
        task: what to do.
        hear: told of every step.
        log: file for what libraries print; replaced.
        lock: descriptor of the sweep's lock, held until the worker is dead too.

    Raises:
        EdgeError: the worker's own error, of its own class.
        CalibrationError: the worker was killed, or ended without a result.
    """
    root = Path(__file__).resolve().parents[2]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "DERM_SWEEP_PID": str(os.getpid())}
    environment |= dict.fromkeys(_THREAD_VARIABLES, str(thread_count()))
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "calibration.sweep.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            pass_fds=(lock,),
        )
        with process:
            try:
                last = _converse(process, task.model_dump_json().encode(), hear=hear)
            except BaseException:
                process.kill()
                raise
    return _result(last, code=process.returncode, log=log)


def _converse(process: subprocess.Popen[bytes], task: bytes, *, hear: Hear) -> Done | Refused | None:
    """Send the task and hear everything; return the last word."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the worker has no pipes")
    try:
        process.stdin.write(task)
        process.stdin.close()
    except BrokenPipeError:  # it died at once; its exit code says how
        return None
    last: Done | Refused | None = None
    for message in _messages(process.stdout):
        if isinstance(message, Done | Refused):
            last = message
        else:
            hear(message)
    return last


def _messages(stream: IO[bytes]) -> Iterator[Say | At | Done | Refused]:
    for line in stream:
        try:
            yield MESSAGE.validate_json(line)
        except ValidationError:
            continue  # a line that a kill cut off


def _result(last: Done | Refused | None, *, code: int, log: Path) -> dict[str, Any]:
    if isinstance(last, Done):
        return last.result
    if isinstance(last, Refused):
        raise _error_class(last.error)(last.message)
    if code < 0:
        raise CalibrationError(
            f"the stage was killed by signal {-code}, probably for lack of memory; close other programs and start again"
        )
    raise CalibrationError(f"the stage ended with code {code} and no result; {log} holds its last words")


def _error_class(name: str) -> type[EdgeError]:
    """Return the class of this name, so that the exit code stays the worker's."""
    known: list[type[EdgeError]] = [EdgeError]
    for one in known:
        known += [child for child in one.__subclasses__() if child not in known]
    return next((one for one in known if one.__name__ == name), CalibrationError)
