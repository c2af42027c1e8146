"""Say what a plan rests on, and turn it into the inputs of the plan's rules: yes, no or unknown.

An absent answer stays unknown; only where a mistake would harm (pregnancy, age, site) unknown counts as the dangerous
answer. Does not propose anything.

Source: clinical-vocabulary section 10 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.agents.plan.book import PlanObject
from edge_agent.agents.plan.pest import pest_score
from edge_agent.agents.rules.expressions import Fact
from edge_agent.agents.rules.facts import answered, completed_years
from edge_agent.contracts.case import ADULT_YEARS
from edge_agent.contracts.intake import Intake

INFANT_BELOW_YEARS = 2
CHILDBEARING_YEARS = range(10, 56)
RETAKE_REASONS = frozenset({"not_skin", "no_lesion_visible", "image_quality"})
NO_SYNDROME = frozenset({None, "insufficient_information", "cannot_tell"})
PSORIASIS = frozenset(
    {"plaque_psoriasis", "guttate_psoriasis", "flexural_psoriasis", "scalp_psoriasis", "nail_psoriasis",
     "psoriasis_unspecified"}
)  # fmt: skip
SITE_GROUPS: Mapping[str, frozenset[str]] = {
    "face": frozenset({"face", "ear", "lips_mouth", "eye_area"}),
    "flexure": frozenset({"axilla", "groin"}),
    "genital": frozenset({"genital", "perianal", "groin"}),
}
UNLABELLED = frozenset({"herbal_or_unlabelled", "unlabelled_cream_or_injection"})
FULL_LIST = 8
_SIGN = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class PlanInput:
    """What the plan rests on; every id is of the vocabulary, None and an absent list mean that nobody knows.

    ``formula`` is an id that may be shown. ``fired`` are danger-sign rule ids, ``conditions`` the differential with the
    working condition. ``comorbidities``: None when nobody asked. ``proposals`` are a model's own plan items.
    ``is_photography_stopped``: no further picture, also where the sign of abuse was taken back and no rule fires (R9).
    """

    tier: str
    is_in_scope: bool
    needs_human_reading: bool
    abstain_reasons: frozenset[str]
    formula: str | None
    age_years: int | None
    scope: str | None = None
    fired: frozenset[str] = frozenset()
    conditions: frozenset[str] = frozenset()
    working: str | None = None
    severity_band: str | None = None
    phenotype: str | None = None
    syndrome: str | None = None
    pest_score: int | None = None
    sex: str | None = None
    pregnancy: str | None = None
    breastfeeding: str | None = None
    sites: frozenset[str] = frozenset()
    comorbidities: frozenset[str] | None = None
    smoking: str | None = None
    alcohol: str | None = None
    unlabelled_products: bool | None = None
    proposals: tuple[Mapping[str, Any], ...] = ()
    is_photography_stopped: bool = False

    def with_form(self, intake: Intake) -> PlanInput:
        """Return this with what the form answers: age, sex, sites, joints, habits, illnesses, drugs."""
        drugs, illnesses = answered(intake, "new_drug_classes"), answered(intake, "comorbidity")
        return replace(
            self,
            age_years=completed_years(intake),
            sex=intake.sex,
            pregnancy=intake.pregnancy,
            breastfeeding=intake.breastfeeding,
            sites=frozenset(note.body_site for note in intake.views if note.body_site is not None),
            comorbidities=None if illnesses is None else frozenset(illnesses),
            smoking=intake.smoking,
            alcohol=intake.alcohol,
            unlabelled_products=None if drugs is None else bool(UNLABELLED & set(drugs)),
            pest_score=pest_score(intake),
        )


def facts_of_plan(given: PlanInput, names: Iterable[str]) -> dict[str, Fact]:
    """Return every named rule input; what nobody knows is None."""
    own: dict[str, Fact] = {
        "always": True,
        "tier": given.tier,
        "scope": given.scope or ("in_scope" if given.is_in_scope else "abstained"),
        "severity_band": given.severity_band,
        "phenotype": given.phenotype,
        "age_years": given.age_years,
        "pest_score": given.pest_score,
        "needs_human_reading": given.needs_human_reading,
        "wants_retake": bool(given.abstain_reasons & RETAKE_REASONS),
        "syndrome_given": given.syndrome not in NO_SYNDROME,
        "working_psoriasis": given.working in PSORIASIS,
        "not_known_child": given.age_years is None or given.age_years >= ADULT_YEARS,
        "pregnancy_not_excluded": _pregnancy_not_excluded(given),
        "pregnancy_open": _pregnancy_not_excluded(given) and given.pregnancy != "yes",
        "breastfeeding": _SIGN.get(given.breastfeeding or ""),
        "smoker": None if given.smoking is None else given.smoking == "current",
        "alcohol_taken": None if given.alcohol in {None, "unknown"} else given.alcohol != "none",
        "alcohol_daily": None if given.alcohol in {None, "unknown"} else given.alcohol == "daily",
        "unlabelled_products": given.unlabelled_products,
    }
    return {name: own[name] if name in own else _prefixed(name, given) for name in names}


def is_limited(what: PlanObject, given: PlanInput) -> bool:
    """Say whether a body site or the age forbids an object; an unknown site or age forbids it too."""
    if "infant" in what.limits and (given.age_years is None or given.age_years < INFANT_BELOW_YEARS):
        return True
    groups = [group for group in what.limits if group in SITE_GROUPS]
    if not groups:
        return False
    if not given.sites or ("flexure" in groups and given.phenotype == "flexural"):
        return True
    return any(SITE_GROUPS[group] & given.sites for group in groups)


def _prefixed(name: str, given: PlanInput) -> Fact:
    prefix, _, rest = name.partition("_")
    if prefix == "rf":
        return f"RF-{rest}" in given.fired
    if prefix == "condition":
        return rest in given.conditions
    if prefix == "comorbidity":
        return _comorbidity(rest, given.comorbidities)
    raise RuntimeError(f"{name} is no input of the plan")


def _comorbidity(name: str, told: frozenset[str] | None) -> bool | None:
    """The list is one question: answered, what it does not name is absent, unless it says unknown or has no room."""
    if told is None:
        return None
    return True if name in told else None if "unknown" in told or len(told) >= FULL_LIST else False


def _pregnancy_not_excluded(given: PlanInput) -> bool:
    if given.pregnancy in {"yes", "possible"}:
        return True
    if given.sex == "male" or given.pregnancy in {"no", "not_applicable"}:
        return False
    return given.age_years is None or given.age_years in CHILDBEARING_YEARS
