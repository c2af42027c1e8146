"""The reference model and its bundle as they are committed, and drawn cases that nothing was trained or tuned on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from calibration.reference.cases import RenderedCase, case, text_case
from calibration.reference.forms import form_of
from edge_agent.contracts.case import Case, views_of
from edge_agent.contracts.intake import Intake
from tests.simulators.cases import CREATED
from tests.simulators.kiosk import ROOT

MODEL = ROOT / "models" / "reference"
BUNDLE = ROOT / "edge_agent" / "bundles" / "reference"
FAR_END = 70_000  # of the test split: benchmarks take its first cases, the demo one at 60,000


def in_scope_cases(count: int) -> Iterator[RenderedCase]:
    """Draw the first cases of the far end that are psoriasis-like, of whatever tone."""
    index = FAR_END
    while count:
        if text_case("test", index).in_scope:
            yield case("test", index)
            count -= 1
        index += 1


def device_case(drawn: RenderedCase) -> Case:
    """Hand a drawn case to the device as a person would: full-size pictures and a form that names each distance."""
    record = {**form_of(drawn.intake), "views": [{"shot": view.shot} for view in drawn.views]}
    intake = Intake.model_validate(record)
    frames = [np.ascontiguousarray(view.pixels[:, :, ::-1]) for view in drawn.views]
    views = views_of(frames, intake=intake)
    return Case(case_id=drawn.case_id, views=views, intake=intake, consent=None, created=CREATED)
