"""What the reference bundle declares for its three agents: inputs, prompts, output schemas, decided fields.

Stage 2 decides every field of DERM-Rec but the narrative, all of DERM-Rep, and DERM-Reason's steps, conditions and TCM
block. Keys stand in the vocabulary's order; the grammar fixes what is not decided, so that the same report and the same
readers work for every bundle.
"""

from __future__ import annotations

from typing import Any

from edge_agent.agents.evidence.record import PREVIOUS_FIELDS, REPRESENTATION_FIELDS, TONGUE_FIELDS
from edge_agent.contracts.agent_schemas import MAX_EVIDENCE, MAX_STEPS, MIN_STEPS

GRADES: list[Any] = [0, 1, 2, 3, 4, None]
REC_VALUES: dict[str, list[Any]] = {
    "applicability": ["lesion_visible", "normal_skin", "pigment_change_only", "not_skin", "cannot_tell"],
    "family": [
        "papulosquamous", "eczematous", "annular_scaly", "vesicular", "bullous", "pustular", "ulcer_erosion",
        "pigmented_lesion", "nodule_tumour", "purpuric", "wheal", "hypopigmented", "burrow_papular", "cannot_tell",
    ],
    "primary_lesion": [
        "macule", "patch", "papule", "plaque", "nodule", "vesicle", "bulla", "pustule", "wheal", "purpura", "erosion",
        "ulcer", "cannot_tell",
    ],
    "secondary_change": [
        "none", "scale", "crust", "excoriation", "fissure", "lichenification", "oozing", "atrophy",
        "hyperpigmentation", "hypopigmentation", "cannot_tell",
    ],
    "colour": [
        "bright_red", "dark_red", "pale_red", "pink", "violaceous", "grey_brown", "brown", "black", "white", "yellow",
        "skin_coloured", "cannot_tell",
    ],
    "scale_type": [
        "none", "silvery_lamellar", "fine_branny", "thick_adherent", "greasy", "collarette", "peripheral",
        "cannot_tell",
    ],
    "scale_amount": GRADES,
    "erythema": GRADES,
    "induration": GRADES,
    "border": ["well_defined", "ill_defined", "mixed", "irregular", "cannot_tell"],
    "shape": [
        "guttate", "nummular", "geographic", "ostraceous", "annular", "linear", "diffuse", "round_oval", "irregular",
        "cannot_tell",
    ],
    "arrangement": ["single", "scattered", "grouped", "confluent", "linear", "generalised", "cannot_tell"],
    "count_in_view": ["one", "two_to_five", "six_to_twenty", "more_than_twenty", "cannot_tell"],
    "surface_share": ["lt_10", "10_29", "30_49", "50_69", "70_89", "ge_90", "cannot_tell"],
    "special": [
        "none", "white_halo", "central_clearing", "pearly_border", "several_colours", "asymmetry", "necrotic_area",
        "cannot_tell",
    ],
}  # fmt: skip
REP_VALUES: dict[str, list[Any]] = {
    "distribution": [
        "extensor", "flexural", "scalp", "truncal", "acral", "nail", "photo_exposed", "dermatomal", "generalised",
        "localised", "cannot_tell",
    ],
    "symmetry": ["symmetric", "asymmetric", "cannot_tell"],
    "phenotype": ["chronic_plaque", "guttate", "flexural", "not_psoriasis_like", "cannot_tell"],
    "stage": ["progressive", "stationary", "regressing", "remission", "cannot_tell"],
    "mechanism": [
        "blood_heat_internal", "heat_toxin", "blood_dryness_wind", "blood_stasis", "qi_stagnation",
        "insufficient_information",
    ],
}  # fmt: skip
CLAIMS = ["blood_heat", "blood_dryness", "blood_stasis", "insufficient_information"]
STANCES = ["supports", "against"]
BIOMEDICAL_VALUES: dict[str, list[Any]] = {
    "working": ["plaque_psoriasis", "guttate_psoriasis", "flexural_psoriasis", "other_or_unknown"],
    "differential": [
        "eczema_unspecified", "seborrhoeic_dermatitis", "dermatophytosis", "pityriasis_rosea", "other_or_unknown",
    ],
}  # fmt: skip
REASON_VALUES: dict[str, list[Any]] = {
    "trend": ["first_visit", "more_active", "unchanged", "less_active", "cannot_tell"],
    "syndrome": ["blood_heat", "blood_dryness", "blood_stasis", "insufficient_information"],
    "principle": [
        "clear_heat_cool_blood", "resolve_toxin_clear_macules", "nourish_blood_moisten", "extinguish_wind",
        "activate_blood_resolve_stasis", "move_qi", "cannot_tell",
    ],
    "formula": ["xijiao_dihuang_tang", "danggui_yinzi", "taohong_siwu_tang", "cannot_tell"],
}  # fmt: skip
# Principles and formula follow from the syndrome (clinical vocabulary, 5.3).
PLAN_OF: dict[str, tuple[tuple[str, ...], str]] = {
    "blood_heat": (("clear_heat_cool_blood", "resolve_toxin_clear_macules"), "xijiao_dihuang_tang"),
    "blood_dryness": (("nourish_blood_moisten", "extinguish_wind"), "danggui_yinzi"),
    "blood_stasis": (("activate_blood_resolve_stasis", "move_qi"), "taohong_siwu_tang"),
    "insufficient_information": (("cannot_tell",), "cannot_tell"),
}
# List fields and how many items an answer may hold.
LIST_FIELDS = {
    "primary_lesion": 2, "secondary_change": 3, "colour": 2, "shape": 1, "special": 2, "distribution": 1,
    "mechanism": 2, "differential": 2, "principle": 2,
}  # fmt: skip
MAX_VIEWS = 12

