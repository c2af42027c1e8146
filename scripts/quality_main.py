"""Evaluate the quality gate on photographs and drawn pictures and write docs/quality.md, or only check the page.

Without photographs the drawn part alone is measured and printed, and nothing is written.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from edge_agent.errors import CalibrationError
from scripts.clinical_doc_main import filled
from scripts.picture_quality.evaluate import evaluate, timing
from scripts.picture_quality.pictures import drawn_skin, drawn_things, photographs
from scripts.picture_quality.plot import PICTURE, draw
from scripts.picture_quality.tables import PAGE, RESULTS, ROOT, blocks, read_results

TITLES = ("targets", "ways", "tones", "things", "speed")


def main() -> int:
    """Measure, print, and write results, picture and page; exit 1 when a page to check is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=os.environ.get("DERM_REAL_PHOTOS"), help="folder of the sample")
    parser.add_argument("--per-tone", type=int, default=40, help="drawn pictures of each tone (default: 40)")
    parser.add_argument("--per-thing", type=int, default=20, help="drawn things of each kind (default: 20)")
    parser.add_argument("--page", action="store_true", help="measure nothing; write page and picture from the last run")
    parser.add_argument("--check", action="store_true", help="measure and write nothing; exit 1 when the page is stale")
    options = parser.parse_args()
    if options.check:
        return _check()
    results = read_results() if options.page else _measured(options)
    tables = blocks(results)
    print("\n\n".join(tables[name] for name in TITLES))
    if not options.page and not options.photos:
        print("\nNo photographs (--photos FOLDER): nothing was written.", file=sys.stderr)
        return 0
    if not options.page:
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draw(results["rows"], ROOT / PICTURE)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")
    return 0


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    drawn = list(drawn_skin(options.per_tone))
    try:
        rows = evaluate(photographs(Path(options.photos))) if options.photos else []
    except CalibrationError as exc:
        raise SystemExit(str(exc)) from exc
    rows += evaluate(drawn) + evaluate(drawn_things(options.per_thing))
    return {"computer": _computer(), "speed": timing(drawn[0].frame), "rows": [row.plain() for row in rows]}


def _computer() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _check() -> int:
    page = PAGE.read_text(encoding="utf-8")
    is_fresh = filled(page, blocks(read_results())) == page
    if not is_fresh:
        print("docs/quality.md is out of date: run scripts/quality --page", file=sys.stderr)
    return int(not is_fresh)


if __name__ == "__main__":
    sys.exit(main())
