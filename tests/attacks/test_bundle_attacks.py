"""A bundle changed by an attacker is refused before anything of it is loaded."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.contracts.bundle import ENVELOPE_NAME, open_bundle
from edge_agent.contracts.dsse import MAX_ENVELOPE_BYTES, open_sealed
from edge_agent.contracts.keys import load_keys
from edge_agent.contracts.manifest import PAYLOAD_TYPE
from edge_agent.errors import (
    Incompatible,
    LengthOrHashRejected,
    RejectedError,
    SignatureRejected,
    VersionRejected,
)
from tests.simulators.bundles import SignedFolder, signed_folder, write_key


@pytest.fixture
def bundle(tmp_path: Path) -> SignedFolder:
    """Return a valid signed bundle."""
    return signed_folder(tmp_path)


def refused(bundle: SignedFolder, error: type[Exception], match: str) -> None:
    """Check that opening raises exactly this class, in one line."""
    with pytest.raises(error, match=match) as caught:
        open_bundle(bundle.path, keys=bundle.keys)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def test_unsigned_bundle(bundle: SignedFolder) -> None:
    """Without an envelope there is nothing to trust."""
    (bundle.path / ENVELOPE_NAME).unlink()
    refused(bundle, SignatureRejected, "cannot be read")


def test_key_that_is_not_configured(bundle: SignedFolder, tmp_path: Path) -> None:
    """A valid signature by a foreign key counts for nothing."""
    write_key(tmp_path / "foreign", "clinic")
    with pytest.raises(SignatureRejected, match="configured: clinic key"):
        open_bundle(bundle.path, keys=load_keys(tmp_path / "foreign"))


def test_no_key_at_all(bundle: SignedFolder) -> None:
    """An empty list of keys trusts nobody."""
    with pytest.raises(SignatureRejected, match="configured: none"):
        open_bundle(bundle.path, keys=())


def test_foreign_signature_under_a_configured_key_id(bundle: SignedFolder, tmp_path: Path) -> None:
    """The key id is only a hint: another key's signature under a trusted id is refused."""
    trusted = json.loads((bundle.path / ENVELOPE_NAME).read_text())["signatures"][0]["keyid"]
    foreign = SignedFolder(bundle.path, bundle.document, write_key(tmp_path / "foreign", "evil"), bundle.keys)
    foreign.sign()
    envelope = json.loads((bundle.path / ENVELOPE_NAME).read_text())
    envelope["signatures"][0]["keyid"] = trusted
    (bundle.path / ENVELOPE_NAME).write_text(json.dumps(envelope))
    refused(bundle, SignatureRejected, "no configured key")


def test_changed_payload_under_the_old_signature(bundle: SignedFolder) -> None:
    """One changed word of the manifest breaks the signature."""
    envelope = json.loads((bundle.path / ENVELOPE_NAME).read_text())
    payload = base64.b64decode(envelope["payload"]).replace(b'"clinical_use": false', b'"clinical_use": true ')
    envelope["payload"] = base64.b64encode(payload).decode()
    (bundle.path / ENVELOPE_NAME).write_text(json.dumps(envelope))
    refused(bundle, SignatureRejected, "no configured key")


def test_other_payload_type(bundle: SignedFolder) -> None:
    """A signature made for another kind of document does not make a bundle."""
    bundle.sign(payload_type="application/vnd.other+json")
    refused(bundle, SignatureRejected, "not application/vnd.derm-edge.bundle-manifest")


def test_payload_type_changed_after_signing(bundle: SignedFolder) -> None:
    """The type is signed: renaming a foreign document into a manifest breaks the signature."""
    bundle.sign(payload_type="application/vnd.other+json")
    envelope = json.loads((bundle.path / ENVELOPE_NAME).read_text())
    envelope["payloadType"] = PAYLOAD_TYPE
    (bundle.path / ENVELOPE_NAME).write_text(json.dumps(envelope))
    refused(bundle, SignatureRejected, "no configured key")


