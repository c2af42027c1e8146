"""Lay a manifest out as a flat table of facts, by which a change plan speaks about it and two bundles are compared.

A fact is named by its dotted path in the manifest (``thresholds.danger_family``, ``adapters.reasoning.r``,
``agents.reasoning.assess.prompt``); rows of a list are named by their ``name``. Three things are laid out anew:
``files.<role>`` is a file's sha256, ``census.<part>.<type>`` a row's three numbers, and ``soup.<package>`` comes from the
SBOM. An output schema and every other list is one fact. Judges nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from edge_agent.contracts.bundle import SBOM_ROLE
from edge_agent.contracts.manifest import Manifest

Fact = str | int | float | bool | None
# What follows from other facts and never changes alone: the version, the files that only repeat the manifest, the expected
# values (their bounds are facts of their own), the figures (which the gates judge) and the check of the tokenizer.
DERIVED = (
    "version",
    "files.canary",
    "files.golden",
    "files.model_card",
    "files.recipe",
    f"files.{SBOM_ROLE}",
    "metrics.*",
    "agents.*.rendered_prompt.*",
)
_WHOLE = frozenset({"output_schema"})


def facts_of(manifest: Manifest, soup: Mapping[str, str]) -> dict[str, Fact]:
    """Return every fact of a manifest and of its SBOM.

    Args:
        manifest: of the bundle.
        soup: version by package, as the SBOM names them; empty without one.
    """
    document = manifest.model_dump(mode="json", exclude={"files", "census"})
    facts = dict(_walk(document, path=""))
    facts |= {f"files.{entry.role}": entry.sha256 for entry in manifest.files}
    facts |= {
        f"census.{row.part}.{row.element_type}": f"{row.tensors} tensors, {row.elements} elements, {row.bytes} bytes"
        for row in manifest.census
    }
    return facts | {f"soup.{name}": version for name, version in soup.items()}


def changed_facts(old: Mapping[str, Fact], new: Mapping[str, Fact]) -> list[str]:
    """Return the paths whose facts differ, came or went, in order; derived facts are left out."""
    return [path for path in sorted({*old, *new}) if old.get(path) != new.get(path) and not _is_derived(path)]


def number_of(facts: Mapping[str, Fact], path: str) -> float | None:
    """Return a fact that is a finite number, None where it is missing or something else (a NaN fails no comparison)."""
    value = facts.get(path)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number and value is not None else None


def _is_derived(path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in DERIVED)


def _walk(value: Any, *, path: str) -> Iterator[tuple[str, Fact]]:
    if isinstance(value, dict) and path.rpartition(".")[2] not in _WHOLE:
        for key, inner in value.items():
            yield from _walk(inner, path=f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(row, dict) and "name" in row for row in value):
        for row in value:
            rest = {key: inner for key, inner in row.items() if key != "name"}
            # A list of steps is part of its agent's path already: agents.reasoning.assess, not .steps.assess.
            above = path.removesuffix(".steps")
            yield from _walk(rest, path=f"{above}.{row['name']}")
    elif isinstance(value, dict | list):
        yield path, json.dumps(value, ensure_ascii=False)  # order counts: it is the order of generation
    else:
        yield path, value
