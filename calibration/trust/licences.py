"""Check the licences of a bundle's parts: named, known, with their texts, and compatible with its declared use.

Not legal advice. It refuses what is plainly forbidden (a research licence under clinical use) and what nobody has looked
at; it does not judge duties like attribution or share-alike. ``calibration.checkpoint.licences`` finds what a checkpoint
says before a build; here the finished bundle is read.

Source: SPDX 3.0 licence expressions (annex B), through license-expression; the list of ids is the one that
cyclonedx-python-lib brings along.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

from cyclonedx.spdx import is_supported_id
from license_expression import ExpressionError, ExpressionParseError, Licensing
from pydantic import Field

from calibration.trust.outcome import Findings, findings
from calibration.trust.reading import read_text
from edge_agent.contracts.bundle import LICENCE_ROLE_PREFIX, Bundle
from edge_agent.contracts.manifest import Strict
from edge_agent.errors import RejectedError

REQUIRED_PARTS = ("base", "adapters", "calibration_data")
REFERENCE_PREFIX = "LicenseRef-"
_ALGEBRA = Licensing()  # without a list of licences: it knows the grammar alone
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")
# The first line of a text that this table does not know may say what it allows; whoever signs the bundle vouches for it.
_STATED = re.compile(r"\s*clinical-use:\s*(allowed|forbidden)\s*$", re.IGNORECASE | re.MULTILINE)


class ClinicalUse(IntEnum):
    """What a licence says about use on patients, from the narrowest to the widest."""

    FORBIDDEN = 0
    UNKNOWN = 1
    ALLOWED = 2


class LicenceTerms(Strict):
    """One row of ``licences.toml``: an SPDX id or LicenseRef, other names in use, and what it says."""

    id: str
    also: list[str] = Field(default_factory=list)
    clinical_use: Literal["allowed", "forbidden"]
    why: str
    source: str


class _Table(Strict):
    schema_version: Literal[1]
    licence: list[LicenceTerms]


def load_terms() -> dict[str, LicenceTerms]:
    """Return the rows of ``licences.toml`` by id and by every other name, in lower case (SPDX ids ignore case)."""
    path = Path(__file__).resolve().parent / "licences.toml"
    table = _Table.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    return {name.casefold(): row for row in table.licence for name in (row.id, *row.also)}


def ids_of(expression: str) -> tuple[str, ...]:
    """Return the licence ids in an SPDX expression, in order; exceptions after WITH are left out.

    Raises:
        RejectedError: not an expression, or an id that is neither SPDX, nor a LicenseRef, nor known here.
    """
    terms = load_terms()
    found = tuple(dict.fromkeys(_leaves(_tree(expression))))
    for name in found:
        if name.casefold() not in terms and not _REFERENCE.fullmatch(name) and not is_supported_id(name):
            raise RejectedError(
                f"{name[:80]!r} is no SPDX id; write one (https://spdx.org/licenses) or LicenseRef-NAME with its text"
            )
    return found


def canonical_id(name: str) -> str:
    """Return the id under which a licence's text is filed: another name in use becomes the id itself."""
    row = load_terms().get(name.casefold())
    return row.id if row is not None else name


def use_of(expression: str, texts: Mapping[str, str]) -> ClinicalUse:
    """Say what an expression allows: OR is the choice of whoever deploys, AND binds to all.

    Args:
        expression: a valid SPDX expression.
        texts: the bundle's licence texts by id; one of an unknown licence may begin with ``Clinical-Use: allowed``.
    """
    terms = load_terms()

    def judge(name: str) -> ClinicalUse:
        row = terms.get(name.casefold())
        stated = _STATED.match(texts.get(name, ""))
        if row is None and stated is None:
            return ClinicalUse.UNKNOWN
        word = row.clinical_use if row is not None else str(stated and stated.group(1)).lower()
        return ClinicalUse.ALLOWED if word == "allowed" else ClinicalUse.FORBIDDEN

    def walk(node: Any) -> ClinicalUse:
        if not node.args:
            return judge(_name(node))
        return (max if isinstance(node, _ALGEBRA.OR) else min)(walk(part) for part in node.args)

    return walk(_tree(expression))


