"""Every way of slipping something past the signed list of a package is refused by name, before anything is touched."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge_agent.contracts.dsse import open_sealed, seal
from edge_agent.errors import (
    LengthOrHashRejected,
    RejectedError,
    SignatureRejected,
    UpdateError,
    VersionRejected,
)
from edge_agent.installation.layout import Layout
from edge_agent.installation.manifest import ENVELOPE_NAME, PAYLOAD_TYPE
from edge_agent.installation.package import unpack, verify
from tests.simulators.slot_program import KEYS, Kiosk
from tests.simulators.tiny_package import DEVELOPMENT_KEY, program_package

UNIT = "system/derm-edge.service"
Part = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A sound package."""
    return program_package(tmp_path, version="1.0")


def parts(package: Path) -> list[Part]:
    """Return the members of a tar with their content."""
    with tarfile.open(package) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]


def written(package: Path, members: Iterable[Part]) -> Path:
    """Write a tar anew."""
    target = package.with_name("attack.tar")
    with tarfile.open(target, "w:") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target


def added(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "") -> Part:
    """A member that the list does not name."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member, b"" if kind != tarfile.REGTYPE else b"extra"


def refused(kiosk_root: Path, attack: Path, error: type[UpdateError], words: str) -> None:
    """Assert that the package is refused in these words and that the computer was not touched."""
    kiosk_root.mkdir()
    with pytest.raises(error, match=words):
        Kiosk(Layout(kiosk_root)).installer().bring(attack, keys=KEYS)
    assert list(kiosk_root.iterdir()) == []


def test_the_sound_package_is_accepted(package: Path) -> None:
    """What the attacks begin with is no attack."""
    assert verify(package, keys=KEYS).manifest.version == "1.0"


def test_an_altered_file(package: Path, tmp_path: Path) -> None:
    """One byte of one file, with the same length."""
    members = [
        (member, b"X" + content[1:] if member.name.endswith(UNIT) else content) for member, content in parts(package)
    ]
    refused(tmp_path / "root", written(package, members), LengthOrHashRejected, f"{UNIT} was altered")


def test_a_longer_file(package: Path, tmp_path: Path) -> None:
    """A file that never ends is refused by its length, before it is read."""
    members = [
        (member, content * 1000 if member.name.endswith(UNIT) else content) for member, content in parts(package)
    ]
    refused(tmp_path / "root", written(package, members), LengthOrHashRejected, f"{UNIT} has")


def test_a_missing_file(package: Path, tmp_path: Path) -> None:
    """A file that was left out."""
    members = [one for one in parts(package) if not one[0].name.endswith(UNIT)]
    refused(tmp_path / "root", written(package, members), LengthOrHashRejected, f"{UNIT} is missing")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (added("derm-edge-1.0/system/evil.service"), "system/evil.service does not belong"),
        (added("derm-edge-1.0/../../etc/passwd"), "leads out of the package"),
        (added("/etc/passwd"), "leads out of the package"),
        (added("other/system/evil.service"), "leads out of the package"),
        (added("derm-edge-1.0/system/link", kind=tarfile.SYMTYPE, link="/etc"), "is no plain file"),
        (added("derm-edge-1.0/system/link", kind=tarfile.LNKTYPE, link="/etc/shadow"), "is no plain file"),
        (added("derm-edge-1.0/system/pipe", kind=tarfile.FIFOTYPE), "is no plain file"),
        (added("derm-edge-1.0/system/disk", kind=tarfile.BLKTYPE), "is no plain file"),
        (added("derm-edge-1.0/system", kind=tarfile.DIRTYPE), "is no plain file"),
        (added(f"derm-edge-1.0/{UNIT}"), "does not belong"),
    ],
)
def test_something_extra(package: Path, tmp_path: Path, extra: Part, words: str) -> None:
    """A file more, a way out, a link, a pipe, a device, a file twice."""
    refused(tmp_path / "root", written(package, [*parts(package), extra]), RejectedError, words)


def test_a_link_before_the_file_it_redirects(package: Path, tmp_path: Path) -> None:
    """A folder of the package as a link elsewhere, placed first."""
    first, *rest = parts(package)
    link = added("derm-edge-1.0/system", kind=tarfile.SYMTYPE, link="/tmp")
    refused(tmp_path / "root", written(package, [first, link, *rest]), RejectedError, "is no plain file")


def test_an_unsigned_package(package: Path, tmp_path: Path) -> None:
    """The list is gone, or does not come first."""
    refused(tmp_path / "root", written(package, parts(package)[1:]), SignatureRejected, "nobody signed it")


def test_a_list_without_a_signature(package: Path, tmp_path: Path) -> None:
    """The envelope is there and empty of signatures."""
    (member, content), *rest = parts(package)
    bare = json.dumps({**json.loads(content), "signatures": []}).encode()
    refused(tmp_path / "root", written(package, [(member, bare), *rest]), SignatureRejected, "no configured key")


def test_another_key(tmp_path: Path) -> None:
    """Everything is right but who signed it."""
    key = tmp_path / "other.pem"
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key.write_bytes(pem)
    attack = program_package(tmp_path, version="1.0", key=key)
    refused(tmp_path / "root", attack, SignatureRejected, "no configured key signed")


def resealed(package: Path, change: Callable[[dict[str, object]], object], payload_type: str = PAYLOAD_TYPE) -> Path:
    """Return the package with another list, properly signed."""
    (member, envelope), *rest = parts(package)
    payload, _ = open_sealed(envelope, payload_type=PAYLOAD_TYPE, keys=KEYS)
    held = json.loads(payload)
    change(held)
    sealed = seal(json.dumps(held).encode(), payload_type=payload_type, private_key=DEVELOPMENT_KEY)
    return written(package, [(member, sealed), *rest])


def test_a_signature_for_something_else(package: Path, tmp_path: Path) -> None:
    """An envelope of the same key for a bundle's list is no package's."""
    attack = resealed(package, dict, "application/vnd.derm-edge.manifest+json")
    refused(tmp_path / "root", attack, SignatureRejected, "envelope holds")


@pytest.mark.parametrize("path", ["../etc/passwd", "/etc/passwd", "a/../../b", "a//b", ".hidden", "a\\b", "a\nb", ""])
def test_a_signed_path_that_leads_out(package: Path, tmp_path: Path, path: str) -> None:
    """Even a list that was signed may name only plain paths inside."""
    attack = resealed(package, lambda held: held["files"][0].update(path=path))  # type: ignore[index]
    refused(tmp_path / "root", attack, VersionRejected, "plain names between slashes")


def test_a_file_listed_twice(package: Path, tmp_path: Path) -> None:
    """Which digest holds would be the reader's choice."""
    attack = resealed(package, lambda held: held["files"].append(held["files"][0]))  # type: ignore[attr-defined,index]
    refused(tmp_path / "root", attack, VersionRejected, "names a file twice")


