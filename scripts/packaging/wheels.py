"""Collect the wheelhouse: the base install at the versions of constraints.txt, for this Python and platform."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_agent.errors import FetchError

SOURCE = ("pyproject.toml", "README.md", "LICENSE", "edge_agent", "device_profiles", "calibration", "fleet")
# What `derm-edge install` imports before anything is installed: names of distributions.
BOOTSTRAP = (
    *("derm-edge", "annotated-types", "cffi", "cryptography", "markdown-it-py", "mdurl", "platformdirs", "pycparser"),
    *("pydantic", "pydantic-core", "pygments", "rich", "securesystemslib", "typing-extensions", "typing-inspection"),
)


def collect_wheels(project: Path, *, into: Path) -> None:
    """Fetch every wheel of the base install and pip's own, and build the project's, into an empty folder.

    Nothing is built but the project itself: a source distribution in the list is an error.

    Raises:
        FetchError: pip could not; its last line is in the message.
    """
    declared = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    limits = ["--constraint", str(project / "constraints.txt")]
    _pip(["download", "--only-binary", ":all:", *limits, "--dest", str(into), "pip", *declared])
    with TemporaryDirectory(prefix="source-", dir=into.parent) as source:
        _copy_source(project, Path(source))  # in the tree itself setuptools would take along what an older build left
        _pip(["wheel", "--no-deps", "--wheel-dir", str(into), source])


def _copy_source(project: Path, into: Path) -> None:
    for name in SOURCE:
        place = project / name
        if place.is_dir():
            shutil.copytree(place, into / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(place, into / name)


def requirements(wheels: Path, *, names: Iterable[str] | None = None) -> str:
    """Return one line per wheel, ``NAME==VERSION --hash=sha256:...``, for ``pip install --require-hashes``.

    Args:
        wheels: the wheelhouse.
        names: only these distributions, all of which must be there; None takes all but pip.

    Raises:
        FetchError: a named one is not there.
    """
    lines = {}
    for path in sorted(wheels.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines[normal(name)] = f"{normal(name)}=={version} --hash=sha256:{digest}\n"
    wanted = [normal(name) for name in names] if names is not None else [name for name in lines if name != "pip"]
    if missing := [name for name in wanted if name not in lines]:
        raise FetchError(f"the wheel of {missing[0]} is not in {wheels}: make the package again")
    return "".join(lines[name] for name in wanted)


def version_of(wheels: Path, *, name: str) -> str:
    """Return the version of a distribution in the wheelhouse.

    Raises:
        FetchError: it is not there.
    """
    for path in wheels.glob("*.whl"):
        if normal(path.name.split("-")[0]) == normal(name):
            return path.name.split("-")[1]
    raise FetchError(f"the wheel of {name} is not in {wheels}: make the package again")


def normal(name: str) -> str:
    """Return a distribution's name as PyPA normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _pip(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise FetchError(f"pip {arguments[0]} failed: {last}")
