"""The same factor twice: which of the two was trained?"""

from __future__ import annotations

from pathlib import Path

from tests.simulators.peft_folder import Q, assert_says, entries, factors, key, refusal, write_peft


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """A JSON reader keeps the last one in silence."""
    items = entries(factors())
    folder = write_peft(tmp_path / "peft", items=[*items, items[0]])
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", items[0][0], "stands twice", "save the adapter again")


def test_one_factor_under_two_spellings_is_refused(tmp_path: Path) -> None:
    """Both generations of one key name the same factor; both are named."""
    tensors = factors()
    old = key(Q, "A").replace("language_model.", "")
    folder = write_peft(tmp_path / "peft", tensors=tensors | {old: tensors[key(Q, "A")]})
    message = refusal(folder)
    assert_says(message, folder / "adapter_model.safetensors", key(Q, "A"), old, "the same factor twice", "save the")


def test_two_generations_in_one_file_are_refused(tmp_path: Path) -> None:
    """No model writes one layer in the old spelling and another in the new one."""
    tensors = {name.replace("language_model.layers.0", "layers.0"): value for name, value in factors().items()}
    folder = write_peft(tmp_path / "peft", tensors=tensors)
    message = refusal(folder)
    assert_says(
        message, folder / "adapter_model.safetensors", "layers.0.", "spelled in two ways", "save the adapter again"
    )
