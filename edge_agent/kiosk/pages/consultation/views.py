"""Guided pictures: one site and one kind of shot at a time; the gate judges each, the policy is asked for each.

A refused picture is never kept (R12). Nothing of the live picture is recorded (R7).

Source: policy.md R1, R4-R7, R12; clinical-vocabulary section 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, get_args

from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from edge_agent.capture.stills import decode_picture
from edge_agent.consultation import answers
from edge_agent.consultation.draft import MAX_VIEWS, Draft
from edge_agent.consultation.pictures import SiteChoice, TakenView
from edge_agent.consultation.steps import Step
from edge_agent.contracts.case import Frame
from edge_agent.contracts.intake_values import Shot
from edge_agent.contracts.result import QualityReason
from edge_agent.errors import CaseError, PictureError
from edge_agent.kiosk.faults import camera_words
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.pages.consultation.desk import (
    HOME,
    Screen,
    Turn,
    Worker,
    answered,
    noting,
    once,
    show,
    to_draft,
    turn_of,
)
from edge_agent.kiosk.pages.consultation.sources import burst, file_bytes
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.taps import new_token
from edge_agent.store.audit import Action
from edge_agent.store.pictures import encode_png
from edge_agent.store.vault import ImageKind

router = Room()
NAILS: Final = frozenset({"fingernail", "toenail"})
# What nobody can overrule: there is no picture of a person in it.
NEVER_KEPT: Final = frozenset({"frozen_frame", "not_skin"})
NO_ROOM: Final = frozenset({"disk_tight", "disk_full"})  # faults of the device under which cases go on as text


def shots_of(site: SiteChoice) -> tuple[Shot, ...]:
    """Return the shots that are asked for, in order; each may be left out."""
    return ("nail", "close_up") if site.body_site in NAILS else ("overview", "regional", "close_up")


def _wanted(draft: Draft) -> list[tuple[int, SiteChoice, Shot, bool]]:
    """Return every (place of the site, site, shot, is taken) of a draft."""
    taken = {(view.body_site, view.laterality, view.shot) for view in draft.views}
    return [
        (index, site, shot, (site.body_site, site.laterality, shot) in taken)
        for index, site in enumerate(draft.sites)
        for shot in shots_of(site)
    ]


def _values(turn: Turn) -> Mapping[str, Any]:
    draft, course, query = turn.draft, turn.room.course, turn.request.query_params
    wanted = _wanted(draft)
    permits = [course.camera(draft, site, clinician=turn.clinician) for site in draft.sites]
    open_ones = [
        (index, shot) for index, _site, shot, is_taken in wanted if not is_taken and permits[index].is_possible
    ]
    first = open_ones[0] if open_ones else (0, shots_of(draft.sites[0])[0])
    index = (
        int(query["site"]) if query.get("site", "").isdecimal() and int(query["site"]) < len(draft.sites) else first[0]
    )
    site = draft.sites[index]
    shots = shots_of(site)
    shot = next((one for one in shots if one == query.get("shot")), first[1] if index == first[0] else shots[0])
    permit = permits[index]
    earlier = None
    if draft.episode_id is not None and permit.is_allowed:
        earlier = turn.room.episodes.earlier_picture(draft.episode_id, body_site=site.body_site, shot=shot)
    return {
        "wanted": wanted,
        "permits": permits,
        "site": site,
        "place": index,
        "shot": shot,
        "permit": permit,
        "reason": turn.term("camera_refusal", permit.reason) if permit.reason else "",
        "needs": permit.needs,
        "has_camera": turn.parts.camera is not None,
        "earlier": earlier,
        "is_done": not open_ones,
        "is_full": len(draft.views) >= MAX_VIEWS,
        "refused": (),
        "may_keep": False,
        "damaged": turn.room.consultations.damaged(draft),
        "once": new_token(),
    }


VIEWS = Screen(Step.VIEWS, "consultation/views.html", _values)
SCREENS = (VIEWS,)


@router.post("/consultation/{case_id}/capture")
def capture(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Take a burst, judge it, keep its best picture or say why not."""
    turn = turn_of(request, case_id, person)
    if turn.draft.step is not Step.VIEWS:  # a page that was left open
        return to_draft(case_id)
    return once(turn, form, lambda: _capture(turn, form))


