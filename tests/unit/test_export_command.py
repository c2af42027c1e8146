"""``derm-edge export``: from the store to a file, with one line where it may not or cannot."""

from __future__ import annotations

import io
import json
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle
from pypdf import PdfReader

from edge_agent.bootstrap import open_store
from edge_agent.cli import run
from edge_agent.config import load_config
from edge_agent.contracts.intake import Consent
from edge_agent.contracts.policy import Policy
from edge_agent.errors import StoreFull
from edge_agent.interop.exporter import Carrier, Exporter, ExportEvent
from edge_agent.interop.pdf import PageToPrint
from edge_agent.interop.stored import Stored, stored_case
from edge_agent.kiosk_bootstrap import build_registry
from edge_agent.review.decisions import Decision
from edge_agent.review.sections import decidable
from edge_agent.store.accounts import Role
from edge_agent.store.audit import AuditTrail
from edge_agent.store.retention_classes import received_pictures
from edge_agent.store.reviews import ReviewStore
from edge_agent.store.sent_files import SentFiles
from edge_agent.store.vault import ImageVault
from edge_agent.store.withdrawal import Withdrawals, WithdrawnPurpose
from tests.simulators.cases import CREATED, consent
from tests.simulators.interop_cases import REFUSED, VOCABULARY, reported
from tests.simulators.receivers import Hospital

NOT_FREE = consent(
    given_by="nobody",
    emergency_reason="not awake",
    deidentified_result=REFUSED,
    referral_package=REFUSED,
    training=REFUSED,
)


class Device:
    """A state folder with cases in it, and the command line over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.hospital = Hospital(folder / "receivers")
        self.hospital.enrol()
        lines = (f'state_dir = "{folder / "device"}"', 'language = "en"', f'receivers_dir = "{self.hospital.folder}"')
        self.config.write_text("\n".join((*lines, "")), encoding="utf-8")

    def keep(self, name: str, *, case_id: str, is_reported: bool = True, agreed: Consent | None = None) -> None:
        """Store a case and its report; ``agreed`` in the place of its own consent."""
        given = reported(name)
        case = replace(given.case, case_id=case_id, consent=agreed or given.case.consent)
        with open_store(load_config(self.config)) as store:
            store.cases.add(case, language="en")
            if is_reported:
                store.cases.finish(case_id, {**given.report, "case_id": case_id}, None)

    def sign(self, case_id: str, *, condition: str) -> None:
        """Let a clinician put the suspected disease right and sign."""
        with open_store(load_config(self.config)) as store:
            accounts = build_registry(store.database).accounts
            account = accounts.add("Lin Hua", roles=[Role.CLINICIAN], pin="739154", by="(test)")
            reviews = ReviewStore(store.database)
            told = store.cases.report(case_id)
            assert told is not None
            for section in decidable(told):
                is_wrong = section == "reasoning"
                decision = {
                    "section": section,
                    "verdict": "corrected" if is_wrong else "accepted",
                    "reason": "wrong_condition" if is_wrong else "agree",
                    "values": {"condition": condition} if is_wrong else {},
                    "note": "ask the family" if is_wrong else "",
                    "account": account.name,
                    "decided": CREATED,
                }
                reviews.decide(case_id, Decision.model_validate(decision))
            reviews.sign(case_id, account=account.name, signed=CREATED)

    def take_back(self, case_id: str) -> None:
        """Let the person take the referral package back."""
        with open_store(load_config(self.config)) as store:
            withdrawals = Withdrawals(store.database, vault=ImageVault(store.database))
            withdrawals.record(case_id, WithdrawnPurpose.REFERRAL_PACKAGE, account="lin.hua", now=CREATED)

    def export(self, *words: str) -> int:
        """Run the command."""
        return run(["--config", str(self.config), "export", *words])


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    """Cases by what became of them: whole, refused, for tests, waiting, signed, taken back, of abuse, of an emergency."""
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        told = Device(Path(folder))
        for name in ("whole", "sent", "kept"):
            told.keep("plaque", case_id=name)
        told.keep("plaque", case_id="refused", agreed=consent(referral_package=REFUSED))
        told.keep("test_case", case_id="test")
        told.keep("plaque", case_id="waits", is_reported=False)
        told.keep("plaque", case_id="signed")
        told.sign("signed", condition="scabies")
        told.keep("plaque", case_id="taken")
        told.keep("emergency", case_id="abuse")
        told.keep("plaque", case_id="emergency", agreed=NOT_FREE)
        told.take_back("taken")
        yield told


def test_a_fhir_file_comes_from_the_store(device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Valid, readable for this account only, without pictures and reference; the export stands in the audit trail."""
    out = tmp_path / "case.json"
    assert device.export("whole", "--fhir", "--out", str(out)) == 0
    text = out.read_text(encoding="utf-8")
    Bundle.model_validate_json(text)
    assert '"Media"' not in text and "BOOK-77" not in text
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with open_store(load_config(device.config)) as store:
        trail = AuditTrail(store.database, clock=lambda: CREATED, is_synchronised=lambda: False)
        row = trail.of_case("whole")[-1]
    assert (row.who, row.action, row.detail) == ("command-line", "report_exported", "fhir")
    assert "Export of case whole: fhir, 0 pictures, by command-line." in " ".join(capsys.readouterr().err.split())


