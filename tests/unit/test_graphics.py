"""What is read of the graphics' driver and memory, below a recorded root."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_profiles.graphics import driver_version, resident_bytes
from tests.simulators.recorded_computer import N100, ULTRA

STATUS = """Package: intel-opencl-icd
Status: install ok installed
Version: 24.35.30872.22
Description: driver
 Package: not-a-field 9

Package: libigc1
Status: deinstall ok config-files
Version: 1.0

Package: libigc2
Status: install ok installed
Version: 2.1.12

Package: libc6
Status: install ok installed
Version: 2.39
"""


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_driver_is_module_and_packages(tmp_path: Path) -> None:
    """The kernel's module with its version and every installed package that compiles or runs kernels, nothing else."""
    ULTRA.write(tmp_path)
    _write(tmp_path, "sys/module/i915/version", "1.25.4\n")
    _write(tmp_path, "var/lib/dpkg/status", STATUS)
    assert driver_version(root=tmp_path) == "i915 1.25.4; intel-opencl-icd 24.35.30872.22; libigc2 2.1.12"


def test_a_driver_without_a_package_is_known_by_its_bytes(tmp_path: Path) -> None:
    """Where no package tells a version, another library is another driver."""
    ULTRA.write(tmp_path)
    _write(tmp_path, "etc/OpenCL/vendors/intel.icd", "/usr/lib/libigdrcl.so\n")
    _write(tmp_path, "usr/lib/libigdrcl.so", "one")
    first = driver_version(root=tmp_path)
    _write(tmp_path, "usr/lib/libigdrcl.so", "two")
    assert first is not None
    assert first.startswith("i915; libigdrcl.so ")
    assert driver_version(root=tmp_path) != first


@pytest.mark.parametrize("has_packages", [True, False])
def test_a_driver_of_which_half_is_unknown_is_unknown(tmp_path: Path, has_packages: bool) -> None:
    """Neither the kernel's half nor the user's is a version alone."""
    (N100.with_(igpu=None) if has_packages else N100).write(tmp_path)
    if has_packages:
        _write(tmp_path, "var/lib/dpkg/status", STATUS)
    assert driver_version(root=tmp_path) is None


def test_graphics_memory_counts_once_per_client(tmp_path: Path) -> None:
    """Graphics memory is not in VmRSS; two open files of one client hold the same memory."""
    _write(tmp_path, "proc/7/status", "Name:\tpython3\nVmRSS:\t    1000 kB\n")
    client = "drm-driver: xe\ndrm-pdev: 0000:00:02.0\ndrm-client-id: {}\ndrm-resident-system: 512 KiB\n"
    for number, client_id in enumerate((3, 3, 4)):
        _write(tmp_path, f"proc/7/fdinfo/{number}", client.format(client_id) + "drm-resident-gtt: 1 MiB\n")
    _write(tmp_path, "proc/7/fdinfo/9", "pos:\t0\nflags:\t02\n")
    assert resident_bytes(7, root=tmp_path) == 1000 * 1024 + 2 * (512 * 1024 + 1024 * 1024)


def test_a_process_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    """It may end while it is looked at."""
    assert resident_bytes(7, root=tmp_path) == 0
