"""Packages that are made and installed in a moment: a program of one file, or a wheel with a command line of one page."""

from __future__ import annotations

import ensurepip
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from scripts.packaging.tar import write_package
from scripts.packaging.wheels import requirements

ROOT = Path(__file__).resolve().parents[2]
DEVELOPMENT_KEY = ROOT / "calibration" / "keys" / "development.pem"
_MAIN = '''"""A kiosk's program in one page: a store that is a JSON file, a doctor, a backup."""
import json, pathlib, shutil, sys
from edge_agent.store.schema import MIGRATIONS
VERSION, WORKS, SCHEMA = {version!r}, {works!r}, len(MIGRATIONS)
def main():
    words = [word for word in sys.argv[1:]]
    if words == ["--version"]:
        print("derm-edge " + VERSION)
        return 0
    config, words = pathlib.Path(words[1]), words[2:]
    state = config.parents[2] / "var/lib/derm-edge"
    store, backup = state / "store.db", state / "backups" / ("store.db.v%d.bak" % SCHEMA)
    if words[0] == "doctor":
        if not WORKS:
            print("✗ bundle   it is broken")
            return 77
        held = json.loads(store.read_text()) if store.exists() else {{"cases": []}}
        store.write_text(json.dumps({{**held, "schema": SCHEMA}}))
        print("✓ bundle   fine")
    elif words[:2] == ["store", "backup"]:
        backup.parent.mkdir(exist_ok=True)
        shutil.copy(store, backup)
        print("wrote %s; it opens no picture" % backup)
    elif words[:2] == ["store", "restore"]:
        shutil.copy(state / "backups" / words[2], store)
    return 0
'''


def program_package(
    out: Path,
    *,
    version: str,
    schema: int = 2,
    works: bool = True,
    key: Path = DEVELOPMENT_KEY,
    policy: Path | None = None,
    system: Mapping[str, Path] = MappingProxyType({}),
) -> Path:
    """Make a package for ``tests.simulators.slot_program.WrittenProgram``: its program is one JSON file.

    ``system`` names more system files by the names that they have in the package.
    """
    work = out / f"work-{version}"
    files = _common(work, version)
    if policy is not None:
        files["defaults/policy.dsse.json"] = policy
    files |= {f"system/{name}": path for name, path in system.items()}
    files["wheels/program.json"] = _written(
        work / "program.json", json.dumps({"version": version, "schema": schema, "works": works})
    )
    return _package(out, version, files, key)


def wheel_package(out: Path, *, version: str, schema: int = 2, works: bool = True) -> Path:
    """Make a package with a real wheel, pip's own beside it, for ``SlotProgram``."""
    work = out / f"work-{version}"
    files = _common(work, version)
    wheels = work / "wheels"
    wheels.mkdir()
    shutil.copy(_pip_wheel(), wheels)
    _wheel(wheels, version=version, schema=schema, works=works)
    files |= {f"wheels/{path.name}": path for path in wheels.iterdir()}
    files["requirements.txt"] = _written(work / "requirements.txt", requirements(wheels))
    return _package(out, version, files, DEVELOPMENT_KEY)


def _package(out: Path, version: str, files: dict[str, Path], key: Path) -> Path:
    target = out / f"derm-edge-{version}.tar"
    write_package(target, version=version, files=files, private_key=key)
    return target


def _common(work: Path, version: str) -> dict[str, Path]:
    work.mkdir(parents=True)
    return {
        "system/derm-edge.service": _written(work / "unit", f"# unit of {version}\n"),
        f"system/only-{version}.rules": _written(work / "rules", f"# rules of {version}\n"),
        "defaults/config.toml": _written(
            work / "config", "state_dir = @STATE_DIR@\nprofile = @PROFILE@\npolicy_keys_dir = @POLICY_KEYS_DIR@\n"
        ),
    }


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _wheel(folder: Path, *, version: str, schema: int, works: bool) -> None:
    info = f"derm_edge-{version}.dist-info"
    content = {
        "edge_agent/__init__.py": "",
        "edge_agent/__main__.py": _MAIN.format(version=version, works=works),
        "edge_agent/store/__init__.py": "",
        "edge_agent/store/schema.py": f"MIGRATIONS = ((),) * {schema}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: derm-edge\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nderm-edge = edge_agent.__main__:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*content, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"derm_edge-{version}-py3-none-any.whl", "w") as archive:
        for name, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)


def _pip_wheel() -> Path:
    """Return pip's wheel that Python itself brings along; Debian keeps it in a folder of its own."""
    bundled = Path(ensurepip.__file__).parent / "_bundled"
    found = [*bundled.glob("pip-*.whl"), *Path("/usr/share/python-wheels").glob("pip-*.whl")]
    return found[0]
