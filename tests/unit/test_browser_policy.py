"""What the kiosk's browser may do: the policy file is installed like its neighbours, and says what Chromium understands."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from edge_agent.errors import ActivationError
from edge_agent.installation.layout import Layout
from tests.simulators.browser import CHROMIUM
from tests.simulators.slot_program import KEYS, Kiosk
from tests.simulators.tiny_package import program_package

SHIPPED = Path(__file__).resolve().parents[2] / "edge_agent" / "system" / "derm-edge.chromium.json"
NAME = "derm-edge.chromium.json"
PLACE = "etc/chromium/policies/managed/derm-edge.json"
LIST, YES_NO, AUTOFILL = "list", (True, False), "autofill"
# Every key, with the values that Chromium knows for it: chromium/chromium, components/policy/resources/templates/
# policy_definitions (Printing/PrinterTypeDenyList.yaml, Miscellaneous/*.yaml); seen as "OK" by chrome://policy of Debian's
# Chromium 156. The two Autofill*Enabled are deprecated there, and older ones know no AutofillSettings: both stand in the file.
KNOWN: dict[str, Any] = {
    "URLBlocklist": LIST,
    "URLAllowlist": LIST,
    "PrinterTypeDenyList": LIST,
    "ExtensionInstallBlocklist": LIST,
    "DownloadRestrictions": (0, 1, 2, 3, 4),
    "DeveloperToolsAvailability": (0, 1, 2),
    "IncognitoModeAvailability": (0, 1, 2),
    "BrowserSignin": (0, 1, 2),
    "NetworkPredictionOptions": (0, 1, 2),
    "SafeBrowsingProtectionLevel": (0, 1, 2),
    "DefaultGeolocationSetting": (1, 2, 3),
    "DefaultNotificationsSetting": (1, 2, 3),
    "DefaultPopupsSetting": (1, 2),
    "AutofillSettings": AUTOFILL,
    **dict.fromkeys(
        [
            "PromptForDownloadLocation", "BrowserGuestModeEnabled", "BrowserAddPersonEnabled", "SyncDisabled",
            "SavingBrowserHistoryDisabled", "PasswordManagerEnabled", "AutofillAddressEnabled",
            "AutofillCreditCardEnabled", "TranslateEnabled", "SpellCheckServiceEnabled", "DefaultSearchProviderEnabled",
            "SearchSuggestEnabled", "MetricsReportingEnabled", "UserFeedbackAllowed", "ComponentUpdatesEnabled",
            "BrowserNetworkTimeQueriesEnabled", "BackgroundModeEnabled", "AudioCaptureAllowed", "VideoCaptureAllowed",
            "ScreenCaptureAllowed", "EnableMediaRouter",
        ],
        YES_NO,
    ),
}  # fmt: skip


@pytest.fixture
def kiosk(tmp_path: Path) -> Kiosk:
    """A computer without the program."""
    root = tmp_path / "root"
    root.mkdir()
    return Kiosk(Layout(root))


def test_it_is_installed_where_debian_s_chromium_reads_it(kiosk: Kiosk, tmp_path: Path) -> None:
    """Byte by byte, and readable for the session's own user."""
    kiosk.installer().bring(program_package(tmp_path, version="1.0", system={NAME: SHIPPED}), keys=KEYS)
    placed = kiosk.layout.root / PLACE
    assert placed.read_bytes() == SHIPPED.read_bytes()
    for path in (placed, *placed.parents):
        if path.is_relative_to(kiosk.layout.root) and path != kiosk.layout.root:
            assert stat.S_IMODE(path.stat().st_mode) & 0o005 == (0o005 if path.is_dir() else 0o004)


def test_it_goes_with_a_first_installation_that_failed(kiosk: Kiosk, tmp_path: Path) -> None:
    """Like the units: nothing of a program that never worked stays in the browser's way."""
    with pytest.raises(ActivationError):
        kiosk.installer().bring(
            program_package(tmp_path, version="1.0", works=False, system={NAME: SHIPPED}), keys=KEYS
        )
    assert not (kiosk.layout.root / PLACE).exists()


def test_it_goes_with_the_program_that_brought_it(kiosk: Kiosk, tmp_path: Path) -> None:
    """A program without it takes it away; the way back brings it again."""
    kiosk.installer().bring(program_package(tmp_path, version="1.0", system={NAME: SHIPPED}), keys=KEYS)
    kiosk.installer().bring(program_package(tmp_path, version="1.1"), keys=KEYS)
    assert not (kiosk.layout.root / PLACE).exists()
    kiosk.installer().roll_back()
    assert (kiosk.layout.root / PLACE).read_bytes() == SHIPPED.read_bytes()


