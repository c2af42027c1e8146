"""Initialisations that subtract their start from the base (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.peft_folder import assert_says, factors, imported, refusal, write_peft

CHANGING = ["pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga", "an_init_of_2027"]


@pytest.mark.parametrize("start", CHANGING)
def test_a_start_that_changes_the_base_is_refused(tmp_path: Path, start: str) -> None:
    """The setting is named, and PEFT's own conversion."""
    folder = write_peft(tmp_path / "peft", config={"init_lora_weights": start})
    message = refusal(folder)
    assert_says(message, folder / "adapter_config.json", f"init_lora_weights = {start!r}")
    assert_says(message, "path_initial_model_for_weight_conversion")


@pytest.mark.parametrize("start", [True, False, "gaussian", "orthogonal", "eva", "mica"])
def test_a_start_that_leaves_the_base_alone_is_imported(tmp_path: Path, start: object) -> None:
    """The refusal is not a list of everything that is not the default."""
    folder = write_peft(tmp_path / "peft", config={"init_lora_weights": start, "eva_config": {"rho": 2.0}})
    assert imported(folder).record.coverage == 1.0


def test_a_converted_adapter_is_imported(tmp_path: Path) -> None:
    """After PEFT's conversion the start is True, r and alpha are doubled, and CorDA's settings stay behind."""
    config = {"init_lora_weights": True, "corda_config": {"corda_method": "ipm"}, "r": 8, "lora_alpha": 16}
    folder = write_peft(tmp_path / "peft", config=config, tensors=factors(rank=8))
    assert imported(folder).record.ranks == (8,)
