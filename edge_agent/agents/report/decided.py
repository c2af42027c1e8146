"""Draw what a clinician decided about a part: their own value stands, the program's is struck or withheld.

The person's copy never repeats what was found wrong; the clinician's shows it struck through, with who, when and why. Does
not decide which part stands (``report.review`` does).

Source: clinical-vocabulary sections 10 and 11.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from edge_agent.agents.plan.by_tier import is_general
from edge_agent.agents.report.fixed_texts import BLANK
from edge_agent.agents.report.parts import CAUTION, STRUCK, SUPPORTED, Block, Line, Listing, Table
from edge_agent.agents.report.reading import Reader
from edge_agent.agents.report.review import Correction, Review, Ruling
from edge_agent.agents.report.terms import Terms

FOLLOW_UP: Final = "sn_followup"  # the fixed text with the day of the next visit and whom to tell who cannot come
_BY: Final = {"accepted": "accepted_by", "corrected": "corrected_by", "rejected": "rejected_by"}


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws the decisions of one review, in one language, for one reader; a worker reads them as a clinician does.

    ``says_who``: whether each part says who decided, when and why; the screen says it beside the part.
    """

    review: Review
    words: Terms
    audience: Reader
    says_who: bool = True

    def part(
        self, section: str, blocks: Sequence[Block], *, fields: Collection[str] | None = None, is_told: bool = True
    ) -> list[Block]:
        """Return the blocks of one part after the decision on it.

        Args:
            section: an id of ``decided_section``.
            blocks: the program's own words.
            fields: the corrected fields that belong here; None for all.
            is_told: whether who decided stands here; a part that lies in several places says it once.
        """
        ruling = self.review.ruling(section)
        if ruling is None:
            return list(blocks)
        if self.review.stands(section):
            return [*blocks, *self._by(ruling)] if is_told and self.audience != "person" else list(blocks)
        own = [one for one in ruling.corrections if fields is None or one.field in fields]
        if self.audience == "person":
            return self.withheld(ruling, own)
        rows: list[Block] = self._by(ruling) if is_told else []
        rows += [self.own(one) for one in own]
        return [*rows, Line(self.words.word("does_not_stand"), "quiet", CAUTION), *struck(blocks)] if blocks else rows

    def withheld(self, ruling: Ruling, own: Sequence[Correction] = ()) -> list[Block]:
        """Return what stands in place of a part that was corrected or rejected: never the program's words."""
        if self.review.is_signed and own:
            return [self.own(one) for one in own]
        return [Line(withheld_words(ruling, self.review, self.words), "unknown", CAUTION)]

    def own(self, one: Correction) -> Line:
        """Return a clinician's own value."""
        return Line(self.words.said(self.words.word("clinician_says"), correction_words(one, self.words)), "strong")

    def flags(self, blocks: Sequence[Block], standing: Collection[str]) -> list[Block]:
        """Return the danger signs; a rule that asked for more than the clinician's tier is struck, and stays legible.

        Args:
            blocks: the section.
            standing: tiers of which a rule may still speak.
        """
        note = self.words.word("falls_away")
        return [
            replace(block, mark="struck", sign=STRUCK, tier=None, note=note)
            if isinstance(block, Line) and block.tier is not None and block.tier not in standing
            else block
            for block in blocks
        ]

    def triage(self, blocks: Sequence[Block]) -> list[Block]:
        """Return the section on triage; its blocks already hold the tier that counts."""
        ruling = self.review.ruling("triage")
        if ruling is None:
            return list(blocks)
        is_open = ruling.verdict != "accepted" and self.review.is_signed and not ruling.corrections
        by_hand = Line(self.words.word("tier_by_hand", blank=BLANK * 2), "strong")
        if self.audience == "person":
            return [*self.withheld(ruling), by_hand] if is_open else list(blocks)
        if is_open:
            return [
                *self._by(ruling),
                by_hand,
                Line(self.words.word("does_not_stand"), "quiet", CAUTION),
                *struck(blocks),
            ]
        return [*blocks, *self._by(ruling)]

    def tier_line(self, line: Line, *, is_open: bool) -> Line:
        """Return the tier at a glance; where a clinician rejected it and named no other, that nothing stands."""
        if not is_open:
            return line
        text, ruling = self.words.word("not_confirmed"), self.review.rulings["triage"]
        if self.audience == "person":
            what = withheld_words(ruling, self.review, self.words)
            return Line(self.words.said(self.words.word("section_triage"), what), "tier", CAUTION)
        return Line(line.text, "struck", STRUCK, text)

    def plan(
        self,
        blocks: Sequence[Block],
        items: Sequence[Mapping[str, Any]],
        fallen: Sequence[str],
        *,
        booked: date | None = None,
    ) -> list[Block]:
        """Return the plan; where it was refused, what everybody is told anyway stays.

        Args:
            blocks: the plan that goes with the tier.
            items: its items.
            fallen: items that no longer apply, in words; the person never reads them.
            booked: the day of the next visit that the items name; the clinician's own goes before it.
        """
        rows = self.part("plan", blocks)
        if not self.review.stands("plan") and self.audience == "person":
            general = [item for item in items if is_general(item)]
            texts = [self.words.advice(item["object"]) for item in general]
            rows += [Line(text, "strong") for text in texts]
        elif self.audience != "person" and self.review.stands("plan"):
            rows += [Line(text, "struck", STRUCK, self.words.word("falls_away")) for text in fallen]
        if self.review.follow_up is not None:
            day = self.words.dates.date(self.review.follow_up)
            rows.append(Line(self.words.said(self.words.word("next_visit"), day), "strong"))
        return rows + self._whom_to_tell(items, booked)

    def _whom_to_tell(self, items: Sequence[Mapping[str, Any]], booked: date | None) -> list[Block]:
        """Return whom to tell who cannot come to the next visit; nothing where the post set no contact or the plan says it."""
        stands = self.review.stands("plan")
        day = self.review.follow_up or (booked if stands else None)
        is_told = stands and any(item["object"] == FOLLOW_UP for item in items)
        if day is None or self.words.contact is None or is_told:
            return []
        return [Line(self.words.advice(FOLLOW_UP, date=self.words.dates.date(day)), "strong")]

    def _by(self, ruling: Ruling) -> list[Block]:
        if not self.says_who:
            return []
        reason = self.words.label(ruling.reason, of="decision_reason")
        told = self.words.word(
            _BY[ruling.verdict], name=name_of(ruling.by, self.words), date=day(ruling, self.words), reason=reason
        )
        is_accepted = ruling.verdict == "accepted"
        section = self.words.label(ruling.section, of="decided_section")
        sign = SUPPORTED if is_accepted else CAUTION
        return [Line(self.words.said(section, told), "quiet" if is_accepted else "strong", sign)]


