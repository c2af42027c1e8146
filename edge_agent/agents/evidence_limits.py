"""Hold a case against what the bundle declares to have evidence for: skin tone, age, body site.

The form says what a person is; nothing is measured from the pictures. What the form leaves out does not abstain:
nobody said that the person is outside. What the bundle leaves out does not abstain either, but it is a named
limitation, because a reader must not take silence for evidence. Does not judge whether the evidence is good.

Source: clinical-vocabulary section 11 (``tone_``, ``age_`` and ``site_outside_evidence``); policy "limits of evidence".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from edge_agent.contracts.case import View
from edge_agent.contracts.intake import Intake
from edge_agent.contracts.manifest import Evidence

TONE, AGE, SITE = "tone_outside_evidence", "age_outside_evidence", "site_outside_evidence"


def person_outside(evidence: Evidence | None, intake: Intake) -> tuple[str, ...]:
    """Return which of the tone and age reasons hold for a person, each once.

    Args:
        evidence: the bundle's; None declares nothing.
        intake: tones and age as the form says them. Of two tone scales one outside is enough.
    """
    if evidence is None:
        return ()
    tones = (_is_outside(intake.fitzpatrick, evidence.fitzpatrick), _is_outside(intake.monk, evidence.monk))
    age = intake.age_years
    if age is None and intake.age_months is not None:
        age = intake.age_months // 12
    ages = None if evidence.age_years is None else range(evidence.age_years[0], evidence.age_years[1] + 1)
    reasons = ((TONE, any(tones)), (AGE, _is_outside(age, ages)))
    return tuple(reason for reason, holds in reasons if holds)


def sites_outside(evidence: Evidence | None, views: Iterable[View]) -> Mapping[int, str]:
    """Return per index of a view whose body site is outside the evidence the reason; a view without a site is not."""
    if evidence is None:
        return {}
    return {view.index: SITE for view in views if _is_outside(view.body_site, evidence.body_sites)}


def limitations(evidence: Evidence | None) -> tuple[str, ...]:
    """Return what the bundle declares no evidence about, as ids of the list ``evidence_limit``."""
    tones = () if evidence is None else (evidence.fitzpatrick, evidence.monk)
    declared = {
        "tone_evidence_undeclared": any(part is not None for part in tones),
        "age_evidence_undeclared": evidence is not None and evidence.age_years is not None,
        "site_evidence_undeclared": evidence is not None and evidence.body_sites is not None,
    }
    return tuple(limit for limit, is_declared in declared.items() if not is_declared)


def _is_outside(value: int | str | None, known: Collection[int] | Collection[str] | None) -> bool:
    return value is not None and known is not None and value not in known
