"""Build the TCM block of one case: differentiation, principle, formula with its herb check; a proposal, never an order.

Stands apart from the biomedical block. There is no block out of scope, beside an active emergency sign, for a minor
without a prescriber, or where the practice has switched it off. Holds no dose and no prescription: a prescriber writes
those elsewhere. Does not judge herbs; ``agents.herbs`` does.

Source: clinical-vocabulary sections 0.7, 0.8, 5.3 and 5.4 (not clinically reviewed); WHO ICD-11 chapter 26: TM1 codes
are supplementary to a biomedical code [S 1, 2].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edge_agent.agents.abstention import NO_SYNDROME, Kept
from edge_agent.agents.reasoning import Proposal
from edge_agent.agents.tcm.herbs import NO_SECOND, Change, HerbCheck
from edge_agent.contracts.case import ADULT_YEARS
from edge_agent.contracts.practice import AUDIENCES, Audience, Practice
from edge_agent.contracts.terms import Vocabulary

DISEASE_NAME = "bai_bi"
PSORIASIS = "EA90"
PSORIATIC_ARTHRITIS = "FA21"
MAX_PRINCIPLES = 3
_UNSURE = frozenset({None, "cannot_tell"})
_NO_SECOND = frozenset({NO_SECOND, NO_SYNDROME, "cannot_tell"})


@dataclass(frozen=True, slots=True)
class TcmInput:
    """What decides whether a block may stand, beside Reason's proposal.

    ``has_prescriber`` says that a prescriber is present, ``has_emergency`` that an emergency sign is active.
    ``condition`` is the working biomedical condition and ``icd11`` its code; None where the bundle decides none or
    the condition has no code.
    """

    scope: str
    age_years: int | None
    practice: Practice
    has_prescriber: bool
    has_emergency: bool
    condition: str | None = None
    icd11: str | None = None


@dataclass(frozen=True, slots=True)
class TcmTable:
    """What belongs to each syndrome: its principles, and its TM1 code where an exact one was seen."""

    principles: Mapping[str, frozenset[str]]
    tm1: Mapping[str, str]

    @classmethod
    def load(cls, vocabulary: Vocabulary) -> TcmTable:
        """Take the table from the vocabulary."""
        profiles = vocabulary.lists["syndrome_profile"].terms.values()
        return cls(
            MappingProxyType({term.id: frozenset(term.facts["principles"]) for term in profiles}),
            MappingProxyType({term.id: term.facts["tm1"] for term in profiles if "tm1" in term.facts}),
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """Who may see which part; None where nobody may."""

    differentiation: Audience
    formula: Audience
    prescription: Audience | None


@dataclass(frozen=True, slots=True)
class TcmBlock:
    """The block of one case.

    ``confidence`` is the calibrated probability of ``primary``; ``herbs`` is the herb check of the formula that Reason
    named, None where it named none. ``principles_dropped`` do not belong to the syndrome.
    """

    disease_name: str
    primary: str
    secondary: str | None
    confidence: float | None
    is_withheld: bool
    tm1_code: str | None
    principles: tuple[str, ...]
    principles_dropped: tuple[str, ...]
    herbs: HerbCheck | None
    parts: Parts

    def to_report(self) -> dict[str, Any]:
        """Return the JSON-ready section, ids only:

        ``disease_name``; ``syndrome`` {primary, secondary | null, confidence 0-1 | null, is_withheld}; ``tm1_code``
        (null without a biomedical EA90 code beside it); ``principle``; ``principle_dropped``; ``formula`` (null when
        none was named or it is withheld) {id, is_filled, base_herbs, modification [{action, herb}], herbs
        [{herb, verdict, rules}], warned_by}; ``formula_withheld_by``, ``formula_unchecked`` (rule ids);
        ``formula_missing`` (the form's unanswered inputs); ``incompatible_pairs`` (ids); ``modification_dropped``
        [{action, herb | null, reason}]; ``refer_to_prescriber``; ``prescription`` (always null: nothing here fills
        it); ``is_proposal_for``; ``audience`` {differentiation, formula, prescription | null}.
        """
        check = self.herbs
        return {
            "disease_name": self.disease_name,
            "syndrome": {
                "primary": self.primary,
                "secondary": self.secondary,
                "confidence": None if self.confidence is None else round(float(self.confidence), 4),
                "is_withheld": self.is_withheld,
            },
            "tm1_code": self.tm1_code,
            "principle": list(self.principles),
            "principle_dropped": list(self.principles_dropped),
            "formula": _formula(check) if check is not None and check.is_shown else None,
            "formula_withheld_by": list(check.blocked_by) if check else [],
            "formula_unchecked": list(check.unchecked) if check else [],
            "formula_missing": list(check.missing) if check else [],
            "incompatible_pairs": list(check.pairs) if check else [],
            "modification_dropped": [{**_change(one), "reason": why} for one, why in check.dropped] if check else [],
            "refer_to_prescriber": check is not None and not check.is_shown,
            "prescription": None,
            "is_proposal_for": "prescriber",
            "audience": {
                "differentiation": self.parts.differentiation,
                "formula": self.parts.formula,
                "prescription": self.parts.prescription,
            },
        }


def tcm_absence(proposal: Proposal | None, *, given: TcmInput) -> str | None:
    """Return why there is no block, as an id of ``tcm_absence``; None when there is one."""
    is_adult = given.age_years is not None and given.age_years >= ADULT_YEARS
    is_psoriatic = is_coded(given.icd11, PSORIASIS) or is_coded(given.icd11, PSORIATIC_ARTHRITIS)
    syndrome = None if proposal is None else proposal.fields.get("syndrome")
    reasons = {
        "practice_off": given.practice.tcm_block == "off",
        "out_of_scope": given.scope != "in_scope",
        "red_flag_active": given.has_emergency,
        "minor_without_prescriber": not is_adult and not given.has_prescriber,
        "other_condition": given.condition not in _UNSURE and not is_psoriatic,
        "not_proposed": syndrome is None or not syndrome.is_decided,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def tcm_block(proposal: Proposal | None, *, given: TcmInput, table: TcmTable) -> TcmBlock | None:
    """Build the block from Reason's proposal, or return None where none may stand (``tcm_absence`` says why).

    Args:
        proposal: Reason's fields after thresholds and herb check; None where Reason was not asked.
        given: scope, age, practice and the biomedical side.
        table: principles and TM1 codes of the syndromes.
    """
    if proposal is None or tcm_absence(proposal, given=given) is not None:
        return None
    primary = proposal.fields["syndrome"]
    secondary = _second(proposal.fields, str(primary.value))
    belong = table.principles.get(str(primary.value), frozenset()) | table.principles.get(secondary or "", frozenset())
    named = _ids(proposal.fields.get("principle"))
    return TcmBlock(
        disease_name=DISEASE_NAME,
        primary=str(primary.value),
        secondary=secondary,
        confidence=primary.probability,
        is_withheld=primary.is_withheld,
        tm1_code=table.tm1.get(str(primary.value)) if is_coded(given.icd11, PSORIASIS) else None,
        principles=tuple(one for one in named if one in belong)[:MAX_PRINCIPLES],
        principles_dropped=tuple(one for one in named if one not in belong),
        herbs=proposal.herbs,
        parts=parts_of(given.practice),
    )


def parts_of(practice: Practice) -> Parts:
    """Return who may see which part; a formula never stands on the person's own print, whatever the practice sets."""
    return Parts(
        differentiation="person" if practice.tcm_block == "on" else "clinician",
        formula="clinician",
        prescription=None if practice.prescription_block == "off" else "prescriber",
    )


def for_audience(told: Mapping[str, Any] | None, audience: Audience) -> dict[str, Any] | None:
    """Return what one audience may see of the section that ``to_report`` made; None when that is nothing.

    Args:
        told: the report's section, or None where the case has no block.
        audience: who reads or prints.
    """
    if told is None:
        return None
    seen = {part for part, least in told["audience"].items() if least is not None and _may(audience, least)}
    if "differentiation" not in seen:
        return None
    hidden = set() if "formula" in seen else {key for key in told if key in _FORMULA_KEYS}
    hidden |= set() if "prescription" in seen else {"prescription"}
    return {key: value for key, value in told.items() if key not in hidden}


def is_coded(icd11: str | None, stem: str) -> bool:
    """Say whether a code is a stem or stands under it (``EA90``, ``EA90.0``)."""
    return icd11 is not None and icd11.split(".", maxsplit=1)[0] == stem


_FORMULA_KEYS = frozenset(
    {
        "formula", "formula_withheld_by", "formula_unchecked", "formula_missing", "incompatible_pairs",
        "modification_dropped", "refer_to_prescriber",
    }
)  # fmt: skip


def _may(audience: Audience, least: Audience) -> bool:
    return AUDIENCES.index(audience) >= AUDIENCES.index(least)


def _second(fields: Mapping[str, Kept], primary: str) -> str | None:
    """Return the second syndrome; none where it is the first again or says nothing."""
    value = fields["secondary_syndrome"].value if "secondary_syndrome" in fields else None
    return value if isinstance(value, str) and value not in {primary, *_NO_SECOND} else None


def _ids(kept: Kept | None) -> tuple[str, ...]:
    """Return a list field's ids, each once, without the one that says nothing."""
    value = kept.value if kept is not None else ()
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(dict.fromkeys(one for one in items if isinstance(one, str) and one != "cannot_tell"))


def _formula(check: HerbCheck) -> dict[str, Any]:
    return {
        "id": check.formula,
        "is_filled": check.is_filled,
        "base_herbs": list(check.base),
        "modification": [_change(one) for one in check.changes],
        "herbs": [{"herb": one.herb, "verdict": one.verdict, "rules": list(one.rules)} for one in check.herbs],
        "warned_by": list(check.warned_by),
    }


def _change(change: Change) -> dict[str, Any]:
    return {"action": change.action, "herb": change.herb}
