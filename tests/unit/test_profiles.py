"""Device profiles: complete, sourced, and compared with the computer and the bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_profiles.detection import HostFacts, shortfalls
from device_profiles.loader import ProfileError, load_profile, profile_names
from edge_agent import bootstrap
from edge_agent.config import Config
from edge_agent.errors import ConfigError

COMPLETE = """
schema_version = 1
name = "post"
title = "A test's profile"
test_only = false
profile_class = "post"
[hardware]
architecture = "x86_64"
cpu_count_min = 2
memory_total_min_bytes = 4_000_000_000
disk_free_min_bytes = 1_000
[inference]
device = "CPU"
threads = 2
memory_budget_bytes = 1_000
job_timeout_s = 1.0
[sources]
"hardware.architecture" = "test"
"hardware.cpu_count_min" = "test"
"hardware.memory_total_min_bytes" = "test"
"hardware.disk_free_min_bytes" = "test"
"inference.device" = "test"
"inference.threads" = "test"
"inference.memory_budget_bytes" = "test"
"inference.job_timeout_s" = "test"
"""


def test_every_shipped_profile_loads() -> None:
    """Each file in the package is a complete profile under its own name."""
    assert {"generic", "tiny"} <= set(profile_names())
    for name in profile_names():
        assert load_profile(name).name == name


def test_an_unknown_name_suggests_one() -> None:
    """A misspelt profile names its neighbour."""
    with pytest.raises(ProfileError, match="did you mean 'generic'"):
        load_profile("generik")


def test_a_value_without_a_source_is_refused(tmp_path: Path) -> None:
    """A number that nobody can trace is not a fact."""
    (tmp_path / "post.toml").write_text(COMPLETE.replace('"inference.threads" = "test"\n', ""))
    with pytest.raises(ProfileError, match=r"values without a source: inference\.threads"):
        load_profile("post", folder=tmp_path)


def test_a_missing_value_is_refused(tmp_path: Path) -> None:
    """A profile inherits nothing."""
    (tmp_path / "post.toml").write_text(COMPLETE.replace("job_timeout_s = 1.0\n", ""))
    with pytest.raises(ProfileError, match=r"inference\.job_timeout_s"):
        load_profile("post", folder=tmp_path)


def test_shortfalls_name_what_is_missing(tmp_path: Path) -> None:
    """A small computer is told cores and memory; a fitting one nothing."""
    (tmp_path / "post.toml").write_text(COMPLETE)
    profile = load_profile("post", folder=tmp_path)
    small = HostFacts(architecture="x86_64", cpu_count=1, memory_total_bytes=2_000_000_000, disk_free_bytes=2_000)
    assert shortfalls(profile, small) == [
        "1 usable cores, the profile needs 2",
        "2.0 GB of memory, needs 4.0 GB",
    ]
    fitting = HostFacts(architecture="x86_64", cpu_count=2, memory_total_bytes=4_000_000_000, disk_free_bytes=1_000)
    assert shortfalls(profile, fitting) == []


def test_the_test_profile_is_refused_on_a_device() -> None:
    """No operator runs on the limits made for tests."""
    with pytest.raises(ConfigError, match="only for tests"):
        bootstrap.resolve_profile(Config(profile="tiny"))