def test_endless_envelope(bundle: SignedFolder) -> None:
    """An envelope above the limit is refused without being parsed."""
    with (bundle.path / ENVELOPE_NAME).open("wb") as stream:
        stream.truncate(MAX_ENVELOPE_BYTES * 4)
    refused(bundle, SignatureRejected, "larger than")


def test_envelope_is_a_fifo(bundle: SignedFolder) -> None:
    """A pipe in the envelope's place does not block the device."""
    (bundle.path / ENVELOPE_NAME).unlink()
    os.mkfifo(bundle.path / ENVELOPE_NAME)
    refused(bundle, RejectedError, "not a plain file")


def test_deeply_nested_envelope(bundle: SignedFolder) -> None:
    """JSON made to exhaust the stack is one line, not a crash."""
    (bundle.path / ENVELOPE_NAME).write_text("[" * 200_000)
    refused(bundle, SignatureRejected, "not a DSSE envelope")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["payload", "payloadType", "signatures", "keyid", "sig"]) | st.text(), x)))  # fmt: skip
@settings(max_examples=150)
def test_arbitrary_json_never_opens(document: Any) -> None:
    """Whatever JSON stands in the envelope, it is refused and never raises another error."""
    with pytest.raises(SignatureRejected):
        open_sealed(json.dumps(document).encode(), payload_type=PAYLOAD_TYPE, keys=())


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.5])
def test_other_schema_version(bundle: SignedFolder, version: object) -> None:
    """A manifest of another schema is refused by its version, whatever else it holds."""
    bundle.document["schema_version"] = version
    bundle.document["news"] = "unknown here"
    bundle.sign()
    refused(bundle, VersionRejected, "manifest schema")


def test_unknown_field(bundle: SignedFolder) -> None:
    """An unknown key is an error, not a remark."""
    bundle.document["backdoor"] = 1
    bundle.sign()
    refused(bundle, RejectedError, "backdoor")


def test_flipped_bit(bundle: SignedFolder) -> None:
    """One flipped bit of one weight is found."""
    path = bundle.path / "language_model.bin"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refused(bundle, LengthOrHashRejected, "language_model.bin differs")


@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: d[:0]])
def test_other_length(bundle: SignedFolder, change: Callable[[bytes], bytes]) -> None:
    """A shorter, longer or empty file is refused by its length."""
    path = bundle.path / "language_model.bin"
    path.write_bytes(change(path.read_bytes()))
    refused(bundle, LengthOrHashRejected, "signed were")


def test_sparse_giant_is_refused_without_reading(bundle: SignedFolder) -> None:
    """A file above 4 GiB is refused by its length; no 32-bit number wraps around."""
    with (bundle.path / "language_model.bin").open("r+b") as stream:
        stream.truncate((1 << 32) + bundle.entry("language_model.bin")["size_bytes"])
    refused(bundle, LengthOrHashRejected, "has 42949")


def test_missing_file(bundle: SignedFolder) -> None:
    """A file that the manifest lists must be there."""
    (bundle.path / "adapter.reasoning.bin").unlink()
    refused(bundle, LengthOrHashRejected, "adapter.reasoning.bin is missing")


def test_surplus_file(bundle: SignedFolder) -> None:
    """What nobody signed may not lie beside what was signed."""
    (bundle.path / "openvino_tokenizer.xml").write_text("<net/>")
    refused(bundle, RejectedError, "not in its manifest")


def test_surplus_file_in_a_folder(bundle: SignedFolder) -> None:
    """Hiding it in a folder does not help."""
    (bundle.path / "deep").mkdir()
    (bundle.path / "deep" / "x").write_text("x")
    refused(bundle, RejectedError, "deep/x")


def test_symlink_to_the_same_bytes(bundle: SignedFolder, tmp_path: Path) -> None:
    """A link is refused even where its target's bytes are right: they could change afterwards."""
    path = bundle.path / "tokenizer"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    refused(bundle, RejectedError, "link or a device")


def test_symlinked_folder(bundle: SignedFolder, tmp_path: Path) -> None:
    """A linked folder is refused, not walked."""
    (tmp_path / "other").mkdir()
    (bundle.path / "folder").symlink_to(tmp_path / "other", target_is_directory=True)
    refused(bundle, RejectedError, "link or a device")


