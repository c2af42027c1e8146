"""What the distribution declares: the device's dependencies are complete, and every dependency has an exact pin."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"edge_agent", "device_profiles"}
BROUGHT_ALONG = {"pydantic-core", "starlette"}  # pydantic pins one version of the one, fastapi is built on the other
LOADED_BY_OTHERS = {"python-multipart"}  # starlette reads forms with it and does not bring it


def plain(requirement: str) -> str:
    """Return a requirement's distribution name in the form that PyPA normalises to."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


def imported(folder: Path) -> Iterator[str]:
    """Yield the top-level name of every absolute import below a folder, local and conditional ones too."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                yield node.module.partition(".")[0]


def test_the_base_install_has_what_the_device_imports_and_no_more() -> None:
    """Every third-party module that the device imports is declared; nothing is declared that it never imports."""
    modules = {name for package in OURS for name in imported(ROOT / package)} - OURS - set(sys.stdlib_module_names)
    known = packages_distributions()
    needed = {plain(known[name][0]) for name in modules}
    assert needed - BROUGHT_ALONG | LOADED_BY_OTHERS == {plain(requirement) for requirement in PROJECT["dependencies"]}


def test_every_file_that_the_program_reads_is_installed() -> None:
    """A template or a schema that no pattern names is missing wherever this is installed from a wheel."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    for package in ("edge_agent", "device_profiles", "calibration", "fleet"):
        folder = ROOT / package
        data = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
        taken = {path for pattern in patterns[package] for path in folder.glob(pattern)}
        assert {path for path in data - taken if path.name != "README.md"} == set()


def test_every_dependency_has_an_exact_version() -> None:
    """A dependency without a pin in the constraints file would change under our feet."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[^=\s]+", line)] == []
    declared = [
        *PROJECT["dependencies"],
        *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
    ]
    assert {plain(one) for one in declared} - {plain(line) for line in lines} == set()