def test_a_case_can_be_exported_while_the_store_is_in_use(device: Device, tmp_path: Path) -> None:
    """As beside the running daemon, which holds the store open."""
    with open_store(load_config(device.config)) as held:
        held.cases.counts()
        assert device.export("whole", "--fhir", "--out", str(tmp_path / "case.json")) == 0


def test_pictures_and_reference_come_when_asked_for(device: Device, tmp_path: Path) -> None:
    """The close-up of the knee, for the hospital alone; the overview stays, for it may show who it is."""
    out = tmp_path / "case.p7m"
    words = ("--fhir", "--with-pictures", "--with-reference", "--for", "hospital", "--out", str(out))
    assert device.export("whole", *words) == 0
    assert b"BOOK-77" not in out.read_bytes()
    told = json.loads(text := device.hospital.open(out.read_bytes()).decode())
    media = [row["resource"] for row in told["entry"] if row["resource"]["resourceType"] == "Media"]
    assert [one["bodySite"]["coding"][0]["code"] for one in media] == ["knee"]
    with open_store(load_config(device.config)) as store:
        assert SentFiles(store.database).of("whole")[-1].receiver == "hospital"
    assert "BOOK-77" in text


def test_a_pdf_with_pictures_is_sealed_too(device: Device, tmp_path: Path) -> None:
    """Whatever the form: with a picture in it no file leaves in clear."""
    out = tmp_path / "case.p7m"
    assert device.export("whole", "--pdf", "--with-pictures", "--for", "hospital", "--out", str(out)) == 0
    assert not out.read_bytes().startswith(b"%PDF")
    assert device.hospital.open(out.read_bytes()).startswith(b"%PDF")


@pytest.mark.parametrize(("case", "line"), [("abuse", "to protect the person"), ("emergency", "in this emergency")])
def test_pictures_stay_where_policy_says_so(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, line: str
) -> None:
    """After a sign of abuse, and where nobody could decide freely, also to a named receiver (R9, R10)."""
    out = tmp_path / "none"
    assert device.export(case, "--pdf", "--with-pictures", "--for", "hospital", "--out", str(out)) == 22
    assert line in capsys.readouterr().err and not out.exists()


