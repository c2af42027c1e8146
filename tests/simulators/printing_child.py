"""A stand-in for the printing child: its page says how it behaves."""

from __future__ import annotations

import json
import sys
import time

from edge_agent.interop.pdf import NO_FONTS, NO_LIBRARY


def main() -> int:
    """Hang, miss a library or a font, fail, or say something that is no PDF."""
    wish = json.load(sys.stdin)["html"]
    if wish == "hang":
        time.sleep(3600)
    sys.stdout.write("Zhang Wei, not a PDF")
    return {"no library": NO_LIBRARY, "no fonts": NO_FONTS, "fail": 1}.get(wish, 0)


if __name__ == "__main__":
    sys.exit(main())
