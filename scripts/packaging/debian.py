"""Name the Debian packages that a kiosk needs, with exact versions, and fetch them with all they stand on.

Source: apt-get(8) (--print-uris), deb822(5), sources.list(5) (a flat repository is a folder with a file Packages).
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge_agent.errors import ConfigError, FetchError

WANTED = (
    *("cage", "chromium", "fontconfig", "fonts-noto-cjk", "fonts-noto-core", "libharfbuzz-subset0"),
    *("libpango-1.0-0", "libpangocairo-1.0-0", "libpangoft2-1.0-0", "python3", "seatd"),
)
_URI = re.compile(r"^'[^']+' (?P<file>\S+\.deb) \d+ ", re.MULTILINE)


def candidates(names: Sequence[str] = WANTED) -> list[str]:
    """Return NAME=VERSION of the versions that apt would install now.

    Raises:
        ConfigError: this is no Debian, or apt does not know one of them.
    """
    found = []
    for name in names:
        shown = _run(["apt-cache", "show", "--no-all-versions", name]).stdout
        match = re.search(r"^Version: (\S+)$", shown, re.MULTILINE)
        if match is None:
            raise ConfigError(f"apt does not know {name}: type apt-get update on a Debian 12, then try again")
        found.append(f"{name}={match[1]}")
    return found


def fetch(names: Sequence[str], *, into: Path) -> None:
    """Download packages with everything that a bare Debian 12 may lack, and write their index ``Packages``.

    Raises:
        FetchError: apt could not.
        ConfigError: apt or dpkg is not there.
    """
    bare = into / ".bare"
    bare.write_bytes(b"")
    alone = [
        f"-oDir::State::status={bare}",
        f"-oDir::Cache::archives={into}/",
    ]  # nothing installed, nothing fetched yet
    offered = _run(["apt-get", *alone, "--print-uris", "-y", "--no-install-recommends", "install", *names])
    bare.unlink()
    files = _URI.findall(offered.stdout)
    if not files:
        raise FetchError(f"apt names no files ({offered.stderr.strip()[-200:]}): type apt-get update, then try again")
    exact = [f"{file.split('_')[0]}={file.split('_')[1].replace('%3a', ':')}" for file in files]
    done = _run(["apt-get", "-q", "download", *exact], folder=into)
    if done.returncode:
        raise FetchError(f"apt-get download failed: {done.stderr.strip()[-200:]}")
    (into / "Packages").write_text(_index(into), encoding="utf-8")


def _index(folder: Path) -> str:
    """Return the index of a flat repository: each package's own words, and where it is."""
    stanzas = []
    for path in sorted(folder.glob("*.deb")):
        words = _run(["dpkg-deb", "--field", str(path)]).stdout.rstrip()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        # In an address a percent sign stands for itself only when it is escaped (epochs: 1%3a2.3).
        name = path.name.replace("%", "%25")
        stanzas.append(f"{words}\nFilename: ./{name}\nSize: {path.stat().st_size}\nSHA256: {digest}\n")
    return "\n".join(stanzas)


def _run(command: Sequence[str], *, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    except OSError as exc:
        raise ConfigError(
            f"{command[0]} is not there: make the package on a Debian 12, or add --no-debian-list"
        ) from exc