def _capture(turn: Turn, form: FormData) -> Response:
    frames = burst(turn)
    if not frames:
        trouble = camera_words(turn.parts.faults())
        return show(
            turn,
            VIEWS,
            problem=trouble.what
            if trouble
            else _("The camera gave no new picture. Wait a moment and try again, or choose a file."),
        )
    return _keep(
        turn, frames, place=form.get("site"), shot=form.get("shot"), source="camera", is_wanted=bool(form.get("keep"))
    )


@router.post("/consultation/{case_id}/import")
def import_file(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Take a picture from a file, by the same rules as one from the camera."""
    turn = turn_of(request, case_id, person)
    if turn.draft.step is not Step.VIEWS:
        return to_draft(case_id)
    return once(turn, form, lambda: _import(turn, form))


def _import(turn: Turn, form: FormData) -> Response:
    upload = form.get("picture")
    if not hasattr(upload, "file"):
        return show(turn, VIEWS, problem=_("Choose a picture file first."))
    try:
        frame = decode_picture(file_bytes(upload))  # type: ignore[arg-type]  # a file, as asked above
    except PictureError:
        return show(turn, VIEWS, problem=_("This file cannot be read as a picture. Use JPEG or PNG, up to 24 MB."))
    return _keep(
        turn, [frame], place=form.get("site"), shot=form.get("shot"), source="file", is_wanted=bool(form.get("keep"))
    )


@router.post("/consultation/{case_id}/asked")
def asked(request: Request, case_id: str, person: Worker, form: Sent) -> Response:
    """Write down what an intimate or identifying picture needs first: chaperone, second yes, asked now."""
    turn = turn_of(request, case_id, person)
    place = _place(turn, form.get("site"))
    told: dict[str, Any] = {}
    chaperone = str(form.get("chaperone") or "").strip()
    if form.get("declined"):
        chaperone = "declined"
    if chaperone:
        told["chaperone"] = chaperone[:64]
    if form.get("confirmed"):
        told["is_confirmed"] = True
    if form.get("asked_now"):
        told["is_asked"] = True
    if form.get("has_mark") in {"yes", "no"}:
        told["has_mark"] = form["has_mark"] == "yes"

    def answer(draft: Draft) -> Draft:
        return answers.with_site_asked(draft, place, **told) if draft.step is Step.VIEWS else draft

    noted = noting(turn, "picture_asked", detail=turn.draft.sites[place].body_site)
    turn.room.consultations.change(case_id, answer, by=person.name, noted=noted)
    shot = next((f"&shot={one}" for one in shots_of(turn.draft.sites[place]) if one == form.get("shot")), "")
    return RedirectResponse(f"{HOME}/{case_id}?site={place}{shot}", status_code=303)


@router.post("/consultation/{case_id}/pictures/{image_id}/remove")
def remove(request: Request, case_id: str, image_id: str, person: Worker) -> Response:
    """Let one picture go, for good."""
    turn = turn_of(request, case_id, person)
    turn.room.consultations.change(
        case_id,
        lambda draft: answers.without_view(draft, image_id) if draft.step is Step.VIEWS else draft,
        by=person.name,
        gone_as=Action.PICTURE_REMOVED,
    )
    return to_draft(case_id)


@router.post("/consultation/{case_id}/pictures/{image_id}/mark")
def mark(request: Request, case_id: str, image_id: str, person: Worker) -> Response:
    """Write down that people would know the person by a picture that was taken, and that the person agrees to it (R6)."""
    turn = turn_of(request, case_id, person)
    turn.room.consultations.change(
        case_id,
        lambda draft: answers.with_view_marked(draft, image_id) if draft.step is Step.VIEWS else draft,
        by=person.name,
        noted=noting(turn, "picture_asked", detail=image_id),
    )
    return to_draft(case_id)


@router.post("/consultation/{case_id}/views")
def done(request: Request, case_id: str, person: Worker) -> Response:
    """Leave the pictures; none is a fine answer too (R1)."""
    return answered(turn_of(request, case_id, person), VIEWS, lambda draft: draft)


def _place(turn: Turn, told: object) -> int:
    words = str(told or "")
    if not words.isdecimal() or int(words) >= len(turn.draft.sites):
        raise HTTPException(422)
    return int(words)


def _keep(
    turn: Turn, frames: Sequence[Frame], *, place: object, shot: object, source: str, is_wanted: bool
) -> Response:
    """Judge and keep one picture; ``is_wanted``: the worker keeps it whatever the check says."""
    at = _place(turn, place)
    site = turn.draft.sites[at]
    kind_of_shot = next((one for one in shots_of(site) if one == shot), None)
    if kind_of_shot is None:
        return to_draft(turn.draft.case_id)
    permit = turn.room.course.camera(turn.draft, site, shot=kind_of_shot, clinician=turn.clinician)
    if not permit.is_allowed:
        return show(turn, VIEWS, problem=_("No picture of this body site can be taken now."))
    if NO_ROOM & set(turn.parts.faults()):
        return show(turn, VIEWS, problem=_("The device's storage is almost full: no new pictures."))
    judged = turn.room.gate.judge(frames, shot=kind_of_shot, site=site.body_site)
    is_refused = judged.verdict == "refused"
    may_keep = not NEVER_KEPT & set(judged.reasons)
    if is_refused and not (is_wanted and may_keep):
        _count(turn, judged.reasons)
        reasons = [turn.term("quality_reason", reason) for reason in judged.reasons]
        more = {"refused": reasons, "may_keep": may_keep, "place": at, "site": site, "shot": kind_of_shot}
        return show(
            turn, VIEWS, problem=_("This picture is not good enough, and it was not kept. Take it again."), **more
        )

    def describe(draft: Draft, image_id: str) -> Draft:
        now = turn.room.course.still_allowed(draft, site, shot=kind_of_shot, clinician=turn.clinician, kind=permit.kind)
        view = TakenView(
            **{**now.model_dump(), "has_mark": bool(now.has_mark)},
            image_id=image_id,
            shot=kind_of_shot,
            quality="accepted_with_warning" if is_refused else judged.verdict,
            reasons=_known(judged.reasons),
            kind=permit.kind,
            source="file" if source == "file" else "camera",
            clinician=turn.clinician,
        )
        return turn.room.course.kept(answers.with_view(draft, view))

    # What refuses it now stands on the page that this leads to.
    with suppress(CaseError):
        turn.room.consultations.take(
            turn.draft.case_id,
            encode_png(frames[judged.best]),
            kind=ImageKind(permit.kind),
            describe=describe,
            by=turn.person.name,
            noted=noting(turn, "picture_taken", detail=site.body_site),
        )
    return to_draft(turn.draft.case_id)


def _count(turn: Turn, reasons: Sequence[str]) -> None:
    """Count a refused picture for this visit and for the device; the picture itself is not kept (R12)."""
    known = _known(reasons)
    turn.room.consultations.change(
        turn.draft.case_id, lambda draft: answers.with_refusal(draft, known), by=turn.person.name
    )
    for reason in known:
        turn.room.on_refused(reason)


def _known(reasons: Sequence[str]) -> tuple[QualityReason, ...]:
    """Return the reasons that a record may hold, the weightiest first as they came."""
    return tuple(known for reason in reasons for known in get_args(QualityReason) if known == reason)[:4]
