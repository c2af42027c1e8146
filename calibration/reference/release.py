"""Turn a trained reference model into what ``derm-calibrate build`` takes: thresholds, declaration, golden cases.

Temperatures, least confidences and scope thresholds are fitted on the ``calibration`` split only.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import Qwen2_5_VLForConditionalGeneration

from calibration.build import AGENT_NAME, BASE_DIGEST_NAME, METRICS_NAME
from calibration.export import content_digest
from calibration.reference.agents_spec import INVOCATION, PROMPTS, SCHEMAS
from calibration.reference.cases import case as draw_case
from calibration.reference.confidence import Sample, accuracy_of, fit_field, record
from calibration.reference.encode import encode_cases
from calibration.reference.evaluate import OVERVIEW_FIELDS, OWN, represented_fields
from calibration.reference.exercises import dominant_of, reason_texts
from calibration.reference.forms import form_of
from calibration.reference.model import PIXELS
from calibration.reference.pool import reduce_picture
from calibration.reference.scope_fit import further_looks, scope_thresholds
from calibration.reference.torch_decider import ReasonInput, Row, TorchDecider
from calibration.reference.train import ReferenceTraining

NOTICE = "Reference model trained on drawn pictures: not for clinical use."
GOLDEN_CASES = 6
MODEL_CARD = f"""# derm-edge reference model

**{NOTICE}**

A Qwen2.5-VL of 5.5 million parameters with three LoRA adapters (r 16), trained from nothing on lesions that this project
draws (`calibration/reference`). It exists so that the demo, the tests and the golden cases run the real architecture. It
has never seen a photograph of a person, it decides few fields, and its accuracy on drawn cases says nothing about people.

