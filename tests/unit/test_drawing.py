"""Rules of the drawn pictures: repeatable, of the promised form, and their signs measurable in the pixels."""

from __future__ import annotations

import dataclasses
import itertools
from random import Random

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.reference.cases import SPLITS, case, text_case
from calibration.reference.drawing import Surface, blank, lit, noise
from calibration.reference.drawing_artefacts import spoil
from calibration.reference.drawing_body import overview
from calibration.reference.drawing_lesions import plaques, raise_
from calibration.reference.drawing_objects import thing
from calibration.reference.drawing_outline import Patch, clear_middle, measured, patch
from calibration.reference.drawing_place import Spot, place
from calibration.reference.drawing_scale import scale
from calibration.reference.drawing_secondary import CHANGES, change, fresh_papules, pale_rim
from calibration.reference.drawing_skin import TONES, skin
from calibration.reference.drawing_view import NOTHING, VARIANTS, draw_signs
from calibration.reference.signs import Signs
from calibration.reference.signs_other import not_skin_signs

Pixels = NDArray[np.uint8]
PLAIN = Signs(
    applicability="lesion_visible",
    family="papulosquamous",
    colours=("grey_brown",),
    scale_type="silvery_lamellar",
    scale_amount=3,
    erythema=3,
    induration=1,
    border="well_defined",
    shape="nummular",
    arrangement="scattered",
    activity="stationary",
)


def _plain_skin(tone: int = 2) -> Surface:
    rng = np.random.default_rng(0)
    return blank(rng, height=280, width=280, tone=tone, base=np.asarray(TONES[tone], np.float32))


def _disc(*, border: str = "well_defined", shape: str = "nummular", tone: int = 2, seed: int = 5) -> Patch:
    """Mask one lesion of radius 60 in the middle of plain skin."""
    return patch(np.random.default_rng(seed), _plain_skin(tone), [Spot(140, 140, 60)], shape=shape, border=border)


def _one_lesion(signs: Signs, *, tone: int = 2, seed: int = 5) -> tuple[Pixels, Patch]:
    """Draw one lesion of radius 60 in the middle of plain skin, without artefacts."""
    rng = np.random.default_rng(seed)
    surface = _plain_skin(tone)
    area = patch(rng, surface, [Spot(140, 140, 60)], shape=signs.shape, border=signs.border)
    plaques(rng, surface, area, signs)
    scale(rng, surface, area, kind=signs.scale_type, amount=signs.scale_amount)
    return lit(surface), area


def _middle(pixels: Pixels, area: Patch) -> NDArray[np.float64]:
    return np.asarray(pixels[area.depth > 25].astype(float).mean(axis=0))


def _smooth(**changes: object) -> Signs:
    return dataclasses.replace(PLAIN, scale_type="none", scale_amount=0, induration=0, **changes)  # type: ignore[arg-type]


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
    mean = {red: _middle(*_one_lesion(_smooth(colours=(red,)))) for red in ("bright_red", "dark_red", "pale_red")}
    light = {red: value.mean() for red, value in mean.items()}
    assert light["dark_red"] + 30 < light["bright_red"] < light["pale_red"] - 30
    assert mean["bright_red"][0] - mean["bright_red"][1] > mean["pale_red"][0] - mean["pale_red"][1] + 40


@pytest.mark.parametrize("tone", [4, 5])
def test_inflammation_on_dark_skin_is_darker_and_less_red(tone: int) -> None:
    """On the two darkest tones lesions are drawn violaceous to grey-brown, never red."""
    pixels, area = _one_lesion(_smooth(colours=("grey_brown",)), tone=tone)
    lesion, base = _middle(pixels, area), np.asarray(TONES[tone], float)
    assert lesion.mean() < base.mean() - 10
    assert lesion[0] - lesion[2] < base[0] - base[2] - 10


def test_scale_kinds_differ_in_hue_relief_and_gloss() -> None:
    """Plates are white, raised and glint; powder is white and flat; blocks ochre and highest; grease yellow and wet."""
    hue, relief, gloss = {}, {}, {}
    for kind in ("fine_branny", "silvery_lamellar", "thick_adherent", "greasy"):
        surface, area = _plain_skin(), _disc()
        scale(np.random.default_rng(5), surface, area, kind=kind, amount=4)
        inner = area.depth > 14
        red, _, blue = surface.albedo[inner].mean(axis=0)
        hue[kind], relief[kind], gloss[kind] = red - blue, surface.height[inner].mean(), surface.gloss[inner].mean()
    assert max(hue["fine_branny"], hue["silvery_lamellar"]) < 35
    assert 50 < hue["thick_adherent"] < hue["greasy"] - 20
    assert relief["fine_branny"] == 0
    assert 1 < relief["silvery_lamellar"] < relief["thick_adherent"]
    assert min(gloss["silvery_lamellar"], gloss["greasy"]) > 0.02
    assert gloss["fine_branny"] == gloss["thick_adherent"] == 0


