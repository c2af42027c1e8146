"""Labelled cases for the evaluation: the golden cases of the shipped bundle, with PyTorch's FP32 decisions as labels.

They are drawn and few, and need no drawing here. What a label says is not the truth about a picture but what the
uncompressed model decides on it: enough to see whether damage is noticed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from calibration.evaluation.case_folder import CaseFile, EvaluationCase, LabelledView, read_cases, write_case
from calibration.package import UNSIGNED_NAME, manifest_bytes
from calibration.sign import development_key, sign_bundle
from edge_agent.contracts.bundle import ENVELOPE_NAME, Bundle
from edge_agent.contracts.golden import GoldenCase, read_golden
from edge_agent.contracts.intake import Intake


def golden_cases(bundle: Bundle, folder: Path, *, tones: tuple[str, ...] = ("1", "5")) -> list[EvaluationCase]:
    """Write a bundle's golden cases as labelled cases below a folder and read them back.

    Args:
        bundle: as shipped.
        folder: for the cases.
        tones: tone groups given to the cases in turn; the golden cases do not name theirs.
    """
    golden = read_golden(bundle.path_of("golden"))
    for number, case in enumerate(golden.cases):
        names = {name: f"{place + 1}.png" for place, name in enumerate(case.pictures)}
        views = [
            LabelledView(picture=names[name], labels=_merged(case, "recognition", place))
            for place, name in enumerate(case.pictures)
        ]
        in_scope = any(view.labels.get("family") == "papulosquamous" for view in views)
        file = CaseFile(
            case_id=f"golden-{number}",
            tone_group=tones[number % len(tones)],
            in_scope=in_scope,
            intake=_form(case.intake),
            views=views,
            representation=_merged(case, "representation", 0) if in_scope else {},
            reasoning=_merged(case, "reasoning", 0) if in_scope else {},
        )
        write_case(folder, file, {new: golden.pictures[old] for old, new in names.items()})
    return read_cases(folder)


def called_uncompressed(bundle: Bundle, folder: Path) -> Path:
    """Copy a bundle, let its recipe say that nothing is compressed, and sign it with the development key.

    It stands in for the FP32 twin, which is not shipped, where only the command line is tested.
    """
    shutil.copytree(bundle.path, folder)
    recipe = dict(bundle.manifest.recipe)
    for part in ("language_model", "vision", "embeddings", "adapters"):
        recipe[part] = {"mode": "none"}
    (folder / ENVELOPE_NAME).unlink()
    (folder / UNSIGNED_NAME).write_bytes(manifest_bytes(bundle.manifest.model_copy(update={"recipe": recipe})))
    sign_bundle(folder, private_key=development_key())
    return folder


def _merged(case: GoldenCase, agent: Any, request: int) -> dict[str, Any]:
    """Return the expected decisions of all steps of one request."""
    steps = case.expected[agent][request]
    return {name: value for fields in steps.values() for name, value in fields.items()}


def _form(intake: dict[str, Any]) -> dict[str, Any]:
    """Return the golden case's form as far as today's form takes it."""
    known = {name: value for name, value in intake.items() if name in Intake.model_fields}
    if any(value != "not_examined" for value in known.get("pulse") or ()):
        known["tcm_examiner"] = "tcm_practitioner"
    return known
