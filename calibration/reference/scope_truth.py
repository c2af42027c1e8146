"""Say by the labels what the scope decision should find. Reads no picture and no photograph."""

from __future__ import annotations

from calibration.reference.cases import RenderedCase
from calibration.reference.pool import PoolCase
from calibration.reference.signs import Signs


def is_to_be_found(drawn: RenderedCase | PoolCase) -> bool:
    """Say whether a case is in scope and shows it."""
    return drawn.in_scope and shows_psoriasis(drawn.signs)


def shows_psoriasis(signs: Signs) -> bool:
    """Say whether the signs are psoriasis-like lesions that can be seen."""
    return signs.applicability == "lesion_visible" and signs.family == "papulosquamous"
