"""A bundle's vocabulary mask that is missing, changed, another one, or of another length."""

from __future__ import annotations

import hashlib

import pytest

from edge_agent.errors import Incompatible, LengthOrHashRejected, RejectedError
from tests.simulators.bundles import SignedFolder
from tests.simulators.side_branch import VOCAB, rejected


def test_bundle_without_its_mask(bundle: SignedFolder) -> None:
    """Signed without a mask: the branch would do nothing."""
    bundle.document["files"].remove(bundle.entry("side_branch.mask"))
    (bundle.path / "side_branch.mask").unlink()
    rejected(bundle, RejectedError, r"no vocabulary mask \(side_branch.mask, role side_branch.mask\)")


def test_mask_file_deleted_after_signing(bundle: SignedFolder) -> None:
    """The file is gone, the manifest still lists it."""
    (bundle.path / "side_branch.mask").unlink()
    rejected(bundle, LengthOrHashRejected, "side_branch.mask is missing")


def test_mask_of_another_digest(bundle: SignedFolder) -> None:
    """A well signed file that is not the declared mask."""
    bundle.document["side_branch"]["mask"]["sha256"] = "e" * 64
    rejected(bundle, RejectedError, "side_branch.mask has sha256 .*declares eeee.*another mask")


def test_one_changed_bit_of_the_mask(bundle: SignedFolder) -> None:
    """One token more or less is found before anything is loaded."""
    data = bytearray((bundle.path / "side_branch.mask").read_bytes())
    data[3] ^= 1
    (bundle.path / "side_branch.mask").write_bytes(data)
    rejected(bundle, LengthOrHashRejected, "side_branch.mask differs")


@pytest.mark.parametrize("length", [0, VOCAB - 1, VOCAB + 1])
def test_mask_of_another_length(bundle: SignedFolder, length: int) -> None:
    """A mask of another vocabulary, signed and with the right digest."""
    data = (b"\1" * (VOCAB + 1))[:length]
    (bundle.path / "side_branch.mask").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    bundle.entry("side_branch.mask").update(size_bytes=length, sha256=digest)
    bundle.document["side_branch"]["mask"]["sha256"] = digest
    rejected(bundle, Incompatible, f"side_branch.mask has {length} entries, the vocabulary has {VOCAB} tokens")
