"""A stand-in for the inference child: same pipe, no engine. Its first argument says how it behaves."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from edge_agent.case_wire import unpack_case
from edge_agent.contracts.shown_field import ShownField
from edge_agent.errors import CaseError, ContractError, InferenceError, SignatureRejected
from edge_agent.ipc import Kind, Message, error_message, read_message, write_message
from tests.simulators.hanging import hang


def main() -> int:
    """Answer cases until stdin closes.

    Behaviours: ``answer``; ``refuse`` (the bundle); ``complain`` (about every case); ``fail`` (the
    engine, in every case); ``hang`` (in every case);
    ``crash-once=FILE`` (dies in the first case ever, remembered by the file); ``crash-on=ID`` (dies in the case with
    this id, every time); ``break-contract`` (the model's answer does not fit, in every case). Before any case:
    ``crash-loading=FILE`` (dies while the file is there); ``hang-loading``; ``fail-loading`` (says that it cannot).
    """
    behaviour, _, marker = sys.argv[1].partition("=")
    inbox, outbox = os.fdopen(0, "rb", closefd=False), os.fdopen(os.dup(1), "wb")
    if behaviour == "refuse":
        write_message(outbox, error_message(SignatureRejected("nobody signed this")))
        return 73
    _load(behaviour, marker=marker, outbox=outbox)
    write_message(outbox, Message(body={"kind": Kind.READY}))
    while (job := read_message(inbox)) is not None:
        if job.kind == Kind.PING:
            write_message(outbox, Message(body={"kind": Kind.PONG}))
            continue
        _answer(job, behaviour=behaviour, marker=marker, outbox=outbox)
    return 0


def _load(behaviour: str, *, marker: str, outbox: BinaryIO) -> None:
    if behaviour == "crash-loading" and os.path.exists(marker):  # noqa: PTH110
        os.abort()
    if behaviour == "hang-loading":
        hang()
    if behaviour == "fail-loading":
        write_message(outbox, error_message(InferenceError("no memory for the engine")))
        sys.exit(30)


def _answer(job: Message, *, behaviour: str, marker: str, outbox: BinaryIO) -> None:
    case = unpack_case(job)
    write_message(outbox, Message(body={"kind": Kind.PROGRESS, "stage": "recognition", "done": 0, "total": 1}))
    shown = ShownField("recognition", 0, "describe", "colour", ["bright_red"], is_decided=True)
    write_message(outbox, Message(body={"kind": Kind.FIELD, **shown.to_body()}))
    if behaviour == "complain":
        write_message(outbox, error_message(CaseError("this case does not fit")))
        return
    if behaviour == "fail":
        write_message(outbox, error_message(InferenceError("the device gave up")))
        return
    if behaviour == "break-contract":
        write_message(outbox, error_message(ContractError("the answer does not fit")))
        return
    if behaviour == "crash-on" and case.case_id == marker:
        os.abort()
    if behaviour == "hang":
        hang()
    if behaviour == "crash-once" and not os.path.exists(marker):  # noqa: PTH110
        os.close(os.open(marker, os.O_CREAT | os.O_WRONLY))
        os.abort()
    write_message(outbox, Message(body={"kind": Kind.REPORT, "report": {"case_id": case.case_id, "pid": os.getpid()}}))


if __name__ == "__main__":
    sys.exit(main())
