"""Find the licences of base, adapters and calibration data; refuse what has none or contradicts what is known.

Read from ``derm_edge.json`` (``licences``), the model card's YAML front matter and LICENSE files. Nothing here is legal
advice, and a licence that is written down is believed unless it contradicts another source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from calibration.checkpoint.architecture import Architecture
from calibration.checkpoint.layout import is_pointer
from calibration.export import read_json
from edge_agent.errors import ExportError

Owner = Literal["base", "adapters", "calibration_data"]
DECLARATION_NAME = "derm_edge.json"
RESEARCH = "qwen-research"
FROM_NOTHING = "none"
# What people write where there is no licence, or none that they know.
_NO_LICENCE = {"", "none", "unknown", "unlicensed", "noassertion", "n/a", "na", "tbd", "todo", "?", "other"}


@dataclass(frozen=True, slots=True)
class KnownBase:
    """A published checkpoint: its family's name, the numbers of its shape and its licence."""

    name: str
    hidden_size: int
    num_hidden_layers: int
    licence: str
    source: str


KNOWN_BASES = (
    KnownBase("Qwen2.5-VL-3B", 2048, 36, RESEARCH, "model card and LICENSE of Qwen/Qwen2.5-VL-3B-Instruct"),
    KnownBase("Qwen2.5-VL-7B", 3584, 28, "apache-2.0", "model card of Qwen/Qwen2.5-VL-7B-Instruct"),
)
# The first words of licence texts that are told apart; any other text needs its name in derm_edge.json or on the card.
_TEXTS = (
    (re.compile(r"apache license\s+version 2\.0", re.IGNORECASE), "apache-2.0"),
    (re.compile(r"qwen research license", re.IGNORECASE), RESEARCH),
    (re.compile(r"qwen license agreement", re.IGNORECASE), "qwen"),
    (re.compile(r"\bmit license\b|permission is hereby granted, free of charge", re.IGNORECASE), "mit"),
)


@dataclass(frozen=True, slots=True)
class Licence:
    """One licence that was found: what it covers, its name in lower case, and the file that says so."""

    owner: Owner
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class LicenceFacts:
    """All licences found, the published checkpoint that the weights are or come from, and remarks for a person."""

    found: tuple[Licence, ...]
    known_base: str | None
    notes: tuple[str, ...]


def read_licences(folder: Path, arch: Architecture, *, adapters: Mapping[str, Path]) -> tuple[LicenceFacts, list[str]]:
    """Collect the licences of a checkpoint and of the adapters beside it.

    Args:
        folder: the base.
        arch: its shape, by which published checkpoints are recognised.
        adapters: PEFT folders by agent.

    Returns:
        The facts, and one line per fault that says what to write where.
    """
    try:
        declaration = _document(folder / DECLARATION_NAME)
        needs_adapters = bool(adapters) or _declares_adapters(declaration, folder=folder)
        card = front_matter(folder / "README.md")
        found = [*_declared(declaration), *_of_folder(folder, card, owner="base")]
        own = {
            agent: _of_folder(place, front_matter(place / "README.md"), owner="adapters")
            for agent, place in adapters.items()
        }
        found += [one for licences in own.values() for one in licences]
    except (ExportError, OSError, UnicodeDecodeError) as exc:
        return LicenceFacts((), None, ()), [str(exc)]
    known, origin = _known_base(card, arch)
    lines = _missing(found, folder=folder, needs_adapters=needs_adapters, known=known)
    if not any(one.owner == "adapters" and one.source == DECLARATION_NAME for one in found) and any(own.values()):
        lines += [_unlicensed(agent, adapters[agent], folder=folder) for agent, licences in own.items() if not licences]
    lines += _contradictions(found)
    lines += _against_known(found, known, card=card, origin=origin)
    research = any(one.owner == "base" and one.name == RESEARCH for one in found)
    if research and declaration.get("clinical_use"):
        lines.append(f"{DECLARATION_NAME}: clinical_use is true, the base's {RESEARCH} licence allows research only")
    notes = (
        [f"the base carries the {RESEARCH} licence: research and evaluation only, nothing commercial"]
        if research
        else []
    )
    return LicenceFacts(tuple(found), known.name if known else None, (*notes, *_kinship(card, arch, known))), lines


def front_matter(path: Path) -> dict[str, Any]:
    """Return a model card's YAML front matter, empty where there is none.

    Raises:
        ExportError: what stands between the dashes is not YAML.
    """
    if not path.is_file() or is_pointer(path):
        return {}
    parts = re.split(r"^---\s*$", path.read_text(encoding="utf-8"), maxsplit=2, flags=re.MULTILINE)
    if len(parts) < 3 or parts[0].strip():
        return {}
    try:
        document = yaml.safe_load(parts[1])
    except (yaml.YAMLError, ValueError, RecursionError) as exc:  # ValueError: a date such as 2025-13-01
        raise ExportError(
            f"{path}: the front matter is not YAML ({' '.join(str(exc).split())[:100]}); mend it"
        ) from exc
    return document if isinstance(document, dict) else {}


def normalised(name: object) -> str:
    """Return a licence's name for comparisons: lower case, blanks as hyphens, without SPDX's ``LicenseRef-``."""
    return re.sub(r"[\s_]+", "-", str(name).strip().lower()).removeprefix("licenseref-")


