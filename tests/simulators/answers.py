"""What a bundle that decides every field would say of a psoriasis case; every value in it is invented."""

from __future__ import annotations

from edge_agent.contracts.manifest import Manifest
from tests.simulators.cases import PLAQUE, manifest
from tests.simulators.engine import Said

# What this Reason reads of the record, in another order than the record's.
READS = [
    "previous.stage", "intake.tongue.body_colour", "view.colour", "view.induration", "representation.mechanism",
    "intake.general.thirst", "intake.pulse",
]  # fmt: skip
FULL_PLAQUE: Said = {
    **PLAQUE,
    "primary_lesion": (["papule"], 0.9),
    "secondary_change": (["scale"], 0.9),
    "scale_amount": (2, 0.8),
    "erythema": (3, 0.8),
    "induration": (2, 0.8),
    "count_in_view": ("six_to_twenty", 0.8),
    "surface_share": ("10_29", 0.8),
    "special": (["none"], 0.9),
}
FULL_INTEGRATED: Said = {
    "distribution": (["extensor"], 0.9),
    "symmetry": ("symmetric", 0.9),
    "phenotype": ("guttate", 0.85),
    "stage": ("progressive", 0.8),
}
STEPS = [
    {"claim": "blood_heat", "stance": "supports", "evidence": ["view:1.colour", "intake.tongue.body_colour"]},
    {"claim": "blood_heat", "stance": "supports", "evidence": ["intake.general.thirst"]},
    {"claim": "blood_stasis", "stance": "supports", "evidence": ["intake.tongue.body_colour"]},
]
FULL_ASSESSMENT: Said = {
    "reasoning_steps": (STEPS, None),
    "biomedical": ({"working": "guttate_psoriasis", "differential": ["pityriasis_rosea"]}, None),
    "trend": ("first_visit", 0.9),
    "syndrome": ("blood_heat", 0.93),
    "principle": (["clear_heat_cool_blood"], 0.95),
    "formula": ("xijiao_dihuang_tang", 0.94),
    "limitations": (["pulse_not_examined"], 0.7),
}


def full_manifest(*, lineage: str = "test") -> Manifest:
    """Return the manifest of a bundle whose Reason reads the record."""
    bare = manifest()
    reason = bare.agents["reasoning"]
    inputs = reason.inputs.model_copy(update={"text": ["record"], "record_fields": READS})
    agents = {**bare.agents, "reasoning": reason.model_copy(update={"inputs": inputs})}
    return bare.model_copy(update={"agents": agents, "lineage": lineage})
