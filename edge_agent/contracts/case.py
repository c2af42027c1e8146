"""The values that travel through a case, one name for each thing (architecture: data flow).

``Frame`` (uint8[H, W, 3]) -> ``View`` -> ``Case`` -> ``Finding`` per view -> ``Scope`` ->
``Representation`` -> ``Assessment`` -> report. Inside the device they are frozen dataclasses;
what crosses a boundary (intake, consent) is a pydantic model in ``contracts.intake``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.intake_values import INTIMATE_SITES
from edge_agent.contracts.photography import Photography
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.errors import CaseError

ADULT_YEARS = 18

Frame = NDArray[np.uint8]  # [H, W, 3], BGR, as captured, upright (EXIF orientation applied)


@dataclass(frozen=True, slots=True)
class View:
    """One accepted picture.

    ``frame`` is uint8[H, W, 3] BGR. ``shot`` is ``overview | regional | close_up`` or None when nobody said.
    ``body_site`` comes from the form, never from the model. ``has_mark``: somebody said that the picture shows a tattoo,
    a birthmark, jewellery or anything else by which people would know the person (policy R6).
    """

    index: int
    frame: Frame
    shot: str | None = None
    body_site: str | None = None
    laterality: str | None = None
    has_mark: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One visit: its pictures, the form and the consent; ``created`` has a time zone.

    ``previous`` is an earlier visit of the same person, if somebody attached one; agents read ``earlier_visit``.
    ``photography`` tells what the check refused and which pictures were lost before anybody saw them.
    Without a consent record it is a test case: marked, never synced, never counted (policy R14).

    Raises:
        CaseError: the consent refuses pictures for care (R1), or an intimate site was taken of a minor or
            of a person whose age nobody entered (R3, R4). No setting changes this.
    """

    case_id: str
    views: tuple[View, ...]
    intake: Intake
    consent: Consent | None
    created: datetime
    previous: PreviousVisit | None = None
    photography: Photography = field(default_factory=Photography)

    def __post_init__(self) -> None:
        """Refuse what may not be processed, before anything is stored."""
        if self.consent is not None and self.views and not self.consent.care_pictures.granted:
            raise CaseError("the consent refuses pictures: enter the case without pictures")
        if not any(view.body_site in INTIMATE_SITES for view in self.views):
            return
        if self.intake.age_years is None:
            raise CaseError("a picture of this body site needs the age first: enter age_years")
        if self.intake.age_years < ADULT_YEARS:
            raise CaseError("pictures of this body site are never taken of minors: remove the picture")

    @property
    def is_test_case(self) -> bool:
        """Say whether nobody's consent stands behind the case."""
        return self.consent is None

    @property
    def earlier_visit(self) -> PreviousVisit | None:
        """Return the attached visit if it is dated before this one, else None.

        A later date is a wrong clock or a wrong report. It does not stop the case, because care comes first; it is
        named where change is reported (``agents.change``) and nothing is concluded from it.
        """
        if self.previous is None or not self.previous.is_before(self.created):
            return None
        return self.previous


def views_of(frames: Sequence[Frame], *, intake: Intake) -> tuple[View, ...]:
    """Pair each frame with the form's note on it (shot, body site, side), in order.

    Without any picture the notes still say where the skin is affected: care without a photograph is always possible
    (policy R1), also for a form that was filled in before the pictures were refused.

    Raises:
        CaseError: there are pictures, and the form describes more of them than there are.
    """
    notes = intake.views
    if frames and len(notes) > len(frames):
        raise CaseError(f"the intake describes {len(notes)} views but {len(frames)} pictures came: mend intake.views")
    rows = []
    for index, frame in enumerate(frames):
        note = notes[index] if index < len(notes) else None
        rows.append(
            View(
                index=index,
                frame=frame,
                shot=note.shot if note else None,
                body_site=note.body_site if note else None,
                laterality=note.laterality if note else None,
                has_mark=note is not None and note.has_mark,
            )
        )
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class Coded:
    """Where a value was read in an agent's own text, where the model did not decide it.

    ``by``: who mapped the words; ``nothing`` where nobody could, the value is then the field's nothing-value.
    ``step`` wrote the text, ``spans`` are (start, end) characters of it. ``mentioned`` are all values of the field that
    the text names and does not deny, sure or not. ``is_firm``: the lexicon found this value and no other, without a
    doubt, in a text that ended by itself.
    """

    by: Literal["lexicon", "second_turn", "nothing"]
    step: str
    spans: tuple[tuple[int, int], ...] = ()
    mentioned: tuple[str, ...] = ()
    is_firm: bool = False


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One decided field: ``value`` is a vocabulary id, a list of ids, an int or None.

    ``probability`` is the calibrated probability of the decision (None where the grammar fixed it, and where the value
    was ``coded`` from text); ``alternatives`` maps every candidate to its probability. Abstention happens later, never
    here.
    """

    value: Any
    probability: float | None
    alternatives: Mapping[str, float] = field(default_factory=dict)
    coded: Coded | None = None


Finish = Literal["stop", "eos", "length", "loop"]


@dataclass(frozen=True, slots=True)
class Written:
    """A step's free text: ``raw`` as written, which the next agent reads; ``text`` without control characters.

    ``finish``: a stop string, an end token, the token limit, or a loop that was broken off.
    """

    step: str
    raw: str
    text: str
    finish: Finish

    @property
    def is_whole(self) -> bool:
        """Say whether the model ended the text itself."""
        return self.finish in {"stop", "eos"}


@dataclass(frozen=True, slots=True)
class AgentOutput:
    """What one step of one agent said: the parsed object, its decided fields, the raw text and token counts.

    ``tone_logits``: per picture the logits of a side branch's tone head by class (``contracts.side_branch``), empty
    without one. They are shown, never decided upon. ``written``: its free texts, empty under a schema.
    """

    agent: str
    step: str
    text: str
    value: Mapping[str, Any]
    fields: Mapping[str, FieldValue]
    tokens_sampled: int
    tokens_forced: int
    tone_logits: tuple[Mapping[str, float], ...] = ()
    written: tuple[Written, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What one agent may see of one case: encoded views (the engine's own values) and named texts."""

    views: tuple[Any, ...]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CodingRequest:
    """A question to the bare backbone: prompt template with its texts, the JSON schema of the answer, its token limit."""

    prompt: str
    texts: Mapping[str, str]
    schema: Mapping[str, Any]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Finding:
    """DERM-Rec's independent description of one view."""

    view_index: int
    output: AgentOutput


@dataclass(frozen=True, slots=True)
class Representation:
    """DERM-Rep's integrated description (step 1) and pathogenesis (step 2), with Rec's fields merged by code."""

    integrated: AgentOutput
    pathogenesis: AgentOutput
    dominant: Mapping[str, Any]
    conflicts: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """DERM-Reason's proposal: syndrome, principle, formula id. A proposal for a prescriber, never an order."""

    output: AgentOutput


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds spent per phase of one case."""

    ms: Mapping[str, float]
