"""A sweep's bundles get their place whole, signed if there is a key, and lose it when their recipe fails later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibration.package import UNSIGNED_NAME, manifest_bytes
from calibration.sweep.built import publish, withdraw
from calibration.unsigned import open_unsigned
from edge_agent.contracts.bundle import ENVELOPE_NAME, open_bundle, parse_manifest
from edge_agent.errors import LengthOrHashRejected
from tests.simulators.bundles import SignedFolder, signed_folder


@pytest.fixture
def signed(tmp_path: Path) -> SignedFolder:
    """A bundle as a build leaves it: unsigned."""
    found = signed_folder(tmp_path)
    payload = json.dumps(found.document).encode()
    (found.path / UNSIGNED_NAME).write_bytes(manifest_bytes(parse_manifest(payload)))
    (found.path / ENVELOPE_NAME).unlink()
    return found


def test_a_published_bundle_is_one_that_a_device_opens(signed: SignedFolder, tmp_path: Path) -> None:
    """Signed on the way; the stage keeps its unsigned manifest, so that another key may come later."""
    target = tmp_path / "bundles" / "int8"
    publish(signed.path, target, key=signed.private_key)
    assert open_bundle(target, keys=signed.keys).signed_by == "clinic key"
    assert (signed.path / UNSIGNED_NAME).is_file()
    assert not (signed.path / ENVELOPE_NAME).exists()


def test_the_same_bundle_is_left_alone_and_another_key_signs_anew(signed: SignedFolder, tmp_path: Path) -> None:
    """A second run touches nothing; without the key the bundle becomes unsigned again."""
    target = tmp_path / "bundles" / "int8"
    publish(signed.path, target, key=signed.private_key)
    before = target.stat().st_ino
    publish(signed.path, target, key=signed.private_key)
    assert target.stat().st_ino == before
    publish(signed.path, target, key=None)
    assert (target / UNSIGNED_NAME).is_file()
    assert not (target / ENVELOPE_NAME).exists()
    assert sorted(path.name for path in target.parent.iterdir()) == ["int8"]


def test_a_withdrawn_bundle_is_gone(signed: SignedFolder, tmp_path: Path) -> None:
    """No bundle lies there whose gates have fallen since; withdrawing nothing is no error."""
    target = tmp_path / "bundles" / "int8"
    publish(signed.path, target, key=None)
    withdraw(target)
    withdraw(target)
    assert list(target.parent.iterdir()) == []


def test_a_changed_file_is_not_measured(signed: SignedFolder) -> None:
    """What lies in a stage is compared with its manifest before it is opened."""
    assert open_unsigned(signed.path).manifest.name == "paper"
    (signed.path / "language_model.bin").write_bytes(b"other")
    with pytest.raises(LengthOrHashRejected):
        open_unsigned(signed.path)
