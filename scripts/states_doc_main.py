"""Write the generated diagrams into docs/states.md, or say that the page is not what the tables give."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.clinical_doc_main import filled
from scripts.states_doc_diagrams import blocks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "states.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` only compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is out of date")
    options = parser.parse_args(arguments)
    page = PAGE.read_text(encoding="utf-8")
    fresh = filled(page, blocks())
    if options.check:
        if fresh != page:
            print("docs/states.md is out of date: run scripts/states_doc", file=sys.stderr)
        return int(fresh != page)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