def test_a_factory_reset_leaves_it(kiosk: Kiosk, tmp_path: Path) -> None:
    """It belongs to the program, which stays: the page that comes up after a reset is held as before."""
    kiosk.installer().bring(program_package(tmp_path, version="1.0", system={NAME: SHIPPED}), keys=KEYS)
    kiosk.installer().reset()
    assert (kiosk.layout.root / PLACE).exists()


def test_every_key_and_value_is_one_that_chromium_knows() -> None:
    """A misspelt key is silently no rule at all; a key that stands twice is one of two."""
    pairs: list[tuple[str, Any]] = json.loads(SHIPPED.read_bytes(), object_pairs_hook=list)
    told = dict(pairs)
    assert len(told) == len(pairs)
    assert told.keys() == KNOWN.keys()
    for name, value in json.loads(SHIPPED.read_bytes()).items():
        if KNOWN[name] == LIST:
            assert value and all(isinstance(one, str) for one in value), name
        elif KNOWN[name] == AUTOFILL:
            assert value == [{"url_pattern": "*", "blocked_types": ["all"]}]
        else:
            assert any(value is one or (type(value) is type(one) and value == one) for one in KNOWN[name]), name


def test_no_sheet_is_saved_as_a_file_and_a_real_printer_stays() -> None:
    """ "Save as PDF" is no destination; a printer of the computer ("local") is the only one."""
    assert set(json.loads(SHIPPED.read_bytes())["PrinterTypeDenyList"]) == {"pdf", "extension", "privet", "cloud"}


def test_the_page_s_own_address_is_the_only_one() -> None:
    """Everything is shut, then the page's own computer is opened: the port changes with every start."""
    told = json.loads(SHIPPED.read_bytes())
    assert "*" in told["URLBlocklist"]
    assert told["URLAllowlist"] == ["http://127.0.0.1"]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the library's name)
        """Say nothing."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """Serve a page with a PDF in a frame, as the kiosk shows a sheet."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text('<title>own page</title><iframe src="sheet.pdf"></iframe>')
    (folder / "sheet.pdf").write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj"
        b" 3 0 obj<</Type/Page/MediaBox[0 0 99 99]/Parent 2 0 R>>endobj trailer<</Root 1 0 R>>"
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: _Quiet(*args, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


_LOOK = """
import json, sys
from playwright.sync_api import Error, sync_playwright
with sync_playwright() as play:
    browser = play.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox", "--headless=new"])
    tab, told = browser.new_page(), {}
    with tab.expect_event("framenavigated", lambda frame: frame.url.startswith("chrome-extension:")):  # the PDF viewer
        tab.goto(sys.argv[2])
    told[sys.argv[2]] = tab.title()
    for url in sys.argv[3:]:
        try:
            tab.goto(url)
            told[url] = tab.title()
        except Error as exc:
            told[url] = "blocked" if "ERR_BLOCKED_BY_ADMINISTRATOR" in str(exc) else str(exc)
    browser.close()
print(json.dumps(told))
"""


@pytest.mark.long
def test_the_real_browser_obeys_it(tmp_path: Path, page: str) -> None:
    """Debian's Chromium with this file: the own page and the sheet in it open, nothing else does.

    In a mount namespace of its own, so that no other browser of this computer sees the file. Without the key about developer
    tools: Playwright is one.
    """
    if not CHROMIUM.exists() or os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs Debian's Chromium, util-linux and root, for a mount namespace")
    trial = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        pytest.skip("this container allows no mount namespace")
    told = json.loads(SHIPPED.read_bytes())
    del told["DeveloperToolsAvailability"]
    held, look = tmp_path / "policy.json", tmp_path / "look.py"
    held.write_text(json.dumps(told))
    look.write_text(_LOOK)
    refused = [page.replace("127.0.0.1", "localhost"), "file:///etc/passwd", f"view-source:{page}", "data:text/html,x"]
    script = (
        "mkdir -p /etc/chromium && mount -t tmpfs none /etc/chromium && mkdir -p /etc/chromium/policies/managed"
        ' && cp "$1" /etc/chromium/policies/managed/derm-edge.json && shift && exec "$@"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", held, sys.executable, look, CHROMIUM, page, *refused],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {page: "own page", **dict.fromkeys(refused, "blocked")}
