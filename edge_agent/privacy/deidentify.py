"""De-identify a report: the one function through which a result may leave the device (Safe Harbor).

Every value of the ``Result`` is picked from a closed list; what is not on the list stays here and becomes that
field's "nothing" value. Free text, pictures, times, places, ids of the device, the post, the case or the person
are never read. Call it "de-identified (Safe Harbor)"; it is not automatically anonymous under the GDPR.

Source: clinical-vocabulary section 11; 45 CFR 164.514(b)(2) (ages over 89, dates except the year); policy R9, R14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from edge_agent.contracts import result as wire
from edge_agent.contracts.case import ADULT_YEARS
from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.result import QualityReason, Result

EARLIEST_YEAR, LATEST_YEAR = 2020, 2199  # what a Result may say; a kiosk whose clock was never set says the earliest
# Upper ages (years) of the bands; above the last one it is 90_plus.
_AGE_BANDS = (
    (4, "0_4"), (11, "5_11"), (17, "12_17"), (29, "18_29"), (44, "30_44"), (59, "45_59"), (74, "60_74"), (89, "75_89"),
)  # fmt: skip
_TONE_GROUPS = {1: "i_ii", 2: "i_ii", 3: "iii_iv", 4: "iii_iv", 5: "v_vi", 6: "v_vi"}
# A disclosure or suspicion of abuse: nothing of such a visit is in sync (policy R9), not even a raised tier.
_SAFEGUARDING = frozenset({"unexplained_injury_pattern", "disclosure_of_abuse"})
_SAFEGUARDING_OF_MINORS = "genital_lesion"
_SAFEGUARDING_RULE = "RF-25"
_SELF_HARM_RULE = "RF-24"
_RED_FLAG = re.compile(r"RF-(0[1-9]|1[0-9]|2[0-3]|2[6-8])")
_IN_SCOPE_FAMILY = "papulosquamous"


def deidentify(
    report: Mapping[str, Any],
    *,
    intake: Intake,
    consent: Consent | None,
    record_id: str,
    year: int,
    profile_class: str,
    language: str,
    refusals: Mapping[QualityReason, int] | None = None,
) -> Result | None:
    """Make the result that may leave the device, or None when nothing may.

    Does not store or send, and does not apply small-cell rules: the central side does, on every table it shows.

    Args:
        report: the case report (``case_report.schema.json``).
        intake: the form; only age, sex, tone, mood and the safeguarding signs are read; the last two are never told.
        consent: None for a test case.
        record_id: 128 random bits in hex, unrelated to anything about the case.
        year: calendar year of the visit.
        profile_class: the coarse device class of the profile.
        language: the report's language.
        refusals: how often the check refused a picture of the visit, by reason.

    Returns:
        None without consent to sync, for a test case, and for a visit with a sign of abuse or thoughts of self-harm.

    Raises:
        RuntimeError: the report lacks scope or triage, or an id is malformed (a programmer's mistake).
    """
    if consent is None or not consent.is_sync_allowed or report.get("is_test_case") is not False:
        return None
    if stays_here(report, intake):
        return None
    representation = _fields(report.get("representation"))
    reasoning = _fields(report.get("reasoning"))
    band = _part(report, "severity").get("band")
    values = {
        "record_id": record_id,
        "period": min(max(year, EARLIEST_YEAR), LATEST_YEAR),
        "age_band": _age_band(intake),
        "sex": intake.sex or "not_examined",
        "tone_group": _TONE_GROUPS.get(intake.fitzpatrick or 0, "not_examined"),
        "scope": _part(report, "scope").get("decision"),
        "family": _family(report),
        "phenotype": _told(representation, "phenotype", wire.Phenotype),
        "stage": _told(representation, "stage", wire.Stage),
        "severity_band": _listed(band, wire.SeverityBand, nothing="not_examined"),
        "syndrome": _told(reasoning, "syndrome", wire.Syndrome, nothing="insufficient_information"),
        "triage_final": _part(report, "triage").get("final"),
        "red_flag_ids": red_flag_ids(report),
        "abstain_reason": _abstain_reasons(report),
        "bundle_release": _bundle_release(report),
        "device_profile_class": profile_class,
        "language": language,
        "verifiability_percent": _verifiability(report),
        "quality_refusals": dict(refusals or {}),
    }
    try:
        return Result.model_validate(values)
    except ValidationError as exc:
        places = sorted({".".join(str(part) for part in error["loc"]) for error in exc.errors()})
        # Not chained: its text quotes the values, and a value may be what must not be written down.
        raise RuntimeError(f"the report cannot be de-identified: {', '.join(places)}") from None


def stays_here(report: Mapping[str, Any], intake: Intake) -> bool:
    """Say whether nothing of a visit may leave, whatever was consented to: signs of abuse, or thoughts of self-harm (R9).

    Args:
        report: of the visit, or the part of one that has ``red_flags`` and ``stops_photography``.
        intake: the form.
    """
    return _is_safeguarding(report, intake) or _is_self_harm(report, intake)


def _is_safeguarding(report: Mapping[str, Any], intake: Intake) -> bool:
    """Say whether form or report speak of abuse; a minor's genital lesion counts, at an unknown age too.

    Photography stops for signs of abuse alone, and stays stopped where the sign was taken back from the form.
    """
    if report.get("stops_photography") is True or any(
        row.get("id") == _SAFEGUARDING_RULE for row in _rows(report, "red_flags")
    ):
        return True
    is_adult = intake.age_years is not None and intake.age_years >= ADULT_YEARS
    signs = _SAFEGUARDING if is_adult else _SAFEGUARDING | {_SAFEGUARDING_OF_MINORS}
    return any(answer == "yes" for sign, answer in intake.danger_signs.items() if sign in signs)


def _is_self_harm(report: Mapping[str, Any], intake: Intake) -> bool:
    """Say whether form or report tell of thoughts of self-harm.

    Leaving out the rule's id is not enough: an emergency without a danger sign, or a syndrome withheld for one, tells it.
    """
    if any(row.get("id") == _SELF_HARM_RULE for row in _rows(report, "red_flags")):
        return True
    return intake.mood.self_harm_thoughts == "yes"


def _verifiability(report: Mapping[str, Any]) -> int | None:
    """Return the supported share of the reasoning's steps in percent, None where there are no steps."""
    share = _part(report, "reasoning").get("verifiability")
    is_share = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
    return round(share * 100) if is_share and share is not None else None


def _part(report: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = report.get(name)
    return value if isinstance(value, Mapping) else {}


def _fields(section: Any) -> Mapping[str, Any] | None:
    """Return a section's fields; None when the step did not run."""
    fields = section.get("fields") if isinstance(section, Mapping) else None
    return fields if isinstance(fields, Mapping) else None


def _told(fields: Mapping[str, Any] | None, name: str, allowed: Any, *, nothing: str = "cannot_tell") -> str:
    if fields is None:
        return "not_applicable"
    field = fields.get(name)
    return _listed(field.get("value") if isinstance(field, Mapping) else None, allowed, nothing=nothing)


def _listed(value: Any, allowed: Any, *, nothing: str) -> str:
    return value if isinstance(value, str) and value in get_args(allowed) else nothing


def _age_band(intake: Intake) -> str:
    if intake.age_years is None:
        return "not_examined" if intake.age_months is None else "0_4"
    for upper, band in _AGE_BANDS:
        if intake.age_years <= upper:
            return band
    return "90_plus"


def _family(report: Mapping[str, Any]) -> str:
    """Return the visit's family: the one that decided the scope, else the most confident view's."""
    found = [_fields(view) or {} for view in _rows(report, "recognition")]
    if not found:
        return "not_applicable"
    if _part(report, "scope").get("decision") == "in_scope":
        return _IN_SCOPE_FAMILY
    told = []
    for fields in found:
        field = fields.get("family")
        value = _told(fields, "family", wire.Family)
        if isinstance(field, Mapping) and value not in ("cannot_tell", "not_applicable"):
            probability = field.get("probability")
            told.append((probability if isinstance(probability, float) else 0.0, value))
    return max(told)[1] if told else "cannot_tell"


def red_flag_ids(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fired rules' ids; RF-24 and RF-25 have no place on the wire."""
    ids = {row.get("id") for row in _rows(report, "red_flags")}
    return tuple(sorted(name for name in ids if isinstance(name, str) and _RED_FLAG.fullmatch(name)))


def _abstain_reasons(report: Mapping[str, Any]) -> tuple[str, ...]:
    reasons = {row.get("reason") for row in _rows(report, "abstentions")}
    return tuple(reason for reason in sorted(get_args(wire.AbstainReason)) if reason in reasons)


def _bundle_release(report: Mapping[str, Any]) -> str:
    """Return ``name@version`` of the signed bundle, in the characters that the wire allows."""
    bundle = _part(_part(report, "provenance"), "bundle")
    text = f"{bundle.get('name', '')}@{bundle.get('version', '')}".lower()
    return re.sub(r"[^a-z0-9._+@-]", "-", text).lstrip("-._+@")[:64]


def _rows(report: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    value = report.get(name)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, Sequence) else []
