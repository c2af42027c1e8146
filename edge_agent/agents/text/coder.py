"""Turn an agent's free text into the fields of the vocabulary: the lexicon first, then what a second turn may add.

A value needs words that state it without a doubt. Two values where one may stand, words of doubt and silence give no
value. What closes a case is the exception: a danger family that the text names and does not surely deny is the family,
whatever else it says. Coded values carry no probability, and none is made up for them.

Source: architecture decision 3; clinical-vocabulary sections 0.2, 2, 3 and 5 (not clinically reviewed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from edge_agent.agents.abstention import LISTS, NO_SYNDROME, nothing_of
from edge_agent.agents.scope import DANGER_FAMILIES
from edge_agent.agents.text.lexicon import CONDITION, Hit, Lexicon, Value
from edge_agent.contracts.agent_schemas import agent_fields, agent_steps
from edge_agent.contracts.case import Coded, FieldValue, Written
from edge_agent.contracts.manifest import AgentName
from edge_agent.contracts.terms import Vocabulary

# Values that only ever close a case: named and not denied, they win over everything else the text says of the field.
CLOSING: Mapping[str, frozenset[str]] = MappingProxyType(
    {"family": DANGER_FAMILIES, "phenotype": frozenset({"not_psoriasis_like"})}
)
# Values that say more than the one beside them: a text about "皮损" that says "仅遗留色素改变" tells the second.
NARROWER: Mapping[str, tuple[str, ...]] = MappingProxyType({"applicability": ("not_skin", "pigment_change_only")})
WORKING, DIFFERENTIAL = "biomedical.working", "biomedical.differential"
GENERAL_CONDITION, ITS_KINDS = "psoriasis_unspecified", "_psoriasis"
_BOTH_BORDERS = frozenset({"well_defined", "ill_defined"})
_ALONE = frozenset({"none", "cannot_tell", NO_SYNDROME})


@dataclass(frozen=True, slots=True)
class Coding:
    """What was read in one text: values by field, and the fields that the lexicon left open."""

    fields: Mapping[str, FieldValue]
    open: tuple[str, ...]


class TextCoder:
    """Code the texts of agents by the lexicon; pure, built once.

    Args:
        vocabulary: the device's; it says which agent fills which field, and how many values a list may hold.
        lexicon: the surface forms.
    """

    def __init__(self, vocabulary: Vocabulary, lexicon: Lexicon) -> None:
        self._vocabulary, self._lexicon = vocabulary, lexicon

    @property
    def lexicon(self) -> Lexicon:
        """Return the surface forms."""
        return self._lexicon

    def fields_of(self, agent: AgentName, *, step: int, steps: int) -> tuple[str, ...]:
        """Return the fields to read in one text.

        Args:
            agent: who wrote it.
            step: which of the agent's texts, from 0.
            steps: how many the agent writes. As many as the vocabulary has steps: each is read for its own; else every
                text is read for all fields.
        """
        names = agent_steps(self._vocabulary.lists, agent)
        own = names[step] if steps == len(names) else None
        rows = agent_fields(self._vocabulary.lists, agent, step=own)
        keys = [model.key for _, model in rows if model.max_characters is None]
        return tuple(CONDITION if key == "differential" else key for key in keys)

    def code(self, written: Written, fields: Sequence[str]) -> Coding:
        """Read some fields in one text. A text that ran in a loop says nothing but what closes a case."""
        values: dict[str, FieldValue] = {}
        left: list[str] = []
        read = self._lexicon.read(written.text)
        for field in fields:
            hits = self._lexicon.hits(read, field)
            if field == CONDITION:
                values |= _conditions(hits, written)
                continue
            found = _closing(field, hits, written)
            if found is None and written.finish != "loop":
                found = self._single(field, hits, written)
            if found is None:
                left += [field] if written.finish != "loop" else []
                found = uncoded(field, written.step)
            values[field] = found
        return Coding(MappingProxyType(values), tuple(left))

    def _single(self, field: str, hits: Sequence[Hit], written: Written) -> FieldValue | None:
        """Return what the lexicon makes of a field; None leaves it open."""
        sure = list(dict.fromkeys(hit.value for hit in hits if hit.is_sure and hit.value is not None))
        sure = [value for value in sure if value in NARROWER.get(field, ())] or sure
        mentioned = _mentioned(hits)
        if not sure:
            doubted = tuple((hit.start, hit.end) for hit in hits if hit.polarity.is_doubted)
            if not doubted:
                return None
            return FieldValue(nothing_of(field), None, coded=Coded("lexicon", written.step, doubted, mentioned))
        if field in LISTS:
            value: object = self._listed(field, sure)
        elif field == "border" and set(sure) == _BOTH_BORDERS:
            value = "mixed"
        elif len(sure) > 1:
            return None
        else:
            value = sure[0]
        taken = set(value) if isinstance(value, list) else {*sure}
        spans = tuple((hit.start, hit.end) for hit in hits if hit.is_sure and hit.value in taken)
        firm = written.is_whole and not any(hit.polarity.is_doubted for hit in hits if hit.value is not None)
        return FieldValue(value, None, coded=Coded("lexicon", written.step, spans, mentioned, is_firm=firm))

    def _listed(self, field: str, sure: Sequence[Value]) -> list[Value]:
        """Return the values of a list field; what stands alone never stands beside another."""
        found = next(
            row
            for row in self._vocabulary.lists.values()
            if row.model is not None and row.model.key == field and row.max >= 1
        )
        told = [value for value in sure if value not in _ALONE] or list(sure[:1])
        return told[: found.max]


def uncoded(field: str, step: str) -> FieldValue:
    """Return the value of a field that nobody could map."""
    return FieldValue(nothing_of(field), None, coded=Coded("nothing", step))


def with_second_turn(coding: Coding, answers: Mapping[str, FieldValue]) -> Coding:
    """Add what the second turn said; it fills open fields only and is never firm."""
    taken = {name: value for name, value in answers.items() if name in coding.open}
    left = tuple(name for name in coding.open if name not in taken)
    return replace(coding, fields=MappingProxyType({**coding.fields, **taken}), open=left)


def _closing(field: str, hits: Sequence[Hit], written: Written) -> FieldValue | None:
    """Return the first closing value that the text names and does not surely deny, however doubtful it is."""
    closing = CLOSING.get(field, frozenset())
    named = [hit for hit in hits if hit.named in closing and not hit.polarity.is_surely_denied]
    if not named:
        return None
    spans = tuple((hit.start, hit.end) for hit in named)
    mentioned = tuple(dict.fromkeys([*(str(hit.named) for hit in named), *_mentioned(hits)]))
    return FieldValue(named[0].named, None, coded=Coded("lexicon", written.step, spans, mentioned))


def _conditions(hits: Sequence[Hit], written: Written) -> dict[str, FieldValue]:
    """Read the working condition and the differential: what is compared or doubted is differential, never working."""
    if written.finish == "loop":
        return {}
    rows = [hit for hit in hits if isinstance(hit.value, str)]
    if any(str(hit.value).endswith(ITS_KINDS) for hit in rows):  # "银屑病" beside "点滴状银屑病" is the same one
        rows = [hit for hit in rows if hit.value != GENERAL_CONDITION]
    main = next((hit for hit in rows if hit.is_sure and not hit.is_comparison), None)
    others = [hit for hit in rows if main is None or hit.value != main.value]
    told = {}
    if main is not None:
        coded = Coded("lexicon", written.step, ((main.start, main.end),))
        told[WORKING] = FieldValue(main.value, None, coded=coded)
    if others:
        spans = tuple((hit.start, hit.end) for hit in others)
        names = list(dict.fromkeys(hit.value for hit in others))
        told[DIFFERENTIAL] = FieldValue(names, None, coded=Coded("lexicon", written.step, spans))
    return told


def _mentioned(hits: Sequence[Hit]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(hit.value) for hit in hits if hit.value is not None))
