"""Read the sample of real photographs, in two halves that share no patient.

The photographs never train anything. What is tuned may look at the half ``tune`` only; ``test`` is read by the scope
table and by nothing else. The committed list holds ids alone: the pictures stay where the operator keeps them.

Source: PAD-UFES-20, Pacheco et al., Data in Brief 32 (2020) 106221, CC BY 4.0: smartphone photographs of six
diagnoses, none of them psoriasis. The lesion masks come from a public copy of the sample.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_agent.errors import CalibrationError

Half = Literal["tune", "test"]
CANCERS = frozenset({"BCC", "SCC", "MEL"})
SPLIT_FILE = "photo_split.toml"


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph: ``pixels`` uint8[H, W, 3] RGB; ``lesion`` bool[H, W], None where nobody drew a mask."""

    image_id: str
    patient_id: str
    diagnosis: str
    pixels: NDArray[np.uint8]
    lesion: NDArray[np.bool_] | None

    @property
    def is_cancer(self) -> bool:
        """Say whether the diagnosis is a carcinoma or a melanoma."""
        return self.diagnosis in CANCERS


def photo_split() -> dict[Half, tuple[tuple[str, str], ...]]:
    """Return the committed halves: per half the (image id, patient id) pairs in the list's order."""
    text = files("calibration.reference").joinpath(SPLIT_FILE).read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text)["photograph"]
    return {
        "tune": tuple((row["image"], row["patient"]) for row in rows if row["split"] == "tune"),
        "test": tuple((row["image"], row["patient"]) for row in rows if row["split"] == "test"),
    }


def tune_photographs(folder: Path) -> Iterator[Photograph]:
    """Yield the half that tuning may look at.

    Args:
        folder: holds ``metadata.csv``, ``images/`` and ``masks/``.

    Raises:
        CalibrationError: a listed photograph is missing or unreadable.
    """
    return _read(folder, "tune")


def test_photographs(folder: Path) -> Iterator[Photograph]:
    """Yield the half that only the scope table reads; nothing may be chosen by looking at it.

    Args:
        folder: as for ``tune_photographs``.

    Raises:
        CalibrationError: a listed photograph is missing or unreadable.
    """
    return _read(folder, "test")


def _read(folder: Path, half: Half) -> Iterator[Photograph]:
    table = folder / "metadata.csv"
    if not table.is_file():
        raise CalibrationError(f"{folder} holds no metadata.csv: name the folder of the PAD-UFES-20 sample")
    with table.open(encoding="utf-8", newline="") as stream:
        diagnoses = {row["img_id"]: row["diagnostic"] for row in csv.DictReader(stream)}
    for image_id, patient_id in photo_split()[half]:
        if image_id not in diagnoses:
            raise CalibrationError(f"metadata.csv lists no {image_id}: use the sample that {SPLIT_FILE} names")
        yield Photograph(
            image_id=image_id,
            patient_id=patient_id,
            diagnosis=diagnoses[image_id],
            pixels=_rgb(folder / "images" / image_id),
            lesion=_mask(folder / "masks" / f"{Path(image_id).stem}_mask.png"),
        )


def _rgb(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), np.uint8)
    except OSError as exc:
        raise CalibrationError(f"cannot read {path}: {exc}") from exc


def _mask(path: Path) -> NDArray[np.bool_] | None:
    """Return where the lesion is; a photograph without a mask keeps its place but lends no skin."""
    if not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"), np.uint8) > 127
    except OSError as exc:
        raise CalibrationError(f"cannot read {path}: {exc}") from exc
