"""docs/quality.md and how its figures are made: bounds, spoiled copies, and a page that is what the last run gave."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import numpy as np
import pytest

from calibration.reference.photographs import photo_split
from scripts.clinical_doc_main import filled
from scripts.picture_quality.degrade import WAYS, less_light, movement, overexposed, to_frame, to_light
from scripts.picture_quality.evaluate import ORIGINAL, evaluate, wilson
from scripts.picture_quality.pictures import JUDGED, Picture, drawn_skin, photographs
from scripts.picture_quality.tables import PAGE, TARGETS, blocks, read_results
from tests.simulators.skin_pictures import cloth_picture, skin_picture

ASKED = 0.95


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_the_committed_page_is_the_generated_one() -> None:
    """Whoever changes a limit or measures again runs scripts/quality."""
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, blocks(read_results())) == page


def test_a_figure_changed_by_hand_is_seen() -> None:
    """A page that was edited inside a block differs from the generated one."""
    page = PAGE.read_text(encoding="utf-8")
    damaged = page.replace("14/14", "15/15", 1)
    assert filled(damaged, blocks(read_results())) == page != damaged


def test_wilson_bounds_are_those_of_the_textbook() -> None:
    """5 of 10 gives 0.237 to 0.763, 0 of 10 gives 0 to 0.278 (Newcombe, Statistics in Medicine 17:857, 1998, method 3)."""
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_light_goes_there_and_back() -> None:
    """Every grey level survives the sRGB curve both ways; half of full scale is 188 of 255."""
    levels = np.arange(256, dtype=np.uint8).reshape(1, -1, 1).repeat(3, axis=2)
    assert np.array_equal(to_frame(to_light(levels)), levels)
    assert to_frame(np.full((1, 1, 3), 0.5, np.float32))[0, 0, 0] == 188


def test_three_stops_less_is_an_eighth_of_the_light() -> None:
    """The mean linear light falls to an eighth, noise aside."""
    frame = skin_picture(2)
    share = to_light(less_light(3)(frame, rng())).mean() / to_light(frame).mean()
    assert share == pytest.approx(1 / 8, rel=0.03)


def test_overexposure_is_the_same_for_every_tone() -> None:
    """Three stops over middle grey is 1.44 of full scale: more than half of the picture is cut off, on dark skin too."""
    for tone in (1, 5):
        assert (overexposed(3)(skin_picture(tone, lesion=None), rng())[..., 1] == 255).mean() > 0.5


def test_movement_smears_along_one_line_and_keeps_the_light() -> None:
    """A point becomes a line of the asked length, and the mean stays."""
    point = np.zeros((200, 200, 3), np.uint8)
    point[96:105, 96:105] = 255
    smeared = movement(0.2)(point, rng())
    rows, columns = np.nonzero(smeared[..., 0] > 6)
    assert 35 < np.hypot(np.ptp(rows), np.ptp(columns)) < 65


def test_judgements_name_every_photograph_once() -> None:
    """Thirty photographs in two halves, each called sharp or soft by a person."""
    judged = tomllib.loads(JUDGED.read_text(encoding="utf-8"))
    names = [image for half in photo_split().values() for image, _ in half]
    assert sorted(judged["sharp"] + judged["soft"]) == sorted(names)


def test_counts_are_those_of_the_verdicts() -> None:
    """A soft photograph is counted apart and not spoiled; a thing is counted by its kind."""
    pictures = [
        Picture("test", "a", skin_picture(3), True, "close_up"),
        Picture("test", "b", skin_picture(3), False, "close_up"),
        Picture("thing", "cloth", cloth_picture(), True, "close_up"),
    ]
    way = next(way for way in WAYS if way.name == "5 stops darker")
    rows = {(row.group, row.way): row for row in evaluate(pictures, ways=(way,))}
    assert set(rows) == {("test", ORIGINAL), ("test", way.name), ("test, soft", ORIGINAL), ("cloth", "thing")}
    assert (rows["test", ORIGINAL].accepted, rows["test", way.name].refused, rows["cloth", "thing"].refused) == (
        1,
        1,
        1,
    )
    assert rows["test", way.name].reasons == {"too_dark": 1}


def test_every_target_has_ways_that_a_person_would_refuse() -> None:
    """A target without a strongly spoiled copy would be met by nothing."""
    for kind, _ in TARGETS:
        assert any(way.group == kind and way.expect == "refuse" for way in WAYS)


def test_drawn_pictures_come_in_five_tones_and_show_skin() -> None:
    """The renderer's first view of each tone; no thing among them."""
    found = list(drawn_skin(1))
    assert [picture.group for picture in found] == [f"tone {tone}" for tone in range(1, 6)]
    assert all(min(picture.frame.shape[:2]) == 480 for picture in found)


@pytest.mark.slow
@pytest.mark.skipif("DERM_REAL_PHOTOS" not in os.environ, reason="DERM_REAL_PHOTOS names no folder of photographs")
def test_the_photographs_meet_what_was_asked() -> None:
    """Sharp originals accepted, strongly spoiled copies refused: 95 of 100 each, half `test` alone; no soft one is lost."""
    ways = tuple(way for way in WAYS if way.expect == "refuse")
    rows = evaluate(photographs(Path(os.environ["DERM_REAL_PHOTOS"])), ways=ways)
    sharp = next(row for row in rows if (row.group, row.way) == ("test", ORIGINAL))
    assert (sharp.accepted + sharp.warned) / sharp.n >= ASKED
    assert sum(row.refused for row in rows if row.group.endswith("soft")) == 0
    for kind, _ in TARGETS:
        chosen = [row for row in rows if row.group == "test" and row.kind == kind]
        assert sum(row.refused for row in chosen) / sum(row.n for row in chosen) >= ASKED, kind
