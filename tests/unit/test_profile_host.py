"""Reading a computer: what proc, sys and dev say, and what a missing file says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device_profiles.host import PowerFacts, read_host
from tests.simulators.recorded_computer import N100, OTHER, ULTRA, XEON, RecordedComputer


def test_processor_cores_and_memory_are_read(tmp_path: Path) -> None:
    """Name and flags of /proc/cpuinfo, MemTotal in KiB."""
    found = N100.facts(tmp_path)
    assert found.cpu_model == "Intel(R) N100"
    assert {"avx2", "fma"} <= found.cpu_flags
    assert "avx512f" not in found.cpu_flags
    assert (found.cpu_count, found.memory_total_bytes) == (4, 8_192_000_000)


@pytest.mark.parametrize(("listed", "count"), [("0-3", 4), ("0,2", 2), ("0-1,4-6", 5), ("7", 1)])
def test_only_cores_that_the_process_may_use_count(listed: str, count: int, tmp_path: Path) -> None:
    """A process that is held on some cores has no others."""
    root = XEON.write(tmp_path)
    (root / "proc/self/status").write_text(f"Name:\tx\nCpus_allowed_list:\t{listed}\n")
    assert read_host(tmp_path, root=root).cpu_count == count


def test_without_a_list_every_processor_counts(tmp_path: Path) -> None:
    """Older kernels and some containers show no status."""
    root = N100.write(tmp_path)
    (root / "proc/self/status").unlink()
    assert read_host(tmp_path, root=root).cpu_count == 4


def test_this_computer_is_read_too() -> None:
    """The real tree: the same cores as Python counts, some memory, some disk."""
    found = read_host(Path.cwd())
    assert found.cpu_count == len(os.sched_getaffinity(0))
    assert found.memory_total_bytes > 10**8
    assert found.disk_free_bytes > 0
    assert found.cpu_flags


def test_a_folder_that_is_not_there_is_judged_by_its_parent(tmp_path: Path) -> None:
    """At the first start the state folder does not exist yet."""
    assert read_host(tmp_path / "not" / "yet", root=tmp_path).disk_free_bytes > 0


@pytest.mark.parametrize(
    ("computer", "names"),
    [
        (ULTRA, ("renderD128 (0x46d1)",)),
        (ULTRA.with_(driver=False), ()),  # no driver, no node
        (ULTRA.with_(igpu="0000:03:00.0"), ()),  # a card in a slot is not the processor's
        (OTHER, ()),
        (XEON, ()),
    ],
)
def test_only_the_processors_own_graphics_with_a_node_count(
    computer: RecordedComputer, names: tuple[str, ...], tmp_path: Path
) -> None:
    """Intel's vendor number, slot 00:02.0 and a node in /dev/dri, all three."""
    assert computer.facts(tmp_path).igpus == names


@pytest.mark.parametrize(
    ("computer", "power"),
    [
        (N100, PowerFacts(True, None, 41.0)),
        (ULTRA.with_(mains=0, battery=7), PowerFacts(False, 7, 41.0)),
        (ULTRA.with_(battery=0), PowerFacts(True, 0, 41.0)),  # empty is a charge too
        (XEON.with_(millidegrees=()), PowerFacts(None, None, None)),
        (XEON.with_(millidegrees=(30_000, 91_500, 40_000)), PowerFacts(None, None, 91.5)),
        (XEON.with_(millidegrees=(-273_200, 127_000, 40_000)), PowerFacts(None, None, 40.0)),  # sensors that lie
        (ULTRA.with_(mains=None, battery=9, battery_status="Charging"), PowerFacts(True, 9, 41.0)),
        (ULTRA.with_(mains=None, battery=9, battery_status="Discharging"), PowerFacts(None, 9, 41.0)),
        (ULTRA.with_(mains=0, battery=9, battery_status="Charging"), PowerFacts(False, 9, 41.0)),  # the mains know best
    ],
)
def test_mains_battery_and_heat_are_read(computer: RecordedComputer, power: PowerFacts, tmp_path: Path) -> None:
    """What the computer does not tell stays unknown; of several zones the hottest counts."""
    assert computer.facts(tmp_path).power == power


def test_the_battery_of_a_mouse_is_not_the_computers(tmp_path: Path) -> None:
    """The kernel lists it among the power supplies, with scope Device."""
    root = N100.write(tmp_path)
    mouse = root / "sys/class/power_supply/hidpp_battery_0"
    mouse.mkdir()
    for name, text in (("type", "Battery"), ("scope", "Device"), ("capacity", "5")):
        (mouse / name).write_text(text)
    assert read_host(tmp_path, root=root).power.battery_percent is None


def test_an_empty_tree_is_no_error(tmp_path: Path) -> None:
    """Nothing is known, and whoever chooses a profile says so."""
    found = read_host(tmp_path, root=tmp_path / "nothing", environment={})
    assert (found.cpu_model, found.memory_total_bytes, found.igpus) == ("unknown processor", 0, ())


@pytest.mark.parametrize(
    ("value", "cap"), [("SSE41", "SSE41"), ("avx", "AVX"), ("AVX2", None), ("AVX512_CORE", None), ("", None)]
)
def test_a_cap_below_avx2_is_read_from_the_environment(value: str, cap: str | None, tmp_path: Path) -> None:
    """oneDNN reads the variable whatever its case; a cap at AVX2 or above takes nothing that is needed."""
    assert read_host(tmp_path, root=tmp_path, environment={"ONEDNN_MAX_CPU_ISA": value}).isa_cap == cap
