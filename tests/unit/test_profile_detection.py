"""Choosing a profile: the nearest class, and the reason against each other one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from device_profiles.detection import check_processor, detect, mismatches
from device_profiles.loader import ProfileError, load_profile, load_profiles
from tests.simulators.recorded_computer import (
    AVX2_FLAGS,
    CELERON,
    I5_8,
    I5_12,
    N100,
    N305,
    OTHER,
    ULTRA,
    XEON,
    RecordedComputer,
)

PROFILES = load_profiles()


@pytest.mark.parametrize(
    ("computer", "name"),
    [
        (N100, "n100"),
        (N100.with_(model="Intel(R) N97"), "n100"),
        (N305, "n305"),
        (I5_8, "core-i5-8"),
        (I5_8.with_(model="Intel(R) Core(TM) i5-8500T CPU @ 2.10GHz", cores=6), "core-i5-8"),
        (I5_12, "core-i5-12"),
        (I5_12.with_(model="12th Gen Intel(R) Core(TM) i5-12400", cores=12), "core-i5-12"),
        (ULTRA, "core-ultra"),
        (XEON, "xeon"),
        (OTHER, "generic"),
        (I5_8.with_(model="Intel(R) Core(TM) i5-7200U CPU @ 2.50GHz"), "generic"),  # the 7th generation
        (I5_12.with_(model="13th Gen Intel(R) Core(TM) i5-1335U"), "generic"),
        (N100.with_(model="Intel(R) N1000"), "generic"),
    ],
)
def test_each_computer_gets_its_profile(computer: RecordedComputer, name: str, tmp_path: Path) -> None:
    """The brand strings of the classes, and neighbours that are none of them."""
    found = detect(computer.facts(tmp_path), PROFILES)
    assert found.chosen is not None
    assert found.chosen.name == name
    assert set(found.others) == {profile.name for profile in PROFILES} - {name}
    assert all(found.others.values())  # nobody is left out without a reason


def test_the_profile_that_names_the_processor_is_nearer(tmp_path: Path) -> None:
    """An N100 is any computer with two cores as well; the reason says why that was not taken."""
    found = detect(N100.facts(tmp_path), PROFILES)
    assert found.why == "it names this processor, Intel(R) N100"
    assert found.others["generic"] == ("fits too; n100 is nearer: it names this processor",)


def test_a_larger_profile_for_any_processor_is_not_nearer(tmp_path: Path) -> None:
    """What somebody wrote about this very processor counts more than how much a general profile asks for."""
    generic = load_profile("generic")
    hardware = generic.hardware.model_copy(update={"memory_total_min_bytes": 8_000_000_000})
    larger = generic.model_copy(update={"name": "larger", "hardware": hardware})
    found = detect(N100.facts(tmp_path), [larger, *PROFILES])
    assert found.chosen is not None
    assert found.chosen.name == "n100"
    assert found.others["larger"] == ("fits too; n100 is nearer: it names this processor",)


def test_of_two_that_name_no_processor_the_larger_is_nearer(tmp_path: Path) -> None:
    """Settings for much memory are wasted by the smaller class."""
    generic = load_profile("generic")
    hardware = generic.hardware.model_copy(update={"memory_total_min_bytes": 4_000_000_000})
    larger = generic.model_copy(update={"name": "larger", "hardware": hardware})
    found = detect(OTHER.facts(tmp_path), [larger, generic])
    assert found.chosen is larger
    assert found.others == {"generic": ("fits too; larger is nearer: it asks for more of it",)}


@pytest.mark.parametrize(
    ("name", "computer", "disk", "reason"),
    [
        ("n100", I5_8, 10**12, r"the processor is Intel\(R\) Core\(TM\) i5-8250U"),
        ("n100", N100.with_(cores=2), 10**12, "2 usable cores, the profile needs 4"),
        ("n100", N100.with_(memory_kib=3_800_000), 10**12, "3.9 GB of memory, the profile needs 7.0 GB"),
        ("n100", N100, 10**10, "10.0 GB of free disk, the profile needs 16.0 GB"),
        ("xeon", XEON.with_(flags=AVX2_FLAGS), 10**12, "the processor has no avx512f, avx512_vnni"),
        ("core-ultra", ULTRA.with_(driver=False), 10**12, "no render node of the processor's own graphics"),
    ],
)
def test_one_thing_that_is_missing_is_the_one_reason(
    name: str, computer: RecordedComputer, disk: int, reason: str, tmp_path: Path
) -> None:
    """Each rule of a profile can fail alone, and then says what is there and what is needed."""
    lines = mismatches(load_profile(name), computer.facts(tmp_path, disk_free_bytes=disk))
    assert len(lines) == 1
    assert re.match(reason, lines[0])


def test_another_architecture_is_said(tmp_path: Path) -> None:
    """An ARM computer is no x86-64 computer, whatever else it has."""
    lines = mismatches(load_profile("generic"), replace(N100.facts(tmp_path), architecture="aarch64"))
    assert lines == ("architecture is aarch64, the profile is for x86_64",)


def test_a_computer_of_no_class_gets_none(tmp_path: Path) -> None:
    """Too little memory for every profile: nothing is chosen, and every profile has its reason."""
    found = detect(N100.with_(memory_kib=1_000_000).facts(tmp_path), PROFILES)
    assert found.chosen is None
    assert "1.0 GB of memory, the profile needs 2.0 GB" in found.others["generic"]


def test_a_processor_without_avx2_is_refused_by_name(tmp_path: Path) -> None:
    """The line names the processor, what it lacks, what would do, and how to see the refusal elsewhere."""
    with pytest.raises(ProfileError, match=r"J1900.*no AVX2.*4th generation.*N100.*ONEDNN_MAX_CPU_ISA=SSE41"):
        detect(CELERON.facts(tmp_path), PROFILES)


def test_a_variable_that_takes_avx2_away_is_named(tmp_path: Path) -> None:
    """The processor is good; what stops it is in the environment, and the line says to unset it."""
    capped = replace(N100.facts(tmp_path), isa_cap="AVX")
    with pytest.raises(ProfileError, match=r"ONEDNN_MAX_CPU_ISA=AVX takes AVX2 away.*unset ONEDNN_MAX_CPU_ISA"):
        check_processor(capped)
    check_processor(N100.facts(tmp_path))
