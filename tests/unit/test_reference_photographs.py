"""The sample of photographs: halves without a common patient, skin without a lesion, lesions pasted as light."""

from __future__ import annotations

import ast
import csv
import os
from pathlib import Path

import numpy as np
import pytest

from calibration.reference.cases import text_case
from calibration.reference.drawing_skin import TONES
from calibration.reference.pasted import MOST_RATIO, SIDE, lesion_ratio, paste, pasted_cases
from calibration.reference.photographs import CANCERS, Photograph, photo_split, tune_photographs
from calibration.reference.scope_truth import is_to_be_found
from calibration.reference.skin_patches import SkinPatch, apparent_tone, skin_patches, typology_angle
from edge_agent.errors import CalibrationError
from tests.simulators.kiosk import ROOT

PHOTOS = os.environ.get("DERM_REAL_PHOTOS")
needs_photos = pytest.mark.skipif(PHOTOS is None, reason="DERM_REAL_PHOTOS names no folder of photographs")
# The picture gate's evaluation trains nothing: its limits were fitted on the other half, and its page says how often it ran.
READERS_OF_TEST = {
    "calibration/reference/photographs.py",
    "calibration/reference/scope_table.py",
    "scripts/picture_quality/pictures.py",
}


def test_no_patient_stands_in_both_halves() -> None:
    """Thirty photographs, half and half; two pictures of one person are never on both sides."""
    split = photo_split()
    patients = {half: {patient for _, patient in rows} for half, rows in split.items()}
    assert {half: len(rows) for half, rows in split.items()} == {"tune": 15, "test": 15}
    assert patients["tune"] & patients["test"] == set()
    assert len({image for rows in split.values() for image, _ in rows}) == 30


def test_an_image_belongs_to_its_patient() -> None:
    """The sample names a picture after its patient; a slip in the list would split one person."""
    assert all(image.startswith(f"{patient}_") for rows in photo_split().values() for image, patient in rows)


def test_only_two_evaluations_read_the_test_half() -> None:
    """Whatever else named the reader of that half could tune on it."""
    found = set()
    for path in (*ROOT.glob("calibration/**/*.py"), *ROOT.glob("scripts/**/*.py")):
        names = {
            name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in (getattr(node, "id", None), getattr(node, "attr", None), getattr(node, "name", None))
        }
        if names & {"test_photographs", "_read"} and "photographs" in path.read_text(encoding="utf-8"):
            found.add(path.relative_to(ROOT).as_posix())
    assert found == READERS_OF_TEST


def test_no_training_module_reads_a_photograph() -> None:
    """Neither half trains anything: training, fitting and drawing never import the sample.

    `train --photos` hands the half `tune` through the release to the one module that may raise a threshold by it.
    """
    allowed = {"photographs.py", "skin_patches.py", "pasted.py", "scope_cases.py", "scope_table.py"}
    allowed |= {"cli.py", "release.py", "scope_tune.py"}
    for path in ROOT.glob("calibration/**/*.py"):
        if path.name in allowed:
            continue
        modules = {
            node.module
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
        }
        assert not {m for m in modules if m and m.rsplit(".", 1)[-1] in {"photographs", "skin_patches", "pasted"}}, path


def test_a_folder_that_is_not_the_sample_is_refused(tmp_path: Path) -> None:
    """The message names the file that is missing."""
    with pytest.raises(CalibrationError, match=r"metadata\.csv"):
        next(tune_photographs(tmp_path))
    (tmp_path / "metadata.csv").write_text("img_id,diagnostic\nother.png,NEV\n", encoding="utf-8")
    with pytest.raises(CalibrationError, match="lists no PAT_"):
        next(tune_photographs(tmp_path))