- Made by: `derm-calibrate reference train` (seeded, CPU only). Figures: `docs/benchmarks.md`.
- Inputs: pictures of at most {PIXELS} px; Rec sees one picture, Rep all of a visit, Reason text only.
- Licence: Apache-2.0. No third-party weights, pictures or texts.
"""
Samples = dict[str, list[Sample]]  # <agent>.<field> -> its decisions


def release(training: ReferenceTraining, out: Path, *, calibration_cases: int) -> None:
    """Write ``out/base`` and ``out/adapters`` with everything the build needs.

    Args:
        training: finished.
        out: the model folder; replaced.
        calibration_cases: how many cases of the calibration split fit the thresholds.
    """
    work = training.work
    base = out / "base"
    out.mkdir(parents=True, exist_ok=True)
    for name in ("base", "adapters"):
        shutil.rmtree(out / name, ignore_errors=True)
        shutil.copytree(work / name, out / name)
    bind_adapters(out)
    thresholds, calibration, accuracy = fit(training, out, cases=calibration_cases)
    _write_json(base / "derm_edge.json", declare(thresholds, calibration))
    measured = {"precision": "fp32", "split": "calibration", "cases": calibration_cases, "accuracy": accuracy}
    _write_json(base / METRICS_NAME, measured)
    write_golden_cases(base / "golden")
    (base / "README.md").write_text(MODEL_CARD, encoding="utf-8")


def bind_adapters(model: Path) -> None:
    """Note beside each adapter its agent and the backbone it was trained on; the build refuses any other."""
    digest = content_digest(model / "base")
    for folder in sorted((model / "adapters").iterdir()):
        (folder / BASE_DIGEST_NAME).write_text(digest + "\n", encoding="utf-8")
        (folder / AGENT_NAME).write_text(folder.name + "\n", encoding="utf-8")


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def fit(
    training: ReferenceTraining, model: Path, *, cases: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, float]]:
    """Fit one temperature and least confidence per field, and the scope thresholds, on the calibration split.

    Returns:
        The thresholds, the calibration record, and the accuracy (0..1) of every decided field on the same cases.
    """
    backbone = Qwen2_5_VLForConditionalGeneration.from_pretrained(model / "base", dtype=torch.float32).eval()
    encoded = encode_cases(backbone, training.pool("calibration", cases), training.tell)
    decider = TorchDecider(model, adapters=OWN)
    samples: Samples = defaultdict(list)

    def tell(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: training.tell(f"calibrate {stage}", done, total, "")

    recognised = decider.recognition(encoded, tell("rec"))
    for item, rows in zip(encoded, recognised, strict=True):
        for view, row in zip(item.case.views, rows, strict=True):
            names = OVERVIEW_FIELDS if view.shot == "overview" else tuple(row)
            _collect(samples, "recognition", {n: row[n] for n in names}, view.labels)
    inside = [item for item in encoded if item.case.in_scope]
    for item, row in zip(inside, decider.representation(inside, tell("rep")), strict=True):
        told = {name: row[name] for name in represented_fields(item.case)}
        _collect(samples, "representation", told, item.case.representation)
    inputs = [ReasonInput(dominant_of(i.case.signs), i.case.representation, i.case.intake) for i in inside]
    for item, row in zip(inside, decider.reasoning(inputs, tell("reason")), strict=True):
        _collect(samples, "reasoning", row, item.case.reasoning)
    fields = {name: fit_field(rows) for name, rows in samples.items()}
    looks = further_looks(backbone, decider, encoded, recognised, tell=training.tell)
    temperatures = {name: fields[f"recognition.{name}"]["temperature"] for name in ("family", "applicability")}
    accuracy = {name: accuracy_of(rows) for name, rows in samples.items()}
    thresholds = scope_thresholds(looks, temperatures) | {"fields": fields}
    return thresholds, record(samples, fields, split="calibration", cases=cases), accuracy


def _collect(samples: Samples, agent: str, row: Row, truth: Any) -> None:
    for name, (_, logits) in row.items():
        options = tuple(logits)
        samples[f"{agent}.{name}"].append(Sample(tuple(logits.values()), options, options.index(str(truth[name]))))


def declare(thresholds: dict[str, Any], calibration: dict[str, Any]) -> dict[str, Any]:
    """Return the document ``derm_edge.json`` of the reference model.

    It declares no evidence: nobody has tested a model of drawings on people, and the report says so.
    """
    inputs = {
        "recognition": {"images": "one", "text": []},
        "representation": {"images": "all", "text": []},
        "reasoning": {"images": "none", "text": ["representation", "intake"]},
    }
    agents: dict[str, Any] = {}
    for (agent, step), schema in SCHEMAS.items():
        document = schema()
        properties = document["properties"].items()
        decided = [n for n, rule in properties if len(rule.get("enum", rule.get("items", {}).get("enum", []))) > 1]
        entry = agents.setdefault(agent, {"adapter": agent, "inputs": inputs[agent], "steps": [], "invocation": None})
        if agent == "representation":
            entry["invocation"] = INVOCATION
        entry["steps"].append(
            {
                "name": step,
                "prompt": PROMPTS[agent, step],
                "contract": "schema",
                "output_schema": document,
                "decided_fields": decided,
                "generation": {"max_tokens": 160},
            }
        )
    return {
        "schema_version": 1,
        "name": "derm-edge-reference",
        "version": "0.1.0",
        "lineage": "derm-edge-reference",
        "clinical_use": False,
        "notice": NOTICE,
        "licences": {"base": "Apache-2.0", "adapters": "Apache-2.0", "calibration_data": "Apache-2.0"},
        "languages": ["en", "zh"],
        "vocabulary_version": "0.1",
        "max_pixels": PIXELS,
        "agents": agents,
        "thresholds": thresholds,
        "calibration": calibration,
    }


def write_golden_cases(folder: Path) -> None:
    """Draw the golden cases: the first in-scope ones and two others of the calibration split's far end."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    inside = outside = 0
    for index in range(50_000, 50_200):
        drawn = draw_case("calibration", index)
        if (drawn.in_scope and inside == GOLDEN_CASES - 2) or (not drawn.in_scope and outside == 2):
            continue
        inside, outside = inside + drawn.in_scope, outside + (not drawn.in_scope)
        names = []
        for number, view in enumerate(drawn.views):
            names.append(f"{drawn.case_id}-{number}.png")
            Image.fromarray(reduce_picture(view.pixels)).save(folder / names[-1])
        texts = reason_texts(dominant_of(drawn.signs), drawn.representation, drawn.intake)
        rows.append({"case_id": drawn.case_id, "pictures": names, "texts": texts, "intake": form_of(drawn.intake)})
        if inside + outside == GOLDEN_CASES:
            break
    _write_json(folder / "cases.json", {"schema_version": 1, "cases": rows})