def test_collarette_and_peripheral_scale_differ_in_place() -> None:
    """Peripheral scale lies at the very edge, a collarette in an unbroken line well inside it."""
    where = {}
    for kind in ("collarette", "peripheral"):
        surface, area = _plain_skin(), _disc()
        scale(np.random.default_rng(5), surface, area, kind=kind, amount=2)
        where[kind] = area.depth[surface.height > 0.8]
    assert np.percentile(where["peripheral"], 95) < np.percentile(where["collarette"], 5)


def test_scale_is_grey_on_dark_skin() -> None:
    """The same silvery scale is much darker on tone 5 than on tone 1."""
    signs = dataclasses.replace(PLAIN, induration=0)
    assert _middle(*_one_lesion(signs, tone=5)).mean() + 50 < _middle(*_one_lesion(signs, tone=1)).mean()


@pytest.mark.parametrize("kind", ["silvery_lamellar", "fine_branny", "thick_adherent", "greasy"])
@pytest.mark.parametrize("tone", [2, 5])
def test_scale_amount_is_the_covered_share(kind: str, tone: int) -> None:
    """About a tenth, a third, two thirds and nearly all of the lesion's inner part differ from the bare lesion."""
    bare, area = _one_lesion(_smooth(colours=("dark_red",)), tone=tone)
    inner = area.depth > 14
    share = []
    for amount in (1, 2, 3, 4):
        surface = _plain_skin(tone)
        rng = np.random.default_rng(5)
        area = patch(rng, surface, [Spot(140, 140, 60)], shape="nummular", border="well_defined")
        plaques(rng, surface, area, _smooth(colours=("dark_red",)))
        scale(rng, surface, area, kind=kind, amount=amount)
        changed = np.abs(np.clip(surface.albedo, 0, 255) - bare).max(axis=2) > 25
        share.append(float(changed[inner].mean()))
    # Dark gaps between plates belong to the scale, so the measured share stays a little below the covered one.
    bounds = ((0.04, 0.2), (0.18, 0.45), (0.42, 0.8), (0.68, 1.01))
    assert all(low < found < high for found, (low, high) in zip(share, bounds, strict=True)), share
    assert all(later > earlier + 0.1 for earlier, later in itertools.pairwise(share)), share


@pytest.mark.parametrize(("tone", "colour"), [(1, "bright_red"), (3, "dark_red"), (4, "violaceous"), (5, "grey_brown")])
def test_erythema_grades_are_steps(tone: int, colour: str) -> None:
    """Each grade differs from the skin more than the grade before, on light and on dark skin."""
    skin_colour = np.asarray(TONES[tone], float)
    contrast = []
    for grade in (1, 2, 3, 4):
        pixels, area = _one_lesion(_smooth(colours=(colour,), erythema=grade), tone=tone)
        contrast.append(float(np.abs(_middle(pixels, area) - skin_colour).sum()))
    assert all(later > 1.07 * earlier + 1 for earlier, later in itertools.pairwise(contrast)), contrast


@pytest.mark.parametrize("tone", [4, 5])
def test_violaceous_and_grey_brown_are_two_hues_on_dark_skin(tone: int) -> None:
    """Violaceous is purple (green clearly lowest, blue high), grey-brown has hardly any hue."""
    violet = _middle(*_one_lesion(_smooth(colours=("violaceous",)), tone=tone))
    grey = _middle(*_one_lesion(_smooth(colours=("grey_brown",)), tone=tone))
    assert min(violet[0], violet[2]) > 1.4 * violet[1]  # shares, for tone 5 is half as bright as tone 4
    assert min(violet[0], violet[2]) > violet[1] + 15
    assert np.ptp(grey) < 0.35 * np.ptp(TONES[tone])


def test_induration_grades_are_steps_of_relief() -> None:
    """The two sides of a plaque differ more in light with every grade; a flat one's not at all."""
    contrast = []
    for grade in range(5):
        surface = _plain_skin()
        raise_(surface, _disc(), grade=grade)
        contrast.append(float(lit(surface)[..., 1].std()))
    assert contrast[0] == 0
    assert all(later > 1.25 * earlier + 0.5 for earlier, later in itertools.pairwise(contrast)), contrast


