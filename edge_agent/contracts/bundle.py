"""Open a bundle: verify its signature and every file before anything is loaded.

Does not load models, tokenizers or canaries; the engine does that with what is verified here.
The order matters: signature, then schema version, then the manifest's fields, then the files.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from edge_agent.contracts.dsse import MAX_ENVELOPE_BYTES, open_sealed
from edge_agent.contracts.keys import TrustedKey
from edge_agent.contracts.manifest import AGENTS, PAYLOAD_TYPE, SCHEMA_VERSION, FileEntry, Manifest
from edge_agent.contracts.side_branch import check_side_branch
from edge_agent.errors import Incompatible, LengthOrHashRejected, RejectedError, SignatureRejected, VersionRejected

ENVELOPE_NAME = "manifest.dsse.json"
IR_ROLES = ("vision_embeddings", "vision_merger", "text_embeddings", "language_model")
SINGLE_ROLES = ("tokenizer", "canary", "golden", "recipe", "model_card")
# Optional, so that older bundles still open; `derm-calibrate verify` asks for them.
SBOM_ROLE = "sbom"
CHANGE_PLAN_ROLE = "pccp"
LICENCE_ROLE_PREFIX = "licence."
_CHUNK_BYTES = 1 << 20
_MAX_PATH = 240


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle: its folder, its manifest and the name of the key that signed it."""

    path: Path
    manifest: Manifest
    signed_by: str

    def path_of(self, role: str) -> Path:
        """Return the path of the one file with this role.

        Raises:
            RejectedError: the manifest lists no such file.
        """
        try:
            return self.path / self.manifest.file(role).path
        except KeyError as exc:
            raise RejectedError(f"the bundle has no file with the role {role}; build it again") from exc


def open_bundle(path: Path, *, keys: Sequence[TrustedKey]) -> Bundle:
    """Verify a bundle folder completely and return it.

    Args:
        path: the bundle folder; it must not be writable by anybody but the daemon's user, since
            files are verified here and read again by the engine.
        keys: the configured keys; the signature of any one of them is enough.

    Raises:
        SignatureRejected: no configured key signed the manifest, or one for clinical use is signed with the
            development key, which anybody can sign with.
        VersionRejected: the manifest's schema version is not one that this program reads.
        LengthOrHashRejected: a file is missing, or its size or digest differs.
        Incompatible: an adapter belongs to another backbone.
        RejectedError: a field, path, role, symlink or additional file that may not be there.
    """
    folder = path.resolve()
    payload, key = open_sealed(read_envelope(folder / ENVELOPE_NAME), payload_type=PAYLOAD_TYPE, keys=keys)
    manifest = parse_manifest(payload)
    check_signer(manifest, key)
    check_manifest(manifest)
    check_files(folder, manifest.files)
    return Bundle(path=folder, manifest=manifest, signed_by=key.name)


def check_signer(manifest: Manifest, key: TrustedKey) -> None:
    """Refuse the key that everybody has under a bundle for patients.

    Raises:
        SignatureRejected: for clinical use, and signed with the development key.
    """
    if manifest.clinical_use and key.is_development:
        raise SignatureRejected(
            "the bundle says it is for clinical use and is signed with the public development key; sign it with your own"
        )


