"""Write the JSON schemas that follow from the vocabulary and the form, or say which files differ from them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_agent.contracts.published_schemas import FOLDER, published_schemas, schema_text
from edge_agent.contracts.terms import Vocabulary
from edge_agent.errors import EdgeError


def main() -> int:
    """Write what differs and print its path.

    Returns:
        0; with ``--check`` 1 if a file differs; or the exit code of the error's class.
    """
    parser = argparse.ArgumentParser(prog="scripts/schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    arguments = parser.parse_args()
    try:
        schemas = published_schemas(Vocabulary.load())
    except EdgeError as exc:
        print(f"schemas: {exc}", file=sys.stderr)
        return exc.exit_code
    stale = stale_files({name: schema_text(schema) for name, schema in schemas.items()}, folder=FOLDER)
    for path, text in stale.items():
        print(path)
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
    return 1 if arguments.check and stale else 0


def stale_files(texts: dict[str, str], *, folder: Path) -> dict[Path, str]:
    """Return the files of the folder that are missing or differ, with the text that they should have."""
    paths = {folder / name: text for name, text in texts.items()}
    return {path: text for path, text in paths.items() if not path.exists() or path.read_text("utf-8") != text}


if __name__ == "__main__":
    sys.exit(main())
