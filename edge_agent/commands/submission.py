"""Bring frames and form to a report: through the running daemon, or in this process when there is none."""

from __future__ import annotations

import argparse
import json
import secrets
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from edge_agent import bootstrap
from edge_agent.case_wire import pack_case
from edge_agent.commands.screen import Progress, Screen
from edge_agent.config import Config
from edge_agent.contracts.case import Case, Frame, views_of
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.record_files import load_consent, load_intake
from edge_agent.contracts.terms import Language
from edge_agent.errors import ConfigError, DaemonError, InferenceError
from edge_agent.inference_child import error_from
from edge_agent.ipc import Kind, Message, connect, read_message, write_message
from edge_agent.state_dir import prepare_state_dir

LOCK_WAIT_S = 120.0


def submit(frames: Sequence[Frame], *, options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Make a case of the frames, run it, and write what was asked for.

    Returns:
        0: there is a report (also one that abstains).

    Raises:
        InferenceError: the engine failed; the report that has been written holds what the rules alone can say.
        EdgeError: the files do not fit their schema, or the bundle is refused.
    """
    intake = load_intake(options.intake) if options.intake else Intake()
    case = Case(
        case_id=secrets.token_hex(8),
        views=views_of(frames, intake=intake),
        intake=intake,
        consent=load_consent(options.consent) if options.consent else None,
        created=datetime.now(UTC),
    )
    if case.is_test_case:
        screen.note("No consent record: this is a test case; it is marked so and never leaves the device.")
    from edge_agent.casework import is_without_model

    language: Language = options.language or config.language
    prepare_state_dir(config.state_dir)
    try:
        report = _bring_to_report(case, language=language, options=options, config=config, screen=screen)
    except InferenceError:
        # A person waits: danger signs and triage need no engine. The error still decides the exit code.
        _write(_rules_only(case, options=options, config=config), case=case, language=language, options=options)
        raise
    _write(report, case=case, language=language, options=options)
    if is_without_model(report):
        raise InferenceError(
            f"the engine could not finish case {case.case_id}: the report holds the rules' part only; run derm-edge doctor"
        )
    return 0


def _bring_to_report(
    case: Case, *, language: Language, options: argparse.Namespace, config: Config, screen: Screen
) -> dict[str, Any]:
    channel = connect(config.state_dir)
    if channel is None:
        return _in_this_process(case, language=language, options=options, config=config, screen=screen)
    with channel:
        return _through_daemon(channel, case, language=language, options=options, config=config, screen=screen)


def _rules_only(case: Case, *, options: argparse.Namespace, config: Config) -> dict[str, Any]:
    from edge_agent.engine_bootstrap import verify_bundle
    from edge_agent.rules_only import rules_only_report

    bundle = verify_bundle(bootstrap.engine_wish(config, bundle_dir=options.bundle))
    return rules_only_report(case, manifest=bundle.manifest)


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
    with channel.makefile("rwb") as stream, screen.progress("the daemon takes the case") as progress:
        peer = cast(BinaryIO, stream)
        write_message(peer, pack_case(case, language=language))
        while (message := read_message(peer)) is not None:
            if message.kind == Kind.REPORT:
                return dict(message.body["report"])
            if message.kind == Kind.ERROR:
                raise error_from(message)
            _show(message, progress)
    raise DaemonError(f"the daemon ended; once it runs again it resumes case {case.case_id} if it had stored it")


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
    from edge_agent.casework import CaseWork
    from edge_agent.engine_bootstrap import open_pipeline
    from edge_agent.rules_only import rules_only_report
    from edge_agent.state_dir import StateLock

    profile = bootstrap.resolve_profile(config)
    wish = bootstrap.engine_wish(config, bundle_dir=options.bundle)

    def on_wait() -> None:
        screen.note("Another derm-edge is at work here; waiting for it ...")

    with (
        StateLock(config.state_dir, wait_s=LOCK_WAIT_S, on_wait=on_wait),
        bootstrap.open_store(config) as store,
        screen.progress("loading the bundle") as progress,
        open_pipeline(wish, profile=profile) as loaded,
    ):
        manifest = loaded.bundle.manifest
        progress(f"bundle {manifest.name} {manifest.version}, signed by the {loaded.bundle.signed_by}", 0, 0)
        store.cases.add(case, language=language)
        work = CaseWork(
            store.cases,
            runner=loaded.runner,
            without_model=partial(rules_only_report, manifest=manifest),
            profile_class=profile.profile_class,
            is_stopping=lambda: False,
            on_failure=lambda _case_id, error: screen.note(str(error)),
        )
        return work.complete(case.case_id, on_progress=progress)


def _write(report: dict[str, Any], *, case: Case, language: Language, options: argparse.Namespace) -> None:
    from edge_agent.contracts.terms import Vocabulary

    vocabulary = Vocabulary.load()
    if options.html is not None:
        from edge_agent.agents.report_html import render_html

        page = render_html(report, vocabulary, language, pictures={view.index: view.frame for view in case.views})
        try:
            options.html.write_text(page, encoding="utf-8")
        except OSError as exc:
            raise ConfigError(f"cannot write {options.html}: {exc.strerror}; name another file with --html") from exc
    if options.json:
        json.dump(report, sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    else:
        from edge_agent.agents.report_text import render_text

        sys.stdout.write(render_text(report, vocabulary, language).rstrip("\n") + "\n")


def ask(state_dir: Path, request: Message, *, timeout_s: float | None = None) -> Message | None:
    """Ask the running daemon one question; None when no daemon runs.

    Raises:
        EdgeError: the error that the daemon answered with.
        DaemonError: it broke off.
    """
    channel = connect(state_dir, timeout_s=timeout_s)
    if channel is None:
        return None
    with channel, channel.makefile("rwb") as stream:
        peer = cast(BinaryIO, stream)
        write_message(peer, request)
        answer = read_message(peer)
    if answer is None:
        raise DaemonError("the daemon ended without an answer; look at its log")
    if answer.kind == Kind.ERROR:
        raise error_from(answer)
    return answer
