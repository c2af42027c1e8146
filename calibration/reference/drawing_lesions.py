"""Draw inflamed lesions: colour, strength of the redness, relief. Outline, scale and later changes are drawn apart.

Every sign is exaggerated until a stranger can name it at 168 pixels, and none leans on another: the colour is a hue,
the strength of the inflammation is how solidly that hue fills the lesion, thickness is relief and a cast shadow.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.reference.drawing import Plane, Surface, blend, blur, noise, ramp
from calibration.reference.drawing_outline import Patch
from calibration.reference.signs import Signs

REDS = {
    "bright_red": (224, 38, 34),
    "dark_red": (116, 18, 34),
    "pale_red": (240, 136, 118),
    "pink": (240, 134, 184),
    "violaceous": (132, 58, 128),
    "grey_brown": (120, 104, 94),
    "brown": (122, 76, 46),
    "black": (34, 27, 27),
    "white": (244, 240, 238),
    "yellow": (228, 190, 84),
}
# Other colours on the two darkest tones.
_DARK = {
    4: {"brown": (74, 42, 26), "yellow": (170, 132, 56)},
    5: {"brown": (42, 24, 16), "yellow": (150, 112, 48)},
}
# Inflammation on them: purple or ashen against the warm brown around it. A factor and no fixed colour, so that it is
# still known on other skin and under another lamp.
_INFLAMED = {"violaceous": (0.76, 0.44, 1.16), "grey_brown": (0.57, 0.76, 1.02)}
# erythema grade: how strongly the whole lesion is tinted, and which share of it is filled solidly
_STRENGTH = {0: (0.1, 0.0), 1: (0.24, 0.26), 2: (0.44, 0.56), 3: (0.86, 1.0), 4: (0.97, 1.0)}
_SOLID = 0.9
DARKEST = 4  # the two darkest tones
# induration grade: slope and width of the rise, length and darkness of the shadow; pixels of a 280-pixel picture
_RISE = {1: (0.6, 4.0, 0.0, 0.0), 2: (0.9, 7.0, 4.0, 0.4), 3: (1.3, 11.5, 10.0, 0.58), 4: (1.8, 18.0, 21.0, 0.72)}


def inflamed_colour(rng: np.random.Generator, surface: Surface, colour: str) -> NDArray[np.float32]:
    """Choose the colour that a lesion has on this skin, float32[3] RGB."""
    if colour in ("skin_coloured", "cannot_tell"):
        return np.asarray(surface.base * np.asarray([0.96, 0.86, 0.84], np.float32), np.float32)
    if surface.tone >= DARKEST and colour in _INFLAMED:
        factor = np.asarray(_INFLAMED[colour], np.float32)
        return np.asarray(surface.base * factor * float(rng.uniform(0.94, 1.06)), np.float32)
    target = np.asarray(_DARK.get(surface.tone, {}).get(colour, REDS[colour]), np.float32)
    keep = 0.07 if surface.tone <= 3 else 0.03
    return np.asarray((target * (1 - keep) + surface.base * keep) * float(rng.uniform(0.95, 1.05)), np.float32)


def plaques(rng: np.random.Generator, surface: Surface, area: Patch, signs: Signs) -> None:
    """Colour and raise the lesions; the scale comes after."""
    colour = inflamed_colour(rng, surface, signs.colours[0])
    grade = 3 if signs.erythema is None else signs.erythema
    tint(rng, surface, area, colour=colour, grade=grade)
    if len(signs.colours) > 1:
        second = inflamed_colour(rng, surface, signs.colours[1])
        field = ramp(noise(rng, surface.shape, cell=max(7.0, 0.55 * area.radius)), 0.15, 0.35)
        blend(surface, second, np.asarray(area.mask * field * max(0.6, _STRENGTH[grade][0]), np.float32))
    if signs.arrangement == "confluent" and signs.shape in ("nummular", "round_oval", "guttate"):
        _seams(surface, area, colour)
    raise_(surface, area, grade=signs.induration or 0)


def tint(rng: np.random.Generator, surface: Surface, area: Patch, *, colour: NDArray[np.float32], grade: int) -> None:
    """Fill lesions with a colour as strongly as the erythema grade says.

    0 is a trace; 1 blotches with much skin between them; 2 a broken tint; 3 solid; 4 solid, deep and with a hot flare
    around the lesion. The blotches keep the hue itself, so that a weak bright red is not a pale red.
    """
    wash, solid = _STRENGTH[grade]
    mottle = 1 + 0.05 * noise(rng, surface.shape, cell=6)
    amount = np.full(surface.shape, wash, np.float32)
    if 0 < solid < 1:
        cell = float(np.clip(0.3 * area.radius, 5.5, 13)) * surface.unit / 280
        field = noise(rng, surface.shape, cell=cell)
        edge = float(np.quantile(field[::5, ::5], 1 - solid))
        amount = np.asarray(wash + (_SOLID - wash) * ramp(field, edge - 0.22, edge + 0.22), np.float32)
    if grade == 4:
        flare = np.exp(-area.outer / (8.0 * surface.unit / 280)) * (1 - area.inside) * area.crisp
        blend(surface, colour, np.asarray(0.55 * flare, np.float32))
        colour = colour * np.asarray([0.9, 0.78, 0.82], np.float32)
    blend(surface, colour, np.asarray(area.mask * amount * mottle, np.float32))
    width = max(1.6 * surface.unit / 280, 0.07 * area.radius)
    rim = area.inside * np.exp(-area.depth / width) * area.crisp * (1 - area.cleared)
    blend(surface, colour * 0.78, np.asarray((0.35 + 0.3 * wash) * rim, np.float32))


def _seams(surface: Surface, area: Patch, colour: NDArray[np.float32]) -> None:
    """Show the single discs inside a merged plaque by a darker arc at each disc's edge."""
    arcs = np.zeros(surface.shape, np.float32)
    for spot in area.spots:
        cv2.circle(arcs, (int(spot.x), int(spot.y)), int(spot.r), 1.0, max(1, int(0.08 * spot.r)), cv2.LINE_AA)
    blend(surface, colour * 0.72, np.asarray(0.6 * blur(arcs, 1.0) * area.inside, np.float32))