def test_the_receipt_of_pictures_counts_for_those_that_left(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The knee was in the export and has served; the overview never left, so nothing may be deleted of it."""
    words = ("--fhir", "--with-pictures", "--for", "hospital", "--out", str(tmp_path / "case.p7m"))
    assert device.export("sent", *words) == 0
    assert device.export("sent", "--received") == 0
    assert "the exported pictures of case sent arrived" in " ".join(capsys.readouterr().err.split())
    with open_store(load_config(device.config)) as store:
        images = {view.shot: view.image_id for view in store.cases.views("sent")}
        trail = AuditTrail(store.database, clock=lambda: CREATED, is_synchronised=lambda: False)
        rows = [(row.action, row.detail) for row in trail.of_case("sent")]
        with store.database.transaction() as connection:
            received = received_pictures(connection)
    assert len(images) > 1
    assert rows == [
        ("report_exported", "fhir"), ("picture_exported", images["close_up"]), ("pictures_received", None),
    ]  # fmt: skip
    assert set(received) == {images["close_up"]}


def test_who_has_a_file_is_listed(device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its receiver, and from the withdrawal on as something that somebody has to confirm; nothing is noted by that."""
    device.keep("plaque", case_id="listed")
    assert device.export("listed", "--fhir", "--for", "hospital", "--out", str(tmp_path / "case.p7m")) == 0
    assert device.export("listed", "--receivers") == 0
    assert re.search(r"^hospital  fhir  \d{4}-\d\d-\d\d  not taken back$", capsys.readouterr().out, re.MULTILINE)
    device.take_back("listed")
    assert device.export("listed", "--receivers") == 0
    assert "  to confirm: ask for its deletion" in capsys.readouterr().out
    assert device.export("nowhere", "--receivers") == 22
    assert device.export("listed", "--receivers", "--for", "hospital") == 10


@pytest.mark.parametrize("words", [(), ("--fhir",)])
def test_pictures_that_never_left_cannot_have_arrived(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """Without an export, and after one without pictures, the receipt is refused and not noted."""
    if words:
        assert device.export("kept", *words, "--out", str(tmp_path / "case.json")) == 0
    assert device.export("kept", "--received") == 22
    assert "no picture of case kept was exported here" in " ".join(capsys.readouterr().err.split())
    with open_store(load_config(device.config)) as store:
        trail = AuditTrail(store.database, clock=lambda: CREATED, is_synchronised=lambda: False)
        assert "pictures_received" not in {row.action for row in trail.of_case("kept")}


@pytest.mark.parametrize(
    ("words", "title"),
    [((), "Skincasereport"), (("--audience", "person"), "Skincasereport"), (("--language", "zh"), "皮肤科病例报告"),
     (("--letter", "dermatology_in_person"), "Skinreferralletter")],
)  # fmt: skip
def test_a_pdf_comes_from_the_store(device: Device, tmp_path: Path, words: tuple[str, ...], title: str) -> None:
    """The report for either reader, in either language, or the letter."""
    out = tmp_path / "case.pdf"
    assert device.export("whole", "--pdf", "--out", str(out), *words) == 0
    first = PdfReader(io.BytesIO(out.read_bytes())).pages[0].extract_text()
    assert title in "".join(first.split())


@pytest.mark.parametrize("words", [("--audience", "person"), ("--letter", "dermatology_in_person")])
def test_paper_of_the_command_names_the_posts_contact(device: Device, tmp_path: Path, words: tuple[str, ...]) -> None:
    """As the kiosk's page does: both read the practice's own file."""
    practice = tmp_path / "practice.toml"
    practice.write_text('[contacts]\nreferral_contact = { name = "Hill hospital", phone = "0000 111" }\n')
    said = device.config.read_text(encoding="utf-8")
    device.config.write_text(f'practice_file = "{practice}"\n{said}', encoding="utf-8")
    out = tmp_path / "case.pdf"
    assert device.export("whole", "--pdf", "--out", str(out), *words) == 0
    device.config.write_text(said, encoding="utf-8")
    pages = "".join(page.extract_text() for page in PdfReader(io.BytesIO(out.read_bytes())).pages)
    assert "Hillhospital,0000111" in "".join(pages.split())


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("nobody", "--fhir"), 22, "there is no case nobody"),
        (("waits", "--fhir"), 22, "no report yet"),
        (("refused", "--fhir"), 22, "refused the referral package"),
        (("test", "--fhir"), 22, "no consent record"),
        (("taken", "--fhir"), 22, "took back"),
        (("whole", "--pdf", "--letter", "the_moon"), 22, "is no destination"),
        (("whole", "--fhir", "--audience", "person"), 10, "ask for --pdf"),
        (("whole", "--pdf", "--with-reference"), 10, "by hand"),
        (("whole", "--fhir", "--with-pictures"), 22, "name one with --for"),
        (("whole", "--pdf", "--with-pictures"), 22, "name one with --for"),
        (("whole", "--pdf", "--with-pictures", "--for", "nobody"), 10, "no receiver nobody"),
        (("refused", "--pdf", "--with-pictures", "--for", "hospital"), 22, "refused the referral package"),
        (("test", "--pdf", "--with-pictures", "--for", "hospital"), 22, "no consent record"),
        (("nobody", "--received"), 10, "leave the other options out"),
        (("whole", "--pdf", "--letter", "dermatology_in_person", "--with-pictures"), 10, "leave"),
    ],
)
def test_a_refusal_is_one_line_and_leaves_no_file(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, line: str
) -> None:
    """With the exit code of its class."""
    out = tmp_path / "none"
    assert device.export(*words, "--out", str(out)) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert line in said[-1] and not out.exists()


