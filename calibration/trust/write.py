"""Write what lets a stranger trust a bundle into a bundle under construction: SBOM, change plan, licence texts.

The build calls this once, before it lists the files. What is malformed ends the build; what is merely missing is left out
and refused later by ``derm-calibrate verify``, so that a trial needs no paperwork and a release cannot do without.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibration.declaration import BundleDeclaration
from calibration.package import CHANGE_PLAN_NAME, LICENCE_FILE_PREFIX, SBOM_NAME
from calibration.trust.change_plan import parse_plan
from calibration.trust.licences import canonical_id, ids_of
from calibration.trust.sbom import BundleIdentity, make_sbom
from edge_agent.errors import ExportError, RejectedError

LICENCE_FOLDER = "licences"
EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"


def write_trust_files(
    folder: Path,
    *,
    source: Path,
    declaration: BundleDeclaration,
    content_digest: str,
    recipe: Mapping[str, Any],
) -> None:
    """Write the SBOM, and copy the change plan and the licence texts of a checkpoint.

    The same input gives the same bytes. The SBOM carries a time only where the environment declares one in
    ``SOURCE_DATE_EPOCH`` (seconds since 1970, UTC).

    Args:
        folder: the bundle under construction.
        source: the checkpoint: optional ``pccp.toml`` and ``licences/<id>.txt``.
        declaration: name, version, lineage and licences.
        content_digest: of the backbone.
        recipe: the document ``recipe.json``.

    Raises:
        ExportError: a licence, the plan or a text cannot be used, or a package's version is unknown.
    """
    identity = BundleIdentity(declaration.name, declaration.version, content_digest, declaration.licences)
    try:
        named = {canonical_id(name) for expression in declaration.licences.values() for name in ids_of(expression)}
    except RejectedError as exc:
        raise ExportError(f"{source / 'derm_edge.json'}: licences: {exc}") from exc
    (folder / SBOM_NAME).write_bytes(make_sbom(identity, recipe=recipe, epoch_s=declared_epoch()))
    _copy_plan(source / CHANGE_PLAN_NAME, folder, lineage=declaration.lineage)
    _copy_texts(source / LICENCE_FOLDER, folder, named=named)


def declared_epoch() -> int | None:
    """Return the release's time from ``SOURCE_DATE_EPOCH``, None where nobody declares one.

    Raises:
        ExportError: it is no number of seconds.

    Source: reproducible-builds.org, SOURCE_DATE_EPOCH specification 1.1.
    """
    text = os.environ.get(EPOCH_VARIABLE)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 11:
        raise ExportError(f"{EPOCH_VARIABLE}={text[:40]!r} is no number of seconds since 1970; mend or unset it")
    return int(text)


def _copy_plan(path: Path, folder: Path, *, lineage: str) -> None:
    if not path.is_file():
        return
    data = path.read_bytes()
    try:
        plan = parse_plan(data)
    except RejectedError as exc:
        raise ExportError(f"{path}: {exc}") from exc
    if plan.lineage != lineage:
        raise ExportError(f"{path} is for lineage {plan.lineage}, derm_edge.json says {lineage}; write its own plan")
    (folder / CHANGE_PLAN_NAME).write_bytes(data)  # as it was reviewed, byte for byte


def _copy_texts(texts: Path, folder: Path, *, named: set[str]) -> None:
    for path in sorted(texts.iterdir()) if texts.is_dir() else ():
        if path.suffix != ".txt" or path.stem not in named:
            raise ExportError(
                f"{path} is no text of a licence that derm_edge.json names ({', '.join(sorted(named))}); remove it"
            )
        (folder / f"{LICENCE_FILE_PREFIX}{path.name}").write_bytes(path.read_bytes())