def test_fifo_in_the_place_of_a_file(bundle: SignedFolder) -> None:
    """A pipe is refused without being opened."""
    (bundle.path / "tokenizer").unlink()
    os.mkfifo(bundle.path / "tokenizer")
    refused(bundle, RejectedError, "link or a device")


@pytest.mark.parametrize(
    "path",
    [
        "../escape",
        "/etc/passwd",
        "a/../../b",
        "./tokenizer",
        "a//b",
        "",
        ".",
        "a\\b",
        "C:x",
        "a\0b",
        "a\nb",
        "a/",
        " a",
    ],
)
def test_paths_that_leave_the_bundle(bundle: SignedFolder, path: str) -> None:
    """Only plain paths below the folder are accepted, even when they are signed."""
    bundle.entry("tokenizer")["path"] = path
    bundle.sign()
    refused(bundle, RejectedError, "leaves the bundle or is not plain")


def test_two_entries_for_one_path(bundle: SignedFolder) -> None:
    """One path with two digests would let the reader choose."""
    bundle.document["files"].append({**bundle.entry("tokenizer"), "role": "vocabulary"})
    bundle.sign()
    refused(bundle, RejectedError, "listed twice")


def test_paths_that_differ_in_case_only(bundle: SignedFolder) -> None:
    """On some file systems they would be one file."""
    bundle.document["files"].append({**bundle.entry("tokenizer"), "path": "TOKENIZER", "role": "vocabulary"})
    bundle.sign()
    refused(bundle, RejectedError, "listed twice")


def test_two_files_in_one_role(bundle: SignedFolder) -> None:
    """Two tokenizers would let the reader choose."""
    data = b"second"
    (bundle.path / "second").write_bytes(data)
    entry = {"path": "second", "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    bundle.document["files"].append({**entry, "role": "tokenizer"})
    bundle.sign()
    refused(bundle, RejectedError, "role tokenizer is listed twice")


def test_manifest_lists_its_own_envelope(bundle: SignedFolder) -> None:
    """The envelope cannot be one of the signed files."""
    bundle.entry("tokenizer")["path"] = ENVELOPE_NAME
    bundle.sign()
    refused(bundle, RejectedError, "listed twice")


def test_missing_part(bundle: SignedFolder) -> None:
    """A bundle without its language model is refused when it is opened, not when it is loaded."""
    bundle.document["files"].remove(bundle.entry("language_model.bin"))
    (bundle.path / "language_model.bin").unlink()
    bundle.sign()
    refused(bundle, RejectedError, "no file with the role language_model.bin")


def test_adapter_for_another_backbone(bundle: SignedFolder) -> None:
    """Mixing an adapter of one backbone into a bundle of another is refused by digest, not by name."""
    bundle.document["adapters"][1]["base_digest"] = "c" * 64
    bundle.sign()
    refused(bundle, Incompatible, "made for another backbone")


def test_agent_without_its_adapter(bundle: SignedFolder) -> None:
    """An agent whose adapter is missing would run on the bare backbone in silence."""
    bundle.document["adapters"] = bundle.document["adapters"][:2]
    bundle.document["files"] = [e for e in bundle.document["files"] if not e["role"].startswith("adapter.reasoning")]
    for path in bundle.path.glob("adapter.reasoning.*"):
        path.unlink()
    bundle.sign()
    refused(bundle, RejectedError, "needs the adapter reasoning")


@pytest.mark.parametrize("part", ["canary", "golden"])
def test_reference_to_a_file_that_is_not_listed(bundle: SignedFolder, part: str) -> None:
    """The canary and the golden cases must be among the signed files."""
    bundle.document[part]["file"] = "elsewhere"
    bundle.sign()
    refused(bundle, RejectedError, "does not list it")


def test_negative_size(bundle: SignedFolder) -> None:
    """A size below zero is no size."""
    bundle.entry("tokenizer")["size_bytes"] = -1
    bundle.sign()
    refused(bundle, RejectedError, "size_bytes")