def raise_(surface: Surface, area: Patch, *, grade: int) -> None:
    """Lift the lesions: grade 0 stays flat, 1 is a low step, 2 to 4 cast a longer and darker shadow each."""
    if not grade:
        return
    slope, wide, long, dark = _RISE[grade]
    px = surface.unit / 280
    # Small lesions keep the steps between the grades in proportion to what they can carry.
    room = min(1.0, area.radius / (42 * px))
    bevel = max(2.0 * px, wide * px * (0.25 + 0.75 * room))
    rise = ramp(area.depth, 0, bevel) * bevel * slope * (1 - area.cleared)
    if area.fade:
        # A soft edge rises gently; where one half is sharp, both halves are equally high.
        high = bevel * slope if area.crisp.any() else 0.9 * area.fade * slope
        mound = ramp(area.depth - area.outer, -0.8 * area.fade, 1.1 * area.fade) * high * (1 - area.cleared)
        rise = rise * area.crisp + blur(np.asarray(mound, np.float32), 2.0) * (1 - area.crisp)
    surface.height += blur(np.asarray(rise, np.float32), 0.9)
    if dark:
        reach = long * px * (0.3 + 0.7 * room)
        thrown = cast(surface, area.inside, reach=reach)
        if area.fade:
            thrown = thrown * area.crisp + 0.4 * blur(thrown, max(2.0, 0.5 * area.fade)) * (1 - area.crisp)
        surface.shadow *= np.asarray(1 - dark * thrown, np.float32)


def cast(surface: Surface, inside: NDArray[np.uint8], *, reach: float) -> Plane:
    """Return 0-1 where raised lesions throw their shadow on the skin beside them, ``reach`` pixels away from the lamp."""
    h, w = surface.shape
    move = np.asarray([[1, 0, -surface.light[0] * reach], [0, 1, -surface.light[1] * reach]], np.float32)
    thrown = cv2.warpAffine(inside, move, (w, h)).astype(np.float32)
    return blur(np.asarray(thrown * (1 - inside), np.float32), max(0.8, 0.22 * reach))


def stains(rng: np.random.Generator, surface: Surface, area: Patch, *, pale: bool = False) -> None:
    """Draw the flat stains that an eruption leaves, brown or pale: no relief, no scale."""
    if pale:
        lighter = lightened(surface)
        blend(surface, lighter, np.asarray(area.mask * float(rng.uniform(0.75, 1.0)), np.float32))
        return
    factor = {1: (0.74, 0.6, 0.47), 2: (0.7, 0.57, 0.46)}.get(surface.tone, (0.62, 0.54, 0.5))
    blend(
        surface,
        surface.base * np.asarray(factor, np.float32),
        np.asarray(area.mask * float(rng.uniform(0.75, 1.0)), np.float32),
    )


def lightened(surface: Surface) -> NDArray[np.float32]:
    """Return the colour of skin that has lost some pigment or blood, clearly lighter on every tone."""
    if surface.tone <= 3:
        towards = np.asarray((255, 248, 240), np.float32)
        return np.asarray(surface.base + (towards - surface.base) * np.float32(0.72), np.float32)
    return np.asarray(np.minimum(surface.base * np.asarray([1.55, 1.62, 1.66], np.float32), 250), np.float32)