def check_licences(bundle: Bundle) -> Findings:
    """Check base, adapters and calibration data: each with a known licence, its text, and terms that fit the use."""
    declared = bundle.manifest.licences
    texts, faults = _texts(bundle)
    faults += [
        RejectedError(
            f"no licence for {part}; write licences.{part} into derm_edge.json (an SPDX id, or LicenseRef-NAME and its text)"
        )
        for part in REQUIRED_PARTS
        if not declared.get(part, "").strip()
    ]
    named: set[str] = set()
    for part, expression in sorted(declared.items()):
        if not expression.strip():
            continue
        try:
            ids = ids_of(expression)
        except RejectedError as fault:
            faults.append(RejectedError(f"licence of {part}: {fault}"))
            continue
        named |= {canonical_id(name) for name in ids}
        faults += _part_faults(part, expression, texts=texts, clinical_use=bundle.manifest.clinical_use)
    faults += [
        RejectedError(f"the licence text {name} belongs to no part; remove it or name it under licences")
        for name in sorted(set(texts) - named)
    ]
    stated = ", ".join(f"{part} {expression}" for part, expression in sorted(declared.items()))
    return findings(f"{stated}; {len(texts)} texts", faults)


def _texts(bundle: Bundle) -> tuple[dict[str, str], list[RejectedError]]:
    texts: dict[str, str] = {}
    faults: list[RejectedError] = []
    for entry in bundle.manifest.files:
        if not entry.role.startswith(LICENCE_ROLE_PREFIX):
            continue
        name = entry.role.removeprefix(LICENCE_ROLE_PREFIX)
        texts[name] = ""
        try:
            texts[name] = read_text(bundle, entry.role)
        except RejectedError as fault:
            faults.append(fault)
            continue
        if not texts[name].strip():
            faults.append(RejectedError(f"the licence text {entry.path} is empty; put the licence's text into it"))
    return texts, faults


def _part_faults(
    part: str, expression: str, *, texts: Mapping[str, str], clinical_use: bool
) -> Iterator[RejectedError]:
    for name in ids_of(expression):
        filed = canonical_id(name)
        if filed.startswith(REFERENCE_PREFIX) and filed not in texts:
            yield RejectedError(
                f"licence of {part}: {filed} has no text in the bundle; put it beside the checkpoint as licences/{filed}.txt"
            )
    use = use_of(expression, texts)
    if not clinical_use or use is ClinicalUse.ALLOWED:
        return
    if use is ClinicalUse.FORBIDDEN:
        row = load_terms().get(expression.casefold())
        why = f" ({row.why})" if row is not None else ""
        yield RejectedError(
            f"the bundle says clinical_use = true, but {part} carries {expression}, which forbids it{why}; declare false "
            "or take other weights"
        )
        return
    yield RejectedError(
        f"the bundle says clinical_use = true, but nobody has said whether {expression} of {part} allows it; add it to "
        "calibration/trust/licences.toml, or begin its text with `Clinical-Use: allowed`"
    )


def _tree(expression: str) -> Any:
    try:
        tree = _ALGEBRA.parse(expression)
    except (ExpressionError, ExpressionParseError, TypeError) as exc:
        reason = " ".join(str(exc).split())[:120]
        raise RejectedError(f"{expression[:80]!r} is no SPDX expression ({reason}); write one") from exc
    if tree is None:
        raise RejectedError("the licence is empty; write an SPDX expression")
    return tree


def _leaves(node: Any) -> Iterator[str]:
    if not node.args:
        yield _name(node)
    for part in node.args:
        yield from _leaves(part)


def _name(leaf: Any) -> str:
    """Return a leaf's licence id; `X WITH Y` counts as X, since an exception only ever adds permissions."""
    return str(getattr(leaf, "license_symbol", leaf).key)