def parse_manifest(payload: bytes) -> Manifest:
    """Parse a verified payload; says nothing about the files that it lists.

    Raises:
        VersionRejected: another schema version.
        RejectedError: a field is missing, unknown or out of range.
    """
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as exc:
        raise RejectedError("the signed manifest is not JSON; build the bundle again") from exc
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise VersionRejected(
            f"the bundle has manifest schema {str(version)[:20]}, this program reads {SCHEMA_VERSION}; update derm-edge"
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RejectedError(f"manifest field {where}: {first['msg']}; build the bundle again") from exc


def check_manifest(manifest: Manifest) -> None:
    """Check what no single field shows: paths, roles, references between parts, adapters' backbone.

    Raises:
        RejectedError: a path, role or reference is not allowed or missing.
        Incompatible: an adapter or the side branch belongs to another backbone.
    """
    _check_paths(manifest.files)
    roles = [entry.role for entry in manifest.files]
    required = [f"{part}.{kind}" for part in IR_ROLES for kind in ("xml", "bin")] + list(SINGLE_ROLES)
    required += [f"adapter.{adapter.name}.{kind}" for adapter in manifest.adapters for kind in ("xml", "bin")]
    for role in required:
        if role not in roles:
            raise RejectedError(f"the manifest lists no file with the role {role}; build the bundle again")
    if len(set(roles)) != len(roles):
        raise RejectedError(f"role {_first_double(roles)} is listed twice; build the bundle again")
    paths = {entry.path for entry in manifest.files}
    named = [manifest.canary.file, manifest.golden.file, *(f for a in manifest.adapters for f in a.files)]
    for name in named:
        if name not in paths:
            raise RejectedError(f"the manifest names {name!r} but does not list it; build the bundle again")
    _check_agents(manifest)
    check_side_branch(manifest)


def _check_agents(manifest: Manifest) -> None:
    names = [adapter.name for adapter in manifest.adapters]
    if len(set(names)) != len(names):
        raise RejectedError(f"adapter {_first_double(list(names))} is listed twice; build the bundle again")
    for adapter in manifest.adapters:
        if adapter.base_digest != manifest.backbone.content_digest:
            raise Incompatible(f"adapter {adapter.name} was made for another backbone; build it on this one")
    for agent in AGENTS:
        spec = manifest.agents.get(agent)
        if spec is None:
            raise RejectedError(f"the manifest declares no agent {agent}; build the bundle again")
        if spec.adapter is not None and spec.adapter not in names:
            raise RejectedError(f"agent {agent} needs the adapter {spec.adapter}, which the bundle does not list")


def _check_paths(files: Sequence[FileEntry]) -> None:
    seen: set[str] = set()
    for entry in files:
        name = entry.path
        parts = name.split("/")
        plain = all(part and part not in {".", ".."} and part == part.strip() for part in parts)
        printable = name.isprintable() and "\\" not in name and ":" not in name
        if not plain or not printable or len(name) > _MAX_PATH or PurePosixPath(name).is_absolute():
            raise RejectedError(f"path {name[:80]!r} leaves the bundle or is not plain; build the bundle again")
        folded = name.casefold()
        if folded in seen or folded == ENVELOPE_NAME:
            raise RejectedError(f"path {name!r} is listed twice; build the bundle again")
        seen.add(folded)


def read_envelope(path: Path) -> bytes:
    """Return an envelope's bytes, at most one more than ``open_sealed`` accepts; verifies nothing.

    Raises:
        SignatureRejected: missing or unreadable.
        RejectedError: not a plain file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RejectedError(f"{ENVELOPE_NAME} is not a plain file; fetch the bundle again")
            return stream.read(MAX_ENVELOPE_BYTES + 1)
    except OSError as exc:
        raise SignatureRejected(f"{path} cannot be read ({exc.strerror}); is this a bundle folder?") from exc


def check_files(folder: Path, files: Sequence[FileEntry], *, ignored: Sequence[str] = ()) -> None:
    """Compare the folder with the manifest's list: nothing more, nothing less, same sizes and digests.

    Args:
        folder: the bundle.
        files: the manifest's list, already checked by ``check_manifest``.
        ignored: further names at the top that need not be listed (signing only).

    Raises:
        LengthOrHashRejected: a file is missing, or its size or digest differs.
        RejectedError: a surplus file, a link or a device.
    """
    for fault in file_faults(folder, files, ignored=ignored):
        raise fault


def file_faults(folder: Path, files: Sequence[FileEntry], *, ignored: Sequence[str] = ()) -> Iterator[RejectedError]:
    """Yield everything in which the folder differs from the manifest's list; arguments as for ``check_files``.

    Cheap differences come first: no file is read before names and sizes are known.

    Raises:
        RejectedError: the folder cannot be listed.
    """
    try:
        present = dict(_walk(folder, PurePosixPath()))
    except OSError as exc:
        raise RejectedError(f"{folder} cannot be listed ({exc.strerror}); check its permissions") from exc
    odd = {name for name, size_bytes in present.items() if size_bytes is None}
    for name in sorted(odd):
        yield RejectedError(f"{name!r} in the bundle is a link or a device, not a plain file; remove it")
    for name in sorted(set(present) - odd - {entry.path for entry in files} - {ENVELOPE_NAME, *ignored}):
        yield RejectedError(f"{name!r} is in the bundle folder but not in its manifest; remove it")
    for entry in files:
        size_bytes = present.get(entry.path)
        if entry.path not in present:
            yield LengthOrHashRejected(f"{entry.path} is missing from the bundle; fetch it again")
        elif size_bytes not in {entry.size_bytes, None}:
            yield LengthOrHashRejected(
                f"{entry.path} has {size_bytes} bytes, signed were {entry.size_bytes}; fetch it again"
            )
    for entry in files:
        if present.get(entry.path) == entry.size_bytes:
            yield from _digest_faults(folder, entry)


def _digest_faults(folder: Path, entry: FileEntry) -> Iterator[RejectedError]:
    try:
        if _sha256(folder / entry.path, entry.size_bytes) != entry.sha256:
            yield LengthOrHashRejected(f"{entry.path} differs from what was signed; fetch the bundle again")
    except LengthOrHashRejected as fault:
        yield fault


def _walk(folder: Path, below: PurePosixPath) -> Iterator[tuple[str, int | None]]:
    """Yield every file below the folder with its size in bytes, None for what is no plain file."""
    with os.scandir(folder) as items:
        for item in sorted(items, key=lambda one: one.name):
            name = below / item.name
            if item.is_dir(follow_symlinks=False):
                yield from _walk(Path(item.path), name)
                continue
            facts = item.stat(follow_symlinks=False)
            yield str(name), facts.st_size if stat.S_ISREG(facts.st_mode) else None


def _sha256(path: Path, size_bytes: int) -> str:
    digest = hashlib.sha256()
    left = size_bytes + 1  # one byte more than signed: a file that grows meanwhile is seen, never read for ever
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
            while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
                digest.update(chunk)
                left -= len(chunk)
    except OSError as exc:
        raise LengthOrHashRejected(f"{path.name} cannot be read ({exc.strerror}); fetch the bundle again") from exc
    return digest.hexdigest()


def _first_double(names: list[str]) -> str:
    return next(name for name in names if names.count(name) > 1)
