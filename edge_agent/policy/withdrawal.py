"""What taking a consent back does, purpose by purpose (R11).

Pure: names the actions in the order in which they are taken; the store and the uplink take them and prove it. The
medical record is never deleted by a withdrawal: it is kept as the law asks, and locked once its pictures are gone.

Source: policy R11.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from edge_agent.contracts.consent_values import PURPOSES, ConsentPurpose


class WithdrawalAction(StrEnum):
    """One thing that is done."""

    SHRED_PICTURES = "shred_pictures"
    STOP_PROGRAM = "stop_program"
    TOMBSTONE = "tombstone"
    LEAVE_OUT_OF_EXPORTS = "leave_out_of_exports"
    STOP_PACKAGE = "stop_package"
    ASK_RECEIVER_TO_DELETE = "ask_receiver_to_delete"
    LEAVE_OUT_OF_TRAINING = "leave_out_of_training"
    LOCK_RECORD = "lock_record"


@dataclass(frozen=True, slots=True)
class WithdrawalStep:
    """One action and the purpose for whose sake it is taken.

    ``is_done_when_confirmed``: done only when somebody else has said so (the hub's acknowledgement, the receiver's
    answer); until then it stays open and is shown as open.
    """

    purpose: ConsentPurpose
    action: WithdrawalAction
    is_done_when_confirmed: bool = False


_CONFIRMED = frozenset({WithdrawalAction.TOMBSTONE, WithdrawalAction.ASK_RECEIVER_TO_DELETE})
_ACTIONS: Mapping[ConsentPurpose, tuple[WithdrawalAction, ...]] = {
    # A picture that is gone cannot travel or teach either. The other purposes leave care as it was (R1), so only this
    # one locks the record.
    "care_pictures": (
        WithdrawalAction.STOP_PACKAGE,
        WithdrawalAction.SHRED_PICTURES,
        WithdrawalAction.LEAVE_OUT_OF_TRAINING,
        WithdrawalAction.LOCK_RECORD,
    ),
    "program_help": (WithdrawalAction.STOP_PROGRAM,),
    "deidentified_result": (WithdrawalAction.TOMBSTONE, WithdrawalAction.LEAVE_OUT_OF_EXPORTS),
    "referral_package": (WithdrawalAction.STOP_PACKAGE, WithdrawalAction.ASK_RECEIVER_TO_DELETE),
    "training": (WithdrawalAction.LEAVE_OUT_OF_TRAINING,),
}


def withdrawal_plan(
    purposes: Collection[ConsentPurpose], *, was_packaged: bool = True, was_transferred: bool = False
) -> tuple[WithdrawalStep, ...]:
    """Return what is done when these purposes are taken back; each action once, locking the record last.

    Nothing here asks whether a result was sent: a tombstone is right before, during and after the sending, and a hub
    that never had the record acknowledges it all the same.

    Args:
        purposes: what the person takes back; all of them at once is the same as one after the other.
        was_packaged: a package was made, so there may be one to stop. Unknown counts as yes.
        was_transferred: a package was handed over, so its receiver is asked to delete, whichever purpose of it is
            taken back.
    """
    steps: dict[WithdrawalAction, WithdrawalStep] = {}
    for purpose in PURPOSES:
        for action in _ACTIONS[purpose] if purpose in purposes else ():
            if action is WithdrawalAction.STOP_PACKAGE and not was_packaged:
                continue
            if action is WithdrawalAction.ASK_RECEIVER_TO_DELETE and not was_transferred:
                continue
            steps.setdefault(action, WithdrawalStep(purpose, action, action in _CONFIRMED))
        if purpose == "care_pictures" and purpose in purposes and was_transferred:
            ask = WithdrawalAction.ASK_RECEIVER_TO_DELETE
            steps.setdefault(ask, WithdrawalStep(purpose, ask, is_done_when_confirmed=True))
    return tuple(sorted(steps.values(), key=lambda step: step.action is WithdrawalAction.LOCK_RECORD))
