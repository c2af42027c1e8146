"""Whether a bundle fits a device class: each limit alone, and the smallest class that would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_profiles.loader import load_profile, load_profiles
from device_profiles.profile import Profile
from edge_agent.compatibility import check_compatible, predicted, shortfalls
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import CensusRow, FileEntry, Manifest
from edge_agent.errors import Incompatible

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = open_bundle(ROOT / "edge_agent" / "bundles" / "reference", keys=load_keys(shipped_key_folder())).manifest
GENERIC = load_profile("generic")


def limited(**limits: float) -> Profile:
    """The profile ``generic`` with other limits."""
    return GENERIC.model_copy(update={"inference": GENERIC.inference.model_copy(update=limits)})


def as_large_as_3b() -> Manifest:
    """The shipped manifest, its decoder blown up to 2.8e9 weights of half a byte and 36 layers of 2,048."""
    row = CensusRow(part="language_model", element_type="u4", tensors=1, elements=3_100_000_000, bytes=1_900_000_000)
    files = [one for one in SHIPPED.files if one.role != "language_model.bin"]
    files.append(FileEntry(path="l.bin", role="language_model.bin", size_bytes=1_900_000_000, sha256="0" * 64))
    wide = {"hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16, "vocab_size": 151_936}
    return SHIPPED.model_copy(
        update={
            "census": [one for one in SHIPPED.census if one.part != "language_model"] + [row],
            "files": files,
            "backbone": SHIPPED.backbone.model_copy(update=wide),
        }
    )


@pytest.mark.parametrize("profile", load_profiles(), ids=lambda one: one.name)
def test_the_shipped_bundle_fits_every_device(profile: Profile) -> None:
    """The demo runs on the smallest class."""
    check_compatible(SHIPPED, profile)
    assert shortfalls(SHIPPED, profile) == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_case_s": 0.5}, r"generic: time 1 s of 0 s; no profile"),
        ({"memory_budget_bytes": 200_000_000}, r"generic: memory 0\.3 GB of 0\.2 GB; no profile"),
        ({"max_pixels": 28_223}, r"generic: pixels of a view 28,224 of 28,223; no profile"),
        ({"max_new_tokens": 399}, r"generic: tokens of an answer 400 of 399; no profile"),
    ],
)
def test_each_limit_refuses_alone(limits: dict[str, float], words: str) -> None:
    """Both figures stand in the line, and what is not exceeded is not mentioned."""
    with pytest.raises(Incompatible, match=words):
        check_compatible(SHIPPED, limited(**limits))


def test_exactly_the_limit_passes() -> None:
    """A budget is what may be used, not what may not be reached."""
    found = predicted(SHIPPED, GENERIC)
    check_compatible(SHIPPED, limited(memory_budget_bytes=found.memory_bytes, max_pixels=28_224, max_new_tokens=400))
    with pytest.raises(Incompatible, match="memory"):
        check_compatible(SHIPPED, limited(memory_budget_bytes=found.memory_bytes - 1))


def test_the_smallest_profile_that_fits_is_named() -> None:
    """A 3b decoder takes more memory than an N100 kiosk has, and less than an N305 kiosk."""
    with pytest.raises(Incompatible, match=r"memory 3\.2 GB of 1\.5 GB.*the smallest profile that fits is core-i5-8:"):
        check_compatible(as_large_as_3b(), GENERIC, others=load_profiles())


def test_without_a_profile_that_fits_the_line_says_so() -> None:
    """Nobody looks for a computer that does not exist."""
    with pytest.raises(Incompatible, match="no profile fits it: install a smaller bundle"):
        check_compatible(as_large_as_3b(), GENERIC, others=[GENERIC, load_profile("n100")])


def test_more_views_take_longer() -> None:
    """Each view adds the same; the profile's usual number is what counts where none is given."""
    one, two, three = (predicted(SHIPPED, GENERIC, views=views).seconds for views in (1, 2, 3))
    assert one < two < three
    assert three - two == pytest.approx(two - one, rel=0.05)
    assert predicted(SHIPPED, GENERIC).seconds == three


def test_what_is_missing_is_a_list_for_whoever_compares() -> None:
    """Both reasons at once, in a fixed order."""
    lines = shortfalls(SHIPPED, limited(max_case_s=0.1, memory_budget_bytes=1))
    assert [line.split(" ")[0] for line in lines] == ["memory", "time"]
