"""Rules of the drawn pictures: repeatable, of the promised form, and their signs measurable in the pixels."""

from __future__ import annotations

import dataclasses
from random import Random

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.reference.cases import SPLITS, case, text_case
from calibration.reference.drawing import blank, lit, noise
from calibration.reference.drawing_artefacts import spoil
from calibration.reference.drawing_body import overview
from calibration.reference.drawing_lesions import Patch, Spot, patch, place, plaques, raise_
from calibration.reference.drawing_objects import thing
from calibration.reference.drawing_scale import scale
from calibration.reference.drawing_skin import TONES, skin
from calibration.reference.signs import Signs
from calibration.reference.signs_other import not_skin_signs
from tests.unit.test_signs import PLAIN

Pixels = NDArray[np.uint8]


def _one_lesion(signs: Signs, *, tone: int = 2, seed: int = 5) -> tuple[Pixels, Patch]:
    """Draw one lesion of radius 60 in the middle of plain skin, without artefacts."""
    rng = np.random.default_rng(seed)
    surface = blank(rng, height=280, width=280, tone=tone, base=np.asarray(TONES[tone], np.float32))
    area = patch(rng, surface, [Spot(140, 140, 60)], shape=signs.shape, border=signs.border)
    plaques(rng, surface, area, signs)
    scale(rng, surface, area, kind=signs.scale_type)
    return lit(surface), area


def _middle(pixels: Pixels, area: Patch) -> NDArray[np.float64]:
    return np.asarray(pixels[area.depth > 25].astype(float).mean(axis=0))


def _smooth(**changes: object) -> Signs:
    return dataclasses.replace(PLAIN, scale_type="none", induration=0, **changes)  # type: ignore[arg-type]


def test_a_case_is_the_same_bytes_every_time() -> None:
    """Rendering is a pure function of split and index."""
    first, again = case("test", 3, size=140), case("test", 3, size=140)
    assert [v.pixels.tobytes() for v in first.views] == [v.pixels.tobytes() for v in again.views]


def test_splits_do_not_share_pictures() -> None:
    """The same index gives a different first picture in every split."""
    assert len({case(split, 0, size=140).views[0].pixels.tobytes() for split in SPLITS}) == len(SPLITS)


def test_text_case_is_the_case_without_pictures() -> None:
    """Training on records alone sees the same intake and labels as training on pictures."""
    drawn, bare = case("train", 11, size=140), text_case("train", 11)
    assert dataclasses.replace(drawn, views=()) == bare
    assert tuple(view.shot for view in drawn.views) == bare.shots


def test_pictures_are_square_landscape_or_portrait() -> None:
    """Every picture is uint8 RGB whose shorter side is the size asked for, in one of three forms."""
    forms = set()
    for index in range(30):
        for view in case("train", index, size=120).views:
            assert view.pixels.dtype == np.uint8
            assert view.pixels.shape[2] == 3
            forms.add(view.pixels.shape[:2])
    assert forms == {(120, 120), (120, 160), (160, 120)}


def test_a_case_can_be_drawn_on_every_tone() -> None:
    """The tone asked for is the tone drawn: mean brightness falls from tone 1 to 5 on the same case."""
    index = next(i for i in range(500) if text_case("test", i).signs.applicability == "normal_skin")
    assert [case("test", index, size=120, tone=tone).tone for tone in TONES] == list(TONES)
    means = []
    for tone in TONES:
        surface = skin(np.random.default_rng(1), height=120, width=120, tone=tone)
        means.append(float(lit(surface).mean()))
    assert means == sorted(means, reverse=True)


def test_an_unknown_tone_is_refused() -> None:
    """There are five tones."""
    with pytest.raises(RuntimeError, match="1 to 5"):
        case("train", 0, tone=6)


def test_the_three_reds_differ_at_sight() -> None:
    """Bright is most saturated, dark is darkest, pale is lightest, each by a clear step."""
    mean = {red: _middle(*_one_lesion(_smooth(colour=red))) for red in ("bright_red", "dark_red", "pale_red")}
    light = {red: value.mean() for red, value in mean.items()}
    assert light["dark_red"] + 30 < light["bright_red"] < light["pale_red"] - 30
    assert mean["bright_red"][0] - mean["bright_red"][1] > mean["pale_red"][0] - mean["pale_red"][1] + 40


@pytest.mark.parametrize("tone", [4, 5])
def test_inflammation_on_dark_skin_is_darker_and_less_red(tone: int) -> None:
    """On the two darkest tones lesions are drawn violaceous to grey-brown, never red."""
    pixels, area = _one_lesion(_smooth(colour="grey_brown"), tone=tone)
    lesion, base = _middle(pixels, area), np.asarray(TONES[tone], float)
    assert lesion.mean() < base.mean() - 10
    assert lesion[0] - lesion[2] < base[0] - base[2] - 10


