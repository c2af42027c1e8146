"""Read the golden cases of a bundle: small rendered cases with the decisions that PyTorch + PEFT made on them.

Does not run anything and does not decode pictures; the engine's own replay does.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from edge_agent.contracts.manifest import AgentName, Strict
from edge_agent.errors import RejectedError

CASES_NAME = "cases.json"
_MAX_MEMBERS = 128
_MAX_BYTES = 64 * 1024 * 1024

Decisions = dict[str, dict[str, object]]  # step -> decided field -> value; of a text step TOKENS -> its first token ids
TOKENS = "token_ids"


class GoldenCase(Strict):
    """One case.

    ``pictures`` are member names of the archive (PNG). ``texts`` are the declared text inputs, ready to fill a
    prompt. ``expected`` holds per agent one entry per request: one per picture where the agent sees one
    picture, otherwise a single one.
    """

    case_id: str
    pictures: list[str]
    texts: dict[str, str] = Field(default_factory=dict)
    intake: dict[str, object] = Field(default_factory=dict)
    expected: dict[AgentName, list[Decisions]] = Field(default_factory=dict)


class GoldenFile(Strict):
    """The document ``cases.json`` inside the archive."""

    schema_version: int = 1
    cases: list[GoldenCase]


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """All golden cases of a bundle and their pictures as PNG bytes by name."""

    cases: tuple[GoldenCase, ...]
    pictures: dict[str, bytes]


def read_golden(path: Path) -> GoldenSet:
    """Read the archive, whose digest ``open_bundle`` has already compared with the signed one.

    Raises:
        RejectedError: not such an archive, too large, or a picture is missing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > _MAX_BYTES:
                raise RejectedError(f"{path.name} holds more than golden cases may; build the bundle again")
            document = GoldenFile.model_validate(json.loads(archive.read(CASES_NAME)))
            pictures = {member.filename: archive.read(member) for member in members if member.filename != CASES_NAME}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, ValidationError) as exc:
        raise RejectedError(f"{path.name} is not an archive of golden cases; build the bundle again") from exc
    for case in document.cases:
        for name in case.pictures:
            if name not in pictures:
                raise RejectedError(f"golden case {case.case_id} names the missing picture {name}; build it again")
    return GoldenSet(cases=tuple(document.cases), pictures=pictures)
