"""``derm-edge letter``: the referral letter of one case, from its report and its form."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.config import Config
from edge_agent.errors import CaseError, ConfigError
from edge_agent.store.durable import write_whole

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen

MAX_REPORT_BYTES = 4 * 1024 * 1024
FORMATS = (".html", ".txt", ".json")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("letter", help="write the referral letter of a case")
    parser.add_argument("report", type=Path, metavar="REPORT.json", help="what derm-edge case --json printed")
    parser.add_argument("--intake", type=Path, required=True, help="the form of the same case, a JSON file")
    parser.add_argument("--consent", type=Path, help="its consent record, a JSON file; without it: no pictures listed")
    parser.add_argument("--to", required=True, metavar="ID", help="destination, e.g. dermatology_in_person")
    parser.add_argument("--out", type=Path, metavar="FILE", help=".html (to print), .txt or .json; default: text here")
    parser.add_argument("--language", choices=["zh", "en"], help="language of the letter")
    parser.add_argument("--question", default="", help="your own question, beside the fixed one")
    parser.add_argument("--transport", choices=["yes", "no"], help="whether the person needs transport")
    parser.add_argument("--delivery", default="not_sent", metavar="ID", help="how the pictures are delivered")
    parser.add_argument("--decision", metavar="ID", help="a clinician's decision on the program's part")
    for name, told in (
        ("post", "sending post"),
        ("worker", "who sends it"),
        ("role", "the sender's role"),
        ("call-back", "number to call back"),
        ("reply-how", "how to reply"),
        ("reply-to", "whom to reply to"),
    ):
        parser.add_argument(f"--{name}", default="", help=f"{told}; without it: a line to fill in by hand")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Read report and form, and write the letter.

    Raises:
        CaseError: a file cannot be read, does not fit, or an id is unknown.
        ConfigError: the letter cannot be written where it was asked for, or the practice file cannot be read.
    """
    from edge_agent.agents.letter.document import letter
    from edge_agent.agents.letter.parts import Sender, Wish
    from edge_agent.bootstrap import country_vocabulary
    from edge_agent.contracts.record_files import load_consent, load_intake
    from edge_agent.practice import load_practice

    if options.out is not None and options.out.suffix not in FORMATS:
        raise ConfigError(f"cannot tell the format of {options.out}: end its name with {', '.join(FORMATS)}")
    vocabulary, contact = country_vocabulary(config), load_practice(config.practice_file).contacts.referral_contact
    report = _read_report(options.report)
    if options.consent is None and not report.get("is_test_case", True):
        screen.note("The case has a consent record: name it with --consent, or the letter lists no pictures.")
    told = letter(
        report,
        load_intake(options.intake),
        consent=load_consent(options.consent) if options.consent else None,
        sender=Sender(options.post, options.worker, options.role, options.call_back),
        wish=Wish(
            destination=options.to,
            letter_id=secrets.token_hex(4),
            written=datetime.now(UTC),
            language=options.language or config.language,
            question=options.question,
            transport_needed=options.transport,
            delivery=options.delivery,
            decision=options.decision,
            reply_how=options.reply_how,
            reply_to=options.reply_to,
            contact=None if contact is None else str(contact),
        ),
        vocabulary=vocabulary,
    )
    suffix = ".txt" if options.out is None else options.out.suffix
    text = _rendered(told, vocabulary, suffix)
    if options.out is None:
        sys.stdout.write(text)
        return 0
    try:
        write_whole(options.out.resolve(), text)
    except OSError as exc:
        raise ConfigError(f"cannot write {options.out}: {exc.strerror}; name another file with --out") from exc
    screen.note(f"Letter {told['letter_id']} written to {options.out}; write name and contact on it by hand.")
    return 0


def _rendered(told: dict[str, Any], vocabulary: Any, suffix: str) -> str:
    from edge_agent.agents.letter.render import letter_html, letter_text

    if suffix == ".json":
        return json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    return letter_html(told, vocabulary) if suffix == ".html" else letter_text(told, vocabulary)


def _read_report(path: Path) -> dict[str, Any]:
    """Read a report file.

    Raises:
        CaseError: it cannot be read or is no report.
    """
    try:
        if path.stat().st_size > MAX_REPORT_BYTES:
            raise CaseError(f"{path.name}: larger than {MAX_REPORT_BYTES // 1024**2} MiB; this is not a report")
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise CaseError(f"cannot read {path}: {exc.strerror}; name the file that derm-edge case --json wrote") from exc
    except ValueError as exc:
        raise CaseError(f"{path.name}: not JSON; name the file that derm-edge case --json wrote") from exc
    if not isinstance(told, dict) or "schema_version" not in told or "triage" not in told:
        raise CaseError(f"{path.name}: no report; name the file that derm-edge case --json wrote")
    return told