def test_scale_kinds_differ_in_light_and_hue() -> None:
    """Silvery plates whiten most, powder less, smooth skin not at all; thick crusts are yellowish."""
    mean = {}
    for kind in ("none", "fine_branny", "silvery_lamellar", "thick_adherent"):
        signs = dataclasses.replace(PLAIN, colour="bright_red", scale_type=kind, induration=0)
        mean[kind] = _middle(*_one_lesion(signs))
    blue = {kind: value[2] for kind, value in mean.items()}
    assert blue["none"] + 15 < blue["fine_branny"] < blue["silvery_lamellar"] - 30
    crust = mean["thick_adherent"]
    assert crust[0] - crust[2] > 50
    assert crust[1] > 110


def test_scale_is_grey_on_dark_skin() -> None:
    """The same silvery scale is much darker on tone 5 than on tone 1."""
    signs = dataclasses.replace(PLAIN, scale_type="silvery_lamellar", induration=0)
    assert _middle(*_one_lesion(signs, tone=5)).mean() + 50 < _middle(*_one_lesion(signs, tone=1)).mean()


def test_induration_is_visible_as_relief() -> None:
    """A thick plaque's two sides differ more in light than a low one's; a flat one's hardly at all."""
    contrast = {}
    for grade in (0, 1, 3):
        rng = np.random.default_rng(2)
        surface = blank(rng, height=280, width=280, tone=2, base=np.asarray(TONES[2], np.float32))
        area = patch(rng, surface, [Spot(140, 140, 60)], shape="nummular", border="well_defined")
        raise_(surface, area, grade=grade, soft=False)
        contrast[grade] = float(lit(surface)[..., 1].std())
    assert contrast[0] == 0
    assert contrast[1] > 3
    assert contrast[3] > contrast[1] + 3


def test_an_ill_defined_border_fades() -> None:
    """The colour crosses from lesion to skin over many pixels when ill-defined, over few when well-defined."""
    width = {}
    for border in ("well_defined", "ill_defined"):
        rng = np.random.default_rng(3)
        surface = blank(rng, height=280, width=280, tone=2, base=np.asarray(TONES[2], np.float32))
        area = patch(rng, surface, [Spot(140, 140, 60)], shape="nummular", border=border)
        row = area.mask[140, 140:]
        width[border] = int(((row > 0.15) & (row < 0.85)).sum())
    assert width["well_defined"] <= 4
    assert width["ill_defined"] >= 12


