"""Turn records into the texts that agents read: the one renderer for training, calibration and the device.

A model is only as good as the sameness of its inputs: ``calibration.reference`` trains on exactly the strings
that this module renders, and the device renders them again. Nothing else may build a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# Signs of DERM-Rec that Reason reads, merged over the views by code (clinical-vocabulary: `dominant`).
DOMINANT_FIELDS = ("colour", "scale_type", "induration", "shape")
GENERAL_SIGNS = ("thirst", "dry_throat", "irritable", "constipation", "dark_urine")
IMAGE_BLOCK = "<|vision_start|><|image_pad|><|vision_end|>"


def render_intake(intake: Mapping[str, Any]) -> str:
    """Render history, symptoms, tongue and pulse for Reason, one ``key value`` line each, fixed order.

    What nobody examined is written ``not_examined``; it is never left out, so that a missing sign can
    never be read as a normal one.

    Args:
        intake: the intake record (``contracts.intake``) as a plain mapping; absent keys are ``not_examined``.
    """
    tongue = intake.get("tongue") or {}
    general = intake.get("general") or {}
    rows: list[tuple[str, Any]] = [
        ("duration", intake.get("duration")),
        ("new_lesions", intake.get("new_lesions_two_weeks")),
        ("tongue", tongue.get("body_colour")),
        ("feature", tongue.get("body_feature")),
        ("coating", tongue.get("coating_colour")),
        ("texture", tongue.get("coating_texture")),
        ("veins", tongue.get("sublingual_veins")),
        ("pulse", intake.get("pulse")),
    ]
    rows += [(sign, general.get(sign)) for sign in GENERAL_SIGNS]
    return "\n".join(f"{key} {render_value(value)}" for key, value in rows)


def render_representation(dominant: Mapping[str, Any], integrated: Mapping[str, Any], mechanism: Any) -> str:
    """Render the Representation for Reason: merged signs, distribution, symmetry, mechanism; one line each."""
    rows = [(name, dominant.get(name)) for name in DOMINANT_FIELDS]
    rows += [("distribution", integrated.get("distribution")), ("symmetry", integrated.get("symmetry"))]
    rows += [("mechanism", mechanism)]
    return "\n".join(f"{key} {render_value(value, nothing='cannot_tell')}" for key, value in rows)


def render_value(value: Any, *, nothing: str = "not_examined") -> str:
    """Render one value: ids joined by blanks; None and empty become ``nothing``."""
    if value is None or value in ([], ""):
        return nothing
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return " ".join(str(item) for item in value)
    return str(value)


def fill(template: str, *, images: int, texts: Mapping[str, str]) -> str:
    """Fill a manifest prompt template; each picture becomes one vision block with a single pad token.

    What is filled in is never filled again: a text that an agent wrote may hold braces of its own.

    Args:
        template: text with ``{images}`` and ``{name}`` for every declared text input.
        images: how many pictures stand at ``{images}``.
        texts: the declared text inputs by name.
    """
    told = {"images": IMAGE_BLOCK * images, **texts}
    blanks = re.compile("|".join(re.escape("{" + name + "}") for name in told))
    return blanks.sub(lambda match: told[match.group()[1:-1]], template)
