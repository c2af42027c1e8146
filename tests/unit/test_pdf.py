"""Printed pages: real words in real fonts, the same bytes each time, nothing fetched, nothing private for the person."""

from __future__ import annotations

import http.server
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from pypdf import PdfReader

from edge_agent.agents.letter.document import letter
from edge_agent.agents.letter.parts import Sender, Wish
from edge_agent.contracts.terms import Language
from edge_agent.errors import ConfigError, PrintError
from edge_agent.interop.pages import letter_page, report_page
from edge_agent.interop.pdf import CHILD, DEBIAN, FONTS, PageToPrint, PdfPress
from tests.simulators.cases import CREATED
from tests.simulators.interop_cases import VOCABULARY, reported

ROOT = Path(__file__).parents[2]


@cache
def printed(name: str, language: Language, audience: Any = "clinician") -> bytes:
    """Print a case's report once for all tests."""
    given = reported(name)
    return PdfPress().print(report_page(given.report, VOCABULARY, language, audience=audience))


def text_of(pdf: bytes) -> str:
    """Return the words of a PDF without its line breaks."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return "".join("".join(page.extract_text().split()) for page in pages)


def fonts_of(pdf: bytes) -> dict[str, bool]:
    """Return every font and whether its file is in the PDF."""
    found = {}
    for page in PdfReader(io.BytesIO(pdf)).pages:
        for entry in cast(Any, page["/Resources"])["/Font"].values():
            inner = entry.get_object().get("/DescendantFonts")
            font = (inner[0] if inner else entry).get_object()
            described = font["/FontDescriptor"].get_object()
            found[str(font["/BaseFont"])] = any(f"/FontFile{n}" in described for n in ("", "2", "3"))
    return found


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Skincasereport", "plaque", "redandscaly", "notforclinicaluse"]),
        ("zh", ["皮肤科病例报告", "红斑鳞屑性", "不得用于临床", "危险征象"]),
    ],
)
def test_a_report_is_printed_in_both_languages(language: Language, words: list[str]) -> None:
    """The words can be read back, and the document says its language."""
    pdf = printed("plaque", language)
    text = text_of(pdf)
    assert [word for word in words if word not in text] == []
    root = cast(Any, PdfReader(io.BytesIO(pdf)).trailer["/Root"])
    assert root["/Lang"] == language


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_font_is_in_the_file(language: Language) -> None:
    """A reader at another post needs no font of ours; Chinese is drawn by a Chinese font."""
    fonts = fonts_of(printed("plaque", language))
    assert fonts and all(fonts.values())
    assert any("CJK" in name for name in fonts)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_sheet_tells_case_number_and_notice(language: Language) -> None:
    """Sheets get apart; each one says whose it is, which one, and that the model is not for clinical use."""
    pages = PdfReader(io.BytesIO(printed("plaque", language))).pages
    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        text = "".join(page.extract_text().split())
        assert "interop-plaque" in text and f"{number}/{len(pages)}" in text
        assert ("notforclinicaluse" if language == "en" else "不得用于临床") in text


def test_the_same_page_gives_the_same_bytes() -> None:
    """No clock and no chance in the file."""
    given = reported("text_only")
    page = report_page(given.report, VOCABULARY, "zh", audience="person")
    assert PdfPress().print(page) == PdfPress().print(page)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_persons_copy_leaves_out_what_is_private(language: Language) -> None:
    """The worker's own words and a sign of abuse stand on the clinician's copy and not on the person's."""
    clinician, person = (text_of(printed("plaque", language, who)) for who in ("clinician", "person"))
    assert "ZhangWei" in clinician and "ZhangWei" not in person
    clinician, person = (text_of(printed("emergency", language, who)) for who in ("clinician", "person"))
    assert "RF-25" in clinician and "RF-25" not in person


LONGEST = f"{'County hospital skin clinic ' * 4}east, {'0000 111 ' * 13}"  # as long as a practice file may name both


