"""Device profiles: complete, sourced, without contradictions, and refused where they are for tests."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from device_profiles.loader import ProfileError, load_profile, load_profiles, profile_names
from device_profiles.profile import Profile
from edge_agent import bootstrap
from edge_agent.config import Config
from edge_agent.errors import ConfigError

WANTED = {"generic", "n100", "n305", "core-i5-8", "core-i5-12", "core-ultra", "xeon", "tiny"}
TEXT = (resources.files("device_profiles") / "generic.toml").read_text(encoding="utf-8")
SOURCE = re.compile(
    r"^(measured:|assumption:|requirement of this project|Intel ARK|OpenVINO 2026|SkinGPT-R1|the |none |any |wish )"
)
SHIPPED = load_profiles()


def loaded(text: str, folder: Path) -> Profile:
    """Load a profile that a person wrote."""
    (folder / "generic.toml").write_text(text, encoding="utf-8")
    return load_profile("generic", folder=folder)


def test_every_shipped_profile_loads() -> None:
    """Each file in the package is a complete profile under its own name."""
    assert set(profile_names()) == WANTED
    for name in profile_names():
        assert load_profile(name).name == name


def test_devices_get_all_but_the_one_for_tests_the_smallest_first() -> None:
    """Who looks for the smallest that fits goes through them in order."""
    assert {one.name for one in SHIPPED} == WANTED - {"tiny"}
    budgets = [one.inference.memory_budget_bytes for one in SHIPPED]
    assert budgets == sorted(budgets)
    assert (SHIPPED[0].name, SHIPPED[-1].name) == ("generic", "xeon")


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda one: one.name)
def test_every_source_says_of_which_kind_it_is(profile: Profile) -> None:
    """Measured, a published fact, a requirement or an assumption; nothing else passes as a source."""
    assert [name for name, source in profile.sources.items() if not SOURCE.match(source)] == []


@pytest.mark.parametrize("profile", SHIPPED[1:], ids=lambda one: one.name)
def test_rates_of_a_class_that_nobody_measured_are_assumptions(profile: Profile) -> None:
    """Only the two-core computer was measured."""
    for name in ("rates.gemm_flops_per_s", "rates.read_bytes_per_s"):
        assert profile.sources[name].startswith("assumption:")


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda one: one.name)
def test_arithmetic_in_a_source_gives_its_value(profile: Profile) -> None:
    """Where a source multiplies up to a figure and takes a share of it, that is the value."""
    for name in ("gemm_flops_per_s", "read_bytes_per_s"):
        source = profile.sources[f"rates.{name}"]
        for product, share in re.findall(r"= ([\d.]+(?:e\d+| GB/s)); (0\.\d+|half|a third) of it", source):
            whole = float(product.replace(" GB/s", "e9"))
            part = {"half": 0.5, "a third": 1 / 3}.get(share) or float(share)
            assert getattr(profile.rates, name) == pytest.approx(whole * part, rel=0.03)


def test_an_unknown_name_suggests_one() -> None:
    """A misspelt profile names its neighbour."""
    with pytest.raises(ProfileError, match="did you mean 'generic'"):
        load_profile("generik")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"inference.threads" = ', '"inference.thread" = ', r"values without a source: inference\.threads"),
        ("job_timeout_s = 600.0\n", "", r"inference\.job_timeout_s"),
        ("\nthreads = 2\n", "\nthreads = 2\ncores = 2\n", r"inference\.cores"),
        ('device_order = ["CPU"]', 'device_order = ["CPU", "GPU"]', "ends with CPU"),
        ('device_order = ["CPU"]', 'device_order = ["CPU", "CPU"]', "each device once"),
        ("job_timeout_s = 600.0", "job_timeout_s = 299.0", "at least as long"),
        ("\nthreads = 2", "\nthreads = 3", "more threads than the 2 cores"),
        ("memory_budget_bytes = 1_500_000_000", "memory_budget_bytes = 2_000_000_001", "more than the class's least"),
        ("thermal_resume_c = 80.0", "thermal_resume_c = 95.0", "must be below thermal_pause_c"),
        ("battery_resume_percent = 25", "battery_resume_percent = 15", "must be above battery_pause_percent"),
        ('windows = ["00:00-24:00"]', 'windows = ["8-12"]', r"sync\.windows"),
        ('windows = ["00:00-24:00"]', 'windows = ["24:00-25:00"]', r"sync\.windows"),
        ('windows = ["00:00-24:00"]', 'windows = ["08:00-08:00"]', "ends when it begins"),
        ("cpu_models = []", 'cpu_models = ["i5-("]', "is not a regular expression"),
        ('kv_precision = "f16"', 'kv_precision = "u4"', r"inference\.kv_precision"),
        ('profile_class = "generic"', 'profile_class = "Room 7"', "profile_class"),
        ("schema_version = 3", "schema_version = 2", "schema_version"),
        ('name = "generic"', 'name = "other"', "calls itself 'other'"),
    ],
)
def test_a_profile_with_a_fault_is_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    """Missing, unknown, contradicting or unreadable values: each is one line that names the place."""
    assert TEXT.count(old) == 1
    with pytest.raises(ProfileError, match=words):
        loaded(TEXT.replace(old, new), tmp_path)


def test_limits_that_just_agree_are_taken(tmp_path: Path) -> None:
    """The rules above refuse nothing that is right: equal time limits, all cores, all memory."""
    text = TEXT.replace("job_timeout_s = 600.0", "job_timeout_s = 300.0")
    text = text.replace("memory_budget_bytes = 1_500_000_000", "memory_budget_bytes = 2_000_000_000")
    text = text.replace('device_order = ["CPU"]', 'device_order = ["GPU", "CPU"]')
    assert loaded(text, tmp_path).inference.device == "CPU"  # the one that needs no verdict


def test_every_value_is_listed_with_its_section() -> None:
    """What `profile show` prints is all that has a source."""
    profile = load_profile("n100")
    assert profile.values().keys() == profile.sources.keys()
    assert profile.values()["inference.threads"] == 4


def test_the_test_profile_is_refused_on_a_device() -> None:
    """No operator runs on the limits made for tests."""
    with pytest.raises(ConfigError, match="only for tests"):
        bootstrap.resolve_profile(Config(profile="tiny"))
