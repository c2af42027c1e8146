"""What the reference bundle declares for its three agents: inputs, prompts, output schemas, decided fields.

Stage 1 decides few fields; the grammar fixes every other field of the vocabulary at ``cannot_tell`` (or null),
in the vocabulary's key order, so that the same report and the same readers work when a later stage decides more.
"""

from __future__ import annotations

from typing import Any

REC_VALUES: dict[str, list[Any]] = {
    "applicability": ["lesion_visible", "normal_skin", "pigment_change_only", "not_skin", "cannot_tell"],
    "family": ["papulosquamous", "eczematous", "annular_scaly", "pigmented_lesion", "nodule_tumour", "cannot_tell"],
    "colour": ["bright_red", "dark_red", "pale_red", "grey_brown", "brown", "cannot_tell"],
    "scale_type": ["none", "silvery_lamellar", "fine_branny", "thick_adherent", "peripheral", "cannot_tell"],
    "induration": [0, 1, 3, None],
    "border": ["well_defined", "ill_defined", "irregular", "cannot_tell"],
    "shape": ["guttate", "nummular", "geographic", "annular", "round_oval", "cannot_tell"],
    "arrangement": ["single", "scattered", "grouped", "confluent", "cannot_tell"],
}
REP_VALUES: dict[str, list[Any]] = {
    "distribution": ["extensor", "truncal", "scalp", "acral", "generalised", "cannot_tell"],
    "symmetry": ["symmetric", "asymmetric", "cannot_tell"],
    "mechanism": ["blood_heat_internal", "blood_dryness_wind", "blood_stasis", "insufficient_information"],
}
REASON_VALUES: dict[str, list[Any]] = {
    "syndrome": ["blood_heat", "blood_dryness", "blood_stasis", "insufficient_information"],
    "principle": [
        "clear_heat_cool_blood",
        "nourish_blood_moisten",
        "activate_blood_resolve_stasis",
        "cannot_tell",
    ],
    "formula": ["xijiao_dihuang_tang", "danggui_yinzi", "taohong_siwu_tang", "cannot_tell"],
}
# Reason's second and third fields follow from the syndrome (clinical-vocabulary 5.3).
PLAN_OF = {
    "blood_heat": ("clear_heat_cool_blood", "xijiao_dihuang_tang"),
    "blood_dryness": ("nourish_blood_moisten", "danggui_yinzi"),
    "blood_stasis": ("activate_blood_resolve_stasis", "taohong_siwu_tang"),
    "insufficient_information": ("cannot_tell", "cannot_tell"),
}
LIST_FIELDS = {"colour", "shape", "distribution", "mechanism", "principle", "primary_lesion", "secondary_change"}

REC_ORDER = (
    "applicability", "family", "primary_lesion", "secondary_change", "colour", "scale_type", "scale_amount",
    "erythema", "induration", "border", "shape", "arrangement", "count_in_view", "surface_share",
)  # fmt: skip
REC_NULL = {"scale_amount", "erythema"}

SYSTEM = "<|im_start|>system\nskin<|im_end|>\n"
PROMPTS = {
    ("recognition", "describe"): SYSTEM
    + "<|im_start|>user\n{images}describe the view<|im_end|>\n<|im_start|>assistant\n",
    ("representation", "integrate"): SYSTEM
    + "<|im_start|>user\n{images}<|represent|>integrate the views<|im_end|>\n<|im_start|>assistant\n",
    ("representation", "pathogenesis"): "<|im_end|>\n<|im_start|>user\npathogenesis<|im_end|>\n<|im_start|>assistant\n",
    ("reasoning", "assess"): SYSTEM
    + "<|im_start|>user\n{representation}\n{intake}\nassess<|im_end|>\n<|im_start|>assistant\n",
}
INVOCATION = "<|represent|>"
GENERIC_PROMPT = SYSTEM + "<|im_start|>user\n{images}{question}<|im_end|>\n<|im_start|>assistant\n"


def _property(name: str, values: list[Any]) -> dict[str, Any]:
    if name in LIST_FIELDS:
        return {"type": "array", "items": {"enum": values}, "minItems": 1, "maxItems": 1}
    return {"enum": values}


def _object(properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def recognition_schema() -> dict[str, Any]:
    """Return Rec's JSON schema: eight decided fields, the others fixed."""
    rows: dict[str, dict[str, Any]] = {}
    for name in REC_ORDER:
        if name in REC_VALUES:
            rows[name] = _property(name, REC_VALUES[name])
        elif name in REC_NULL:
            rows[name] = {"enum": [None]}
        else:
            rows[name] = _property(name, ["cannot_tell"])
    return _object(rows)


def integrate_schema() -> dict[str, Any]:
    """Return Rep's first step: distribution and symmetry decided, phenotype and stage fixed."""
    return _object(
        {
            "distribution": _property("distribution", REP_VALUES["distribution"]),
            "symmetry": _property("symmetry", REP_VALUES["symmetry"]),
            "phenotype": _property("phenotype", ["cannot_tell"]),
            "stage": _property("stage", ["cannot_tell"]),
        }
    )


def pathogenesis_schema() -> dict[str, Any]:
    """Return Rep's second step: the mechanism."""
    return _object({"mechanism": _property("mechanism", REP_VALUES["mechanism"])})


def assess_schema() -> dict[str, Any]:
    """Return Reason's schema: syndrome, principle, formula id; no place for a dose."""
    return _object({name: _property(name, values) for name, values in REASON_VALUES.items()})


SCHEMAS = {
    ("recognition", "describe"): recognition_schema,
    ("representation", "integrate"): integrate_schema,
    ("representation", "pathogenesis"): pathogenesis_schema,
    ("reasoning", "assess"): assess_schema,
}
