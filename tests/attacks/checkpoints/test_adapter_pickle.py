"""adapter_model.bin: opening it would run whatever it holds."""

from __future__ import annotations

import pickle
from pathlib import Path

from tests.simulators.peft_folder import assert_says, refusal, write_peft


def test_a_pickle_is_refused_unopened(tmp_path: Path) -> None:
    """A pickle that makes a file when it is loaded makes none; loaded on purpose, it does."""
    folder = write_peft(tmp_path / "peft")
    (folder / "adapter_model.safetensors").unlink()
    trap = tmp_path / "the-pickle-ran"
    pickled = folder / "adapter_model.bin"
    pickled.write_bytes(b"cbuiltins\nopen\n(V" + str(trap).encode() + b"\nVw\ntR.")
    assert_says(refusal(folder), pickled, "pickle", "safe_serialization=True")
    assert not trap.exists()
    pickle.loads(pickled.read_bytes()).close()  # noqa: S301 - the trap is our own, and must work
    assert trap.exists()


def test_a_pickle_beside_the_weights_is_refused(tmp_path: Path) -> None:
    """Two sets of weights: nobody can say which was trained last."""
    folder = write_peft(tmp_path / "peft")
    (folder / "adapter_model.bin").write_bytes(b"\x80\x02.")
    assert_says(refusal(folder), folder / "adapter_model.bin", "pickle", "remove it")
