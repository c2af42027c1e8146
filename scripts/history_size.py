"""Sum up the binary files in the whole git history and refuse more than the limit: a clone must stay small."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

SNIFF_BYTES = 8000  # git looks for NUL in the first 8,000 bytes to tell binary from text (xdiff-interface.c)


def binary_sizes(repository: Path) -> Iterator[tuple[int, str]]:
    """Yield size in bytes and one path of every binary blob in any commit; each blob once."""
    listing = subprocess.run(
        ["git", "-C", str(repository), "rev-list", "--objects", "--all"], check=True, capture_output=True, text=True
    ).stdout
    paths = dict(line.split(" ", 1) for line in listing.splitlines() if " " in line)
    process = subprocess.Popen(
        ["git", "-C", str(repository), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    with process:
        for digest, path in paths.items():
            stdin.write(digest.encode() + b"\n")
            stdin.flush()
            kind, size = stdout.readline().split()[1:3]
            data = stdout.read(int(size) + 1)[:-1]
            if kind == b"blob" and b"\0" in data[:SNIFF_BYTES]:
                yield len(data), path
        stdin.close()


def main() -> int:
    """Print the sum and the largest files.

    Returns:
        0 within the limit, 1 above it.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit-mb", type=float, required=True)
    parser.add_argument("--repository", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args()
    rows = sorted(binary_sizes(options.repository), reverse=True)
    total_mb = sum(size for size, _ in rows) / 1e6
    print(f"binaries in the history: {len(rows)} files, {total_mb:.1f} MB (limit {options.limit_mb:.0f} MB)")
    if total_mb <= options.limit_mb:
        return 0
    for size, path in rows[:10]:
        print(f"  {size / 1e6:8.1f} MB  {path}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
