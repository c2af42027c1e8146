"""Open a package, a plain tar or the folder it was extracted to: signature first, then every file by size and digest.

Does not install. Nothing is written before the whole package was read once and found as signed; while it is unpacked
every file is compared again, because a stick may give other bytes the second time.

Source: tarfile (docs.python.org/3.11/library/tarfile.html); POSIX.1-2001 pax for what a member may be.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import tarfile
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edge_agent.contracts.dsse import MAX_ENVELOPE_BYTES, open_sealed
from edge_agent.contracts.keys import TrustedKey
from edge_agent.errors import LengthOrHashRejected, RejectedError, SignatureRejected, StoreFull, UpdateError
from edge_agent.installation.manifest import ENVELOPE_NAME, PAYLOAD_TYPE, PackageFile, PackageManifest, parse_manifest
from edge_agent.store.durable import make_folder, sync_path

_CHUNK = 1024 * 1024
Member = tuple[str, int, IO[bytes]]


@dataclass(frozen=True, slots=True)
class Verified:
    """A package that is as its signer left it."""

    manifest: PackageManifest
    signed_by: TrustedKey


def verify(place: Path, *, keys: Sequence[TrustedKey]) -> Verified:
    """Read a whole package and compare it with its signed list. Writes nothing.

    Args:
        place: ``derm-edge-VERSION.tar``, or the folder that it was extracted to.
        keys: whom this kiosk believes.

    Raises:
        SignatureRejected: unsigned, or not signed by one of ``keys``.
        LengthOrHashRejected: a file is altered or missing; named.
        RejectedError: a file is there that the list does not name, or something that is no plain file; named.
        UpdateError: it cannot be read.
    """
    return _go_through(place, keys=keys, into=None)


def unpack(place: Path, *, keys: Sequence[TrustedKey], into: Path) -> Verified:
    """Verify a package while it is written, durably, into an empty folder.

    Raises:
        RejectedError: see ``verify``; what was written so far is the caller's to remove.
        StoreFull: no space is left.
        UpdateError: it cannot be read or written.
    """
    verified = _go_through(place, keys=keys, into=into)
    for folder in {into, *(path.parent for path in into.rglob("*"))}:
        sync_path(folder)
    return verified


def _go_through(place: Path, *, keys: Sequence[TrustedKey], into: Path | None) -> Verified:
    try:
        with closing(_folder_members(place) if place.is_dir() else _tar_members(place)) as members:
            first = next(members, None)
            if first is None or first[0] != ENVELOPE_NAME:
                raise SignatureRejected(
                    f"{place} does not begin with {ENVELOPE_NAME}: nobody signed it; fetch it again"
                )
            payload, key = open_sealed(first[2].read(MAX_ENVELOPE_BYTES + 1), payload_type=PAYLOAD_TYPE, keys=keys)
            manifest = parse_manifest(payload)
            missing = {entry.path: entry for entry in manifest.files}
            for name, size, stream in members:
                entry = missing.pop(name, None)
                if entry is None:
                    raise RejectedError(f"{name} does not belong to this package; fetch the package again")
                _take(entry, size, stream, into)
    except (tarfile.TarError, EOFError) as exc:
        raise LengthOrHashRejected(f"{place} is no whole tar ({exc}); copy it to the stick again") from exc
    except OSError as exc:
        raise _unreadable(place, exc) from exc
    if missing:
        raise LengthOrHashRejected(f"{min(missing)} is missing from the package; fetch the package again")
    return Verified(manifest, key)


def _take(entry: PackageFile, size: int, stream: IO[bytes], into: Path | None) -> None:
    """Compare one file with its line, and write it where asked."""
    if size != entry.size_bytes:
        raise LengthOrHashRejected(f"{entry.path} has {size} bytes, {entry.size_bytes} were signed; fetch it again")
    digest = hashlib.sha256()
    with _target(into, entry) as out:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
        if digest.hexdigest() != entry.sha256:
            raise LengthOrHashRejected(f"{entry.path} was altered after it was signed; fetch the package again")
        if into is not None:
            out.flush()
            os.fsync(out.fileno())


def _target(into: Path | None, entry: PackageFile) -> IO[bytes]:
    if into is None:
        return Path(os.devnull).open("wb")
    path = into / entry.path
    make_folder(path.parent)
    return path.open("xb")


def _tar_members(path: Path) -> Generator[Member, None, None]:
    """Yield the plain files of a tar, without its one top folder; refuses anything else by name."""
    with tarfile.open(path, "r:") as archive:
        top = None
        for member in archive:
            head, _, name = member.name.partition("/")
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                raise RejectedError(f"{member.name!r} is no plain file; fetch the package again")
            if not name or ".." in member.name.split("/") or not head or head != (top or head):
                raise RejectedError(f"{member.name!r} leads out of the package; fetch the package again")
            top = head
            stream = archive.extractfile(member)
            yield name, member.size, stream if stream is not None else io.BytesIO()


def _folder_members(folder: Path) -> Generator[Member, None, None]:
    """Yield the plain files of an extracted package, the signed list first; refuses anything else by name."""
    found = sorted(folder.rglob("*"), key=lambda path: (path.relative_to(folder) != Path(ENVELOPE_NAME), path))
    for path in found:
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file():
            raise RejectedError(f"{name} is no plain file; fetch the package again")
        with path.open("rb") as stream:
            yield name, os.fstat(stream.fileno()).st_size, stream


def _unreadable(place: Path, error: OSError) -> UpdateError | StoreFull:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("no space is left to unpack the package: free disk space and try again")
    return UpdateError(f"cannot read {place}: {error.strerror or error}; check the path and the stick")
