"""``derm-edge letter``: from a real report to a page, a text and clear refusals; one A4 page as a browser prints it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.kiosk import DEMO, Kiosk

INTAKE = ("--intake", str(DEMO / "intake.json"))
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kiosk]:
    """A device without a daemon, with the demo's report beside its configuration."""
    with Kiosk(tmp_path_factory.mktemp("k")) as device:
        consent = ("--consent", str(DEMO / "consent.json"))
        done = device.run("case", "--folder", str(DEMO / "pictures"), *INTAKE, *consent, "--json")
        assert done.returncode == 0, done.stderr
        (device.folder / "report.json").write_text(done.stdout, encoding="utf-8")
        yield device


def write(kiosk: Kiosk, *words: str) -> subprocess.CompletedProcess[str]:
    """Write a letter of the demo's case to dermatology."""
    return kiosk.run("letter", str(kiosk.folder / "report.json"), *INTAKE, "--to", "dermatology_in_person", *words)


def test_the_letter_comes_as_text_page_and_data(kiosk: Kiosk, tmp_path: Path) -> None:
    """Without --out: text on stdout; otherwise the name's end says which; the language is the asked one."""
    done = write(kiosk, "--language", "en")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("SKIN REFERRAL LETTER") and "No consent record is at hand" in done.stdout
    page = tmp_path / "letter.html"
    assert write(kiosk, "--language", "zh", "--out", str(page), "--worker", "张护士").returncode == 0
    assert '<html lang="zh">' in page.read_text(encoding="utf-8") and "张护士" in page.read_text(encoding="utf-8")
    data = tmp_path / "letter.json"
    assert write(kiosk, "--out", str(data), "--consent", str(DEMO / "consent.json")).returncode == 0
    told = json.loads(data.read_text(encoding="utf-8"))
    assert told["destination"] == "dermatology_in_person" and told["pictures"]["consent"] == "refused"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"--to": "the_moon"}, 22, "is no destination"),
        ({"--intake": "missing.json"}, 22, "cannot read"),
        ({"--out": "letter.docx"}, 10, "cannot tell the format"),
        ({"--out": "/none/letter.html"}, 10, "name another file with --out"),
        ({"report": "intake"}, 22, "no report"),
    ],
)
def test_refusals_are_one_line_with_the_class_code(kiosk: Kiosk, change: dict[str, str], code: int, words: str) -> None:
    """A wrong destination, a missing or wrong file and a page that cannot be written: code, one line, no traceback."""
    report = DEMO / "intake.json" if "report" in change else kiosk.folder / "report.json"
    named = {"--to": "ophthalmology", "--intake": str(DEMO / "intake.json"), **change}
    named.pop("report", None)
    done = kiosk.run("letter", str(report), *(word for pair in named.items() for word in pair))
    assert done.returncode == code
    line = done.stderr.rstrip().splitlines()[-1]
    assert line.startswith("derm-edge: ") and words in line
    assert "Traceback" not in done.stderr and done.stdout == ""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to print with")
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_letter_prints_on_one_page(kiosk: Kiosk, tmp_path: Path, language: str) -> None:
    """A browser prints the demo's letter on one A4 page."""
    page, paper = tmp_path / "letter.html", tmp_path / "letter.pdf"
    assert write(kiosk, "--language", language, "--out", str(page)).returncode == 0
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
    command = [str(CHROMIUM), *options, "--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert b"/Count 1" in paper.read_bytes()