def _document(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() and not is_pointer(path) else {}


def _declared(declaration: Mapping[str, Any]) -> list[Licence]:
    stated = declaration.get("licences")
    table = stated if isinstance(stated, dict) else {}
    owners: tuple[Owner, ...] = ("base", "adapters", "calibration_data")
    names = {owner: normalised(table.get(owner, "")) for owner in owners}
    return [Licence(owner, name, DECLARATION_NAME) for owner, name in names.items() if name not in _NO_LICENCE]


def _declares_adapters(declaration: Mapping[str, Any], *, folder: Path) -> bool:
    agents = declaration.get("agents") or {}
    if not isinstance(agents, dict):
        raise ExportError(f"{folder / DECLARATION_NAME}: agents is not an object; name each agent with its steps")
    return any(agent.get("adapter") for agent in agents.values() if isinstance(agent, dict))


def _unlicensed(agent: str, place: Path, *, folder: Path) -> str:
    return (
        f"no licence for the adapter {agent}: write license: into the front matter of {place / 'README.md'}, or "
        f"licences.adapters for all of them into {folder / DECLARATION_NAME}"
    )


def _of_folder(folder: Path, card: Mapping[str, Any], *, owner: Owner) -> list[Licence]:
    """Return what the card and a LICENSE file of one folder say."""
    found = []
    stated = card.get("license_name") if normalised(card.get("license", "")) == "other" else card.get("license")
    if stated and normalised(stated) not in _NO_LICENCE:
        found.append(Licence(owner, normalised(stated), f"{folder.name}/README.md"))
    for path in sorted(folder.glob("LICENSE*")):
        if path.is_file() and not is_pointer(path):
            text = path.read_text(encoding="utf-8")[:4000]
            name = next((name for pattern, name in _TEXTS if pattern.search(text)), None)
            if name is not None:
                found.append(Licence(owner, name, f"{folder.name}/{path.name}"))
    return found


def _missing(found: list[Licence], *, folder: Path, needs_adapters: bool, known: KnownBase | None) -> list[str]:
    owners = {one.owner for one in found}
    lines = []
    if "base" not in owners:
        hint = f" (by its shape it may be {known.name}, which carries {known.licence})" if known else ""
        lines.append(
            f"no licence for the base: write licences.base into {folder / DECLARATION_NAME}, or license: into the front "
            f"matter of README.md{hint}"
        )
    if needs_adapters and "adapters" not in owners:
        lines.append(
            f"no licence for the adapters: write licences.adapters into {folder / DECLARATION_NAME}, or license: into "
            "each adapter's README.md"
        )
    if "calibration_data" not in owners:
        lines.append(
            f"no licence for the calibration data: write licences.calibration_data into {folder / DECLARATION_NAME}"
        )
    return lines


def _contradictions(found: list[Licence]) -> list[str]:
    """Refuse two sources that name different licences for the base; adapters may differ from each other."""
    base = [one for one in found if one.owner == "base"]
    other = next((one for one in base if one.name != base[0].name), None)
    if other is None:
        return []
    first = base[0]
    return [
        f"the base is {first.name} in {first.source} and {other.name} in {other.source}; find out which and mend one"
    ]


def _known_base(card: Mapping[str, Any], arch: Architecture) -> tuple[KnownBase | None, str]:
    """Return the published checkpoint, by the card's ``base_model`` or else by shape, and how it was recognised."""
    stated = card.get("base_model")
    names = [str(one) for one in (stated if isinstance(stated, list) else [stated]) if one]
    for known in KNOWN_BASES:
        if any(known.name.lower() in name.lower() for name in names):
            return known, f"base_model {names[0]}"
    if names:
        return None, ""
    sizes = (arch.hidden_size, arch.num_hidden_layers)
    known_shape = (one for one in KNOWN_BASES if (one.hidden_size, one.num_hidden_layers) == sizes)
    return next(known_shape, None), "its shape"


def _kinship(card: Mapping[str, Any], arch: Architecture, known: KnownBase | None) -> list[str]:
    """Remark on a base whose card names a parent that nobody here knows, while its shape is one of a bound licence."""
    stated = card.get("base_model")
    if known is not None or not stated or normalised(stated) == FROM_NOTHING:
        return []
    sizes = (arch.hidden_size, arch.num_hidden_layers)
    return [
        f"base_model {stated} is not known here; by its shape the base may come from {one.name}, which carries {one.licence} "
        f"({one.source})"
        for one in KNOWN_BASES
        if (one.hidden_size, one.num_hidden_layers) == sizes and one.licence == RESEARCH
    ]


def _against_known(found: list[Licence], known: KnownBase | None, *, card: Mapping[str, Any], origin: str) -> list[str]:
    """Refuse a freer licence than the published weights carry, unless the card says that these are others."""
    base = next((one for one in found if one.owner == "base"), None)
    if known is None or base is None or base.name == known.licence or known.licence != RESEARCH:
        return []
    line = f"by {origin} the base is {known.name}, which carries the {known.licence} licence ({known.source}); "
    if card.get("base_model"):
        return [line + f"{base.source} says {base.name}: write {known.licence}"]
    return [
        line + f"{base.source} says {base.name}: write {known.licence}, or base_model: {FROM_NOTHING} into the front "
        "matter of README.md if the weights were trained from nothing"
    ]
