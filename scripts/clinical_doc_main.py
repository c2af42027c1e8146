"""Write the generated tables into docs/clinical.md, or say that the page is not what the rule files give."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from edge_agent.contracts.terms import Vocabulary
from scripts.clinical_doc_tables import blocks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "clinical.md"
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def filled(page: str, tables: Mapping[str, str]) -> str:
    """Return the page with every generated block written anew; the text around the blocks is kept.

    Args:
        page: the whole page.
        tables: the blocks by name.

    Raises:
        RuntimeError: the page lacks a block, holds one twice or one that nobody generates.
    """
    found = [match.group(2) for match in _BLOCK.finditer(page)]
    if sorted(found) != sorted(tables):
        raise RuntimeError(f"the page holds the blocks {found}, the rule files give {list(tables)}")
    return _BLOCK.sub(lambda match: f"{match.group(1)}\n{tables[match.group(2)]}\n\n{match.group(3)}", page)


def main() -> int:
    """Write the page, or with ``--check`` only compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is out of date")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    fresh = filled(page, blocks(Vocabulary.load()))
    if options.check:
        if fresh != page:
            print("docs/clinical.md is out of date: run scripts/clinical_doc", file=sys.stderr)
        return int(fresh != page)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
