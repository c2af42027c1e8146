"""A case from the command line: a person always gets the rules' part, and what is stored survives a kill."""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import jsonschema
import numpy as np
import pytest

from edge_agent.agents.report.document import report_schema
from edge_agent.bootstrap import open_store
from edge_agent.case_wire import unpack_case
from edge_agent.commands.screen import Screen
from edge_agent.commands.submission import submit
from edge_agent.config import Config, KioskConfig
from edge_agent.contracts.case import Frame
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import CaseError, ConfigError, DaemonError, SignatureRejected, StoreError
from edge_agent.ipc import Kind, Message, read_message, write_message
from edge_agent.rules_only import rules_only_report
from edge_agent.state_dir import StateLock
from edge_agent.supervision.local_socket import listen
from tests.simulators.cases import case, consent, form, manifest
from tests.simulators.kiosk import ROOT, wait_until

BUNDLE = ROOT / "edge_agent" / "bundles" / "reference"
FRAME: Frame = np.full((64, 64, 3), 90, np.uint8)
EMERGENCY = {"danger_signs": {"blisters_or_peeling": "yes", "skin_pain_severe": "yes"}}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A device whose bundle does not exist."""
    (tmp_path / "state").mkdir(mode=0o700)
    return Config(state_dir=tmp_path / "state", bundle_dir=tmp_path / "none")


def options(folder: Path, **changes: Any) -> argparse.Namespace:
    """The arguments of ``derm-edge case --json`` with an emergency on the form."""
    form = folder / "form.json"
    form.write_text(json.dumps(EMERGENCY), encoding="utf-8")
    given: dict[str, Any] = {
        "intake": form,
        "consent": None,
        "bundle": None,
        "language": None,
        "html": None,
        "person": None,
        "previous": None,
    }
    return argparse.Namespace(**(given | {"json": True} | changes))


def pending(config: Config) -> list[str]:
    with open_store(config) as store:
        return store.cases.pending()


def check_rules_part(text: str) -> dict[str, Any]:
    """Return the printed report: valid, with the emergency, without a word of the agents."""
    report: dict[str, Any] = json.loads(text)
    jsonschema.validate(report, report_schema())
    assert report["triage"]["final"] == "T1_emergency"
    assert report["recognition"] == []
    return report


def test_danger_signs_are_told_without_a_trusted_bundle(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No bundle: the rules' part is printed and names none, the error stays; nothing is stored, so nothing comes twice."""
    with pytest.raises(SignatureRejected):
        submit([FRAME], options=options(tmp_path), config=config, screen=Screen())
    report = check_rules_part(capsys.readouterr().out)
    assert report["provenance"]["bundle"] is None
    assert pending(config) == []


def test_the_persons_copy_is_refused_before_anybody_waits(config: Config, tmp_path: Path) -> None:
    """A real consent, a language that nobody has verified: one line, nothing is stored and nothing written."""
    agreed = tmp_path / "consent.json"
    agreed.write_text(consent(fictitious=False).model_dump_json(), encoding="utf-8")
    copy = tmp_path / "copy.html"
    with pytest.raises(CaseError, match="nobody has verified the words in 'zh'"):
        submit(
            [], options=options(tmp_path, person=copy, consent=agreed, language="zh"), config=config, screen=Screen()
        )
    assert not copy.exists()
    assert pending(config) == []


@pytest.mark.parametrize("is_demo", [True, False])
def test_the_persons_copy_of_a_case_for_practice_is_made(config: Config, tmp_path: Path, is_demo: bool) -> None:
    """A device for practice makes any; another one that of a demonstration's consent, and the sheet says what it is."""
    agreed, copy = tmp_path / "consent.json", tmp_path / "copy.html"
    agreed.write_text(consent(fictitious=not is_demo).model_dump_json(), encoding="utf-8")
    here = config.model_copy(update={"kiosk": KioskConfig(is_demo=is_demo)})
    wish = options(tmp_path, person=copy, consent=agreed, language="en")
    with pytest.raises(SignatureRejected):  # there is no bundle; the rules' part is written
        submit([], options=wish, config=here, screen=Screen())
    marked = Vocabulary.load().label("fictitious_consent", "en", of="text")
    assert (marked in copy.read_text(encoding="utf-8")) is not is_demo


