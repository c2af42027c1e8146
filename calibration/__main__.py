"""``derm-calibrate``: the only place of this package that exits the process."""

from __future__ import annotations

import sys

from calibration.cli import main

if __name__ == "__main__":
    sys.exit(main())
