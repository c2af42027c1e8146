"""Get the pictures that the gate is evaluated on: photographs in two halves, drawn skin of five tones, drawn things."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.reference.cases import TONES, case, text_case
from calibration.reference.drawing_objects import thing
from calibration.reference.photographs import Half, photo_split, test_photographs, tune_photographs
from edge_agent.contracts.case import Frame

JUDGED = Path(__file__).parent / "judged.toml"
SPLIT, FIRST = "test", 900_000  # of the renderer; nothing else reads from there on
SIZE_PX = 480
THINGS = ("gradient", "noise", "cloth", "checks", "text", "objects", "leaves", "wood", "bricks", "landscape", "sand")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture before it is spoiled.

    ``group``: ``tune`` or ``test`` for photographs, ``tone 1`` to ``tone 5``, or ``thing``. ``name``: file, case or
    kind of thing. ``is_sharp``: as judged by a person; drawn pictures are as sharp as the renderer makes them.
    """

    group: str
    name: str
    frame: Frame
    is_sharp: bool
    shot: str | None


def photographs(folder: Path) -> Iterator[Picture]:
    """Yield the 30 photographs of the sample.

    Raises:
        CalibrationError: one is missing or unreadable.
    """
    sharp = set(tomllib.loads(JUDGED.read_text(encoding="utf-8"))["sharp"])
    readers = {"tune": tune_photographs, "test": test_photographs}
    halves: tuple[Half, ...] = ("tune", "test")
    for half in halves:
        names = [image for image, _ in photo_split()[half]]
        for name, photo in zip(names, readers[half](folder), strict=True):
            frame = np.ascontiguousarray(photo.pixels[:, :, ::-1])
            yield Picture(half, name, frame, name in sharp, "close_up")


def drawn_skin(per_tone: int) -> Iterator[Picture]:
    """Yield so many drawn pictures of each tone, the first view of each case that shows skin; the same cases for all."""
    for tone in TONES:
        left, index = per_tone, FIRST
        while left:
            if text_case(SPLIT, index, tone=tone).signs.applicability != "not_skin":
                drawn = case(SPLIT, index, size=SIZE_PX, tone=tone)
                view = drawn.views[0]
                frame = np.ascontiguousarray(view.pixels[:, :, ::-1])
                yield Picture(f"tone {tone}", drawn.case_id, frame, True, view.shot)
                left -= 1
            index += 1


def drawn_things(per_kind: int) -> Iterator[Picture]:
    """Yield drawn things that are not skin: cloth, paper, walls, wood, leaves; a third has the colour of skin."""
    for kind in THINGS:
        for n in range(per_kind):
            pixels = thing(np.random.default_rng(FIRST + n), height=SIZE_PX, width=SIZE_PX, kind=kind)
            yield Picture("thing", kind, np.ascontiguousarray(pixels[:, :, ::-1]), True, "close_up")
