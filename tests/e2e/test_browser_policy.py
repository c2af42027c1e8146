"""Debian's Chromium under the kiosk's own policy file: what opens, and what does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.simulators.browser import CHROMIUM

SHIPPED = Path(__file__).resolve().parents[2] / "edge_agent" / "system" / "derm-edge.chromium.json"


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
    arguments = ["--no-sandbox", "--headless=new"]
    browser = play.chromium.launch_persistent_context(sys.argv[2], executable_path=sys.argv[1], args=arguments)
    tab, told = browser.new_page(), {}
    with tab.expect_event("framenavigated", lambda frame: frame.url.startswith("chrome-extension:")):  # the PDF viewer
        tab.goto(sys.argv[3])
    told[sys.argv[3]] = tab.title()
    for url in sys.argv[4:]:
        tab = browser.new_page()
        try:
            tab.goto(url)
            told[url] = tab.title()
        except Error as exc:
            told[url] = "blocked" if "ERR_BLOCKED_BY_ADMINISTRATOR" in str(exc) else str(exc)
    browser.close()
print(json.dumps(told))
"""


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
    refused += [f"chrome://{one}" for one in ("settings", "history", "downloads", "flags", "newtab", "policy")]
    script = (
        "mkdir -p /etc/chromium && mount -t tmpfs none /etc/chromium && mkdir -p /etc/chromium/policies/managed"
        ' && cp "$1" /etc/chromium/policies/managed/derm-edge.json && shift && exec "$@"'
    )
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-ec",
            script,
            "sh",
            held,
            sys.executable,
            look,
            CHROMIUM,
            tmp_path / "profile",
            page,
            *refused,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {page: "own page", **dict.fromkeys(refused, "blocked")}
