"""Bring frames and form to a report: through the running daemon, or in this process when there is none."""

from __future__ import annotations

import argparse
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from edge_agent import bootstrap
from edge_agent.case_wire import pack_case
from edge_agent.commands.advice import check_copy
from edge_agent.commands.report_files import write_report
from edge_agent.commands.screen import Progress, Screen
from edge_agent.config import Config
from edge_agent.contracts.case import Case, Frame, views_of
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.record_files import load_consent, load_intake, load_previous
from edge_agent.errors import CaseError, ConfigError, DaemonError, EdgeError, InferenceError
from edge_agent.ipc import Kind, Message, connect, error_from, read_message, write_message
from edge_agent.state_dir import StateLock, prepare_state_dir

if TYPE_CHECKING:
    from edge_agent.contracts.terms import Language

LOCK_WAIT_S = 120.0
LOCK_TURN_S = 0.5  # how long one look for the free folder takes before the daemon is tried again


def submit(frames: Sequence[Frame], *, options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Make a case of the frames, run it, and write what was asked for.

    Returns:
        0: there is a report (also one that abstains).

    Raises:
        CaseError: the form, the consent or the earlier report does not fit, or the person's copy is asked for in a language
            that nobody has verified; nothing is written.
        ConfigError: the page cannot be written; the report is.
        EdgeError: engine, bundle, store or daemon failed; the report that was written holds what the rules alone say.
    """
    intake = _judged(load_intake(options.intake) if options.intake else Intake(), frames, screen=screen)
    case = Case(
        case_id=secrets.token_hex(8),
        views=views_of(frames, intake=intake),
        intake=intake,
        consent=load_consent(options.consent) if options.consent else None,
        created=datetime.now(UTC),
        previous=load_previous(options.previous) if options.previous else None,
    )
    if case.previous is not None and case.earlier_visit is None:
        screen.note("The earlier report is not dated before this visit: nothing is compared with it.")
    if case.is_test_case:
        screen.note("No consent record: this is a test case; it is marked so and never leaves the device.")
    language: Language = options.language or config.language
    if options.person is not None:
        check_copy(case, language=language, config=config)
    try:
        prepare_state_dir(config.state_dir)
        report = _bring_to_report(case, language=language, options=options, config=config, screen=screen)
    except CaseError:
        raise  # the case itself is refused: there is nothing to report on
    except EdgeError:
        # A person waits: danger signs and triage need no engine, store or bundle. The error still sets the exit code.
        report = _rules_only(case, options=options, config=config)
        try:
            write_report(report, case=case, language=language, options=options)
        except ConfigError as exc:
            screen.note(str(exc))  # the page could not be written; what went wrong first is told last
        raise
    write_report(report, case=case, language=language, options=options)
    from edge_agent.casework import is_without_model

    if is_without_model(report):
        raise InferenceError(
            f"the engine could not finish case {case.case_id}: the report holds the rules' part only; run derm-edge doctor"
        )
    return 0


def _judged(intake: Intake, frames: Sequence[Frame], *, screen: Screen) -> Intake:
    """Let the quality gate judge the pictures that nobody judged, and say which of them will be set aside and why."""
    if not frames:
        return intake
    from edge_agent.capture.quality.notes import noted

    form, judged = noted(intake, frames)
    for number, quality in enumerate(judged, start=1):
        if quality is not None and quality.verdict == "refused":
            why = ", ".join(quality.reasons)
            screen.note(f"Picture {number} is set aside ({why}): take it again, or write its quality into the form.")
    return form


def _bring_to_report(
    case: Case, *, language: Language, options: argparse.Namespace, config: Config, screen: Screen
) -> dict[str, Any]:
    host = _find_host(config, screen=screen)
    with host:
        if isinstance(host, StateLock):
            return _in_this_process(case, language=language, options=options, config=config, screen=screen)
        return _through_daemon(host, case, language=language, options=options, config=config, screen=screen)


def _find_host(config: Config, *, screen: Screen) -> socket.socket | StateLock:
    """Return the running daemon, or the state folder for this process alone, whichever can be had first.

    A daemon that still loads holds the folder and does not answer yet, so both are tried in turn.

    Raises:
        DaemonError: another process holds the folder all the time.
    """
    deadline = time.monotonic() + LOCK_WAIT_S
    is_told = False
    while True:
        if (channel := connect(config.state_dir)) is not None:
            return channel
        try:
            return StateLock(config.state_dir, wait_s=LOCK_TURN_S if is_told else 0.0)
        except DaemonError:
            if time.monotonic() >= deadline:
                raise
        if not is_told:
            screen.note("Another derm-edge is at work here; waiting for it ...")
            is_told = True


def _rules_only(case: Case, *, options: argparse.Namespace, config: Config) -> dict[str, Any]:
    """Report by rules alone, naming the bundle only if it can be trusted."""
    from edge_agent.engine_bootstrap import verify_bundle
    from edge_agent.rules_only import rules_only_report

    vocabulary = bootstrap.country_vocabulary(config)
    try:
        bundle = verify_bundle(bootstrap.engine_wish(config, bundle_dir=options.bundle))
        return rules_only_report(case, manifest=bundle.manifest, vocabulary=vocabulary)
    except EdgeError:
        return rules_only_report(case, manifest=None, vocabulary=vocabulary)


def _through_daemon(
    channel: socket.socket,
    case: Case,
    *,
    language: Language,
    options: argparse.Namespace,
    config: Config,
    screen: Screen,
) -> dict[str, Any]:
    _check_bundle(options.bundle, config)
    with _stream(channel) as peer, screen.progress("the daemon takes the case") as progress:
        write_message(peer, pack_case(case, language=language))
        while (message := read_message(peer)) is not None:
            if message.kind == Kind.REPORT:
                return dict(message.body["report"])
            if message.kind == Kind.ERROR:
                raise error_from(message)
            _show(message, progress)
    raise DaemonError(f"the daemon ended; once it runs again it resumes case {case.case_id} if it had stored it")


@contextmanager
def _stream(channel: socket.socket) -> Iterator[BinaryIO]:
    """Give a stream whose end is silent: closing tries again to send what a daemon that is gone did not take."""
    stream = cast(BinaryIO, channel.makefile("rwb"))
    try:
        yield stream
    finally:
        with suppress(OSError):
            stream.close()


def _check_bundle(wanted: Path | None, config: Config) -> None:
    """Refuse a bundle other than the running daemon's: one device answers with one model."""
    if wanted is None:
        return
    status = ask(config.state_dir, Message(body={"kind": Kind.STATUS}))
    loaded = str(status.body["bundle_dir"]) if status is not None else ""
    if Path(loaded) != wanted.absolute():
        raise ConfigError(f"the running daemon uses the bundle {loaded}; leave --bundle out, or stop the daemon first")


def _show(message: Message, progress: Progress) -> None:
    if message.kind == Kind.STORED:
        progress(f"case {message.body['case_id']} stored", 0, 0)
    elif message.kind == Kind.PROGRESS:
        progress(str(message.body["stage"]), int(message.body["done"]), int(message.body["total"]))


def _in_this_process(
    case: Case, *, language: Language, options: argparse.Namespace, config: Config, screen: Screen
) -> dict[str, Any]:
    """Run the case here, with the state folder locked by the caller.

    It is stored before the engine loads, which takes seconds, but never under a bundle that is refused: the person would
    enter it again, and the hub would get one visit twice.
    """
    from edge_agent.casework import CaseWork
    from edge_agent.device_bootstrap import open_runner
    from edge_agent.engine_bootstrap import verify_bundle
    from edge_agent.rules_only import rules_only_report

    profile = bootstrap.resolve_profile(config)
    wish = bootstrap.engine_wish(config, bundle_dir=options.bundle)
    bundle = verify_bundle(wish, profile=profile)
    manifest = bundle.manifest
    with bootstrap.open_store(config) as store, screen.progress("storing the case") as progress:
        store.cases.add(case, language=language)
        progress(f"case {case.case_id} stored; loading the bundle", 0, 0)
        with _told_that_it_is_kept(case, screen), open_runner(bundle, wish, config=config, note=screen.note) as runner:
            progress(f"bundle {manifest.name} {manifest.version}, signed by the {bundle.signed_by}", 0, 0)
            work = CaseWork(
                store.cases,
                runner=runner,
                without_model=partial(rules_only_report, manifest=manifest),
                profile_class=profile.profile_class,
                is_stopping=lambda: False,
                on_failure=lambda _case_id, error: screen.note(str(error)),
            )
            return work.complete(case.case_id, on_progress=progress)


@contextmanager
def _told_that_it_is_kept(case: Case, screen: Screen) -> Iterator[None]:
    """Say of a stored case that could not be finished who finishes it: entered again, it would be two visits."""
    try:
        yield
    except EdgeError:
        screen.note(f"Case {case.case_id} is stored; derm-edge run will finish it. Do not enter it again.")
        raise


def ask(state_dir: Path, request: Message, *, timeout_s: float | None = None) -> Message | None:
    """Ask the running daemon one question; None when no daemon runs.

    Raises:
        EdgeError: the error that the daemon answered with.
        DaemonError: it broke off.
    """
    channel = connect(state_dir, timeout_s=timeout_s)
    if channel is None:
        return None
    with channel, _stream(channel) as peer:
        write_message(peer, request)
        answer = read_message(peer)
    if answer is None:
        raise DaemonError("the daemon ended without an answer; look at its log")
    if answer.kind == Kind.ERROR:
        raise error_from(answer)
    return answer