@needs_photos
def test_the_list_is_the_sample() -> None:
    """Every photograph of the sample stands in one half, under the patient that the sample names."""
    with (Path(str(PHOTOS)) / "metadata.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(row["img_id"], row["patient_id"]) for row in csv.DictReader(stream)}
        assert {pair for pairs in photo_split().values() for pair in pairs} == rows
    read = list(tune_photographs(Path(str(PHOTOS))))
    assert len(read) == 15
    assert sum(photo.is_cancer for photo in read) == sum(photo.diagnosis in CANCERS for photo in read) > 0


def photo(lesion: tuple[slice, slice] | None, *, tone: int = 2, size: int = 400) -> Photograph:
    """Return an even picture of one tone with a marked red lesion."""
    rng = np.random.default_rng(7)
    pixels = np.clip(np.asarray(TONES[tone]) + rng.normal(0, 3, (size, size, 1)), 0, 255).astype(np.uint8)
    mask = np.zeros((size, size), np.bool_)
    if lesion is not None:
        mask[lesion] = True
        pixels[mask] = (150, 20, 30)
    return Photograph("PAT_0_0_0.png", "PAT_0", "NEV", pixels, mask)


def test_a_patch_holds_no_lesion() -> None:
    """No patch touches the mask, and there is none where everything is lesion or nobody drew a mask."""
    lesion = (slice(150, 250), slice(150, 250))
    found = skin_patches(photo(lesion))
    assert found
    for one in found:
        side = one.pixels.shape[0]
        assert one.left + side <= 150 or one.left >= 250 or one.top + side <= 150 or one.top >= 250
        assert one.pixels[:, :, 1].min() > 100  # the lesion's green is 20
    assert skin_patches(photo((slice(0, 400), slice(0, 400)))) == ()
    bare = photo(lesion)
    assert skin_patches(Photograph(bare.image_id, bare.patient_id, "NEV", bare.pixels, None)) == ()


def test_an_unmasked_stain_spoils_a_patch() -> None:
    """A square that is half red is not bare skin, mask or not."""
    stained = photo(None, size=200)
    stained.pixels[:, ::2][:, :50] = (150, 20, 30)
    stained.pixels[:, 40:160] = (150, 20, 30)
    assert skin_patches(stained) == ()


@pytest.mark.parametrize("tone", [1, 2, 3, 4, 5])
def test_a_drawn_tone_is_found_again(tone: int) -> None:
    """The tone of a colour is the drawn one nearest in typology angle; darker skin has a smaller angle."""
    assert apparent_tone(np.asarray(TONES[tone], np.float64)) == tone


def test_the_typology_angle_by_hand() -> None:
    """sRGB (199, 151, 117) is L* 66.1, b* 24.9 (D65): atan(16.1 / 24.9) is 33 degrees."""
    assert typology_angle(np.asarray((199.0, 151.0, 117.0))) == pytest.approx(33, abs=0.5)


def patch_of(tone: int) -> SkinPatch:
    rng = np.random.default_rng(tone)
    pixels = np.clip(np.asarray(TONES[tone]) + rng.normal(0, 6, (150, 150, 3)), 0, 255).astype(np.uint8)
    return SkinPatch(f"{tone}.png", f"P{tone}", pixels, tone, 0, 0)


def in_scope_signs(tone: int) -> list:  # type: ignore[type-arg]
    found = (text_case("calibration", index, tone=tone) for index in range(60))
    return [drawn.signs for drawn in found if is_to_be_found(drawn)][:6]


@pytest.mark.parametrize("tone", [1, 4])
def test_skin_outside_the_lesion_stays_as_it_was(tone: int) -> None:
    """The ratio is 1 off the lesion, so the photograph's own pixels stay; on the lesion something changes.

    Asked where lesions cover less than a quarter: many large ones throw their shade on all skin between them.
    """
    few = 0
    for signs in in_scope_signs(tone):
        ratio, drawn = lesion_ratio(np.random.default_rng(3), signs, tone=tone, close=False)
        assert drawn.count >= 1
        assert ratio.shape == (SIDE, SIDE, 3)
        assert ratio.min() >= 0
        assert ratio.max() <= MOST_RATIO
        untouched = (np.abs(ratio - 1) < 0.02).all(axis=2).mean()
        assert untouched < 0.99
        few += drawn.share < 0.25
        assert untouched > 0.4 or drawn.share >= 0.25
    assert few >= 3


def test_the_light_of_the_photograph_stays() -> None:
    """Half the light on the skin is half the light on the lesion: what is pasted is a ratio, not a colour."""
    signs = in_scope_signs(2)[0]
    bright = patch_of(2)
    dim = SkinPatch(bright.image_id, bright.patient_id, (bright.pixels // 2).astype(np.uint8), 2, 0, 0)
    one = paste(np.random.default_rng(5), bright, signs, shot="regional").pixels.astype(float)
    other = paste(np.random.default_rng(5), dim, signs, shot="regional").pixels.astype(float)
    unclipped = (one < 250).all(axis=2)
    assert np.abs(one[unclipped] / 2 - other[unclipped]).mean() < 1.5


def test_pasted_cases_are_repeatable_and_wanted() -> None:
    """The same skin gives the same cases, every one in scope, near, on one person, in the sampled tone."""
    patches = [patch_of(1), patch_of(4)]
    first = pasted_cases(patches, count=4, wanted=is_to_be_found)
    again = pasted_cases(patches, count=4, wanted=is_to_be_found)
    assert [case.case_id for case in first] == [case.case_id for case in again]
    assert all(np.array_equal(a.views[0].pixels, b.views[0].pixels) for a, b in zip(first, again, strict=True))
    assert [(case.tone, case.image_id) for case in first] == [(1, "1.png"), (4, "4.png")] * 2
    assert all(case.in_scope and view.shot != "overview" for case in first for view in case.views)
    with pytest.raises(RuntimeError, match="bare skin"):
        pasted_cases([], count=1, wanted=is_to_be_found)
