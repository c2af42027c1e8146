"""An activated LoRA that PEFT never activated."""

from __future__ import annotations

from pathlib import Path

from tests.simulators.peft_folder import assert_says, refusal, write_peft


def test_a_missing_task_type_is_refused(tmp_path: Path) -> None:
    """Without task_type CAUSAL_LM PEFT trains an activated LoRA with zero gradient and one warning."""
    folder = write_peft(tmp_path / "peft", config={"alora_invocation_tokens": [7], "task_type": None})
    assert_says(refusal(folder), folder / "adapter_config.json", "task_type CAUSAL_LM", "train it again")


def test_an_empty_invocation_is_refused(tmp_path: Path) -> None:
    """PEFT takes an empty list for an activated LoRA; nothing could ever invoke it."""
    folder = write_peft(tmp_path / "peft", config={"alora_invocation_tokens": []})
    assert_says(refusal(folder), folder / "adapter_config.json", "alora_invocation_tokens", "train with an invocation")
