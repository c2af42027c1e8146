"""Run the demo case and photograph its report page with chromium."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
WIDTH, HEIGHT = 940, 4000  # pixels; the height is cut to the page's own
MARGIN = 24
TIMEOUT_S = 120


def main() -> int:
    """Write the picture.

    Returns:
        0, or the exit code of the program that failed.
    """
    parser = argparse.ArgumentParser(prog="scripts/report_picture", description=__doc__)
    parser.add_argument("--bundle", type=Path, help="another bundle than the reference bundle")
    parser.add_argument("--language", choices=["zh", "en"], default="en", help="language of the report")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "report.png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="derm-report-") as name:
        folder = Path(name)
        try:
            run_case(folder, bundle=options.bundle, language=options.language)
            photograph(folder / "report.html", folder / "page.png")
        except subprocess.CalledProcessError as exc:
            print(f"report_picture: {exc.cmd[0]} ended with {exc.returncode}", file=sys.stderr)
            return int(exc.returncode)
        with Image.open(folder / "page.png") as page:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            trimmed(page.convert("RGB")).quantize(256).save(options.out, optimize=True)
    print(options.out)
    return 0


def run_case(folder: Path, *, bundle: Path | None, language: str) -> None:
    """Run the demo case in a state folder of its own; the page lies in ``folder/report.html``.

    Raises:
        subprocess.CalledProcessError: the case did not come to a report; its message is on the screen.
    """
    config = folder / "config.toml"
    config.write_text(f'state_dir = "{folder / "device"}"\n', encoding="utf-8")
    words = ["--config", str(config), "case", "--folder", str(DEMO / "pictures"), "--language", language]
    words += ["--intake", str(DEMO / "intake.json"), "--consent", str(DEMO / "consent.json")]
    words += ["--html", str(folder / "report.html"), *(["--bundle", str(bundle.absolute())] if bundle else [])]
    subprocess.run([sys.executable, "-m", "edge_agent", *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


def photograph(page: Path, picture: Path) -> None:
    """Let chromium draw a page into a PNG of a fixed, generous height.

    Raises:
        subprocess.CalledProcessError: chromium failed.
    """
    # Chromium refuses its sandbox to root; the page is our own and loads nothing.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    words = ["chromium", "--headless", *sandbox, "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
    words += [f"--user-data-dir={picture.parent / 'browser'}", f"--window-size={WIDTH},{HEIGHT}"]
    words += [f"--screenshot={picture}", page.as_uri()]
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=TIMEOUT_S)


def trimmed(page: Image.Image) -> Image.Image:
    """Cut the white below the page's last line."""
    rows = np.flatnonzero((np.asarray(page) < 250).any(axis=(1, 2)))
    bottom = int(rows[-1]) + MARGIN if rows.size else page.height
    return page.crop((0, 0, page.width, min(bottom, page.height)))


if __name__ == "__main__":
    sys.exit(main())