# What Reason reads of the record (evidence.record.render), by field.
RECORD_SIGNS = (
    "primary_lesion", "secondary_change", "colour", "scale_type", "scale_amount", "induration", "border", "shape",
    "arrangement",
)  # fmt: skip
GENERAL = ("thirst", "dry_throat", "irritable", "constipation", "dark_urine")
RECORD_FIELDS = (
    *(f"view.{name}" for name in RECORD_SIGNS),
    *(f"representation.{name}" for name in REPRESENTATION_FIELDS),
    "intake.duration",
    "intake.new_lesions_two_weeks",
    *(f"intake.tongue.{name}" for name in TONGUE_FIELDS),
    "intake.pulse",
    *(f"intake.general.{name}" for name in GENERAL),
    *(f"previous.{name}" for name in PREVIOUS_FIELDS),
)
POINTERS = (
    *(f"view:{n}.{name}" for n in range(1, MAX_VIEWS + 1) for name in RECORD_SIGNS),
    *(field for field in RECORD_FIELDS if not field.startswith("view.")),
)

SYSTEM = "<|im_start|>system\nskin<|im_end|>\n"
PROMPTS = {
    ("recognition", "describe"): SYSTEM
    + "<|im_start|>user\n{images}describe the view<|im_end|>\n<|im_start|>assistant\n",
    ("representation", "integrate"): SYSTEM
    + "<|im_start|>user\n{images}<|represent|>integrate the views<|im_end|>\n<|im_start|>assistant\n",
    ("representation", "pathogenesis"): "<|im_end|>\n<|im_start|>user\npathogenesis<|im_end|>\n<|im_start|>assistant\n",
    ("reasoning", "assess"): SYSTEM + "<|im_start|>user\n{record}\nassess<|im_end|>\n<|im_start|>assistant\n",
}
INVOCATION = "<|represent|>"
GENERIC_PROMPT = SYSTEM + "<|im_start|>user\n{images}{question}<|im_end|>\n<|im_start|>assistant\n"


def _property(name: str, values: list[Any]) -> dict[str, Any]:
    if name in LIST_FIELDS:
        return {"type": "array", "items": {"enum": values}, "minItems": 1, "maxItems": LIST_FIELDS[name]}
    return {"enum": values}


def _object(properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def recognition_schema() -> dict[str, Any]:
    """Return Rec's JSON schema: fifteen decided fields; the narrative is not this model's."""
    return _object({name: _property(name, values) for name, values in REC_VALUES.items()})


def integrate_schema() -> dict[str, Any]:
    """Return Rep's first step: distribution, symmetry, phenotype, stage."""
    names = ("distribution", "symmetry", "phenotype", "stage")
    return _object({name: _property(name, REP_VALUES[name]) for name in names})


def pathogenesis_schema() -> dict[str, Any]:
    """Return Rep's second step: the mechanism."""
    return _object({"mechanism": _property("mechanism", REP_VALUES["mechanism"])})


def assess_schema() -> dict[str, Any]:
    """Return Reason's schema: steps with their evidence first, then conditions, then the TCM ids; no place for a dose."""
    step = _object(
        {
            "claim": {"enum": CLAIMS},
            "stance": {"enum": STANCES},
            "evidence": {"type": "array", "items": {"enum": list(POINTERS)}, "minItems": 1, "maxItems": MAX_EVIDENCE},
        }
    )
    steps = {"type": "array", "items": step, "minItems": MIN_STEPS, "maxItems": MAX_STEPS}
    biomedical = _object({name: _property(name, values) for name, values in BIOMEDICAL_VALUES.items()})
    told = {name: _property(name, values) for name, values in REASON_VALUES.items()}
    return _object({"reasoning_steps": steps, "biomedical": biomedical} | told)


SCHEMAS = {
    ("recognition", "describe"): recognition_schema,
    ("representation", "integrate"): integrate_schema,
    ("representation", "pathogenesis"): pathogenesis_schema,
    ("reasoning", "assess"): assess_schema,
}
DECIDED = {
    ("recognition", "describe"): tuple(REC_VALUES),
    ("representation", "integrate"): ("distribution", "symmetry", "phenotype", "stage"),
    ("representation", "pathogenesis"): ("mechanism",),
    ("reasoning", "assess"): (*(f"biomedical.{name}" for name in BIOMEDICAL_VALUES), *REASON_VALUES),
}
