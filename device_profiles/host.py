"""Read what this computer is: processor, memory, disk, graphics, power. Decides nothing and measures no speed.

Everything but the disk is read below a root folder, so that a tree recorded on another computer can be read as well.

Source: proc(5); Documentation/ABI/testing/sysfs-class-power and sysfs-class-thermal of the Linux kernel.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ISA_VARIABLE = "ONEDNN_MAX_CPU_ISA"
_BELOW_AVX2 = frozenset({"SSE41", "AVX"})
_INTEL = "0x8086"
_FED = frozenset({"Charging", "Full", "Not charging"})
_LYING_MILLIDEGREES = 120_000  # above the 100 to 110 degrees at which Intel's processors end their work by themselves
_IGPU_SLOT = ":00:02.0"  # where Intel's processors have their own graphics; a plugged-in card is elsewhere


@dataclass(frozen=True, slots=True)
class PowerFacts:
    """Mains and battery; None where the computer does not tell. ``hottest_c``: degrees of its hottest thermal zone."""

    is_on_mains: bool | None = None
    battery_percent: int | None = None
    hottest_c: float | None = None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Hold what was read: cores usable by this process, memory and free disk in bytes, Intel's own graphics by name.

    ``isa_cap``: the value of ONEDNN_MAX_CPU_ISA where it takes AVX2 away, which the engine then does not have.
    """

    architecture: str
    cpu_model: str
    cpu_flags: frozenset[str]
    cpu_count: int
    memory_total_bytes: int
    disk_free_bytes: int
    igpus: tuple[str, ...] = ()
    power: PowerFacts = PowerFacts()
    isa_cap: str | None = None


def read_host(
    disk_path: Path,
    *,
    root: Path = Path("/"),
    architecture: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> HostFacts:
    """Read the facts of a computer; what is not there reads as nothing, never as an error.

    Args:
        disk_path: a path on the disk that holds the state; its nearest existing parent is read.
        root: the folder that holds ``proc``, ``sys`` and ``dev``.
        architecture: as ``uname -m`` prints it; None asks this computer.
        environment: where ONEDNN_MAX_CPU_ISA is looked up; None means the process environment.
    """
    variables = os.environ if environment is None else environment
    cap = variables.get(ISA_VARIABLE, "").upper()
    processors = _processors(root / "proc" / "cpuinfo")
    first = processors[0] if processors else {}
    return HostFacts(
        architecture=architecture or platform.machine(),
        cpu_model=first.get("model name", "unknown processor"),
        cpu_flags=frozenset(first.get("flags", "").split()),
        cpu_count=_allowed(root / "proc" / "self" / "status") or len(processors) or 1,
        memory_total_bytes=_memory_total(root / "proc" / "meminfo"),
        disk_free_bytes=_disk_free(disk_path),
        igpus=_igpus(root),
        power=read_power(root),
        isa_cap=cap if cap in _BELOW_AVX2 else None,
    )


def _processors(path: Path) -> list[dict[str, str]]:
    """Return one table per logical processor of /proc/cpuinfo."""
    blocks = (block for block in _text(path).split("\n\n") if "processor" in block)
    return [_table(block) for block in blocks]


def _table(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _allowed(path: Path) -> int:
    """Count the processors that this process may run on, from a list such as ``0-3,8``."""
    listed = _table(_text(path)).get("Cpus_allowed_list", "")
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", listed):
        return 0
    ranges = (part.partition("-") for part in listed.split(","))
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)


def _memory_total(path: Path) -> int:
    kibibytes = _number(_table(_text(path)).get("MemTotal", "").removesuffix("kB"))
    return round((kibibytes or 0) * 1024)


def _disk_free(path: Path) -> int:
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def _igpus(root: Path) -> tuple[str, ...]:
    """Return the render nodes of Intel's own graphics, such as ``renderD128 (0x46d1)``: driver loaded, node there."""
    found = []
    for entry in sorted((root / "sys" / "class" / "drm").glob("renderD*")):
        device = entry / "device"
        slot = dict(line.partition("=")[::2] for line in _text(device / "uevent").splitlines()).get("PCI_SLOT_NAME", "")
        is_own = _text(device / "vendor") == _INTEL and slot.endswith(_IGPU_SLOT)
        if is_own and (root / "dev" / "dri" / entry.name).exists():
            found.append(f"{entry.name} ({_text(device / 'device')})")
    return tuple(found)


def read_power(root: Path = Path("/")) -> PowerFacts:
    """Read mains, battery and heat alone: a few small files, quick enough for now and then.

    A zone that no working processor can have (0 degrees or less, 120 or more) is a sensor that lies, and is left out. Where
    no supply calls itself the mains, a battery that does not discharge says that it is fed.
    """
    classes = root / "sys" / "class"
    mains: list[bool] = []
    fed: list[bool] = []
    charges: list[int] = []
    for supply in sorted((classes / "power_supply").glob("*")):
        kind = _text(supply / "type")
        if kind in {"Mains", "USB"}:
            mains.append(_text(supply / "online") == "1")
        # a mouse or a pen has a battery too, of scope Device
        elif kind == "Battery" and _text(supply / "scope") != "Device":
            charge = _number(_text(supply / "capacity"))
            charges += [] if charge is None else [round(charge)]
            fed += [_text(supply / "status") in _FED]
    zones = (_number(_text(path)) for path in sorted((classes / "thermal").glob("thermal_zone*/temp")))
    degrees = [zone / 1000 for zone in zones if zone is not None and 0 < zone < _LYING_MILLIDEGREES]
    is_on_mains = any(mains) if mains else (True if any(fed) else None)
    return PowerFacts(is_on_mains, min(charges, default=None), max(degrees, default=None))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # a sensor that does not answer, a file that this kernel does not have
        return ""
