"""A person takes back a consent: purpose by purpose, said in plain words what happens, asked twice, done at once (R11)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from edge_agent.contracts.consent_values import PURPOSES, ConsentPurpose
from edge_agent.errors import StoreCorrupt
from edge_agent.kiosk.case_rooms import Carer, listed_case, row_of, term_of, vault_of
from edge_agent.kiosk.forms import Sent
from edge_agent.kiosk.pages.receivers import answer_words
from edge_agent.kiosk.parts import KioskParts
from edge_agent.kiosk.rendering import page, parts_of
from edge_agent.kiosk.room import Room
from edge_agent.policy.rules import WithdrawalStep, withdrawal_plan
from edge_agent.store.accounts import Person, Role, display_names
from edge_agent.store.audit import Action
from edge_agent.store.hub_deletions import hub_deletion
from edge_agent.store.sent_files import SentFiles
from edge_agent.store.withdrawal import Withdrawal, Withdrawals, WithdrawnPurpose

router = Room()


@dataclass(frozen=True, slots=True)
class Taken:
    """One purpose as the page shows it; ``done`` is None while it is not taken back, ``is_granted`` False where it was refused."""

    id: ConsentPurpose
    title: str
    steps: tuple[tuple[str, bool], ...]  # words, and whether somebody else has to confirm it
    is_granted: bool
    done: Withdrawal | None


@router.get("/cases/{case_id}/withdraw")
def ask(request: Request, case_id: str, person: Carer) -> Response:
    """Show what can be taken back, what was, and who still has to confirm it."""
    return _show(request, case_id, person, chosen=())


@router.post("/cases/{case_id}/withdraw")
def take_back(request: Request, case_id: str, person: Carer, form: Sent) -> Response:
    """Ask once more, then do it: when the answer comes, no picture can be opened any more."""
    parts = parts_of(request)
    listed_case(request, case_id)
    chosen = tuple(one for one in PURPOSES if one in form.getlist("purpose"))
    if not chosen or form.get("is_sure") != "yes":
        return _show(request, case_id, person, chosen=chosen)
    withdrawals = Withdrawals(parts.database, vault=vault_of(parts))
    # The plan's order holds: the purpose that locks the record is recorded last.
    for purpose in sorted(chosen, key=lambda one: one == "care_pictures"):
        withdrawals.record(
            case_id,
            WithdrawnPurpose(purpose),
            account=person.name,
            now=parts.clock(),
            noted=partial(
                parts.audit.append,
                who=person.name,
                action=Action.CONSENT_WITHDRAWN,
                case_ref=case_id,
                detail=purpose,
            ),
        )
    return RedirectResponse(f"/cases/{case_id}/withdraw", status_code=303)


def _show(request: Request, case_id: str, person: Person, *, chosen: tuple[ConsentPurpose, ...]) -> Response:
    parts = parts_of(request)
    row = row_of(listed_case(request, case_id), parts)
    withdrawals = Withdrawals(parts.database, vault=vault_of(parts))
    done = {one.purpose.value: one for one in withdrawals.of(case_id)}
    is_granted = _granted(parts, case_id)
    has_left = bool(SentFiles(parts.database).of(case_id))  # then somebody else has to delete it too

    def told(steps: tuple[WithdrawalStep, ...]) -> tuple[tuple[str, bool], ...]:
        return tuple(
            (term_of(request, "withdrawal_action", step.action.value), step.is_done_when_confirmed) for step in steps
        )

    purposes = [
        Taken(
            purpose,
            term_of(request, "consent_title", purpose),
            told(withdrawal_plan([purpose], was_transferred=has_left)),
            is_granted(purpose),
            done.get(purpose),
        )
        for purpose in PURPOSES
    ]
    return page(
        request,
        "cases/withdraw.html",
        row=row,
        purposes=[one for one in purposes if not chosen or one.id in chosen],
        is_asked=bool(chosen),
        steps=told(withdrawal_plan(chosen, was_transferred=has_left)),
        intro=term_of(request, "consent_text", "withdrawal"),
        limits=term_of(request, "consent_text", "withdrawal_limits"),
        is_locked=withdrawals.is_locked(case_id),
        names=display_names(parts.database),
        **_others(parts, case_id, person, taken=set(done)),
    )


def _others(parts: KioskParts, case_id: str, person: Person, *, taken: Collection[str]) -> dict[str, Any]:
    """Return what somebody else has to confirm of what was taken back: the hub, and whoever has a file."""
    is_called_back = "care_pictures" in taken or "referral_package" in taken
    return {
        "hub": hub_deletion(parts.database, case_id) if "deidentified_result" in taken else None,
        "receivers": SentFiles(parts.database).of(case_id) if is_called_back else (),
        "may_confirm": Role.CLINICIAN in person.roles,
        "today": parts.clock().date(),
        **answer_words(),
    }


def _granted(parts: KioskParts, case_id: str) -> Callable[[ConsentPurpose], bool]:
    """Return what was granted. Where the record is damaged, everything can be taken back: it may have been granted."""
    try:
        consent = parts.cases.consent(case_id)
    except StoreCorrupt:
        return lambda _purpose: True
    return lambda purpose: consent is not None and cast("bool", getattr(consent, purpose).granted)
