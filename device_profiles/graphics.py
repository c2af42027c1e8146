"""Read what drives the processor's own graphics and what a process holds there. Opens no device and runs nothing on it.

Everything is read below a root folder, so that a tree recorded on another computer can be read as well.

Source: Documentation/ABI/stable/sysfs-module and Documentation/gpu/drm-usage-stats.rst of the Linux kernel; deb822(5) for
/var/lib/dpkg/status; the OpenCL ICD loader's /etc/OpenCL/vendors/*.icd, one library path per file.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

# What compiles and runs kernels on Intel's graphics: OpenCL and Level Zero driver, graphics compiler, memory library.
_PACKAGES = re.compile(r"intel-opencl-icd|intel-level-zero-gpu|libze-intel-gpu\d*|intel-igc-\w+|libigc\d+|libigdgmm\d+")
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def driver_version(*, root: Path = Path("/")) -> str | None:
    """Return the versions of the kernel's and the user's graphics driver in one line; None where either cannot be read.

    A module of the kernel's own tree has no version but the kernel's, which is told elsewhere; it is named alone.
    """
    modules = _kernel_modules(root)
    user = _packages(root / "var" / "lib" / "dpkg" / "status") or _libraries(root)
    return None if not modules or not user else "; ".join([*modules, *user])


def resident_bytes(pid: int, *, root: Path = Path("/")) -> int:
    """Return what a process holds: its resident memory, and graphics memory, which is not part of that. 0: it is gone."""
    folder = root / "proc" / str(pid)
    match = re.search(r"^VmRSS:\s+(\d+) kB", _text(folder / "status"), re.MULTILINE)
    return (int(match[1]) * 1024 if match else 0) + sum(_graphics_clients(folder / "fdinfo").values())


def _kernel_modules(root: Path) -> list[str]:
    found = []
    for entry in sorted((root / "sys" / "class" / "drm").glob("renderD*")):
        lines = dict(line.partition("=")[::2] for line in _text(entry / "device" / "uevent").splitlines())
        if name := lines.get("DRIVER"):
            module = root / "sys" / "module" / name
            version = _text(module / "version") or _text(module / "srcversion")
            found.append(f"{name} {version}".rstrip())
    return list(dict.fromkeys(found))


def _packages(path: Path) -> list[str]:
    found = []
    for block in _text(path).split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(" "))
        if _PACKAGES.fullmatch(fields.get("Package", "")) and fields.get("Status", "").endswith(" installed"):
            found.append(f"{fields['Package']} {fields.get('Version', '')}")
    return sorted(found)


def _libraries(root: Path) -> list[str]:
    """Return a digest per OpenCL driver library, where no package manager that we read tells a version."""
    found = []
    for entry in sorted((root / "etc" / "OpenCL" / "vendors").glob("*.icd")):
        library = root / _text(entry).lstrip("/")
        if library.is_file():
            found.append(f"{library.name} {hashlib.sha256(library.read_bytes()).hexdigest()[:16]}")
    return found


def _graphics_clients(folder: Path) -> dict[str, int]:
    """Return resident bytes by client: several open files of a process may belong to the same one."""
    clients: dict[str, int] = {}
    for entry in _entries(folder):
        lines = [line.partition(":")[::2] for line in _text(entry).splitlines()]
        held = {key.strip(): value.strip() for key, value in lines}
        if "drm-client-id" in held:
            sizes = [value for key, value in held.items() if key.startswith("drm-resident-")]
            clients[f"{held.get('drm-pdev')} {held['drm-client-id']}"] = sum(_bytes(size) for size in sizes)
    return clients


def _bytes(text: str) -> int:
    number, _, unit = text.partition(" ")
    return int(number) * _UNITS.get(unit, 1) if number.isdigit() else 0


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # the process is gone, or is another account's
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
