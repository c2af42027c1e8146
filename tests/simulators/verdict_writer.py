"""A process to be killed while it writes verdicts: ``python -m tests.simulators.verdict_writer FILE`` goes on until then.

Prints one line per verdict that is written whole: its number, which also stands in the file.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from edge_agent.devices.verdict import Verdicts
from tests.simulators.second_device import key


def main() -> None:
    """Write one verdict after the other."""
    verdicts = Verdicts(Path(sys.argv[1]))
    for number in itertools.count(1):
        verdicts.begin_test("GPU", key())
        verdicts.end_test(key(), reasons=("padding " * 500,), figures={"number": float(number)})
        print(number, flush=True)  # noqa: T201  (the test reads it)


if __name__ == "__main__":
    main()
