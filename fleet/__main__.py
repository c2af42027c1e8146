"""Run ``derm-fleet``; the only place of the hub that exits the process."""

from __future__ import annotations

import sys

from fleet.cli import main

if __name__ == "__main__":
    sys.exit(main())
