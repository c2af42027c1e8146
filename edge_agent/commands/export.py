"""``derm-edge export``: a stored case as a FHIR file, or its report or referral letter as a PDF."""

from __future__ import annotations

import argparse
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config import Config
from edge_agent.errors import CaseError, ConfigError
from edge_agent.store.durable import replace_file

if TYPE_CHECKING:
    from edge_agent.agents.report.reading import ReportAudience
    from edge_agent.bootstrap import Store
    from edge_agent.commands.screen import Screen
    from edge_agent.interop.exporter import Exporter, ExportEvent
    from edge_agent.interop.stored import Stored
    from edge_agent.store.audit import AuditTrail

BY = "command-line"  # nobody signs in here; the account of the system is not a person


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("export", help="a stored case as a FHIR file or a PDF")
    parser.add_argument("case", metavar="CASE", help="the id of a stored case")
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--fhir", action="store_true", help="a FHIR R4 document (JSON)")
    form.add_argument(
        "--received", action="store_true", help="note that the receiver has the exported pictures: they may go here"
    )
    form.add_argument(
        "--receivers", action="store_true", help="list who has a file of the case, and who has confirmed its deletion"
    )
    form.add_argument("--pdf", action="store_true", help="the report, or with --letter the referral letter")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write it; without it: to a pipe on stdout")
    parser.add_argument("--language", choices=["zh", "en"], help="its language")
    parser.add_argument("--audience", choices=["clinician", "person"], help="for whom the PDF is (default: clinician)")
    parser.add_argument("--letter", metavar="ID", help="with --pdf: the letter to this destination")
    parser.add_argument("--for", dest="receiver", metavar="NAME", help="encrypt it to this receiver (receivers_dir)")
    parser.add_argument(
        "--with-pictures",
        action="store_true",
        help="with the pictures, which needs --for; intimate and identifying ones stay",
    )
    parser.add_argument("--with-reference", action="store_true", help="with --fhir: with the local reference")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Read the case from the store, make the export and write it.

    Raises:
        CaseError: there is no such case or no report yet, or the consent does not allow it.
        ConfigError: two options do not go together, the practice file cannot be read, or printing needs a Debian package.
        PrintError: the page cannot be printed.
        StoreError: the store cannot be read, or the file cannot be written.
    """
    _check(options)
    from edge_agent.bootstrap import country_vocabulary, open_store
    from edge_agent.interop.exporter import Carrier, Exporter
    from edge_agent.interop.pdf import PdfPress
    from edge_agent.interop.receivers import load_receiver
    from edge_agent.interop.stored import stored_case
    from edge_agent.kiosk_bootstrap import build_registry
    from edge_agent.policy.load import policy_in_force
    from edge_agent.policy.whom_to_call import whom_to_call
    from edge_agent.practice import load_practice
    from edge_agent.store.vault import ImageVault

    def now() -> datetime:
        return datetime.now(UTC)

    policy = policy_in_force(config, remember=False).policy
    receiver = None if options.receiver is None else load_receiver(config.receivers_dir, options.receiver, now=now())
    with open_store(config) as store:
        trail = build_registry(store.database).audit
        if options.received or options.receivers:
            _after_the_export(options, store, trail, screen)
            return 0

        def on_export(event: ExportEvent) -> None:
            _note_export(store, trail, event, made=now())
            how_many = len(event.pictures)
            screen.note(f"Export of case {event.case_id}: {event.form}, {how_many} pictures, by {event.by}.")

        contact = next(iter(whom_to_call(policy, load_practice(config.practice_file)).referral), None)
        vault = ImageVault(store.database)
        stored = stored_case(
            store.database, cases=store.cases, vault=vault, case_id=options.case, has_pictures=options.with_pictures
        )
        exporter = Exporter(
            country_vocabulary(config),
            PdfPress(),
            on_export=on_export,
            clock=now,
            new_id=lambda: secrets.token_hex(8),
            carrier=Carrier(BY, policy, shown_as=BY, receiver=receiver, contact=contact),
        )
        content = _made(exporter, stored, options=options, config=config)
    _write(content, options.out, screen)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse options that say nothing together, before anything is read."""
    if options.fhir and (options.letter is not None or options.audience is not None):
        raise ConfigError("--letter and --audience are for --pdf: leave them out, or ask for --pdf")
    if options.pdf and options.with_reference:
        raise ConfigError("--with-reference is for --fhir: on paper the reference is written by hand")
    if options.letter is not None and (options.audience is not None or options.with_pictures):
        raise ConfigError("a letter has its own reader and no pictures: leave --audience and --with-pictures out")
    if options.received and (options.receiver or options.with_pictures or options.out is not None):
        raise ConfigError("--received only notes something: leave the other options out")
    if options.receivers and (options.receiver or options.with_pictures or options.out is not None):
        raise ConfigError("--receivers only lists: leave the other options out")
    is_made = not (options.received or options.receivers)
    if options.out is None and is_made and sys.stdout.isatty():
        raise ConfigError("name the file to write with --out, or send the output into a pipe")


