"""``derm-calibrate inspect`` of a bundle: what it is, and the proof that nothing captured from cases travels inside."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from calibration.cli import main
from calibration.package import UNSIGNED_NAME
from edge_agent.contracts.bundle import ENVELOPE_NAME
from edge_agent.errors import LengthOrHashRejected, RejectedError
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


def unsigned(bundle: TrustedFolder) -> TrustedFolder:
    """Leave the bundle as a build leaves it: its manifest plain, no signature."""
    (bundle.path / ENVELOPE_NAME).unlink(missing_ok=True)
    (bundle.path / UNSIGNED_NAME).write_text(json.dumps(bundle.document), encoding="utf-8")
    return bundle


def test_a_bundle_that_nobody_signed_comes_with_the_same_proof(
    bundle: TrustedFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the build left it: a person looks before anybody vouches for it, and is told that nobody did."""
    assert inspected(bundle) == 0
    signed = capsys.readouterr().out.splitlines()
    assert inspected(unsigned(bundle)) == 0
    found = capsys.readouterr().out.splitlines()
    assert found[0].endswith("not signed")
    assert found[1:] == signed[1:]


def test_captured_inputs_are_found_before_anybody_signs(
    bundle: TrustedFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The proof is of the contents, not of the signature."""
    bundle.put("language_model.bin", bundle.data("language_model.bin") + captured())
    assert inspected(unsigned(bundle)) == RejectedError.exit_code
    assert "language_model.bin holds bytes from" in capsys.readouterr().err


def test_a_changed_file_is_found_before_anybody_signs(
    bundle: TrustedFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file is held against the manifest that the build wrote."""
    (unsigned(bundle).path / "tokenizer").write_text("{}")
    assert inspected(bundle) == LengthOrHashRejected.exit_code
    assert "tokenizer" in capsys.readouterr().err


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
