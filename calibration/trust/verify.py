"""Check everything about a finished bundle that needs no patient, no picture and no replay; list all that is wrong.

The checks go on after a fault, so that one run tells everything. Only what would be unsafe stops: without a readable
manifest there is nothing to check, and no model is loaded from files that are not the signed ones. Does not replay canary
or golden cases (``derm-edge doctor`` does, on the machine that counts) and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibration.package import UNSIGNED_NAME
from calibration.trust.contents import check_contents
from calibration.trust.expected_values import check_canary, check_golden
from calibration.trust.licences import check_licences
from calibration.trust.model_card import check_model_card
from calibration.trust.outcome import Findings, Outcome, Report, Status, findings
from calibration.trust.precision import check_census
from calibration.trust.sbom import check_sbom
from calibration.trust.update import check_plan, check_update
from edge_agent.contracts.bundle import (
    ENVELOPE_NAME,
    Bundle,
    check_manifest,
    check_signer,
    file_faults,
    open_bundle,
    parse_manifest,
    read_envelope,
)
from edge_agent.contracts.dsse import MAX_ENVELOPE_BYTES, open_sealed, payload_unverified
from edge_agent.contracts.keys import TrustedKey
from edge_agent.contracts.manifest import PAYLOAD_TYPE, Manifest
from edge_agent.errors import ConfigError, EdgeError, RejectedError, SignatureRejected

SIGNATURE = "signature"
MANIFEST = "manifest"
FILES = "files"
CENSUS = "census"
UPDATE = "update"
# After the manifest, in this order; the census comes last, since it loads the IRs.
CHECKS: dict[str, Callable[[Bundle], Findings]] = {
    "contents": check_contents,
    "sbom": check_sbom,
    "licences": check_licences,
    "model card": check_model_card,
    "change plan": check_plan,
    "canary": check_canary,
    "golden": check_golden,
}


@dataclass(frozen=True, slots=True)
class _Sealed:
    """What the envelope gave: the payload to look at, who signed it, and what is wrong with it.

    ``is_own``: no envelope at all, only the manifest that a build has just written: nobody claims a signature.
    """

    payload: bytes | None
    key: TrustedKey | None
    faults: tuple[EdgeError, ...]
    is_own: bool = False


def verify(folder: Path, *, keys: Sequence[TrustedKey], previous: Path | None = None) -> Report:
    """Check a bundle completely.

    Args:
        folder: the bundle; signed, or as a build left it (then the signature check fails and the others still run).
        keys: the keys that count as trusted.
        previous: the bundle in use, whose change plan the new one must respect; None leaves that check out.

    Returns:
        One outcome per check. ``Report.exit_code`` is 0 only when everything passed.

    Raises:
        ConfigError: the folder is no bundle at all.
    """
    if not any((folder / name).is_file() for name in (ENVELOPE_NAME, UNSIGNED_NAME)):
        raise ConfigError(f"{folder} holds neither {ENVELOPE_NAME} nor {UNSIGNED_NAME}; name a bundle's folder")
    folder = folder.resolve()
    sealed = _unseal(folder, keys)
    manifest, outcomes = _manifest_outcomes(sealed)
    names = [FILES, *CHECKS, CENSUS, *([UPDATE] if previous is not None else [])]
    if manifest is None:
        outcomes += [Outcome.skipped(name, "the manifest cannot be read") for name in names]
        return Report(folder, tuple(outcomes))
    bundle = Bundle(path=folder, manifest=manifest, signed_by=sealed.key.name if sealed.key else "nobody")
    outcomes.append(_run(FILES, _check_files, bundle))
    outcomes += [_run(name, check, bundle) for name, check in CHECKS.items()]
    outcomes.append(_census(bundle, sealed, files=next(one for one in outcomes if one.check == FILES)))
    if previous is not None:
        outcomes.append(_run(UPDATE, lambda new: check_update(new, _open_previous(previous, keys)), bundle))
    return Report(folder, tuple(outcomes))


def _unseal(folder: Path, keys: Sequence[TrustedKey]) -> _Sealed:
    if not (folder / ENVELOPE_NAME).is_file():
        fault = SignatureRejected(
            "the bundle is not signed: no device loads it; run `derm-calibrate sign` when all else holds"
        )
        return _Sealed((folder / UNSIGNED_NAME).read_bytes()[: MAX_ENVELOPE_BYTES + 1], None, (fault,), is_own=True)
    try:
        envelope = read_envelope(folder / ENVELOPE_NAME)
    except RejectedError as fault:
        return _Sealed(None, None, (fault,))
    try:
        payload, key = open_sealed(envelope, payload_type=PAYLOAD_TYPE, keys=keys)
    except SignatureRejected as fault:
        return _Sealed(_payload_of(envelope), None, (fault,))
    return _Sealed(payload, key, ())


def _payload_of(envelope: bytes) -> bytes | None:
    """Return what a rejected envelope holds, to tell more about it; None where it holds nothing readable."""
    if len(envelope) > MAX_ENVELOPE_BYTES:
        return None
    try:
        return payload_unverified(envelope)
    except SignatureRejected:
        return None


def _manifest_outcomes(sealed: _Sealed) -> tuple[Manifest | None, list[Outcome]]:
    """Return the manifest, if it can be parsed, with the outcomes of the first two checks."""
    signer = f"signed by {sealed.key.name}" if sealed.key is not None else "not trusted"
    if sealed.payload is None:
        signature = Outcome.of(SIGNATURE, Findings(signer, sealed.faults))
        return None, [signature, Outcome.skipped(MANIFEST, "the envelope cannot be read")]
    faults = list(sealed.faults)
    try:
        manifest = parse_manifest(sealed.payload)
    except RejectedError as fault:
        return None, [
            Outcome.of(SIGNATURE, findings(signer, faults)),
            Outcome.of(MANIFEST, Findings("cannot be read", (fault,))),
        ]
    try:
        if sealed.key is not None:
            check_signer(manifest, sealed.key)
    except SignatureRejected as fault:
        faults.append(fault)
    told = f"{manifest.name} {manifest.version}, schema {manifest.schema_version}, clinical_use {manifest.clinical_use}"
    return manifest, [
        Outcome.of(SIGNATURE, findings(signer, faults)),
        Outcome.of(MANIFEST, findings(told, _manifest_faults(manifest))),
    ]


def _manifest_faults(manifest: Manifest) -> list[RejectedError]:
    try:
        check_manifest(manifest)
    except RejectedError as fault:
        return [fault]
    return []


def _check_files(bundle: Bundle) -> Findings:
    files = bundle.manifest.files
    size_bytes = sum(entry.size_bytes for entry in files)
    faults = file_faults(bundle.path, files, ignored=(UNSIGNED_NAME,) if bundle.signed_by == "nobody" else ())
    return findings(f"{len(files)} files, {size_bytes / 1e6:.1f} MB, sizes and digests as listed", faults)


def _census(bundle: Bundle, sealed: _Sealed, *, files: Outcome) -> Outcome:
    """Run the one check that loads models, unless the files are not what somebody signed (or a build just wrote)."""
    if sealed.faults and not sealed.is_own:
        return Outcome.skipped(CENSUS, "no model is loaded under a wrong signature")
    if files.status is not Status.PASSED:
        return Outcome.skipped(CENSUS, "no model is loaded from files that differ from the manifest")
    return _run(CENSUS, check_census, bundle)


def _open_previous(folder: Path, keys: Sequence[TrustedKey]) -> Bundle:
    """Open the bundle in use as a device does: a forged one could bring a convenient plan along."""
    try:
        return open_bundle(folder, keys=keys)
    except RejectedError as exc:
        raise type(exc)(f"the previous bundle {folder} is not trusted: {exc}") from exc


def _run(name: str, check: Callable[[Bundle], Findings], bundle: Bundle) -> Outcome:
    """Run one check; a file that it needs and that is missing or unreadable is its fault."""
    try:
        return Outcome.of(name, check(bundle))
    except (RejectedError, OSError) as fault:
        if isinstance(fault, EdgeError):
            return Outcome.of(name, Findings("cannot be read", (fault,)))
        reason = RejectedError(f"a file of the bundle cannot be read ({fault.strerror}); check its permissions")
        return Outcome.of(name, Findings("cannot be read", (reason,)))