def _edge_widths(area: Patch) -> list[int]:
    """Return over how many pixels the mask crosses from lesion to skin, in 24 directions."""
    widths = []
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        reach = np.arange(0, 120)
        x = np.clip(140 + reach * np.cos(angle), 0, 279).astype(int)
        y = np.clip(140 + reach * np.sin(angle), 0, 279).astype(int)
        row = area.mask[y, x]
        widths.append(int(((row > 0.15) & (row < 0.85)).sum()))
    return widths


def test_borders_differ_in_width_all_round() -> None:
    """Well-defined is sharp everywhere, ill-defined fades everywhere, mixed does each on about half of the edge."""
    widths = {border: _edge_widths(_disc(border=border)) for border in ("well_defined", "ill_defined", "mixed")}
    assert max(widths["well_defined"]) <= 4
    assert min(widths["ill_defined"]) >= 12
    sharp = sum(width <= 4 for width in widths["mixed"])
    assert 8 <= sharp <= 15
    assert sum(width >= 12 for width in widths["mixed"]) >= 7


@pytest.mark.parametrize("shape", ["guttate", "nummular", "geographic", "linear", "irregular"])
def test_an_irregular_border_is_longer(shape: str) -> None:
    """A jagged outline has a longer contour for its area than a smooth one, whatever the shape."""
    roughness = {}
    radius = 16 if shape == "guttate" else 70
    for border in ("well_defined", "irregular"):
        rng = np.random.default_rng(4)
        area = patch(rng, _plain_skin(), [Spot(140, 140, radius)], shape=shape, border=border)
        contour = max(cv2.findContours(area.inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=cv2.contourArea)
        roughness[border] = cv2.arcLength(contour, True) ** 2 / cv2.contourArea(contour)
    assert roughness["irregular"] > 1.2 * roughness["well_defined"]


def test_an_annular_lesion_has_a_clear_middle() -> None:
    """The middle of a ring is skin."""
    area = _disc(shape="annular")
    assert area.inside[140, 140] == 0
    assert area.inside.sum() > 3000


def test_a_diffuse_eruption_covers_most_of_the_picture() -> None:
    """It leaves at most half of the skin bare, sometimes none, and has no sharp edge."""
    shares = []
    for seed in range(12):
        area = patch(np.random.default_rng(seed), _plain_skin(), [], shape="diffuse", border="ill_defined")
        shares.append(measured(area.inside).share)
        assert not area.crisp.any()
    assert min(shares) > 0.45
    assert max(shares) > 0.9


def test_a_linear_lesion_is_a_band() -> None:
    """Its longest side is at least three times its shortest."""
    (_, sides, _) = cv2.minAreaRect(np.argwhere(_disc(shape="linear").inside).astype(np.float32))
    assert max(sides) > 3 * min(sides)


def test_lesions_are_counted_after_confluence() -> None:
    """Two discs apart are two, two that meet are one; the share is that of the picture."""
    apart = patch(
        np.random.default_rng(1),
        _plain_skin(),
        [Spot(70, 140, 40), Spot(210, 140, 40)],
        shape="nummular",
        border="well_defined",
    )
    meeting = patch(
        np.random.default_rng(1),
        _plain_skin(),
        [Spot(110, 140, 40), Spot(170, 140, 40)],
        shape="nummular",
        border="well_defined",
    )
    assert measured(apart.inside).count == 2
    assert measured(meeting.inside).count == 1
    assert measured(apart.inside).share == pytest.approx(2 * np.pi * 40**2 / 280**2, rel=0.12)
    assert measured(np.zeros((9, 9), np.uint8)) == NOTHING


@pytest.mark.parametrize("seed", range(6))
def test_a_generalised_guttate_eruption_has_more_than_twenty_lesions(seed: int) -> None:
    """The highest band of the count exists, and its lesions do not run together."""
    rng = np.random.default_rng(seed)
    signs = dataclasses.replace(PLAIN, shape="guttate", arrangement="generalised")
    assert draw_signs(rng, _plain_skin(), signs, close=bool(seed % 2)).count > 20


@pytest.mark.parametrize("shape", ["guttate", "nummular"])
def test_lesions_in_a_row_lie_on_a_line(shape: str) -> None:
    """Their spread along the line is far greater than across it."""
    for seed in range(6):
        spots = place(np.random.default_rng(seed), _plain_skin(), shape=shape, arrangement="linear", close=False)
        points = np.asarray([(s.x, s.y) for s in spots])
        along, across = np.linalg.svd(points - points.mean(axis=0))[1]
        assert len(spots) >= 3
        assert across < 0.1 * along


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("tone", [1, 5])
def test_each_secondary_change_alters_the_picture(kind: str, tone: int) -> None:
    """On the lightest and on the darkest tone each change alone alters at least 2 % of the picture clearly."""
    plain, changed = _plain_skin(tone), _plain_skin(tone)
    area = _disc(tone=tone)
    colour = ("violaceous",) if tone == 5 else ("bright_red",)
    for surface in (plain, changed):
        plaques(np.random.default_rng(1), surface, area, _smooth(colours=colour))
    change(np.random.default_rng(2), changed, area, kind=kind)
    difference = np.abs(lit(plain).astype(int) - lit(changed)).max(axis=2)
    assert (difference > 20).mean() > 0.02


def test_pigment_changes_lie_around_the_lesion() -> None:
    """Skin beside the lesion gets darker by hyperpigmentation and lighter by hypopigmentation."""
    area = _disc(tone=3)
    beside = (area.outer > 3) & (area.outer < 18)
    light = {}
    for kind in ("none", "hyperpigmentation", "hypopigmentation"):
        surface = _plain_skin(3)
        change(np.random.default_rng(3), surface, area, kind=kind)
        light[kind] = float(surface.albedo[beside].mean())
    assert light["hyperpigmentation"] + 25 < light["none"] < light["hypopigmentation"] - 15


@pytest.mark.parametrize("tone", TONES)
def test_regressing_lesions_clear_in_the_middle_inside_a_pale_rim(tone: int) -> None:
    """The middle is nearly skin again; a ring outside the edge is lighter than the skin beyond it."""
    rng, surface = np.random.default_rng(4), _plain_skin(tone)
    whole = _disc(tone=tone)
    area = clear_middle(rng, surface, whole)
    plaques(rng, surface, area, _smooth(colours=("dark_red",) if tone <= 3 else ("violaceous",)))
    pale_rim(surface, area)
    base = np.asarray(TONES[tone], float)
    assert np.abs(surface.albedo[140, 140] - base).max() < 0.2 * base.max()
    rim, beyond = (
        surface.albedo[(area.outer > 3) & (area.outer < 6)],
        surface.albedo[(area.outer > 17) & (area.outer < 21)],
    )
    assert rim.mean() > beyond.mean() + 9


@pytest.mark.parametrize("tone", TONES)
def test_progressive_lesions_are_surrounded_by_papules(tone: int) -> None:
    """At least fifteen raised points stand on the skin around the lesion; the lesion itself is not touched."""
    surface, area = _plain_skin(tone), _disc(tone=tone)
    fresh_papules(np.random.default_rng(5), surface, area, colour=np.asarray((120, 20, 30), np.float32))
    raised = ((surface.height > 1.0) & (area.outer > 2)).astype(np.uint8)
    assert cv2.connectedComponents(raised)[0] - 1 >= 15
    assert surface.height[area.depth > 6].max() < 0.5


def test_remission_is_flat_and_counted() -> None:
    """Stains have no relief, no gloss and no shadow."""
    surface = _plain_skin()
    drawn = draw_signs(np.random.default_rng(6), surface, dataclasses.replace(PLAIN, activity="remission"), close=False)
    assert drawn.count >= 3
    assert not surface.height.any()
    assert not surface.gloss.any()
    assert (surface.shadow == 1).all()


@pytest.mark.parametrize(("family", "variant"), [(f, v) for f, variants in VARIANTS.items() for v in variants])
def test_every_variant_of_every_family_is_visible_on_every_tone(family: str, variant: str) -> None:
    """Each variant draws at least one lesion and changes the picture clearly, also on the darkest skin."""
    for tone in TONES:
        surface, red = _plain_skin(tone), "violaceous" if tone >= 4 else "bright_red"
        shape = "annular" if family == "annular_scaly" else "round_oval"
        colours = ("brown",) if family == "pigmented_lesion" else (red,)
        signs = dataclasses.replace(PLAIN, family=family, variant=variant, colours=colours, shape=shape)
        before = lit(surface).astype(int)
        drawn = draw_signs(np.random.default_rng(tone), surface, signs, close=False)
        assert drawn.count >= 1
        assert (np.abs(lit(surface) - before).max(axis=2) > 18).mean() > 0.005, tone


@pytest.mark.parametrize("family", ["purpuric", "hypopigmented"])
def test_flat_families_have_no_relief(family: str) -> None:
    """Purpura and pale patches leave the height map as it was."""
    for variant in VARIANTS[family]:
        surface = _plain_skin()
        signs = dataclasses.replace(PLAIN, family=family, variant=variant, shape="round_oval")
        draw_signs(np.random.default_rng(7), surface, signs, close=False)
        assert not surface.height.any()


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
        PLAIN, colours=("bright_red",), scale_type="none", distribution="truncal", symmetry=symmetry
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
            PLAIN, colours=("bright_red",), scale_type="none", distribution=where, symmetry="symmetric"
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
