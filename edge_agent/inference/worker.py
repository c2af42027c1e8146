"""The inference child: the only process that loads OpenVINO; reads cases from stdin, writes reports to stdout.

Started by ``edge_agent.inference_child``. Stores nothing and opens no network connection. Ends by itself when the
supervisor's end of the pipe closes, however the supervisor died.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edge_agent.case_wire import unpack_case
from edge_agent.engine_bootstrap import EngineWish, open_pipeline
from edge_agent.errors import DaemonError, EdgeError
from edge_agent.inference_child import error_message
from edge_agent.ipc import Kind, Message, read_message, write_message

if TYPE_CHECKING:
    from edge_agent.casework import Runner  # at run time it would bring the store along

QUEUE_LIMIT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the bundle, say so, and run cases until stdin closes.

    Returns:
        0 when the supervisor closed the pipe, the error's exit code when the bundle was refused.
    """
    options = _parser().parse_args(arguments)
    inbox, outbox = _claim_pipes()
    jobs: queue.Queue[Message] = queue.Queue(QUEUE_LIMIT)
    threading.Thread(target=_watch, args=(inbox, jobs), name="pipe-watch", daemon=True).start()
    wish = EngineWish(options.bundle, options.keys, options.device, options.threads, practice_file=options.practice)
    try:
        with open_pipeline(wish, replay_canary=True) as loaded:
            write_message(outbox, Message(body={"kind": Kind.READY, "bundle": loaded.bundle.manifest.name}))
            while True:
                write_message(outbox, _answer(jobs.get(), runner=loaded.runner, outbox=outbox))
    except DaemonError:
        return 0  # nobody listens any more
    except EdgeError as exc:
        write_message(outbox, error_message(exc))
        return exc.exit_code


def _answer(job: Message, *, runner: Runner, outbox: BinaryIO) -> Message:
    def on_progress(stage: str, done: int, total: int) -> None:
        write_message(outbox, Message(body={"kind": Kind.PROGRESS, "stage": stage, "done": done, "total": total}))

    try:
        report = runner.run(unpack_case(job), on_progress=on_progress)
    except DaemonError:
        raise
    except EdgeError as exc:
        return error_message(exc)
    return Message(body={"kind": Kind.REPORT, "report": report})


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipe for messages and turn the ordinary stdout into stderr, so that no library can write into it."""
    outbox = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(os.dup(0), "rb"), outbox


def _watch(inbox: BinaryIO, jobs: queue.Queue[Message]) -> None:
    try:
        while True:
            message = read_message(inbox)
            if message is None:
                break
            jobs.put(message)
            del message  # else this patient's pictures would stay in memory until the next case
    except DaemonError:
        pass
    os._exit(0)  # the supervisor is gone: nobody wants the rest, and a running inference cannot be asked to stop


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="derm-edge inference child", description="Started by derm-edge run.")
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle folder")
    parser.add_argument("--keys", type=Path, required=True, help="the folder of trusted public keys")
    parser.add_argument("--device", required=True, help="the OpenVINO device")
    parser.add_argument("--threads", type=int, required=True, help="how many threads inference may use")
    parser.add_argument("--practice", type=Path, help="the practice file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
