"""Measure whether a picture can show skin at all, by colours that no skin has, for every tone alike.

Skin of every tone lies between red and yellow: melanin and blood change its lightness and strength far more than its
hue. So hue decides and lightness does not. Cannot tell skin from wood, sand or cardboard, and does not try: what passes
here is looked at again by the recognition agent.

Source: hue of skin over all tones: Del Bino and Bernerd, British Journal of Dermatology 169(s3):33 (2013); Weyrich et al.,
"Analysis of human faces using a measurement-based skin reflectance model", SIGGRAPH 2006.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_agent.capture.quality.working import Lab, centre

_SKIN_HUE = (-25.0, 95.0)  # degrees; wider than skin itself: lamps and shade move it, blood and pigment too
_LEAST_CHROMA = 5.0  # CIE units; below it a colour is grey and has no hue worth the name
_STRONG_CHROMA = 14.0  # a colour this strong outside the hues of skin is no skin under any usual lamp
_MOST_CHROMA = 72.0  # stronger than lit skin
_LEAST_L = 4.0  # below it there is no colour


@dataclass(frozen=True, slots=True)
class SkinColour:
    """Shares of the middle: ``skin`` can be skin, ``foreign`` has a strong colour that no skin has, ``grey`` has none."""

    skin: float
    foreign: float
    grey: float


def skin_colour(lab: Lab) -> SkinColour:
    """Measure the shares of a picture, float32[h, w, 3] CIE Lab."""
    middle = lab[centre(lab.shape)]
    chroma = np.hypot(middle[..., 1], middle[..., 2])
    hue = np.degrees(np.arctan2(middle[..., 2], middle[..., 1]))
    is_coloured = (chroma >= _LEAST_CHROMA) & (middle[..., 0] >= _LEAST_L)
    is_skin_hue = (hue >= _SKIN_HUE[0]) & (hue <= _SKIN_HUE[1])
    skin = is_coloured & is_skin_hue & (chroma <= _MOST_CHROMA)
    foreign = (chroma >= _STRONG_CHROMA) & ~skin
    return SkinColour(float(skin.mean()), float(foreign.mean()), float((~is_coloured).mean()))
