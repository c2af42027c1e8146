"""Write a package: every file listed with size and digest, the list signed, all of it in one plain tar.

The same files and key give the same bytes: order, owners and times are fixed.
"""

from __future__ import annotations

import hashlib
import io
import platform
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from securesystemslib.signer import SSlibKey

from edge_agent.contracts.dsse import load_private_key, seal
from edge_agent.contracts.keys import DEVELOPMENT_KEYID
from edge_agent.installation.manifest import ENVELOPE_NAME, PAYLOAD_TYPE, PackageFile, PackageManifest

DEBIAN = "12"
EPOCH_S = 1_767_225_600  # 2026-01-01: pip and unzip dislike 1970
_EXECUTABLE = frozenset({"install.sh"})


def write_package(
    out: Path, *, version: str, files: Mapping[str, Path], private_key: Path, debian_packages: Sequence[str] = ()
) -> PackageManifest:
    """Write ``derm-edge-VERSION.tar``.

    Args:
        out: the tar; written under a passing name first, so that half a package never has its name.
        version: of the program inside.
        files: path inside the package to the file that goes there.
        private_key: the signer's, unencrypted PEM.
        debian_packages: NAME=VERSION.

    Raises:
        ConfigError: the key cannot be used.
    """
    manifest = PackageManifest(
        version=version,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        architecture=platform.machine(),
        debian=DEBIAN,
        signed_with="development key" if _is_development(private_key) else "own key",
        debian_packages=tuple(debian_packages),
        files=tuple(_listed(name, files[name]) for name in sorted(files)),
    )
    envelope = seal(manifest.model_dump_json(indent=1).encode(), payload_type=PAYLOAD_TYPE, private_key=private_key)
    part = out.with_name(f".{out.name}.part")
    with tarfile.open(part, "w:", format=tarfile.PAX_FORMAT) as archive:
        top = f"derm-edge-{version}"
        _add(archive, f"{top}/{ENVELOPE_NAME}", io.BytesIO(envelope), len(envelope))
        for entry in manifest.files:
            with files[entry.path].open("rb") as stream:
                _add(archive, f"{top}/{entry.path}", stream, entry.size_bytes)
    part.replace(out)
    return manifest


def _listed(name: str, path: Path) -> PackageFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return PackageFile(path=name, size_bytes=path.stat().st_size, sha256=digest)


def _add(archive: tarfile.TarFile, name: str, stream: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = size, EPOCH_S
    member.mode = 0o755 if name.partition("/")[2] in _EXECUTABLE else 0o644
    archive.addfile(member, stream)


def _is_development(private_key: Path) -> bool:
    public = load_private_key(private_key).public_key()
    key = SSlibKey.from_crypto(public)
    return bool(key.keyid == DEVELOPMENT_KEYID)
