"""Compute the Psoriasis Area and Severity Index by its published formula, in whole tenths.

``PASI = 0.1 (E+I+D) A of the head + 0.2 of the upper limbs + 0.3 of the trunk + 0.4 of the lower limbs``, 0-72, with
E, I, D from 0 to 4 and A from 0 to 6. The weights are whole tenths, so every sum is an integer and no rounding can
move a result over a threshold. Does not decide where E, I, D and A come from, nor whether a score may be shown
(``agents.severity``), and asks no model.

Source: Fredriksson and Pettersson, Dermatologica 157 (1978) 238; area bands as the half-open intervals of the table
"Elements of the PASI" in ard.bmj.com [S 6]; regions: clinical-vocabulary section 1 [S 7, 8]. Not clinically reviewed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

from edge_agent.contracts.intake_values import AffectedRegion

REGIONS: tuple[AffectedRegion, ...] = get_args(AffectedRegion)
# Tenths of the body's surface: the formula's weights and the regions' shares of the skin are the same numbers.
WEIGHT_TENTHS: Mapping[AffectedRegion, int] = MappingProxyType({"head": 1, "upper": 2, "trunk": 3, "lower": 4})
GRADES = ("erythema", "induration", "scale_amount")
MAX_GRADE = 4
MAX_PASI = 72.0
# Lower edges in percent of the region for the scores 2 to 6; everything above zero and below the first scores 1.
AREA_EDGES = (10.0, 30.0, 50.0, 70.0, 90.0)

# Body sites without an entry (nails, other) belong to no region of the index.
REGION_OF_SITE: Mapping[str, AffectedRegion] = MappingProxyType(
    {
        **dict.fromkeys(("scalp", "face", "ear", "lips_mouth", "eye_area", "neck"), "head"),
        **dict.fromkeys(("upper_arm", "elbow", "forearm", "hand_back", "palm"), "upper"),
        **dict.fromkeys(
            ("chest", "abdomen", "back", "sacrum_lumbar", "axilla", "groin", "genital", "perianal"), "trunk"
        ),
        **dict.fromkeys(("buttock", "thigh", "knee", "lower_leg", "foot_top", "sole"), "lower"),
    }
)


@dataclass(frozen=True, slots=True)
class RegionScore:
    """One region of one visit: area in % of the region, area score 0-6, grades 0-4; None is not known.

    Grades of a region whose area is 0 are not needed and count as nothing.
    """

    region: AffectedRegion
    area_percent: float | None
    area_score: int | None
    erythema: int | None = None
    induration: int | None = None
    scale_amount: int | None = None

    @property
    def is_complete(self) -> bool:
        """Say whether the region's part of the index is known."""
        return self.tenths is not None

    @property
    def tenths(self) -> int | None:
        """Return the region's part of the index in tenths, or None while something is not known."""
        if self.area_score is None:
            return None
        if self.area_score == 0:
            return 0
        if self.erythema is None or self.induration is None or self.scale_amount is None:
            return None
        grades = self.erythema + self.induration + self.scale_amount
        return WEIGHT_TENTHS[self.region] * grades * self.area_score


def area_score(percent: float) -> int:
    """Return the area score (0-6) of a share of one region.

    The bands are half-open and continuous: 0 is 0; above 0 and below 10 is 1; from 10 below 30 is 2; from 30 below 50
    is 3; from 50 below 70 is 4; from 70 below 90 is 5; from 90 is 6. So 29.5 is 2, as "10-29" is read in [S 6].

    Args:
        percent: affected share of the region's skin, 0-100.

    Raises:
        RuntimeError: the share is not within 0-100 (the form refuses it before).
    """
    if not 0 <= percent <= 100:
        raise RuntimeError("an area is a percentage of its region, 0 to 100")
    if percent == 0:
        return 0
    return 1 + sum(percent >= edge for edge in AREA_EDGES)


def total_tenths(regions: Iterable[RegionScore]) -> int | None:
    """Return the index over the given regions in tenths, or None while a region of them is not complete.

    Over the four regions it is the PASI; over fewer it is a part of it and is never called PASI.
    """
    parts = [row.tenths for row in regions]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def implied_bsa(areas: Mapping[AffectedRegion, float]) -> tuple[float, float]:
    """Return the least and the largest share of the whole skin (%) that the entered regions allow.

    The two are equal once all four regions are entered.
    """
    low = sum(WEIGHT_TENTHS[region] * percent for region, percent in areas.items()) / 10
    open_share = sum(WEIGHT_TENTHS[region] for region in REGIONS if region not in areas) * 10
    return low, low + open_share
