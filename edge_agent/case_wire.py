"""Pack a case into one message and unpack it again: the form in which a case crosses processes of one device.

Pictures travel as PNG, which loses nothing. Never sent to another machine: de-identification stands before that.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from edge_agent.contracts.case import Case, View
from edge_agent.contracts.intake import Consent, Intake
from edge_agent.contracts.photography import Photography
from edge_agent.contracts.previous import PreviousVisit
from edge_agent.errors import DaemonError, StoreCorrupt
from edge_agent.ipc import Kind, Message
from edge_agent.store.pictures import decode_png, encode_png


def pack_case(case: Case, *, language: str) -> Message:
    """Pack a case and the language of its report into a ``case`` message."""
    body: dict[str, Any] = {
        "kind": Kind.CASE,
        "case_id": case.case_id,
        "created": case.created.isoformat(),
        "language": language,
        "intake": case.intake.model_dump(mode="json"),
        "consent": case.consent.model_dump(mode="json") if case.consent else None,
        "previous": case.previous.model_dump(mode="json") if case.previous else None,
        "views": [
            {
                "index": view.index,
                "shot": view.shot,
                "body_site": view.body_site,
                "laterality": view.laterality,
                "has_mark": view.has_mark,
            }
            for view in case.views
        ],
        "photography": case.photography.model_dump(mode="json"),
    }
    return Message(body=body, blobs=tuple(encode_png(view.frame) for view in case.views))


def unpack_case(message: Message) -> Case:
    """Unpack a ``case`` message.

    Raises:
        DaemonError: a field is missing or a picture cannot be decoded.
        CaseError: the case may not be processed (see ``Case``).
    """
    body = message.body
    try:
        if len(body["views"]) != len(message.blobs):
            raise ValueError("as many views as pictures are needed")
        views = tuple(
            View(
                index=int(entry["index"]),
                frame=decode_png(blob),
                shot=entry["shot"],
                body_site=entry["body_site"],
                laterality=entry["laterality"],
                has_mark=bool(entry["has_mark"]),
            )
            for entry, blob in zip(body["views"], message.blobs, strict=True)
        )
        intake = Intake.model_validate_json(json.dumps(body["intake"]))
        consent = None if body["consent"] is None else Consent.model_validate_json(json.dumps(body["consent"]))
        previous = body["previous"]
        earlier = None if previous is None else PreviousVisit.model_validate_json(json.dumps(previous))
        photography = Photography.model_validate_json(json.dumps(body["photography"]))
        created = datetime.fromisoformat(body["created"])
        case_id = str(body["case_id"])
    except (KeyError, TypeError, ValueError, StoreCorrupt) as exc:  # pydantic's ValidationError is a ValueError
        raise DaemonError("the case message is not complete; are both programs the same version?") from exc
    return Case(
        case_id=case_id,
        views=views,
        intake=intake,
        consent=consent,
        created=created,
        previous=earlier,
        photography=photography,
    )
