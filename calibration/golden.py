"""Make the golden cases of a bundle; the device's engine replays them (``Engine.run_canary``).

A checkpoint's folder holds ``golden/cases.json`` (a ``GoldenFile`` without ``expected``) and the pictures it
names; the expected decisions are made here by PyTorch + PEFT, never by the device's engine.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydantic import ValidationError

from calibration.declaration import BundleDeclaration, DeclaredAgent
from edge_agent.contracts.golden import CASES_NAME, Decisions, GoldenCase, GoldenFile, GoldenSet
from edge_agent.contracts.manifest import AGENTS, AgentName
from edge_agent.errors import ExportError

if TYPE_CHECKING:
    from calibration.torch_reference import TorchReference

MAX_CASES = 12
TEXT_TOKENS = 8  # of a golden text; each one is a fresh pass of PyTorch
_EPOCH = (1980, 1, 1, 0, 0, 0)


def load_golden_source(folder: Path, *, limit: int = MAX_CASES) -> GoldenSet:
    """Read ``cases.json`` and its pictures.

    Args:
        folder: of golden cases, or of calibration cases in the same form.
        limit: most cases.

    Raises:
        ExportError: missing, malformed, too many cases, or expected values that nobody may bring along.
    """
    try:
        document = GoldenFile.model_validate(json.loads((folder / CASES_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as exc:
        raise ExportError(f"{folder / CASES_NAME} cannot be used: {' '.join(str(exc).split())[:160]}") from exc
    if not 1 <= len(document.cases) <= limit:
        raise ExportError(f"{folder} holds {len(document.cases)} golden cases; bring 1 to {limit}")
    pictures: dict[str, bytes] = {}
    for case in document.cases:
        if case.expected:
            raise ExportError(
                f"golden case {case.case_id} brings expected values along; remove them, the build makes them"
            )
        for name in case.pictures:
            path = folder / name
            if Path(name).name != name or path.suffix != ".png" or not path.is_file():
                raise ExportError(f"golden case {case.case_id}: {name!r} is no PNG file in {folder}")
            pictures[name] = path.read_bytes()
            decode_png(pictures[name], name=name)
    return GoldenSet(cases=tuple(document.cases), pictures=pictures)


def decode_png(data: bytes, *, name: str) -> NDArray[np.uint8]:
    """Return uint8[H, W, 3] RGB.

    Raises:
        ExportError: not a picture.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, UnidentifiedImageError, ValueError) as exc:
        raise ExportError(f"golden picture {name} is not a PNG; draw it again") from exc


def expect(source: GoldenSet, *, declaration: BundleDeclaration, reference: TorchReference) -> GoldenSet:
    """Return the cases with the decisions of PyTorch + PEFT for every agent."""
    cases = []
    for case in source.cases:
        expected: dict[AgentName, list[Decisions]] = {}
        for name in AGENTS:
            agent = declaration.agents[name]
            expected[name] = [
                reference.decide(
                    agent.steps,
                    pixels=[decode_png(source.pictures[one], name=one) for one in pictures],
                    texts=_texts(case, agent),
                    adapter=agent.adapter,
                )
                for pictures in requests_of(case, images=agent.inputs.images)
            ]
        cases.append(case.model_copy(update={"expected": expected}))
    return GoldenSet(cases=tuple(cases), pictures=source.pictures)


def requests_of(case: GoldenCase, *, images: str) -> list[list[str]]:
    """Return the pictures of each request: one request per picture, one with all, or one with none."""
    if images == "one":
        return [[name] for name in case.pictures]
    return [list(case.pictures) if images == "all" else []]


def _texts(case: GoldenCase, agent: DeclaredAgent) -> dict[str, str]:
    missing = [name for name in agent.inputs.text if name not in case.texts]
    if missing:
        raise ExportError(f"golden case {case.case_id} lacks the text {missing[0]!r}; add it to its texts")
    return {name: case.texts[name] for name in agent.inputs.text}


def write_golden(golden: GoldenSet, path: Path) -> None:
    """Write the archive; its bytes depend on the cases alone (no time, no order of a file system)."""
    document = GoldenFile(cases=list(golden.cases)).model_dump(mode="json")
    text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    members: Mapping[str, bytes] = {CASES_NAME: text.encode("utf-8"), **golden.pictures}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name, date_time=_EPOCH), members[name])
