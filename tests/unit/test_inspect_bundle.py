"""``derm-calibrate inspect`` of a bundle: what it is, and the proof that nothing captured from cases travels inside."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from calibration.cli import main
from edge_agent.errors import RejectedError
from tests.simulators.trusted_bundle import TrustedFolder, canary_arrays, npz, trusted_folder


@pytest.fixture
def bundle(tmp_path: Path) -> TrustedFolder:
    """A signed bundle whose files are what their roles say."""
    return trusted_folder(tmp_path)


def inspected(bundle: TrustedFolder, *more: str) -> int:
    """Run the command with the keys that signed it."""
    return main(["inspect", str(bundle.path), f"--keys={bundle.path.parent / 'keys'}", *more])


def captured() -> bytes:
    """Embeddings of a conversation, as NumPy writes them."""
    buffer = io.BytesIO()
    np.save(buffer, np.ones((4, 64), np.float32))
    return buffer.getvalue()


def test_a_sound_bundle_comes_with_its_proof(bundle: TrustedFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the signer and says what was looked at: roles, the IRs to the last byte, canary and golden cases."""
    assert inspected(bundle) == 0
    out = capsys.readouterr().out
    assert "signed by clinic key" in out
    assert "nothing captured from cases: " in out
    assert "IRs used to the last byte" in out
    assert "1 cases, 1 pictures" in out


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_captured_inputs_behind_the_weights(
    bundle: TrustedFolder, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Well signed, and every digest right: the bytes that no constant uses are found all the same."""
    bundle.put("language_model.bin", bundle.data("language_model.bin") + captured())
    bundle.seal()
    assert inspected(bundle, *more) == RejectedError.exit_code
    printed = capsys.readouterr()
    assert "language_model.bin holds bytes from" in printed.err
    assert printed.out == ""


def test_captured_inputs_among_the_expected_logits(bundle: TrustedFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """The canary has room for arrays of known names and shapes alone."""
    bundle.put("canary", npz(canary_arrays() | {"recognition.0.inputs_embeds": np.ones((4, 64), np.float32)}))
    bundle.seal()
    assert inspected(bundle) == RejectedError.exit_code
    assert "recognition.0.inputs_embeds" in capsys.readouterr().err
