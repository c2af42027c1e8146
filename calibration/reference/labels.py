"""Say what the three agents shall answer on a drawn case: pure functions of its signs, its intake and its earlier visit.

The answers follow from what is drawn and written, by rules that stand in the clinical vocabulary or here; where a rule
is the generator's own, it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from calibration.reference.agents_spec import PLAN_OF, RECORD_FIELDS
from calibration.reference.signs import Signs, trend_of
from edge_agent.agents.evidence.record import Record, field_of

FAR = "overview"
NEAR_ONLY = (
    "family", "primary_lesion", "secondary_change", "scale_type", "scale_amount", "erythema", "induration", "border",
    "shape", "arrangement", "count_in_view", "surface_share", "special",
)  # fmt: skip
COUNT_BANDS = ((1, "one"), (5, "two_to_five"), (20, "six_to_twenty"), (10**6, "more_than_twenty"))
SHARE_BANDS = ((0.1, "lt_10"), (0.3, "10_29"), (0.5, "30_49"), (0.7, "50_69"), (0.9, "70_89"), (2.0, "ge_90"))
_PRIMARY = {
    "pigmented_lesion": ("macule",), "nodule_tumour": ("nodule",),
    "vesicular": ("vesicle",), "bullous": ("bulla",), "pustular": ("pustule",), "purpuric": ("purpura",),
    "wheal": ("wheal",), "burrow_papular": ("papule",), "hypopigmented": ("patch",),
}  # fmt: skip
_PRIMARY_VARIANT = {
    "necrotic": ("ulcer",), "ulcer": ("ulcer",), "erosion": ("erosion",),
    "keratosis": ("patch",), "scar_like": ("patch",), "superficial": ("plaque",), "keratotic": ("nodule",),
    "raised_naevus": ("papule",), "warty": ("papule",), "blue": ("papule",),
}  # fmt: skip
# The generator's own rules for what else may come into question; each looks at one sign only.
_DIFFERENTIAL: tuple[tuple[str, Callable[[Mapping[str, str]], bool]], ...] = (
    ("eczema_unspecified", lambda r: r.get("border") == "ill_defined"),
    ("seborrhoeic_dermatitis", lambda r: r.get("scale_type") == "greasy" or r.get("distribution") == "scalp"),
    ("dermatophytosis", lambda r: r.get("arrangement") == "single"),
    ("pityriasis_rosea", lambda r: r.get("scale_type") == "collarette"),
)
MAX_DIFFERENTIAL = 2


def view_labels(signs: Signs, shot: str, *, count: int, share: float) -> dict[str, Any]:
    """Say what Rec shall answer on one view; lists are tuples, the leading item first.

    From an overview only applicability and colour can be told; the other fields are ``cannot_tell`` (None for grades).

    Args:
        signs: what is on the skin.
        shot: the distance of the view.
        count: lesions that are truly drawn in it.
        share: of the visible skin that they cover, 0..1.
    """
    told: dict[str, Any] = {
        "applicability": signs.applicability,
        "family": signs.family,
        "primary_lesion": primary_lesion(signs),
        "secondary_change": signs.secondary,
        "colour": signs.colours,
        "scale_type": signs.scale_type,
        "scale_amount": signs.scale_amount,
        "erythema": signs.erythema,
        "induration": signs.induration,
        "border": signs.border,
        "shape": (signs.shape,),
        "arrangement": signs.arrangement,
        "count_in_view": _band(COUNT_BANDS, count, below=False),
        "surface_share": _band(SHARE_BANDS, share, below=True),
        "special": special(signs),
    }
    if signs.applicability in ("normal_skin", "not_skin"):
        told |= {"count_in_view": "cannot_tell", "surface_share": "cannot_tell"}
    if shot == FAR:
        told |= {name: _unknown(name) for name in NEAR_ONLY}
    return told


def _unknown(field: str) -> Any:
    if field in ("scale_amount", "erythema", "induration"):
        return None
    return ("cannot_tell",) if field in ("primary_lesion", "secondary_change", "shape", "special") else "cannot_tell"


def _band(bands: Sequence[tuple[float, str]], value: float, *, below: bool) -> str:
    return next(name for limit, name in bands if (value < limit if below else value <= limit))


def primary_lesion(signs: Signs) -> tuple[str, ...]:
    """Name the primary lesions of the signs, the leading first."""
    if signs.applicability != "lesion_visible":
        return ("macule",) if signs.applicability == "pigment_change_only" else ("cannot_tell",)
    named = _PRIMARY_VARIANT.get(signs.variant) or _PRIMARY.get(signs.family)
    if named is not None:
        return named
    if signs.shape == "guttate":
        return ("papule",) if signs.induration else ("macule",)
    flat = ("plaque",) if signs.induration else ("patch",)
    return (*flat, "papule") if signs.activity == "progressive" else flat


def special(signs: Signs) -> tuple[str, ...]:
    """Name the special signs that are drawn."""
    if signs.applicability == "not_skin":
        return ("cannot_tell",)
    if signs.activity == "regressing":
        return ("white_halo", "central_clearing")
    named = {
        "pearly": ("pearly_border",),
        "many_colours": ("several_colours", "asymmetry"),
        "necrotic": ("necrotic_area",),
    }
    if signs.variant in named:
        return named[signs.variant]
    return ("central_clearing",) if signs.shape == "annular" else ("none",)


def representation_labels(
    signs: Signs, mechanism: Sequence[str], *, in_scope: bool, has_overview: bool
) -> dict[str, Any]:
    """Say what Rep shall answer on a visit."""
    where = signs.distribution if has_overview else "cannot_tell"
    return {
        "distribution": (where,),
        "symmetry": signs.symmetry if has_overview and where != "cannot_tell" else "cannot_tell",
        "phenotype": _phenotype(signs, where, in_scope=in_scope),
        "stage": signs.activity,
        "mechanism": tuple(mechanism),
    }


def _phenotype(signs: Signs, where: str, *, in_scope: bool) -> str:
    if signs.applicability != "lesion_visible":
        return "cannot_tell"
    if not in_scope:
        return "not_psoriasis_like"
    if where == "flexural":
        return "flexural"
    return "guttate" if signs.shape == "guttate" else "chronic_plaque"


def reasoning_labels(
    signs: Signs, representation: Mapping[str, Any], syndrome: str, previous: Mapping[str, str] | None
) -> dict[str, Any]:
    """Say what Reason shall conclude; the steps are added where the record is known (``steps_truth``)."""
    principles, formula = PLAN_OF[syndrome]
    where = representation["distribution"][0]
    seen = {"border": signs.border, "scale_type": signs.scale_type, "arrangement": signs.arrangement}
    seen |= {"distribution": where}  # never the colour: on dark skin it would make a tone stand for a condition
    named = tuple(name for name, holds in _DIFFERENTIAL if holds(seen))[:MAX_DIFFERENTIAL]
    phenotype = representation["phenotype"]
    working = {"guttate": "guttate_psoriasis", "flexural": "flexural_psoriasis"}.get(phenotype, "plaque_psoriasis")
    working = working if phenotype != "not_psoriasis_like" else "other_or_unknown"
    return {
        "biomedical": {"working": working, "differential": named or ("other_or_unknown",)},
        "trend": trend_of(representation["stage"], previous),
        "syndrome": syndrome,
        "principle": principles,
        "formula": formula,
    }


def readable(record: Record) -> Record:
    """Return the part of a record that the reference bundle's Reason reads."""
    values = {pointer: value for pointer, value in record.values.items() if field_of(pointer) in RECORD_FIELDS}
    return Record(values, record.disputed, record.silent)