def test_an_irregular_border_is_longer() -> None:
    """A jagged outline has a longer contour for its area than a smooth one."""
    roughness = {}
    for border in ("well_defined", "irregular"):
        rng = np.random.default_rng(4)
        surface = blank(rng, height=280, width=280, tone=2, base=np.asarray(TONES[2], np.float32))
        area = patch(rng, surface, [Spot(140, 140, 60)], shape="nummular", border=border)
        contour = max(cv2.findContours(area.inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=cv2.contourArea)
        roughness[border] = cv2.arcLength(contour, True) ** 2 / cv2.contourArea(contour)
    assert roughness["irregular"] > 1.25 * roughness["well_defined"]


def test_an_annular_lesion_has_a_clear_middle() -> None:
    """The middle of a ring is skin."""
    rng = np.random.default_rng(6)
    surface = blank(rng, height=280, width=280, tone=2, base=np.asarray(TONES[2], np.float32))
    area = patch(rng, surface, [Spot(140, 140, 60)], shape="annular", border="well_defined")
    assert area.inside[140, 140] == 0
    assert area.inside.sum() > 3000


@pytest.mark.parametrize("seed", range(12))
def test_arrangements_can_be_counted(seed: int) -> None:
    """Single is one lesion, confluent one piece of several, scattered and grouped stay separate."""
    pieces = {}
    for arrangement in ("single", "confluent", "scattered", "grouped"):
        rng = np.random.default_rng(seed)
        surface = blank(rng, height=280, width=280, tone=2, base=np.asarray(TONES[2], np.float32))
        spots = place(rng, surface, shape="nummular", arrangement=arrangement, close=False)
        area = patch(rng, surface, spots, shape="nummular", border="well_defined")
        pieces[arrangement] = (len(spots), cv2.connectedComponents(area.inside)[0] - 1)
    assert pieces["single"] == (1, 1)
    assert pieces["confluent"][0] >= 3
    assert pieces["confluent"][1] == 1
    for separate in ("scattered", "grouped"):
        assert pieces[separate][0] == pieces[separate][1] >= 2


def test_grouped_lesions_leave_the_rest_empty() -> None:
    """A group spans clearly less of the picture than scattered lesions do."""
    reach = {}
    for arrangement in ("scattered", "grouped"):
        spans = []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            surface = blank(rng, height=280, width=280, tone=2, base=np.asarray(TONES[2], np.float32))
            spots = place(rng, surface, shape="guttate", arrangement=arrangement, close=False)
            spans.append(np.ptp([s.x for s in spots]) + np.ptp([s.y for s in spots]))
        reach[arrangement] = float(np.mean(spans))
    assert reach["grouped"] < 0.55 * reach["scattered"]


def _middle_column(albedo: NDArray[np.float32]) -> int:
    """Return the column in the middle of the figure's skin-coloured pixels in the row of its shoulders."""
    row = albedo[int(0.3 * 280)]
    skin_like = np.nonzero(np.abs(row - row[130:150].mean(axis=0)).max(axis=1) < 25)[0]
    return int((skin_like.min() + skin_like.max()) // 2)


@pytest.mark.parametrize("symmetry", ["symmetric", "asymmetric"])
def test_an_overview_shows_its_symmetry(symmetry: str) -> None:
    """Both halves of the figure carry red alike when symmetric, one half nearly alone when asymmetric."""
    signs = dataclasses.replace(
        PLAIN, colour="bright_red", scale_type="none", distribution="truncal", symmetry=symmetry
    )
    bare = dataclasses.replace(signs, applicability="normal_skin")
    with_it = overview(np.random.default_rng(8), height=280, width=280, tone=2, signs=signs).albedo
    without = overview(np.random.default_rng(8), height=280, width=280, tone=2, signs=bare).albedo
    changed = np.abs(with_it - without).max(axis=2) > 40
    # The figure's middle is drawn within 45-55 % of the width; the found shoulders give it exactly.
    left, right = int(changed[:, : _middle_column(without)].sum()), int(changed[:, _middle_column(without) :].sum())
    if symmetry == "symmetric":
        assert min(left, right) > 0.4 * max(left, right) > 40
    else:
        # A lesion beside the breastbone may reach a little over the middle.
        assert min(left, right) < 0.15 * max(left, right)
        assert max(left, right) > 40


def test_distributions_are_in_different_places() -> None:
    """Scalp lesions lie above truncal ones, acral ones at the figure's outer and lower ends."""
    rows = {}
    for where in ("scalp", "truncal", "acral"):
        signs = dataclasses.replace(
            PLAIN, colour="bright_red", scale_type="none", distribution=where, symmetry="symmetric"
        )
        bare = dataclasses.replace(signs, applicability="normal_skin")
        with_it = overview(np.random.default_rng(9), height=280, width=280, tone=2, signs=signs).albedo
        without = overview(np.random.default_rng(9), height=280, width=280, tone=2, signs=bare).albedo
        rows[where] = np.nonzero((np.abs(with_it - without).max(axis=2) > 40).any(axis=1))[0]
    assert rows["scalp"].max() < rows["truncal"].min()
    assert rows["truncal"].max() < 0.62 * 280
    assert rows["acral"].max() > 0.85 * 280


def test_every_kind_of_thing_can_be_drawn() -> None:
    """Each picture that is not skin is a valid picture, also where the drawing library is picky about types."""
    kinds = {not_skin_signs(Random(seed)).variant for seed in range(300)}
    assert len(kinds) == 11
    for kind in kinds:
        picture = thing(np.random.default_rng(1), height=120, width=160, kind=kind)
        assert picture.dtype == np.uint8
        assert picture.shape == (120, 160, 3)


def test_artefacts_leave_an_overview_nameable() -> None:
    """An overview gets no hair, ruler or pen: over 200 draws it is never changed by more than light, cast and noise."""
    flat = np.full((64, 64, 3), 128, np.uint8)
    for seed in range(200):
        spoilt = spoil(np.random.default_rng(seed), flat.copy(), tone=2, far=True)
        assert spoilt.shape == flat.shape
        assert 60 < float(spoilt.mean()) < 230


def test_noise_has_the_grain_asked_for() -> None:
    """Neighbouring pixels agree when the cell is large and differ when it is small."""
    rng = np.random.default_rng(0)
    step = {cell: float(np.abs(np.diff(noise(rng, (128, 128), cell=cell), axis=1)).mean()) for cell in (3.0, 30.0)}
    assert step[3.0] > 4 * step[30.0]
