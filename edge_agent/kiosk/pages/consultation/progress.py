"""While the agents run: stages, remaining time and signs as they come; a notice when a report is ready.

A report never opens by itself: whoever works with the next person sees one line, and opens it when there is time.
"""

from __future__ import annotations

import asyncio
import json
import queue
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from edge_agent.casework import AGAIN
from edge_agent.consultation.steps import Step
from edge_agent.contracts.speech import Speech
from edge_agent.errors import CaseError
from edge_agent.ipc import Kind, Message
from edge_agent.kiosk.access import session_of
from edge_agent.kiosk.case_rooms import name_of, speech_of, term_of
from edge_agent.kiosk.faults import resting_words
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import counted as _n
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.pages.consultation.desk import HOME, Worker, room_of
from edge_agent.kiosk.rendering import language_of, page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.kiosk.sessions import Sessions
from edge_agent.store.accounts import Person, Role
from edge_agent.store.episodes import VisitRow

router = Room()
POLL_S: Final = 0.25
STORE_EVERY: Final = 4  # polls of the messages for one look into the store
SILENT_AFTER: Final = 80  # polls without news, then the page says that somebody watches
BEAT_EVERY: Final = 60  # a comment in the stream now and then, so that a dead page is noticed
STAGES: Final[Mapping[str, Text]] = {
    "rules": _("Danger signs"),
    "encode": _("Reading the pictures"),
    "recognition": _("Describing each picture"),
    "second_look": _("Looking again"),
    "representation": _("Putting the visit together"),
    "reasoning": _("Reasoning"),
    "report": _("Writing the report"),
}
AGAIN_WORDS: Final = _("The program stopped and begins again with this case. Nothing is lost; you do not have to wait.")
SILENT_WORDS: Final = _(
    "No news for a while. The program is watched: if it hangs it is started again, and the case is kept."
)


def visit_of(request: Request, case_id: str, person: Person) -> VisitRow:
    """Return a visit for its owner or a clinician.

    Raises:
        HTTPException: 403, somebody else's.
        CaseError: no such visit.
    """
    visit = room_of(request).episodes.visit(case_id)
    if visit.owner != person.name and (Role.CLINICIAN not in person.roles or person.is_emergency):
        raise HTTPException(403)
    return visit


def running_page(request: Request, case_id: str, person: Person) -> Response:
    """Show a case that was handed over: what runs, how long it takes, and the way to the next person."""
    visit = visit_of(request, case_id, person)
    waiting = room_of(request).episodes.queue()
    ahead = sum(1 for one in waiting if one.step is Step.RUNNING and one.handed_over < visit.handed_over)
    return page(
        request,
        "consultation/running.html",
        visit=visit,
        lost=parts_of(request).cases.load(case_id, has_pictures=False).photography.lost,
        stages=[(name, words) for name, words in STAGES.items() if name != "second_look"],
        ahead=_n("One case is before this one.", "%(n)s cases are before this one.", ahead) if ahead else None,
        is_running=visit.step is Step.RUNNING,
        is_failed=visit.step is Step.FAILED,
        is_ready=visit.step in {Step.REPORT, Step.DONE},
    )


@router.get("/consultation/{case_id}/progress")
def progress(request: Request, case_id: str, person: Worker) -> Response:
    """Stream what happens to a case, as server-sent events; ends with its report or error."""
    visit = visit_of(request, case_id, person)
    return StreamingResponse(_progress(request, visit), media_type="text/event-stream")


@router.get("/events")
def events(request: Request, person: Worker) -> Response:
    """Stream one line whenever a report of this person's cases is ready."""
    return StreamingResponse(_notices(request, person), media_type="text/event-stream")


@router.post("/consultation/{case_id}/run-again")
def run_again(request: Request, case_id: str, person: Worker) -> Response:
    """Let a case run again that was put aside."""
    visit = visit_of(request, case_id, person)
    if visit.step is Step.FAILED:
        parts_of(request).cases.retry(case_id)
    return RedirectResponse(f"{HOME}/{case_id}", status_code=303)


