"""What a receiver answered once the person took a file back: a clinician writes it down; what is open stays on the lists (R11)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.errors import CaseError
from edge_agent.kiosk.access import requires
from edge_agent.kiosk.case_rooms import listed_case, noting
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.language import Text
from edge_agent.kiosk.language import text as _
from edge_agent.kiosk.rendering import parts_of
from edge_agent.kiosk.room import Room
from edge_agent.store.accounts import Person, Role
from edge_agent.store.audit import Action
from edge_agent.store.sent_files import Answer, AnsweredHow, ReceiverAnswer, SentFiles

router = Room()
ANSWERS: Final[Mapping[ReceiverAnswer, Text]] = {
    ReceiverAnswer.DELETED: _("It is deleted"),
    ReceiverAnswer.NEVER_ARRIVED: _("It never arrived"),
    ReceiverAnswer.KEPT_BY_LAW: _("The law has them keep it"),
}
HOW: Final[Mapping[AnsweredHow, Text]] = {
    AnsweredHow.LETTER: _("by letter"),
    AnsweredHow.E_MAIL: _("by e-mail"),
    AnsweredHow.TELEPHONE: _("by telephone"),
    AnsweredHow.IN_PERSON: _("in person"),
}


def answer_words() -> dict[str, Any]:
    """Return the words of the answers, for the page that asks for them."""
    return {"answers": ANSWERS, "how": HOW}


@router.post("/cases/{case_id}/receivers/{number}")
def confirm(
    request: Request,
    case_id: str,
    number: int,
    person: Annotated[Person, Depends(requires(Role.CLINICIAN))],
    form: Sent,
) -> Response:
    """Write one receiver's answer down, in one transaction with its row of the trail."""
    parts = parts_of(request)
    listed_case(request, case_id)
    try:
        answer = Answer(
            ReceiverAnswer(str(form.get("answer"))),
            AnsweredHow(str(form.get("how"))),
            told_by=str(form.get("told_by") or ""),
            told_on=date.fromisoformat(str(form.get("told_on"))),
            account=person.name,
            recorded=parts.clock(),
        )
    except ValueError as exc:
        raise CaseError("choose what they answered, how and on which day") from exc
    detail = f"{answer.answer}:{answer.how}"
    noted = noting(parts, person, Action.RECEIVER_ANSWERED, case_id=case_id, detail=detail)
    SentFiles(parts.database).record(case_id, number, answer, noted=noted)
    return RedirectResponse(f"/cases/{case_id}/withdraw#receivers", status_code=303)
