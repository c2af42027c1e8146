"""The visit as ordered evidence: every pointer that a reasoning step may name, with the value recorded there.

A pointer is ``view:<n>.<sign>`` (n counts the pictures from 1), ``representation.<field>``,
``intake.<field>[.<sub>]`` or ``previous.<field>``; its *field* is the pointer without the view number. The record
judges nothing; ``agents.evidence`` checks steps against it. What nobody examined stays in it as such.

Source: clinical-vocabulary sections 0.2, 5.1 and 16 (not clinically reviewed).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from edge_agent.agents.evidence.signs_table import says_nothing
from edge_agent.agents.prompts import render_value
from edge_agent.agents.representation import POINTED_FIELDS, Lead
from edge_agent.agents.rules.facts import is_dark
from edge_agent.contracts.intake_values import GeneralSign

REPRESENTATION_FIELDS = ("distribution", "symmetry", "phenotype", "stage", "mechanism")
TONGUE_FIELDS = ("body_colour", "body_feature", "coating_colour", "coating_texture", "sublingual_veins")
GENERAL_SIGNS: tuple[str, ...] = GeneralSign.__args__  # type: ignore[attr-defined]  # typing has no public accessor
PREVIOUS_FIELDS = ("stage", "phenotype", "syndrome", "severity_band")
# What Reason may read, in the order of the prompt and of the record.
REASON_FIELDS: tuple[str, ...] = (
    *(f"view.{name}" for name in POINTED_FIELDS),
    *(f"representation.{name}" for name in REPRESENTATION_FIELDS),
    "intake.duration",
    "intake.new_lesions_two_weeks",
    *(f"intake.tongue.{name}" for name in TONGUE_FIELDS),
    "intake.pulse",
    *(f"intake.general.{sign}" for sign in GENERAL_SIGNS),
    *(f"previous.{name}" for name in PREVIOUS_FIELDS),
)
# On the record for the differential, which code fills; no model reads them.
CODE_FIELDS = ("intake.new_drug_within_8_weeks",)
# How inflammation looks on dark skin: without a known light tone it may be the tone and not the disease (section 16).
TONE_LIKE_COLOURS = frozenset({"violaceous", "grey_brown"})
Skin = Literal["light", "dark", "unknown"]
# Fields whose words stand in a vocabulary list of another name; grades are numbers and need none.
_WORDS = {
    "scale_amount": None, "erythema": None, "induration": None, "new_lesions_two_weeks": "known",
    "new_drug_within_8_weeks": "known", **dict.fromkeys(GENERAL_SIGNS, "examined"),
    **{name: f"tongue_{name}" for name in TONGUE_FIELDS if name != "sublingual_veins"},
}  # fmt: skip
_VIEW = re.compile(r"view:[1-9][0-9]?\.")


@dataclass(frozen=True, slots=True)
class Record:
    """What a visit's reasoning may point at.

    ``values`` maps pointers to recorded values in a fixed order: an id, a grade, a tuple of ids, ``cannot_tell`` or
    ``not_examined``. ``disputed`` are pointers on which the views disagree. ``silent`` are colours that count for
    nothing because the skin's own tone may explain them.
    """

    values: Mapping[str, Any]
    disputed: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


def field_of(pointer: str) -> str:
    """Return a pointer without its view number: ``view:2.colour`` is the field ``view.colour``."""
    return _VIEW.sub("view.", pointer, count=1)


def words_of(field: str) -> str | None:
    """Return the vocabulary list with the words of a field's values; None for a grade, which is a number."""
    last = field.rpartition(".")[2]
    return _WORDS.get(last, last)


def record_of(
    leads: Mapping[str, Lead],
    *,
    conflicts: Sequence[tuple[str, int, int]] = (),
    representation: Mapping[str, Any],
    intake: Mapping[str, Any],
    previous: Mapping[str, Any] | None = None,
) -> Record:
    """Collect the evidence of one visit. Does not read pictures, and drops nothing that is unknown.

    Args:
        leads: the leading view of every sign (``representation.Merge.leads``); empty without a readable picture.
        conflicts: (sign, view, view) where the views disagree (``Merge.conflicts``).
        representation: Rep's values after the thresholds; what is absent is ``cannot_tell``.
        intake: the form as a plain mapping (``Intake.model_dump(mode="json")``); what is absent is ``not_examined``.
        previous: the earlier visit's ``PREVIOUS_FIELDS``; None on a first visit, which has no such pointers.
    """
    values: dict[str, Any] = {}
    disputed, silent = set(), set()
    fought = {name for name, _, _ in conflicts}
    skin = _skin(intake)
    for name in POINTED_FIELDS:
        if name not in leads:
            continue
        pointer = f"view:{leads[name].view_index + 1}.{name}"
        values[pointer] = _value(leads[name].value, nothing="cannot_tell")
        if name in fought:
            disputed.add(pointer)
        if name == "colour" and _is_tone(values[pointer], skin):
            silent.add(pointer)
    for name in REPRESENTATION_FIELDS:
        values[f"representation.{name}"] = _value(representation.get(name), nothing="cannot_tell")
    for field in (f for f in (*REASON_FIELDS, *CODE_FIELDS) if f.startswith("intake.")):
        values[field] = _value(_at(intake, field.split(".")[1:]), nothing="not_examined")
    for name in PREVIOUS_FIELDS if previous is not None else ():
        values[f"previous.{name}"] = _value((previous or {}).get(name), nothing="not_examined")
    return Record(MappingProxyType(values), frozenset(disputed), frozenset(silent))


def render(record: Record, fields: Collection[str]) -> str:
    """Render the record for Reason: one line ``pointer value value`` per pointer, in the record's order.

    The same text trains the model and stands in the device's prompt. Unknown values are written out, so that a
    missing sign can never be read as a normal one.

    Args:
        record: the visit's evidence.
        fields: the fields that the bundle's Reason was trained to read (of ``REASON_FIELDS``); their order is ignored.
    """
    return "\n".join(
        f"{pointer} {render_value(value)}" for pointer, value in record.values.items() if field_of(pointer) in fields
    )


def _value(value: Any, *, nothing: str) -> Any:
    """Write lists as tuples and one kind of nothing as one word; different kinds of nothing stay different."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        told = tuple(item for item in value if not says_nothing(item))
        # ("cannot_tell",) and "cannot_tell" are the same answer of a list field.
        words = [item for item in value if isinstance(item, str) and item]
        return told or (words[0] if words else nothing)
    return nothing if value is None or value == "" else value


def _at(intake: Mapping[str, Any], keys: Sequence[str]) -> Any:
    found: Any = intake
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _skin(intake: Mapping[str, Any]) -> Skin:
    dark = is_dark(intake.get("fitzpatrick"), intake.get("monk"))
    return "unknown" if dark is None else "dark" if dark else "light"


def _is_tone(colour: Any, skin: Skin) -> bool:
    """Say whether the skin's tone may explain a colour, so that it speaks for no claim."""
    named = {colour} if isinstance(colour, str) else set(colour)
    return skin == "dark" or (skin == "unknown" and not named.isdisjoint(TONE_LIKE_COLOURS))
