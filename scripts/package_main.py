"""Make the one file that a technician carries: ``derm-edge-VERSION.tar``, signed, for a Debian 12 without any network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from edge_agent.contracts.dsse import payload_unverified
from edge_agent.contracts.policy import Policy, parse_policy
from edge_agent.errors import EdgeError
from edge_agent.policy.consent_texts import shipped_texts
from edge_agent.policy.load import DEFAULT_FILE, check_strictness, check_texts, read_sealed
from edge_agent.store.audit import PROGRAM_DATE
from scripts.packaging.debian import WANTED, candidates, fetch
from scripts.packaging.program_day import check_program_day, last_commit
from scripts.packaging.tar import write_package
from scripts.packaging.wheels import BOOTSTRAP, collect_wheels, requirements, version_of

PROJECT: Final = Path(__file__).resolve().parents[1]
ROOM: Final = PROJECT / "scripts" / "packaging"
DEVELOPMENT_KEY: Final = PROJECT / "calibration" / "keys" / "development.pem"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the package and say what it is; 0, or the exit code of what went wrong."""
    options = _parser().parse_args(arguments)
    try:
        with TemporaryDirectory(prefix="derm-edge-package-", dir=_made(options.out)) as work:
            return _make(options, Path(work))
    except EdgeError as exc:
        print(f"package: {exc}", file=sys.stderr)
        return exc.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/package", description=__doc__)
    parser.add_argument("--out", type=Path, default=PROJECT / "work", metavar="DIR", help="where the tar goes")
    parser.add_argument("--key", type=Path, default=DEVELOPMENT_KEY, help="the signer's (derm-calibrate keygen)")
    parser.add_argument("--with-debs", action="store_true", help="also the Debian packages themselves (much larger)")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a ministry's signed policy, for new kiosks")
    parser.add_argument("--no-debian-list", action="store_true", help="on a computer without apt")
    return parser


def _make(options: argparse.Namespace, work: Path) -> int:
    if options.policy is not None:
        told = check_policy(options.policy)
        print(f"{options.policy}: version {told.version} of {told.authority}; kiosks believe it once they have its key")
    check_program_day(PROGRAM_DATE.date(), committed=last_commit(PROJECT))
    wheels = _made(work / "wheels")
    print("Collecting the wheels ...")
    collect_wheels(PROJECT, into=wheels)
    debian = [] if options.no_debian_list else candidates()
    if options.with_debs:
        print("Downloading the Debian packages ...")
        fetch(WANTED, into=_made(work / "debs"))
    (work / "requirements.txt").write_text(requirements(wheels), encoding="utf-8")
    (work / "bootstrap.txt").write_text(requirements(wheels, names=BOOTSTRAP), encoding="utf-8")
    (work / "debian-packages.txt").write_text("".join(f"{one}\n" for one in debian), encoding="utf-8")
    version = version_of(wheels, name="derm-edge")
    out = options.out / f"derm-edge-{version}.tar"
    manifest = write_package(
        out, version=version, files=_files(work, policy=options.policy), private_key=options.key, debian_packages=debian
    )
    print(f"{out}: {out.stat().st_size / 1e6:.0f} MB, {len(manifest.files)} files, {manifest.signed_with}")
    if manifest.signed_with == "development key":
        print("Everybody has the development key: sign what patients are seen with by one of your own (--key).")
    return 0


def check_policy(path: Path) -> Policy:
    """Look whether devices would take a signed policy, but for its signature: they have the authority's key, not we.

    Raises:
        RejectedError: they would refuse it; the line says why.
    """
    policy = parse_policy(payload_unverified(read_sealed(path)))
    check_strictness(policy)
    check_texts(policy, shipped_texts())
    return policy


def _files(work: Path, *, policy: Path | None) -> dict[str, Path]:
    """Return what goes into the package, by its path there."""
    files = {path.relative_to(work).as_posix(): path for path in work.rglob("*") if path.is_file()}
    files["install.sh"] = ROOM / "install.sh"
    for folder, source in (("defaults", ROOM / "defaults"), ("system", PROJECT / "edge_agent" / "system")):
        files |= {f"{folder}/{path.name}": path for path in source.iterdir() if path.is_file()}
    if policy is not None:
        files[f"defaults/{DEFAULT_FILE.name}"] = policy
    return files


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