def signature(review: Review, words: Terms) -> str:
    """Return who signed, or that nobody did: it stands at the foot of every sheet."""
    if review.signed is not None:
        name = name_of(review.signed_by or "", words)
        told = words.word("signed_by", name=name, date=words.dates.date(review.signed))
        return f"{told}{words.semicolon}{words.word('corrected_since')}" if review.is_unseen else told
    return words.word("not_signed_yet" if review.rulings else "not_signed")


def name_of(name: str, words: Terms) -> str:
    """Return a name as people write it; an account that is not known any more is "a clinician"."""
    return name or words.word("a_clinician")


def day(ruling: Ruling, words: Terms) -> str:
    """Return the day of a decision."""
    return words.dates.date(ruling.at)


def correction_words(one: Correction, words: Terms) -> str:
    """Return a clinician's own value in words, with its field."""
    return words.said(words.name(one.of), words.label(one.value, of=one.of))


def withheld_words(ruling: Ruling, review: Review, words: Terms) -> str:
    """Return what stands where the program's words of a part are left out."""
    if review.is_signed and ruling.verdict == "corrected" and not ruling.corrections:
        return words.word("changed_in_words", blank=BLANK * 2)
    return words.word("not_confirmed")


def struck(blocks: Sequence[Block]) -> list[Block]:
    """Strike through what does not stand; it stays legible."""
    return [_struck(block) for block in blocks]


def _struck(block: Block) -> Block:
    if isinstance(block, Line):
        return replace(block, mark="struck", sign=STRUCK, tier=None)
    if isinstance(block, Table):
        return replace(block, is_struck=True)
    return (
        replace(block, lines=tuple(f"{STRUCK} {line}" for line in block.lines)) if isinstance(block, Listing) else block
    )