def test_an_unknown_key_in_the_list(package: Path, tmp_path: Path) -> None:
    """A list of a later kind is not half understood."""
    attack = resealed(package, lambda held: held.update(run="rm -rf /"))
    refused(tmp_path / "root", attack, VersionRejected, "run: ")


def test_a_package_cut_short(package: Path, tmp_path: Path) -> None:
    """A stick that was pulled out too early."""
    attack = package.with_name("short.tar")
    attack.write_bytes(package.read_bytes()[:2000])
    refused(tmp_path / "root", attack, LengthOrHashRejected, "no whole tar")


def test_a_stick_that_changes_its_mind(package: Path, tmp_path: Path) -> None:
    """What is unpacked is compared again: verified bytes and written bytes are the same."""
    verify(package, keys=KEYS)
    members = [
        (member, b"X" + content[1:] if member.name.endswith(UNIT) else content) for member, content in parts(package)
    ]
    written(package, members).replace(package)
    with pytest.raises(LengthOrHashRejected, match="was altered"):
        unpack(package, keys=KEYS, into=tmp_path)


@pytest.fixture
def folder(package: Path, tmp_path: Path) -> Path:
    """The package as the technician extracted it."""
    with tarfile.open(package) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "derm-edge-1.0"


def test_the_sound_folder_is_accepted(folder: Path) -> None:
    """A package may be extracted first."""
    assert verify(folder, keys=KEYS).manifest.version == "1.0"


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda folder: (folder / "system" / "evil.service").write_text("x"), "system/evil.service does not belong"),
        (lambda folder: (folder / UNIT).write_text("# unit of 9.9\n"), "was altered|has"),
        (lambda folder: (folder / UNIT).unlink(), "is missing"),
        (lambda folder: (folder / "system" / "link").symlink_to("/etc/passwd"), "system/link is no plain file"),
        (lambda folder: (folder / "more").symlink_to("/etc"), "more is no plain file"),
        (lambda folder: os.mkfifo(folder / "pipe"), "pipe is no plain file"),
        (lambda folder: (folder / ENVELOPE_NAME).unlink(), "nobody signed it"),
    ],
)
def test_a_folder_that_was_tampered_with(
    folder: Path, tmp_path: Path, plant: Callable[[Path], object], words: str
) -> None:
    """The same for an extracted package."""
    plant(folder)
    refused(tmp_path / "root", folder, RejectedError, words)
