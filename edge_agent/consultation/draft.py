"""Everything that was entered in one consultation so far: frozen, checked, and turned into a case at the end.

What nobody answered stays unanswered (``not_examined``); the four nothing-values are kept apart as they were entered.
Holds no picture, only which pictures there are. Does not decide where an answer leads (``consultation.course``) and
does not write the store.

Source: policy.md R1-R10; clinical-vocabulary section 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from edge_agent.consultation.pictures import Name, SiteChoice, TakenView
from edge_agent.consultation.steps import Step
from edge_agent.contracts.case import ADULT_YEARS, Case, Frame, View
from edge_agent.contracts.consent_values import PURPOSES, Assent, Capacity, ConsentPurpose, GuardianRelation
from edge_agent.contracts.intake import Consent, Intake, Purpose, ViewNote
from edge_agent.contracts.intake_parts import Lax, Record, WorkerView
from edge_agent.contracts.intake_values import DangerSign, Examined, Known, Sex
from edge_agent.contracts.photography import Photography, Refusals
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.errors import CaseError

Decider = Literal["person", "guardian", "nobody"]
YesNo = Literal["yes", "no"]
LaxStep = Annotated[Step, Field(strict=False)]  # JSON has no enumerations
MAX_SITES, MAX_VIEWS = 6, 12


class Person(Record):
    """Age first, then who can consent (R3, R10); None was not asked.

    ``assent`` is the child's own word beside the guardian's. ``can_read`` no asks for a witness. ``emergency_reason``:
    why it cannot wait for somebody who can decide, where a danger sign is there and nobody is.
    """

    age_years: int | None = Field(default=None, ge=0, le=120)
    age_months: int | None = Field(default=None, ge=0, le=23)
    sex: Sex | None = None
    capacity: Capacity | None = None
    guardian_present: Known | None = None
    guardian_name: Name | None = None
    guardian_relation: GuardianRelation | None = None
    assent: Assent | None = None
    can_read: YesNo | None = None
    witness: Name | None = None
    interpreter_used: Known | None = None
    emergency_reason: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @property
    def is_minor(self) -> bool:
        """Say whether somebody else decides: also while nobody told the age."""
        return self.age_years is None or self.age_years < ADULT_YEARS


class Choice(Record):
    """One consent: granted or refused by whom, under which version of its text, recorded by whom and when."""

    granted: bool
    given_by: Decider
    basis: Literal["consent", "emergency"] = "consent"
    version: Annotated[str, Field(min_length=1, max_length=32)]
    recorded_by: Name
    recorded_at: Annotated[AwareDatetime, Field(strict=False)]


class Agreement(Record):
    """The five consents as far as they were asked, in which language, and whether they were read aloud."""

    choices: dict[ConsentPurpose, Choice] = Field(default_factory=dict)
    language: str | None = Field(default=None, min_length=2, max_length=16)
    read_aloud: bool = False

    @property
    def unasked(self) -> tuple[ConsentPurpose, ...]:
        """Return the purposes that nobody decided yet, in their order."""
        return tuple(purpose for purpose in PURPOSES if purpose not in self.choices)

    def grants(self, purpose: ConsentPurpose) -> bool:
        """Say whether a purpose was granted; not asked is not granted."""
        return purpose in self.choices and self.choices[purpose].granted


class Draft(Record):
    """One consultation on its way. ``case_id`` is fixed here, so that a hand-over cut off by a kill happens once.

    ``seen`` are the urgent rules, with their tiers, whose instruction the worker has read. ``history`` holds the answers
    of the intake screens; what other screens ask stands in its own part and is put together by ``to_intake``. ``refusals``
    counts what the gate refused, by reason; ``lost`` are pictures whose files could not be opened at the hand-over.
    """

    case_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    owner: Name
    created: Annotated[AwareDatetime, Field(strict=False)]
    language: Literal["zh", "en"] = "en"
    step: LaxStep = Step.DANGER_SIGNS
    resume_at: LaxStep | None = None
    danger_signs: dict[DangerSign, Examined] = Field(default_factory=dict)
    seen: Annotated[tuple[str, ...], Lax] = ()
    person: Person = Person()
    agreement: Agreement = Agreement()
    local_reference: str | None = Field(default=None, max_length=64)
    episode_id: str | None = None
    sites: Annotated[tuple[SiteChoice, ...], Lax, Field(max_length=MAX_SITES)] = ()
    views: Annotated[tuple[TakenView, ...], Lax, Field(max_length=MAX_VIEWS)] = ()
    refusals: Refusals = Field(default_factory=dict)
    lost: Annotated[tuple[ViewNote, ...], Lax, Field(max_length=MAX_VIEWS)] = ()
    history: Intake = Intake()
    worker: WorkerView = WorkerView()

    def changed(self, **parts: object) -> Draft:
        """Return the draft with some parts replaced, checked like everything that comes in.

        Raises:
            CaseError: a value is out of its limits, or contradicts another answer; nothing is changed.
        """
        try:
            draft = Draft.model_validate({name: getattr(self, name) for name in Draft.model_fields} | parts)
        except ValidationError as exc:
            raise CaseError(first_line(exc)) from exc
        draft.to_intake()
        return draft

    @property
    def is_consent_complete(self) -> bool:
        """Say whether every consent was asked and decided."""
        return not self.agreement.unasked

    @property
    def is_impression_saved(self) -> bool:
        """Say whether the worker's own urgency is recorded; before it no answer of the program is shown."""
        return self.worker.tier is not None

    def to_intake(self) -> Intake:
        """Put the form of the visit together.

        Raises:
            CaseError: two answers of different screens contradict each other; says which to mend.
        """
        parts = {name: getattr(self.history, name) for name in self.history.model_fields_set}
        parts |= {
            "local_reference": self.local_reference,
            "age_years": self.person.age_years,
            "age_months": self.person.age_months,
            "sex": self.person.sex,
            "guardian_present": self.person.guardian_present,
            "interpreter_used": self.person.interpreter_used,
            "danger_signs": self.danger_signs,
            "worker": self.worker,
            "views": self._notes(),
        }
        try:
            return Intake(**parts)
        except ValidationError as exc:
            raise CaseError(first_line(exc)) from exc

    def to_consent(self) -> Consent:
        """Return the consent record.

        Raises:
            CaseError: a consent was not asked yet, or the record contradicts itself.
        """
        if self.agreement.unasked:
            raise CaseError(f"the consent {self.agreement.unasked[0]} was not asked yet: go back to the consents")
        choices = self.agreement.choices
        last = max(choices.values(), key=lambda choice: choice.recorded_at)

        def purpose(name: ConsentPurpose) -> Purpose:
            return Purpose(granted=choices[name].granted, version=choices[name].version)

        person = self.person
        is_emergency = last.basis == "emergency"
        try:
            return Consent(
                care_pictures=purpose("care_pictures"),
                program_help=purpose("program_help"),
                deidentified_result=purpose("deidentified_result"),
                referral_package=purpose("referral_package"),
                training=purpose("training"),
                # A record that refuses everything needs nobody who decides; it is the person's text case.
                given_by="person" if last.given_by == "nobody" and not is_emergency else last.given_by,
                language=self.agreement.language or self.language,
                read_aloud=self.agreement.read_aloud,
                witness=person.witness,
                recorded_by=last.recorded_by,
                recorded_at=last.recorded_at,
                guardian_name=person.guardian_name if last.given_by == "guardian" else None,
                guardian_relation=person.guardian_relation if last.given_by == "guardian" else None,
                assent=person.assent,
                capacity=person.capacity or "full",
                can_read=None if person.can_read is None else person.can_read == "yes",
                emergency_reason=person.emergency_reason if is_emergency else None,
            )
        except ValidationError as exc:
            raise CaseError(first_line(exc)) from exc

    def to_case(
        self,
        images: Mapping[str, Frame],
        *,
        consent: Consent | None,
        previous: PreviousVisit | None = None,
        is_photography_stopped: bool = False,
    ) -> Case:
        """Build the case that is handed over.

        Args:
            images: by image id, uint8[H, W, 3] BGR each; every picture of the draft.
            consent: what ``to_consent`` gave; None marks a test case (R14).
            previous: the last reported visit of the same episode.
            is_photography_stopped: what ``Course`` says; it stays with the case, also where the sign was taken back (R9).

        Raises:
            CaseError: the form contradicts itself, or a picture may not be processed.
        """
        views = tuple(
            View(index, images[view.image_id], view.shot, view.body_site, view.laterality, view.has_mark)
            for index, view in enumerate(self.views)
        )
        told = Photography(refusals=self.refusals, lost=self.lost, is_stopped=is_photography_stopped)
        return Case(self.case_id, views, self.to_intake(), consent, self.created, previous, told)

    def _notes(self) -> tuple[ViewNote, ...]:
        """Say per picture what it shows; without any picture, which sites are affected."""
        if self.views:
            return tuple(view.note for view in self.views)
        return tuple(ViewNote(body_site=site.body_site, laterality=site.laterality) for site in self.sites)


def new_draft(case_id: str, *, owner: str, created: datetime, language: Literal["zh", "en"] = "en") -> Draft:
    """Begin a consultation at the danger signs.

    Args:
        case_id: random; the case keeps it.
        owner: the signed-in account; the case is in this worker's queue.
        created: now, with a time zone.
        language: the report's language.
    """
    return Draft(case_id=case_id, owner=owner, created=created, language=language)


def first_line(exc: ValidationError) -> str:
    """Tell the first problem without quoting what was entered."""
    problem = exc.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text
