"""Small cases, forms and manifests for tests; every person in them is invented."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.manifest import (
    Activation,
    AdapterSpec,
    AgentInputs,
    AgentName,
    AgentSpec,
    Backbone,
    Canary,
    CanaryBounds,
    FieldCalibration,
    Generation,
    Golden,
    Manifest,
    PreprocessingSpec,
    RenderedPrompt,
    Step,
    Thresholds,
    VisionSpec,
)
from edge_agent.contracts.record_files import parse_consent, parse_intake
from tests.simulators.engine import Said

CREATED = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
PLAQUE: Said = {
    "applicability": ("lesion_visible", 0.99),
    "family": ("papulosquamous", 0.97),
    "primary_lesion": (["cannot_tell"], None),
    "colour": (["bright_red"], 0.9),
    "scale_type": ("silvery_lamellar", 0.92),
    "scale_amount": (None, None),
    "induration": (1, 0.8),
    "border": ("well_defined", 0.85),
    "shape": (["guttate"], 0.9),
    "arrangement": ("scattered", 0.8),
}
MOLE: Said = {**PLAQUE, "family": ("pigmented_lesion", 0.9), "colour": (["brown"], 0.9)}
FLOOR: Said = {"applicability": ("not_skin", 0.98), "family": ("cannot_tell", 0.9)}
HEALTHY: Said = {"applicability": ("normal_skin", 0.95), "family": ("cannot_tell", 0.9)}
INTEGRATED: Said = {
    "distribution": (["extensor"], 0.9),
    "symmetry": ("symmetric", 0.9),
    "phenotype": ("cannot_tell", None),
    "stage": ("cannot_tell", None),
}
HEAT: Said = {"mechanism": (["blood_heat_internal"], 0.9)}
BLOOD_HEAT: Said = {
    "syndrome": ("blood_heat", 0.93),
    "principle": (["clear_heat_cool_blood"], 0.95),
    "formula": ("xijiao_dihuang_tang", 0.94),
}
THRESHOLDS = Thresholds(
    lesion_visible=0.6,
    in_scope_family=0.7,
    danger_family=0.2,
    not_skin=0.5,
    fields={"recognition.scale_type": FieldCalibration(min_confidence=0.6)},
)
FORM = {
    "age_years": 34,
    "sex": "male",
    "breastfeeding": "no",
    "duration": "one_to_four_weeks",
    "new_lesions_two_weeks": "yes",
    "bsa_percent": 6.0,
    "symptoms": ["itching"],
    "tcm_examiner": "tcm_practitioner",
    "tongue": {"body_colour": "red", "coating_colour": "yellow", "coating_texture": ["thin"]},
    "pulse": ["rapid"],
    "general": {"thirst": "yes", "irritable": "yes"},
    "danger_signs": {"jaundice": "no"},
}
_GRANTED = {"granted": True, "version": "1"}
CONSENT = {
    "care_pictures": _GRANTED,
    "program_help": _GRANTED,
    "deidentified_result": _GRANTED,
    "referral_package": _GRANTED,
    "training": {"granted": False, "version": "1"},
    "given_by": "person",
    "language": "zh",
    "read_aloud": True,
    "recorded_by": "worker 1",
    "recorded_at": "2026-03-04T09:20:00Z",
    "fictitious": True,
}


def form(**changes: Any) -> Intake:
    """Return the ordinary form with some answers changed."""
    return parse_intake(json.dumps({**FORM, **changes}))


def consent(**changes: Any) -> Consent:
    """Return a full (fictitious) consent with some answers changed."""
    return parse_consent(json.dumps({**CONSENT, **changes}))


def view(index: int, mark: int, *, shot: str | None = None, body_site: str | None = None) -> View:
    """Return a view whose frame carries a mark for the scripted engine."""
    frame = np.full((64, 64, 3), mark, np.uint8)
    return View(index=index, frame=frame, shot=shot, body_site=body_site)


def case(
    *, marks: Sequence[int] = (1,), intake: Intake | None = None, agreed: Consent | None = None, case_id: str = "case-1"
) -> Case:
    """Return a case with one view per mark."""
    views = tuple(view(index, mark) for index, mark in enumerate(marks))
    return Case(case_id, views, intake if intake is not None else form(), agreed, CREATED)


def manifest(
    *, thresholds: Thresholds = THRESHOLDS, schemas: dict[AgentName, dict[str, Any]] | None = None
) -> Manifest:
    """Return a manifest that declares three agents; it has no files."""
    inputs: dict[AgentName, AgentInputs] = {
        "recognition": AgentInputs(images="one"),
        "representation": AgentInputs(images="all"),
        "reasoning": AgentInputs(images="none", text=["representation", "intake"]),
    }
    agents = {
        name: AgentSpec(
            adapter=name,
            inputs=spec,
            steps=[_step((schemas or {}).get(name))] * (2 if name == "representation" else 1),
            rendered_prompt=RenderedPrompt(text="", token_ids=[]),
        )
        for name, spec in inputs.items()
    }
    return Manifest(
        schema_version=1,
        name="scripted",
        version="1.0",
        lineage="test",
        clinical_use=False,
        notice="",
        licences={},
        files=[],
        backbone=_backbone(),
        preprocessing=PreprocessingSpec(min_pixels=1, max_pixels=1, image_mean=(0, 0, 0), image_std=(1, 1, 1)),
        adapters=[_adapter(name) for name in inputs],
        agents=agents,
        vocabulary_version="0.1",
        vocabulary_sha256="0" * 64,
        languages=["zh", "en"],
        thresholds=thresholds,
        canary=Canary(file="", bounds=CanaryBounds(strict_max_abs=0, strict_min_argmax=1)),
        golden=Golden(file="", count=0),
        recipe={},
        census=[],
        metrics={},
    )


def _step(schema: dict[str, Any] | None) -> Step:
    return Step(name="step", prompt="", contract="schema", output_schema=schema, generation=Generation(max_tokens=8))


def _adapter(name: AgentName) -> AdapterSpec:
    return AdapterSpec(
        name=name,
        r=1,
        alpha=1,
        precision="f32",
        target_modules=[],
        base_digest="0" * 64,
        activation=Activation(kind="always"),
        files=[],
    )


def _backbone() -> Backbone:
    vision = VisionSpec(
        hidden_size=1,
        num_heads=1,
        patch_size=14,
        temporal_patch_size=2,
        spatial_merge_size=2,
        window_size=84,
        fullatt_block_indexes=[],
    )
    return Backbone(
        architecture="qwen2_5_vl",
        content_digest="0" * 64,
        hidden_size=1,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        vocab_size=1,
        mrope_section=[1, 1, 1],
        image_token_id=0,
        vision_start_token_id=0,
        eos_token_ids=[0],
        pad_token_id=0,
        vision=vision,
    )
