"""What every screen of a consultation shares: whose draft it is, how an answer is saved, where it leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from edge_agent.consultation.draft import Draft
from edge_agent.consultation.steps import QUESTIONS, Step
from edge_agent.errors import CaseError
from edge_agent.kiosk.access import requires, session_of
from edge_agent.kiosk.consultation_parts import ConsultationParts
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.taps import Taps
from edge_agent.store.accounts import Person, Role
from edge_agent.store.consultations import Noted

HOME: Final = "/consultation"
Worker = Annotated[
    Person, Depends(requires("worker", "clinician", "prescriber", "tcm_practitioner", in_emergency=True))
]
# What a worker reads where a step cannot end yet; by the step or need that the error names.
MISSING: Final[Mapping[str, Text]] = {
    Step.DANGER_SIGNS: _("Answer the danger signs first. “Not looked” is an answer."),
    Step.AGE: _("Enter age and sex. “Not stated” is an answer."),
    Step.CONSENT: _("Ask for every consent. “No” is an answer."),
    Step.WHO: _("Enter your own reference for this person."),
    Step.SITES: _("Choose at least one body site."),
    Step.COMPLAINT: _("Answer what has a star. “Unknown” is an answer."),
    Step.IMPRESSION: _("Choose how urgent you think it is."),
    "capacity": _("Say whether the person can decide freely now."),
    "assent": _("Ask the child too, and write down the answer."),
    "witness": _("Name the witness: without reading, a witness is needed."),
    "asked_again": _("A consent has to be asked again. Go back to the consents."),
    "consent_witness_records": _("The witness cannot be the one who writes. Name somebody else."),
    "consent_witness_missing": _("Name the witness: without reading, a witness is needed."),
    "consent_not_read_aloud": _("Read the texts aloud and say so."),
}
REFUSED: Final = _("This answer does not fit another one. Look at what is marked.")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one request about one draft works with."""

    request: Request
    person: Person
    draft: Draft
    parts: KioskParts
    room: ConsultationParts

    @property
    def clinician(self) -> str | None:
        """Return who is signed in as a clinician, if one is."""
        is_one = Role.CLINICIAN in self.person.roles and not self.person.is_emergency
        return self.person.name if is_one else None

    @property
    def language(self) -> str:
        """Return the code of the page's language."""
        return language_of(self.request).code

    def term(self, of: str, term_id: str) -> str:
        """Return the words of an id in the page's language; the id itself where no list has it."""
        vocabulary = self.parts.vocabulary
        if not vocabulary.has(term_id, of=of):
            return term_id
        return self.parts.translations.label(vocabulary, term_id, self.language, of=of)

    def terms(self, of: str) -> list[tuple[str, str]]:
        """Return a list's ids with their words, in order."""
        return [(term_id, self.term(of, term_id)) for term_id in self.parts.vocabulary.lists[of].terms]


@dataclass(frozen=True, slots=True)
class Screen:
    """One step's page: its template, and the values that only it needs."""

    step: Step
    template: str
    values: Callable[[Turn], Mapping[str, Any]]


def room_of(request: Request) -> ConsultationParts:
    """Return what the rooms of a consultation work with.

    Raises:
        HTTPException: 503, where this device was built without them.
    """
    room = parts_of(request).consultation
    if room is None:
        raise HTTPException(503)
    return room


def turn_of(request: Request, case_id: str, person: Person) -> Turn:
    """Return a draft for the person who may work on it: its owner, or a clinician who takes over.

    Raises:
        HTTPException: 403, somebody else's.
        CaseError: no such draft.
    """
    room = room_of(request)
    turn = Turn(request, person, room.consultations.draft(case_id), parts_of(request), room)
    if turn.draft.owner != person.name and turn.clinician is None:
        raise HTTPException(403)
    return turn


def to_draft(case_id: str) -> Response:
    """Lead to the step at which a draft stands."""
    return RedirectResponse(f"{HOME}/{case_id}", status_code=303)


