"""Adapters beside the base that could never be imported for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators import hf_folder
from tests.simulators.preflight import ROOMY, refusal


def test_adapter_of_another_backbone(folder: Path, tmp_path: Path) -> None:
    """The preflight with digests compares the note beside an adapter with the weights."""
    from calibration.checkpoint.inspection import InspectionRequest, inspect_checkpoint

    adapter = hf_folder.write_peft(tmp_path / "reasoning", digest="0" * 64)
    request = InspectionRequest(
        folder=folder, adapters={"reasoning": adapter}, recipes=[], profiles=[], workstation=ROOMY
    )
    (line,) = inspect_checkpoint(request).faults
    assert line.startswith("adapter reasoning was trained on the backbone 0000000000000000, this one is ")


def test_adapter_that_its_import_would_refuse(folder: Path, tmp_path: Path) -> None:
    """The preflight says what the import would say, for what stands in configuration and header."""
    adapter = hf_folder.write_peft(tmp_path / "reasoning")
    hf_folder.edit(adapter / "adapter_config.json", {"use_dora": True})
    line = refusal(folder, adapters={"reasoning": adapter})
    assert line.startswith(f"adapter reasoning: {adapter / 'adapter_config.json'}: use_dora = True")


@pytest.mark.parametrize("r", [0, -1, 10**400, 4.5])
def test_a_rank_that_is_none(folder: Path, tmp_path: Path, r: float) -> None:
    """Nothing can be estimated for a rank of zero; the line names the adapter's file."""
    place = hf_folder.write_peft(tmp_path / "reasoning")
    hf_folder.edit(place / "adapter_config.json", {"r": r})
    line = refusal(folder, adapters={"reasoning": place})
    assert line.startswith(f"adapter reasoning: {place / 'adapter_config.json'}: r = ")