def test_the_rules_part_has_words_without_a_bundle(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same for a person, on the terminal."""
    with pytest.raises(SignatureRejected):
        submit([FRAME], options=options(tmp_path, json=False), config=config, screen=Screen())
    shown = capsys.readouterr().out
    assert "T1 emergency" in shown
    assert "none that could be trusted" in shown


def test_a_wrong_bundle_argument_stores_nothing(config: Config, tmp_path: Path) -> None:
    """A mistyped --bundle is mended and typed again; the case must not be there twice."""
    with pytest.raises(SignatureRejected):
        submit([FRAME], options=options(tmp_path, bundle=tmp_path), config=config, screen=Screen())
    assert pending(config) == []


def test_danger_signs_are_told_without_a_store(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged store: the rules' part is printed, and the store's error stays."""
    (config.state_dir / "store.db").write_bytes(b"")
    with pytest.raises(StoreError):
        submit([FRAME], options=options(tmp_path, bundle=BUNDLE), config=config, screen=Screen())
    check_rules_part(capsys.readouterr().out)


def test_a_page_that_cannot_be_written_hides_no_earlier_error(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Report on stdout, the bundle's error as the outcome, the page's as a note."""
    page = tmp_path / "none" / "x.html"
    with pytest.raises(SignatureRejected):
        submit([FRAME], options=options(tmp_path, html=page), config=config, screen=Screen())
    shown = capsys.readouterr()
    check_rules_part(shown.out)
    assert "name another file with --html" in " ".join(shown.err.split())


@contextmanager
def daemon(state_dir: Path, answer: Callable[[BinaryIO], None], *, begin: threading.Event) -> Iterator[None]:
    """Answer one client like a daemon that begins to listen when it is told to."""

    def serve() -> None:
        assert begin.wait(60)
        with listen(state_dir) as listener, listener.accept()[0] as channel, channel.makefile("rwb") as stream:
            answer(cast(BinaryIO, stream))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _report(peer: BinaryIO) -> None:
    request = read_message(peer)
    assert request is not None
    report = {**rules_only_report(unpack_case(request), manifest=manifest()), "abstentions": []}
    write_message(peer, Message(body={"kind": Kind.REPORT, "report": report}))


class _Listening(io.StringIO):
    """A terminal that notices when the command says that it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def write(self, text: str) -> int:
        if "waiting" in text:
            self.waits.set()
        return super().write(text)


def test_a_case_goes_to_a_daemon_that_has_finished_loading(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is held by a daemon that does not answer yet; the case waits and then goes through its socket."""
    terminal = _Listening()
    with StateLock(config.state_dir, wait_s=0), daemon(config.state_dir, _report, begin=terminal.waits):
        assert submit([FRAME], options=options(tmp_path), config=config, screen=Screen(terminal)) == 0
    check_rules_part(capsys.readouterr().out)
    assert "the daemon takes the case" in terminal.getvalue()


def test_a_page_that_cannot_be_written_costs_no_report(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The work is done and stored: stdout has the report before the page fails."""
    terminal = _Listening()
    page = tmp_path / "none" / "x.html"
    with (
        StateLock(config.state_dir, wait_s=0),
        daemon(config.state_dir, _report, begin=terminal.waits),
        pytest.raises(ConfigError, match="--html"),
    ):
        submit([FRAME], options=options(tmp_path, html=page), config=config, screen=Screen(terminal))
    check_rules_part(capsys.readouterr().out)


def test_half_a_page_never_stands_in_for_a_whole_one(config: Config, tmp_path: Path) -> None:
    """The space ends while the page is written: the one that stood there before is still whole, and nothing is left."""
    page = tmp_path / "pages" / "x.html"
    page.parent.mkdir()
    page.write_text("the page before", encoding="utf-8")
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most[1]))
    try:
        with pytest.raises(SignatureRejected):
            submit([FRAME], options=options(tmp_path, html=page), config=config, screen=Screen())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert {path.name: path.read_text(encoding="utf-8") for path in page.parent.iterdir()} == {
        "x.html": "the page before"
    }


def test_a_daemon_that_hangs_up_leaves_the_rules_part(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends while the pictures are being sent: one DaemonError, no broken pipe, and the danger signs are told."""
    terminal = _Listening()
    noise = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), np.uint8).astype(np.uint8)
    with (
        StateLock(config.state_dir, wait_s=0),
        daemon(config.state_dir, lambda _: None, begin=terminal.waits),
        pytest.raises(DaemonError),
    ):
        submit([noise], options=options(tmp_path), config=config, screen=Screen(terminal))
    check_rules_part(capsys.readouterr().out)


def test_a_case_survives_a_kill_while_the_bundle_loads(config: Config, tmp_path: Path) -> None:
    """SIGKILL while the engine loads, which takes a second and more: the case is pending."""
    settings = tmp_path / "config.toml"
    settings.write_text(f'state_dir = "{config.state_dir}"\n', encoding="utf-8")
    picture = ROOT / "demo" / "pictures" / "1-regional.png"
    words = [sys.executable, "-m", "edge_agent", "--config", str(settings), "case", "--image", str(picture)]
    notes = tmp_path / "notes"
    with notes.open("w") as stderr:
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        wait_until(
            lambda: "loading the bundle" in notes.read_text(encoding="utf-8") or process.poll() is not None,
            what="the case did not come to its loading",
        )
        assert process.poll() is None, notes.read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()
    assert len(pending(config)) == 1


def test_an_earlier_report_is_compared_with(tmp_path: Path, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """``--previous`` names it; also where only the rules speak the report says what cannot be compared, and why."""
    before = rules_only_report(case(intake=form(bsa_percent=9.0)), manifest=None)
    path = tmp_path / "before.json"
    path.write_text(json.dumps(before), encoding="utf-8")
    with pytest.raises(SignatureRejected):
        submit([FRAME], options=options(tmp_path, previous=path), config=config, screen=Screen())
    report = json.loads(capsys.readouterr().out)
    assert report["change"]["previous"]["created"] == before["created"]
    assert report["change"]["bsa"]["reason"] == "not_known_now"
    assert report["change"]["pasi"]["reason"] == "no_lineage"


def test_a_wrong_earlier_report_stops_before_anything_is_stored(tmp_path: Path, config: Config) -> None:
    """A form in its place is refused, and the person is asked for another file."""
    form_file = options(tmp_path).intake
    with pytest.raises(CaseError, match="previous report"):
        submit([FRAME], options=options(tmp_path, previous=form_file), config=config, screen=Screen())
    assert pending(config) == []