@pytest.mark.parametrize("contact", [None, LONGEST])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_letter_stays_on_one_sheet(language: Language, contact: str | None) -> None:
    """Also the letter of an emergency with everything not assessed, and one that names the longest contact."""
    given = reported("emergency")
    wish = Wish("dermatology_in_person", "letter-1", CREATED, language, contact=contact)
    told = letter(
        given.report, given.case.intake, consent=given.case.consent, sender=Sender(), wish=wish, vocabulary=VOCABULARY
    )
    pdf = PdfPress().print(letter_page(told, given.report, VOCABULARY))
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 1
    assert "letter-1" in text_of(pdf) and "interop-emergency" in text_of(pdf)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A web server that remembers who asked."""
    asked: list[str] = []

    class Remember(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Remember)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_nothing_is_fetched_whatever_a_page_asks_for(listener: tuple[str, list[str]], tmp_path: Path) -> None:
    """Pictures, style sheets, fonts and attachments of the network or of files: the page is printed without them."""
    url, asked = listener
    secret = tmp_path / "secret.css"
    secret.write_text('p::after { content: "LEAKED" }', encoding="utf-8")
    page = f"""<html lang="en"><head><link rel="stylesheet" href="{url}/a.css"><link rel="stylesheet" href="{secret.as_uri()}">
    <link rel="attachment" href="{secret.as_uri()}"><style>@import url({url}/b.css); @import url({secret.as_uri()});
    p {{ background: url({url}/d.png) }}</style></head>
    <body><p>seen</p><img src="{url}/e.png"><img src="file:///etc/hostname"><img src="e.png">
    <object data="{url}/f.svg"></object></body></html>"""
    pdf = PdfPress().print(PageToPrint(page, "foot", "en"))
    assert asked == []
    text = text_of(pdf)
    assert "seen" in text and "LEAKED" not in text
    assert PdfReader(io.BytesIO(pdf)).attachments == {}


def test_a_page_with_a_font_of_its_own_is_refused(listener: tuple[str, list[str]]) -> None:
    """WeasyPrint would put it into a temporary folder, and there is none for it; nothing was asked for either."""
    url, asked = listener
    page = f"<style>@font-face {{ font-family: X; src: url({url}/c.ttf) }} p {{ font-family: X }}</style><p>seen</p>"
    with pytest.raises(PrintError):
        PdfPress().print(PageToPrint(page, "foot", "en"))
    assert asked == []


def test_the_listener_would_hear_a_fetch(listener: tuple[str, list[str]]) -> None:
    """The test above can fail: WeasyPrint as it comes does ask for the picture."""
    url, asked = listener
    code = f"import weasyprint; weasyprint.HTML(string='<img src={url}/e.png>').write_pdf()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert asked == ["/e.png"]


def test_the_foot_cannot_break_out_of_its_place() -> None:
    """Quotes, braces and line ends of a case id are drawn, not obeyed."""
    foot = 'a"; } body { display: none } /* \\ \n'
    text = text_of(PdfPress().print(PageToPrint('<html lang="en"><p>seen</p></html>', foot, "en")))
    assert "seen" in text and 'a";}body{display:none}' in text


def test_a_sign_that_no_font_has_is_no_empty_box() -> None:
    """Named with the Debian packages; a box on a referral could stand for anything."""
    with pytest.raises(ConfigError, match=FONTS):
        PdfPress().print(PageToPrint('<html lang="en"><p>\U000f1234</p></html>', "", "en"))


@pytest.mark.parametrize(
    ("page", "error", "words"),
    [("no library", ConfigError, DEBIAN), ("no fonts", ConfigError, FONTS), ("fail", PrintError, "derm-edge doctor"),
     ("lie", PrintError, "derm-edge doctor")],
)  # fmt: skip
def test_what_goes_wrong_is_one_line_that_quotes_nothing(page: str, error: type[Exception], words: str) -> None:
    """What the child wrote is a patient's page: no word of it is in the message."""
    press = PdfPress(module="tests.simulators.printing_child")
    with pytest.raises(error, match=words) as refused:
        press.print(PageToPrint(page, "", "en"))
    assert "Zhang" not in str(refused.value) and "\n" not in str(refused.value)


def test_without_pango_the_child_says_so(tmp_path: Path) -> None:
    """A WeasyPrint that does not find its library raises OSError on import; the real child turns that into one line."""
    (tmp_path / "weasyprint.py").write_text("raise OSError('cannot load library libpango-1.0-0')", encoding="utf-8")
    job = b'{"html": "", "foot": "", "language": "en", "style": "", "memory_bytes": 2147483648}'
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", CHILD], input=job, env={"PYTHONPATH": path}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, b"")


def test_a_page_that_takes_too_long_is_stopped() -> None:
    """Its child is gone afterwards."""
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(PrintError, match=r"took longer than 0\.5 s"):
        PdfPress(timeout_s=0.5, module="tests.simulators.printing_child").print(PageToPrint("hang", "", "en"))
    assert {child.pid for child in psutil.Process().children()} <= before


def test_the_child_can_write_no_file(tmp_path: Path) -> None:
    """No picture of a patient reaches a temporary folder, even through a library: the system refuses."""
    planted = tmp_path / "leak"
    code = (
        "from edge_agent.interop.pdf_child import _confine\n_confine(2 * 1024**3)\n"
        f"try:\n    f = open({str(planted)!r}, 'wb', buffering=0)\n    f.write(b'picture')\n"
        "except OSError:\n    print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
    assert planted.read_bytes() == b""


def test_a_page_that_would_eat_the_memory_ends() -> None:
    """Its child may map only so much; the daemon's process is untouched."""
    with pytest.raises((PrintError, ConfigError)):
        PdfPress(memory_bytes=64 * 1024**2).print(PageToPrint("<p>x</p>", "", "en"))


def test_the_reports_own_pictures_are_printed() -> None:
    """Pictures come as data: URLs, the only ones that are read."""
    given = reported("plaque")
    frames = {view.index: view.frame for view in given.case.views}
    page = report_page(given.report, VOCABULARY, "en", audience="clinician", pictures=frames)
    pages = PdfReader(io.BytesIO(PdfPress().print(page))).pages
    assert sum(len(page.images) for page in pages) == len(frames)
    bare = replace(page, html=page.html.replace("data:image", "http:image"))
    assert sum(len(one.images) for one in PdfReader(io.BytesIO(PdfPress().print(bare))).pages) == 0
