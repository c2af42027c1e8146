"""Where an answer leads: the next step, an interruption, or past the camera. Pure: a draft in, a draft out.

Also lets go of pictures that a later answer forbids (an age that turns out to be a minor's, a consent taken back).
Does not save anything (``store.consultations`` does) and does not show anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.agents.rules.red_flags import RuleBook
from edge_agent.agents.rules.rule_file import EMERGENCY
from edge_agent.consultation.alerts import Alert, alerts, unread
from edge_agent.consultation.draft import Draft
from edge_agent.consultation.permits import CameraPermit, ConsentPermit, PolicyPermits
from edge_agent.consultation.pictures import SiteChoice, TakenView
from edge_agent.consultation.questions import open_required
from edge_agent.consultation.steps import INTERRUPTIONS, QUESTIONS, Event, Step, step
from edge_agent.contracts.case import Case, Frame
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.errors import CaseError


@dataclass(frozen=True, slots=True)
class Course:
    """Lead consultations by one rule book and one policy.

    Args:
        rules: the danger-sign rules.
        permits: what the device's policy allows.
    """

    rules: RuleBook
    permits: PolicyPermits

    def alerts(self, draft: Draft) -> tuple[Alert, ...]:
        """Return the urgent rules that fire on a draft, read or not."""
        return alerts(draft, self.rules)

    def is_photography_stopped(self, draft: Draft) -> bool:
        """Say whether signs of abuse forbid any further picture (R9).

        For the rest of the case: once its instruction was read, unticking the sign opens no camera.
        """
        told = {mark.partition(":")[0] for mark in draft.seen}
        was_told = any(rule.id in told and rule.stops_photography for rule in self.rules.rules)
        is_suspected = was_told or any(alert.stops_photography for alert in self.alerts(draft))
        return self.permits.safeguarding(is_suspected=is_suspected).stops_camera

    def is_emergency(self, draft: Draft) -> bool:
        """Say whether a rule of the most urgent tier fires; only then can care go on without a consent (R3, R10)."""
        return any(alert.tier == EMERGENCY for alert in self.alerts(draft))

    def camera(
        self, draft: Draft, site: SiteChoice, *, shot: str | None = None, clinician: str | None = None
    ) -> CameraPermit:
        """Say whether a site may be pictured now.

        Args:
            draft: the consultation.
            site: the site with what was asked about it.
            shot: id of ``shot``.
            clinician: the clinician who is signed in, if one is.
        """
        is_stopped = self.is_photography_stopped(draft)
        return self.permits.camera(draft, site, shot=shot, clinician=clinician, is_stopped=is_stopped)

    def still_allowed(
        self, draft: Draft, site: SiteChoice, *, shot: str, clinician: str | None, kind: str
    ) -> SiteChoice:
        """Return a site as it stands after the burst, if its picture may still be kept.

        One "yes" is for one picture, however often somebody taps (R5, R6).

        Args:
            draft: the consultation as it is now.
            site: as it stood before the burst.
            shot: id of ``shot``.
            clinician: the clinician who is signed in, if one is.
            kind: the vault's class under which the picture was allowed.

        Raises:
            CaseError: taken, stopped, marked or left meanwhile.
        """
        now = next((one for one in draft.sites if one.place == site.place), None)
        if draft.step is Step.VIEWS and now is not None:
            permit = self.camera(draft, now, shot=shot, clinician=clinician)
            if permit.is_allowed and permit.kind == kind:
                return now
        raise CaseError("this picture is no longer allowed: ask again, then take it")

    def consent(self, draft: Draft) -> ConsentPermit:
        """Say who decides about the consents."""
        return self.permits.consent(draft, is_emergency=self.is_emergency(draft))

    def can_picture(self, draft: Draft) -> bool:
        """Say whether any chosen site may be pictured, perhaps after something is done first."""
        return any(self.camera(draft, site).is_possible for site in draft.sites)

    def check(self, draft: Draft) -> None:
        """Refuse a draft that lacks an answer which its present step cannot do without; the rest may be skipped.

        Raises:
            CaseError: says what to answer.
        """
        here, person = draft.step, draft.person
        lacking = {
            Step.DANGER_SIGNS: not draft.danger_signs and "Answer the danger signs first; not looked is an answer.",
            Step.AGE: person.sex is None and "Enter the sex; not stated is an answer.",
            Step.CONSENT: bool(draft.agreement.unasked) and "Ask for every consent; refusing is an answer.",
            Step.WHO: not draft.local_reference and "Enter this post's own reference for the person.",
            Step.SITES: not draft.sites and "Choose at least one body site.",
            Step.COMPLAINT: bool(open_required(draft)) and "Answer what has a star; unknown is an answer.",
            Step.IMPRESSION: draft.worker.tier is None and "Choose how urgent it is in your own view.",
        }.get(here)
        if lacking:
            raise CaseError(lacking, step=str(here))
        if here is Step.AGE and person.capacity is None:
            raise CaseError("Say whether the person can decide freely.", step="capacity")
        open_needs = set(self.consent(draft).needs) if here is Step.AGE else set()
        if "assent" in open_needs:
            raise CaseError("Ask the child too, and write down the answer.", step="assent")
        if "witness" in open_needs:
            raise CaseError("Name the witness: the person cannot read the consent.", step="witness")
        if here is Step.CONSENT and (
            faults := self.permits.consent_faults(draft, is_emergency=self.is_emergency(draft))
        ):
            raise CaseError(f"The consent does not hold: {', '.join(faults)}.", step=f"consent_{faults[0]}")
        if here is Step.IMPRESSION and draft.agreement.unasked:
            raise CaseError("A consent has to be asked again: go back to the consents.", step="asked_again")

    def onward(self, draft: Draft) -> Draft:
        """Go on after the present step was answered.

        Raises:
            CaseError: the step lacks an answer that it needs.
            RuntimeError: the step asks nothing (a programmer's mistake).
        """
        draft = self.without_forbidden(draft)
        waiting = unread(draft, self.alerts(draft))
        if not waiting:
            self.check(draft)
            return draft.changed(step=self._after(draft), resume_at=None)
        # Danger comes before a missing answer; and whoever leaves the last question has still to press its button.
        is_staying = draft.step is QUESTIONS[-1] or not self._is_answered(draft)
        resume_at = draft.step if is_staying else self._after(draft)
        return draft.changed(step=step(draft.step, _interruption(waiting)), resume_at=resume_at)

    def kept(self, draft: Draft) -> Draft:
        """Return the draft after an answer that stays on its screen; a new danger interrupts here too."""
        draft = self.without_forbidden(draft)
        waiting = unread(draft, self.alerts(draft))
        if not waiting or draft.step not in QUESTIONS:
            return draft
        return draft.changed(step=step(draft.step, _interruption(waiting)), resume_at=draft.step)

    def read(self, draft: Draft) -> Draft:
        """Go on after an instruction was read; another kind of instruction may come first."""
        if draft.step not in INTERRUPTIONS:
            raise RuntimeError(f"a consultation at {draft.step} shows no instruction")
        is_private = draft.step is Step.SAFEGUARDING
        now_read = [one.mark for one in self.alerts(draft) if one.stops_photography is is_private]
        draft = draft.changed(seen=tuple(dict.fromkeys((*draft.seen, *now_read))))
        waiting = unread(draft, self.alerts(draft))
        if draft.step is Step.EMERGENCY and waiting:
            return draft.changed(step=step(draft.step, Event.SAFEGUARD))
        return draft.changed(step=step(draft.step, Event.CONTINUE, resume_at=draft.resume_at), resume_at=None)

    def back(self, draft: Draft) -> Draft:
        """Go one step back; every answer stays.

        Raises:
            CaseError: there is nothing before this step, or the case was handed over.
        """
        if draft.step not in QUESTIONS[1:]:
            raise CaseError("there is no step before this one: go on, or leave the consultation")
        is_without = draft.step is Step.COMPLAINT and not self.can_picture(draft)
        return draft.changed(step=step(draft.step, Event.BACK_WITHOUT_PICTURES if is_without else Event.BACK))

    def without_forbidden(self, draft: Draft) -> Draft:
        """Return the draft without what later answers forbid.

        A consent that somebody else has to give now is asked again, one that cannot be granted is refused, and a
        picture that may not be, or whose site is no longer chosen, goes.
        """
        permit = self.consent(draft)
        choices = {
            name: choice if name in permit.grantable else choice.model_copy(update={"granted": False})
            for name, choice in draft.agreement.choices.items()
            if (choice.given_by, choice.basis) == (permit.who_decides, permit.basis)
        }
        if choices != draft.agreement.choices:
            draft = draft.changed(agreement=draft.agreement.model_copy(update={"choices": choices}))
        kept = tuple(view for view in draft.views if self._may_stay(draft, view))
        return draft if kept == draft.views else draft.changed(views=kept)

    def case_of(self, draft: Draft, images: dict[str, Frame], previous: PreviousVisit | None) -> Case:
        """Build the case of a finished draft.

        Args:
            draft: at ``Step.RUNNING``.
            images: by image id, uint8[H, W, 3] BGR.
            previous: the last reported visit of the episode.

        Raises:
            CaseError: the draft cannot be a case.
        """
        draft = self.without_forbidden(draft)
        is_stopped = self.is_photography_stopped(draft)
        return draft.to_case(images, consent=draft.to_consent(), previous=previous, is_photography_stopped=is_stopped)

    def _may_stay(self, draft: Draft, view: TakenView) -> bool:
        """Judge a picture as it was taken; a later stop of photography ends further ones only."""
        if view.place not in {(site.body_site, site.laterality) for site in draft.sites}:
            return False
        permit = self.permits.camera(draft, view.as_asked, shot=view.shot, clinician=view.clinician, is_stopped=False)
        return permit.is_allowed

    def _is_answered(self, draft: Draft) -> bool:
        try:
            self.check(draft)
        except CaseError:
            return False
        return True

    def _after(self, draft: Draft) -> Step:
        is_without = draft.step is Step.SITES and not self.can_picture(draft)
        return step(draft.step, Event.WITHOUT_PICTURES if is_without else Event.NEXT)


def _interruption(waiting: tuple[Alert, ...]) -> Event:
    """Name the interruption: the emergency comes before safeguarding."""
    return Event.SAFEGUARD if all(alert.stops_photography for alert in waiting) else Event.ALERT
