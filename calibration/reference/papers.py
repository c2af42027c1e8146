"""Write the reference model's papers into its checkpoint folder: model card, change plan, licence texts.

The plan and the texts are data beside this module; the card takes its figures from the fit. Measures nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibration.package import CHANGE_PLAN_NAME
from calibration.reference.model import PIXELS
from calibration.trust.write import LICENCE_FOLDER

_CARD = """# derm-edge reference model

A Qwen2.5-VL of 5.5 million parameters with three LoRA adapters (r 16), trained from nothing on lesions that this project
draws (`calibration/reference`). Made by `derm-calibrate reference train`, seeded, CPU only.

## Intended use

To run the demo, the tests and the golden cases on the real architecture. Inputs: pictures of at most {pixels} px; Rec sees
one picture, Rep all of a visit, Reason text only. For nothing else.

## Not for clinical use

{notice} It has never seen a photograph of a person, and its accuracy on drawn cases says nothing about people.

## Training data

Cases drawn by this project: signs and intake are sampled first, then drawn on skin of five tones, so that tone says nothing
about the labels. The splits train, calibration and test share no case. No photograph, no person, no third-party data.
One threshold, of the family in scope, was raised with fifteen photographs of PAD-UFES-20 (CC BY 4.0), none of which shows
what is in scope.

## Figures per tone

{figures}

## Limits

Drawn psoriasis-like pictures and drawn others only. Whatever looks unlike a drawing is outside what it knows; it declares
no evidence for any tone, age or body site, and the report says so. Traditional Chinese medicine labels follow the drawing
rules, not a physician. The calibration split fitted the thresholds: its figures are the best case.

## Licence

Base, adapters and calibration data: Apache-2.0 (`LICENCE.Apache-2.0.txt`). No third-party weights, pictures or texts.
"""
_UNMEASURED = "Not measured: a draft."


def write_papers(base: Path, *, notice: str, metrics: Mapping[str, Any]) -> None:
    """Write README.md (the model card), the change plan and the licence texts; older ones are replaced.

    Args:
        base: the checkpoint's folder.
        notice: the declaration's notice, word for word.
        metrics: of the fit; an empty one leaves the card without figures, which ``verify`` refuses.
    """
    here = Path(__file__).resolve().parent
    card = _CARD.format(pixels=PIXELS, notice=notice, figures=_figures(metrics))
    (base / "README.md").write_text(card, encoding="utf-8")
    shutil.copyfile(here / CHANGE_PLAN_NAME, base / CHANGE_PLAN_NAME)
    shutil.rmtree(base / LICENCE_FOLDER, ignore_errors=True)
    shutil.copytree(here / LICENCE_FOLDER, base / LICENCE_FOLDER)


def _figures(metrics: Mapping[str, Any]) -> str:
    """Return a Markdown table of the agents' mean accuracy by tone (1 light to 5 dark)."""
    per_tone: Mapping[str, Mapping[str, float]] = metrics.get("accuracy_per_tone", {})
    if not per_tone:
        return _UNMEASURED
    agents = list(per_tone)
    tones = sorted({tone for shares in per_tone.values() for tone in shares})
    rows = [["tone", *agents], ["---"] * (len(agents) + 1)]
    rows += [[tone, *(_share(per_tone[agent].get(tone)) for agent in agents)] for tone in tones]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    intro = f"Mean accuracy over the decided fields, {metrics['cases']} cases of the {metrics['split']} split, {metrics['precision']}."
    return f"{intro} Figures of the test split: `docs/benchmarks.md`.\n\n{table}"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
