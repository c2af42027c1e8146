"""The inference child: the only process that loads OpenVINO; reads cases from stdin, writes reports to stdout.

With ``--soak`` it answers the questions of a soak test (``soak_rounds``) in place of cases. Started by
``edge_agent.inference_child``. Stores nothing and opens no network connection. Ends by itself when the supervisor's
end of the pipe closes, however the supervisor died.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edge_agent.case_wire import unpack_case
from edge_agent.contracts.shown_field import ShownField
from edge_agent.engine_bootstrap import Arithmetic, EngineWish, load_engine, open_pipeline, verify_bundle
from edge_agent.errors import DaemonError, EdgeError
from edge_agent.inference.runtime import describe_device
from edge_agent.ipc import Kind, Message, error_message, read_message, write_message
from edge_agent.private_memory import keep_private

if TYPE_CHECKING:
    from edge_agent.casework import Runner  # at run time it would bring the store along
    from edge_agent.engine_bootstrap import BuildEngine

Answer = Callable[[Message], Message]
QUEUE_LIMIT = 2


def main(arguments: Sequence[str] | None = None, *, build_engine: BuildEngine | None = None) -> int:
    """Load the bundle, say so, and run cases until stdin closes.

    Args:
        arguments: None takes the process's own.
        build_engine: makes the engine; None is the engine itself.

    Returns:
        0 when the supervisor closed the pipe, the error's exit code when the bundle was refused.
    """
    keep_private()  # before a picture can come in
    options = _parser().parse_args(arguments)
    inbox, outbox = _claim_pipes()
    jobs: queue.Queue[Message] = queue.Queue(QUEUE_LIMIT)
    threading.Thread(target=_watch, args=(inbox, jobs), name="pipe-watch", daemon=True).start()
    wish = EngineWish(
        options.bundle,
        options.keys,
        options.device,
        options.threads,
        practice_file=options.practice,
        arithmetic=Arithmetic(
            options.precision, options.kv_precision, options.activation_group_size, options.release_vision_below_bytes
        ),
        is_careful=options.careful,
        name=options.name,
        routine_deadline_hours=options.routine_deadline_hours,
    )
    opened = _open_soak if options.soak else _open_cases
    try:
        with opened(wish, outbox=outbox, build_engine=build_engine) as answer:
            ready = {"kind": Kind.READY, "device": describe_device(wish.device)}
            write_message(outbox, Message(body=ready))
            while True:
                write_message(outbox, _answered(jobs.get(), answer))
    except DaemonError:
        return 0  # nobody listens any more
    except EdgeError as exc:
        write_message(outbox, error_message(exc))
        return exc.exit_code


@contextmanager
def _open_cases(wish: EngineWish, *, outbox: BinaryIO, build_engine: BuildEngine | None) -> Iterator[Answer]:
    with open_pipeline(wish, replay_canary=True, build_engine=build_engine) as loaded:
        yield partial(_run_case, runner=loaded.runner, outbox=outbox)


@contextmanager
def _open_soak(
    wish: EngineWish,
    *,
    outbox: BinaryIO,  # noqa: ARG001  (same shape for both)
    build_engine: BuildEngine | None,
) -> Iterator[Answer]:
    from edge_agent.inference.soak_rounds import SoakRounds  # noqa: PLC0415  (cases need none of it)

    bundle = verify_bundle(wish)
    with load_engine(bundle, wish, build_engine=build_engine) as engine:
        yield SoakRounds(engine, bundle).answer


def _answered(job: Message, answer: Answer) -> Message:
    """Answer a job, or say what is wrong with it; an error about one job does not end the child."""
    if job.kind == Kind.PING:
        return Message(body={"kind": Kind.PONG})
    try:
        return answer(job)
    except DaemonError:
        raise
    except EdgeError as exc:
        return error_message(exc)


def _run_case(job: Message, *, runner: Runner, outbox: BinaryIO) -> Message:
    def on_progress(stage: str, done: int, total: int) -> None:
        write_message(outbox, Message(body={"kind": Kind.PROGRESS, "stage": stage, "done": done, "total": total}))

    def on_field(shown: ShownField) -> None:
        write_message(outbox, Message(body={"kind": Kind.FIELD, **shown.to_body()}))

    report = runner.run(unpack_case(job), on_progress=on_progress, on_field=on_field)
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
    parser.add_argument("--name", help="how people call the device (default: OpenVINO's name)")
    parser.add_argument("--threads", type=int, required=True, help="how many threads inference may use")
    parser.add_argument("--precision", help="of the arithmetic (default: OpenVINO's choice)")
    parser.add_argument("--kv-precision", help="of the key-value cache (default: OpenVINO's choice)")
    parser.add_argument("--activation-group-size", type=int, help="values per scale (default: OpenVINO's choice)")
    parser.add_argument("--careful", action="store_true", help="f32 and every optimisation for time off")
    parser.add_argument("--soak", action="store_true", help="answer a soak test in place of cases")
    parser.add_argument("--release-vision-below-bytes", type=int, help="drop the vision models with less available")
    parser.add_argument("--routine-deadline-hours", type=int, help="by when a case of tier T4 must be read")
    parser.add_argument("--practice", type=Path, help="the practice file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
