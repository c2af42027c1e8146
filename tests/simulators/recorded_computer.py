"""A computer as the kernel shows it: proc, sys and dev below a folder, written as they were recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from device_profiles.host import HostFacts, read_host

OLD_FLAGS = "fpu vme sse sse2 ssse3 sse4_1 sse4_2"
AVX2_FLAGS = f"{OLD_FLAGS} avx f16c fma bmi1 avx2 bmi2"
AVX512_FLAGS = f"{AVX2_FLAGS} avx512f avx512dq avx512bw avx512vl avx512_vnni"


@dataclass(frozen=True)
class RecordedComputer:
    """What the tree will say. ``igpu``: PCI slot of a card with a render node, or None; ``driver`` False hides the node."""

    model: str
    flags: str = AVX2_FLAGS
    cores: int = 4
    memory_kib: int = 8_000_000
    igpu: str | None = "0000:00:02.0"
    vendor: str = "0x8086"
    driver: bool = True
    mains: int | None = 1
    battery: int | None = None
    battery_status: str | None = None
    millidegrees: tuple[int, ...] = (41_000,)

    def with_(self, **changes: object) -> RecordedComputer:
        """Return the same computer with some facts changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def write(self, root: Path) -> Path:
        """Write the tree below ``root`` and return it."""
        blocks = (
            f"processor\t: {number}\nvendor_id\t: GenuineIntel\nmodel name\t: {self.model}\nflags\t\t: {self.flags}\n"
            for number in range(self.cores)
        )
        files = {
            "proc/cpuinfo": "\n".join(blocks) + "\n",
            "proc/meminfo": f"MemTotal:       {self.memory_kib} kB\nMemFree:        1000 kB\n",
            "proc/self/status": f"Name:\tpython3\nCpus_allowed:\tf\nCpus_allowed_list:\t0-{self.cores - 1}\n",
        }
        if self.igpu is not None:
            device = "sys/class/drm/renderD128/device"
            files |= {f"{device}/vendor": f"{self.vendor}\n", f"{device}/device": "0x46d1\n"}
            files[f"{device}/uevent"] = f"DRIVER=i915\nPCI_SLOT_NAME={self.igpu}\n"
            if self.driver:
                files["dev/dri/renderD128"] = ""
        if self.mains is not None:
            files |= {
                "sys/class/power_supply/AC/type": "Mains\n",
                "sys/class/power_supply/AC/online": f"{self.mains}\n",
            }
        if self.battery is not None:
            files |= {
                "sys/class/power_supply/BAT0/type": "Battery\n",
                "sys/class/power_supply/BAT0/capacity": f"{self.battery}\n",
            }
        if self.battery_status is not None:
            files["sys/class/power_supply/BAT0/status"] = f"{self.battery_status}\n"
        for number, heat in enumerate(self.millidegrees):
            files[f"sys/class/thermal/thermal_zone{number}/temp"] = f"{heat}\n"
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    def facts(self, root: Path, *, disk_free_bytes: int = 200_000_000_000) -> HostFacts:
        """Write the tree, read it as the device does, and give it a disk."""
        found = read_host(root, root=self.write(root), architecture="x86_64", environment={})
        return replace(found, disk_free_bytes=disk_free_bytes)


N100 = RecordedComputer("Intel(R) N100")
N305 = RecordedComputer("Intel(R) Core(TM) i3-N305", cores=8, memory_kib=16_000_000)
I5_8 = RecordedComputer("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", cores=8)
I5_12 = RecordedComputer("12th Gen Intel(R) Core(TM) i5-1235U", cores=12, memory_kib=16_000_000)
ULTRA = RecordedComputer("Intel(R) Core(TM) Ultra 5 125H", cores=18, memory_kib=16_000_000, battery=80)
XEON = RecordedComputer(
    "Intel(R) Xeon(R) Silver 4410Y", flags=AVX512_FLAGS, cores=24, memory_kib=64_000_000, igpu=None, mains=None
)
OTHER = RecordedComputer("AMD Ryzen 5 5600G with Radeon Graphics", cores=12, vendor="0x1002", igpu="0000:04:00.0")
CELERON = RecordedComputer("Intel(R) Celeron(R) CPU  J1900  @ 1.99GHz", flags=OLD_FLAGS)
