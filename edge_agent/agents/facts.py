"""Flatten the form into the inputs of the rules: a sign is yes, no or unknown, never normal by default.

Does not read pictures or model output; the pipeline adds what it has derived (scope, severity band) by name.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from types import MappingProxyType

from edge_agent.agents.expressions import Fact, Kind
from edge_agent.contracts.case import Case
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.intake_values import DangerSign, GeneralSign, Symptom

_SIGN = {"yes": True, "no": False}
_ASKED = ("breastfeeding", "new_lesions_two_weeks", "new_drug_within_8_weeks")
_NUMBERS = ("age_years", "bsa_percent", "itch_nrs", "pain_nrs", "sleep_nrs", "impact_nrs")
_IDS = ("sex", "pregnancy", "duration", "course")
_VITAL_NUMBERS = ("temp_c", "heart_rate", "resp_rate", "spo2", "sbp", "dbp")
HIGH_IMPACT_SITES = frozenset({"face", "palm", "sole", "genital"})


def _kinds() -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for name in (*typing.get_args(DangerSign), *typing.get_args(GeneralSign), *_ASKED):
        kinds[name] = "sign"
    for name in typing.get_args(Symptom):
        kinds[f"symptom_{name}"] = "sign"
    for name in ("worker_worried", "has_high_impact_site", "is_abstained"):
        kinds[name] = "sign"
    for name in (*_NUMBERS, *_VITAL_NUMBERS):
        kinds[name] = "number"
    for name in (*_IDS, "avpu", "scope", "severity_band", "syndrome", "formula"):
        kinds[name] = "id"
    return kinds


KINDS: Mapping[str, Kind] = MappingProxyType(_kinds())


def facts_of(case: Case) -> dict[str, Fact]:
    """Return every rule input that the form answers; what is not answered is None (unknown)."""
    intake = case.intake
    facts: dict[str, Fact] = dict.fromkeys(KINDS)
    for name in typing.get_args(DangerSign):
        facts[name] = _SIGN.get(intake.danger_signs.get(name, ""))
    for name in typing.get_args(GeneralSign):
        facts[name] = _SIGN.get(intake.general.get(name, ""))
    for name in _ASKED:
        facts[name] = _SIGN.get(getattr(intake, name) or "")
    for name in (*_NUMBERS, *_IDS):
        facts[name] = getattr(intake, name)
    for name in (*_VITAL_NUMBERS, "avpu"):
        facts[name] = getattr(intake.vital_signs, name)
    facts["worker_worried"] = _SIGN.get(intake.worker.worried or "")
    facts.update(_symptoms(intake))
    facts["has_high_impact_site"] = _high_impact_site(case)
    return facts


def _symptoms(intake: Intake) -> dict[str, Fact]:
    """The symptom list is one question: once it is answered, what it does not name is absent."""
    if intake.symptoms is None:
        return {}
    return {f"symptom_{name}": name in intake.symptoms for name in typing.get_args(Symptom)}


def _high_impact_site(case: Case) -> bool | None:
    sites = [view.body_site for view in case.views]
    if any(site in HIGH_IMPACT_SITES for site in sites):
        return True
    return None if not sites or None in sites else False