def show(turn: Turn, screen: Screen, *, problem: Text | None = None, **more: Any) -> Response:
    """Answer with one step's page.

    Args:
        turn: the request and its draft.
        screen: the step's page.
        problem: what the worker has to mend first; the page says it at the top.
        **more: values for the template.
    """
    draft = turn.draft
    values = {
        "draft": draft,
        "step": draft.step,
        "steps": stepper(draft.step),
        "can_go_back": draft.step in QUESTIONS[1:],
        "problem": problem,
        "term": turn.term,
        "terms": turn.terms,
        **screen.values(turn),
        **more,
    }
    return page(turn.request, screen.template, status_code=200 if problem is None else 422, **values)


def once(turn: Turn, form: FormData, work: Callable[[], Response]) -> Response:
    """Do once what a shown form asks for, however often it is sent: one tap is one picture.

    A form without a token of ours does nothing and leads to the present step.

    Args:
        turn: the request and its draft.
        form: as it was sent; its field ``once`` is the token of the page that was shown.
        work: what it asks for.
    """
    taps: Taps = turn.request.app.state.taps
    return taps.once(form.get("once"), work, session_id=session_of(turn.request).id) or to_draft(turn.draft.case_id)


def noting(turn: Turn, action: str, *, detail: str | None = None) -> Noted:
    """Return what writes an action on this draft into the trail, in the transaction that saves it."""
    return lambda connection: turn.parts.audit.append(
        connection, turn.person.name, action, case_ref=turn.draft.case_id, detail=detail
    )


def answered(
    turn: Turn,
    screen: Screen,
    answer: Callable[[Draft], Draft],
    *,
    is_staying: bool = False,
    noted: Noted | None = None,
) -> Response:
    """Save an answer and go on; what was entered is kept also where the step cannot end yet.

    A form of another step (a page that was left open) changes nothing and leads to the present step.

    Args:
        turn: the request and its draft.
        screen: whose form it is; shown again where an answer is missing.
        answer: pure; puts the form into the draft.
        is_staying: the screen asks for more before it ends.
        noted: the row of the trail that goes with the change, if one does; see ``noting``.
    """
    course, problem = turn.room.course, None

    def saved(draft: Draft) -> Draft:
        nonlocal problem
        problem = None
        if draft.step is not screen.step:
            return draft
        kept = answer(draft)
        if is_staying:
            return course.kept(kept)
        try:
            return course.onward(kept)
        except CaseError as exc:
            problem = words_of(exc)
            return course.kept(kept)

    try:
        draft = turn.room.consultations.change(turn.draft.case_id, saved, by=turn.person.name, noted=noted)
    except CaseError as exc:
        return show(turn, screen, problem=words_of(exc))
    if problem is not None and draft.step is screen.step:
        return show(Turn(turn.request, turn.person, draft, turn.parts, turn.room), screen, problem=problem)
    return to_draft(draft.case_id)


def words_of(error: CaseError) -> Text:
    """Return what a worker reads about a refused answer."""
    return MISSING.get(str(error.details.get("step", "")), REFUSED)


_STAGES: Final = (
    (_("Danger"), (Step.DANGER_SIGNS, Step.EMERGENCY, Step.SAFEGUARDING)),
    (_("Age"), (Step.AGE,)),
    (_("Consent"), (Step.CONSENT,)),
    (_("Who"), (Step.WHO,)),
    (_("Where"), (Step.SITES,)),
    (_("Pictures"), (Step.VIEWS,)),
    (_("Questions"), (Step.COMPLAINT, Step.HISTORY, Step.EXAMINATION)),
    (_("Your view"), (Step.IMPRESSION,)),
)


def stepper(here: Step) -> list[tuple[Text, str]]:
    """Return the stages of a consultation, each ``done``, ``here`` or ``later``."""
    place = next((index for index, (_name, steps) in enumerate(_STAGES) if here in steps), len(_STAGES))
    return [
        (name, "done" if index < place else "here" if index == place else "later")
        for index, (name, _steps) in enumerate(_STAGES)
    ]