def test_paper_is_possible_where_the_file_is_refused(device: Device, tmp_path: Path) -> None:
    """The person carries it: a refused package and a test case can be printed."""
    for name in ("refused", "test", "taken"):
        assert device.export(name, "--pdf", "--audience", "person", "--out", str(tmp_path / name)) == 0


def test_the_command_tells_what_the_clinician_decided(device: Device, tmp_path: Path) -> None:
    """As the page does: the corrected disease by the clinician's own name, never the note, the sign-in name or the old one."""
    out = tmp_path / "case.json"
    assert device.export("signed", "--fhir", "--out", str(out)) == 0
    text = out.read_text(encoding="utf-8")
    Bundle.model_validate_json(text)
    assert '"scabies"' in text and '"Lin Hua"' in text
    paper = tmp_path / "case.pdf"
    assert device.export("signed", "--pdf", "--audience", "person", "--out", str(paper)) == 0
    printed = "".join("".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(paper.read_bytes())).pages)
    assert "condition:scabies" in printed and f"SignedbyLinHua,{CREATED:%Y-%m-%d}" in printed
    assert "psoriasis" not in printed.replace("knownpsoriasis", "")
    for never in ("lin.hua", "ask the family"):
        assert never not in text and "".join(never.split()) not in printed


def test_every_sheet_is_signed_at_its_foot(device: Device, tmp_path: Path) -> None:
    """Sheets get apart; a signed case names the clinician on each one, an open one that nobody signed."""
    for name, words in (("signed", "SignedbyLinHua"), ("whole", "Notsigned:theprogram'sownwords")):
        out = tmp_path / f"{name}.pdf"
        assert device.export(name, "--pdf", "--out", str(out)) == 0
        pages = PdfReader(io.BytesIO(out.read_bytes())).pages
        assert len(pages) > 1
        assert all(words in "".join(page.extract_text().split()) for page in pages)


def test_an_account_of_another_device_has_no_name_on_paper(device: Device) -> None:
    """A sign-in name never takes its place."""
    with open_store(load_config(device.config)) as store:
        with store.database.transaction() as connection:
            connection.execute("UPDATE sign_offs SET account = 'somebody.else' WHERE case_id = 'signed'")
        vault = ImageVault(store.database)
        found = stored_case(store.database, cases=store.cases, vault=vault, case_id="signed").review
        with store.database.transaction() as connection:
            connection.execute("UPDATE sign_offs SET account = 'lin.hua' WHERE case_id = 'signed'")
    assert found.signed_by == "" and found.is_signed


def test_an_export_that_cannot_be_told_of_is_not_made() -> None:
    """A full store: no bytes, and the press was not even asked."""
    printed: list[PageToPrint] = []

    class Press:
        def print(self, page: PageToPrint) -> bytes:
            printed.append(page)
            return b"%PDF-"

    def full(event: ExportEvent) -> None:
        raise StoreFull(f"no space to note {event.form}")

    exporter = Exporter(
        VOCABULARY,
        Press(),
        on_export=full,
        clock=lambda: CREATED,
        new_id=lambda: "x" * 8,
        carrier=Carrier("nurse-1", Policy()),
    )
    given = reported("text_only")
    stored = Stored(given.case, given.report)
    with pytest.raises(StoreFull):
        exporter.fhir(stored, language="en")
    with pytest.raises(StoreFull):
        exporter.report_pdf(stored, language="en", audience="person")
    with pytest.raises(StoreFull):
        exporter.letter_pdf(stored, language="en")
    assert printed == []


def test_without_a_file_it_goes_into_a_pipe(device: Device, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """The bytes and nothing else on stdout."""
    assert device.export("whole", "--fhir") == 0
    assert json.loads(capfdbinary.readouterr().out)["resourceType"] == "Bundle"


def test_a_terminal_is_not_filled_with_a_document(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names --out instead."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr("sys.stdout", shown)
    assert device.export("whole", "--fhir") == 10
    assert shown.getvalue() == ""