async def _progress(request: Request, visit: VisitRow) -> AsyncIterator[str]:
    parts, episodes = parts_of(request), room_of(request).episodes
    with parts.desk.follow(visit.case_id) as messages:
        polls = silent = 0
        while await _is_watched(request):
            told = _told(request, messages)
            for name, body in told:
                yield _event(name, body)
            silent = 0 if told else silent + 1
            if silent == SILENT_AFTER:
                words = silent_words(parts_of(request).faults())
                yield _event("note", {"words": " ".join(map(language_of(request).gettext, words))})
            # The end is read from the store: a message may have come before anybody listened.
            if polls % STORE_EVERY == 0:
                now = await asyncio.to_thread(episodes.visit, visit.case_id)
                if now.step is not Step.RUNNING:
                    yield _event("end", {"href": f"{HOME}/{visit.case_id}"})
                    return
            polls += 1
            if polls % BEAT_EVERY == 0:
                yield ": still here\n\n"
            await asyncio.sleep(POLL_S)


def silent_words(faults: Sequence[str]) -> tuple[Text, ...]:
    """Return why nothing comes: the agents rest (heat, battery), or nobody knows."""
    resting = resting_words(faults)
    return (SILENT_WORDS,) if resting is None else (resting.what, resting.do)


def _told(request: Request, messages: queue.Queue[Message]) -> list[tuple[str, dict[str, Any]]]:
    rows: list[tuple[str, dict[str, Any]]] = []
    while True:
        try:
            message = messages.get_nowait()
        except queue.Empty:
            return rows
        if message.kind == Kind.PROGRESS and message.body.get("stage") == AGAIN:
            rows.append(("note", {"words": language_of(request).gettext(AGAIN_WORDS)}))
        elif message.kind == Kind.PROGRESS:
            rows.append(("progress", _stage(request, message.body)))
        elif message.kind == Kind.FIELD:
            rows.append(("field", _field(request, message.body)))


def _stage(request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
    say = language_of(request).gettext
    left = body.get("remaining_s")
    words: Text | None = None
    if left is not None and left >= 90:
        words = _n("About one minute left", "About %(n)s minutes left", max(1, round(left / 60)))
    elif left is not None:
        words = _("Less than a minute left") if left < 45 else _("About one minute left")
    stage = str(body.get("stage", ""))
    return {
        "stage": stage,
        "words": say(STAGES[stage]) if stage in STAGES else "",
        "done": body.get("done", 0),
        "total": body.get("total", 0),
        "left": say(words) if words is not None else "",
    }


def _field(request: Request, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return one sign in words; it is the program's, unconfirmed, and the page says so above the list."""
    vocabulary, say = parts_of(request).vocabulary, language_of(request).gettext
    name = str(body.get("field", ""))
    value = body.get("value")
    values = value if isinstance(value, list | tuple) else [value]
    words = [
        term_of(request, name, one) if isinstance(one, str) and vocabulary.has(one, of=name) else str(one)
        for one in values
        if one is not None
    ]
    view, speech = body.get("view"), speech_of(request)
    return {
        "key": f"{body.get('agent')}.{view}.{body.get('step')}.{name}",
        "view": say(_("Picture %(number)s", number=view + 1)) if isinstance(view, int) else say(_("Whole visit")),
        "name": name_of(request, name) if name in vocabulary.lists else name,
        "value": (speech.comma if isinstance(speech, Speech) else ", ").join(words) or say(_("cannot tell")),
    }


async def _notices(request: Request, person: Person) -> AsyncIterator[str]:
    """Tell the number of waiting reports whenever it changes; never whose they are, for others may look on."""
    episodes, language = room_of(request).episodes, language_of(request)
    told: int | None = None
    polls = 0
    while await _is_watched(request):
        count = len(await asyncio.to_thread(episodes.ready, person.name))
        if count != told:
            told = count
            words = _n("A report is ready.", "%(n)s reports are ready.", count)
            yield _event("ready", {"count": count, "words": language.gettext(words) if count else "", "href": HOME})
        polls += STORE_EVERY
        if polls % BEAT_EVERY == 0:
            yield ": still here\n\n"
        await asyncio.sleep(STORE_EVERY * POLL_S)


async def _is_watched(request: Request) -> bool:
    sessions: Sessions = request.app.state.sessions
    session = sessions.find(session_of(request).id)
    is_here = session is not None and session.person is not None and not sessions.is_blank(session)
    return is_here and not await request.is_disconnected()


def _event(name: str, body: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"


def exists(request: Request, case_id: str) -> bool:
    """Say whether a case was handed over as a visit."""
    try:
        room_of(request).episodes.visit(case_id)
    except CaseError:
        return False
    return True
