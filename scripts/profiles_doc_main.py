"""Write the generated tables into README.md and docs/profiles.md, or say that a page is not what the profiles give."""

from __future__ import annotations

import argparse
import sys

from scripts.clinical_doc_main import filled
from scripts.profiles_doc_tables import ROOT, checks_table, profiles_table, readme_table


def pages() -> dict[str, dict[str, str]]:
    """Return the blocks of each page by name."""
    return {
        "README.md": {"predicted_seconds": readme_table().strip()},
        "docs/profiles.md": {"profiles": profiles_table().strip(), "predicted_and_measured": checks_table().strip()},
    }


def main() -> int:
    """Write the pages, or with ``--check`` only compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is out of date")
    options = parser.parse_args()
    stale = 0
    for name, blocks in pages().items():
        path = ROOT / name
        page = path.read_text(encoding="utf-8")
        fresh = filled(page, blocks)
        if fresh == page:
            continue
        stale += 1
        if options.check:
            print(f"{name} is out of date: run scripts/profiles_doc", file=sys.stderr)
        else:
            path.write_text(fresh, encoding="utf-8")
    return int(options.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
