"""Image preprocessing of another model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.simulators import hf_folder
from tests.simulators.preflight import refusal


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch_size": 16}, "preprocessor_config.json: patch_size = 16, vision_config.patch_size = 14; mend one"),
        ({"merge_size": 1}, "merge_size = 1, vision_config.spatial_merge_size = 2"),
        ({"temporal_patch_size": None}, "temporal_patch_size = None, vision_config.temporal_patch_size = 2"),
        ({"image_std": [0.27, 0.0, 0.28]}, "image_mean and image_std need three values each, std above 0"),
        ({"image_mean": None}, "'image_mean' is missing or wrong"),
        ({"resample": 2}, "resample is not 3 (bicubic)"),
        ({"min_pixels": 999_999}, "min_pixels 999999 exceeds max_pixels 200704"),
        ({"do_normalize": False}, "do_normalize = False; the device always does it"),
        ({"do_resize": False}, "do_resize = False; the device always does it"),
        ({"do_rescale": False}, "do_rescale = False; the device always does it"),
        ({"image_processor_type": "CLIPImageProcessor"}, "image_processor_type = CLIPImageProcessor; the device cuts"),
        ({"rescale_factor": 1.0}, "rescale_factor = 1.0; the device divides by 255"),
    ],
)
def test_preprocessor_of_another_model(folder: Path, changes: dict[str, Any], words: str) -> None:
    """Sizes that differ from the vision tower's, no normalisation, another filter."""
    hf_folder.edit(folder / "preprocessor_config.json", changes)
    assert words in refusal(folder)


@pytest.mark.parametrize("factor", [10**400, float("nan"), float("inf")])
def test_a_rescale_factor_that_is_no_share(folder: Path, factor: float) -> None:
    """Not a number, or one that no float holds: the same line as for any other factor."""
    hf_folder.edit(folder / "preprocessor_config.json", {"rescale_factor": factor})
    assert "rescale_factor = " in refusal(folder)
