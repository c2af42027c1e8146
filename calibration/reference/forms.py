"""Turn a drawn intake into a form that the device accepts. Draws nothing and loads no model library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_agent.contracts.intake import Intake


def form_of(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return a drawn intake as a form that the device accepts: a felt pulse names who felt it.

    Raises:
        pydantic.ValidationError: the renderer drew what no form may say; a defect.
    """
    form = dict(drawn)
    if any(value != "not_examined" for value in form.get("pulse") or ()):
        form["tcm_examiner"] = "tcm_practitioner"
    Intake.model_validate(form)
    return form