def _note_export(store: Store, trail: AuditTrail, event: ExportEvent, *, made: datetime) -> None:
    """Write an export, its receiver and every picture in it down, all rows or none."""
    from edge_agent.store.audit import Action
    from edge_agent.store.retention_classes import EXPORTED
    from edge_agent.store.sent_files import SentFiles

    images = {view.index: view.image_id for view in store.cases.views(event.case_id)}
    with store.database.transaction() as connection:
        trail.append(connection, event.by, Action.REPORT_EXPORTED, case_ref=event.case_id, detail=event.form)
        SentFiles.append(
            connection, event.case_id, form=event.form, receiver=event.receiver, account=event.by, sent=made
        )
        for index in event.pictures:
            if images.get(index) is not None:  # one from before the vault has no id: it stays its whole time
                trail.append(connection, event.by, EXPORTED, case_ref=event.case_id, detail=images[index])


def _after_the_export(options: argparse.Namespace, store: Store, trail: AuditTrail, screen: Screen) -> None:
    """Note that exported pictures arrived, or list who has a file; makes no export."""
    store.cases.status(options.case)
    if options.receivers:
        _list_receivers(store, options.case)
        return
    _note_receipt(trail, options.case)
    screen.note(f"Noted: the exported pictures of case {options.case} arrived. They go here once the case is signed.")


def _list_receivers(store: Store, case_id: str) -> None:
    """Print who has a file of a case; a clinician writes the answers down, on the page, under their own name."""
    from edge_agent.store.sent_files import SentFiles

    sent = SentFiles(store.database)
    asked = {one.number for one in sent.open()}
    for one in sent.of(case_id):
        told = "not taken back"
        if one.answer is not None:
            told = f"{one.answer.answer} on {one.answer.told_on}, {one.answer.how}, noted by {one.answer.account}"
        elif one.number in asked:
            told = "to confirm: ask for its deletion, then Take back a consent on the case's page"
        print(f"{one.receiver or '(nobody named)'}  {', '.join(one.forms)}  {one.last_sent:%Y-%m-%d}  {told}")


def _note_receipt(trail: AuditTrail, case_id: str) -> None:
    """Write that the exported pictures of a case arrived.

    Raises:
        CaseError: none was exported, so none can have arrived.
    """
    from edge_agent.store.retention_classes import EXPORTED, RECEIVED

    if not any(row.action == EXPORTED for row in trail.of_case(case_id)):
        raise CaseError(
            f"no picture of case {case_id} was exported here: make the export with --with-pictures and --for first"
        )
    trail.note(BY, RECEIVED, case_ref=case_id)


def _made(exporter: Exporter, stored: Stored, *, options: argparse.Namespace, config: Config) -> bytes:
    language = options.language or config.language
    if options.fhir:
        return exporter.fhir(
            stored, language=language, has_pictures=options.with_pictures, has_reference=options.with_reference
        )
    if options.letter is not None:
        return exporter.letter_pdf(stored, language=language, destination=options.letter)
    audience: ReportAudience = options.audience or "clinician"
    return exporter.report_pdf(stored, language=language, audience=audience, has_pictures=options.with_pictures)


def _write(content: bytes, path: Path | None, screen: Screen) -> None:
    """Write the export to its file, whole or not at all, or to stdout."""
    if path is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    replace_file(path.resolve(), content)  # readable for this account only
    screen.note(f"Written to {path}; it holds a patient's data: bring it only where it belongs.")
