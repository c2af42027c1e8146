"""The steps of one consultation and every move between them, as one table.

The order is the policy's: danger signs come before age, consent and camera. An emergency interrupts from any step that
asks something, and the case goes on where it was. Nothing here knows what was answered; ``consultation.course`` decides
which event an answer is.

Source: policy.md, the order of a consultation; R3, R9.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType


class Step(StrEnum):
    """Where a consultation stands. Those of ``QUESTIONS`` ask the worker something."""

    DANGER_SIGNS = "danger_signs"
    EMERGENCY = "emergency"  # the fixed instruction; interrupts, never a place of its own
    SAFEGUARDING = "safeguarding"  # the same for signs of abuse: photography ends here (R9)
    AGE = "age"
    CONSENT = "consent"
    WHO = "who"
    SITES = "sites"
    VIEWS = "views"
    COMPLAINT = "complaint"
    HISTORY = "history"
    EXAMINATION = "examination"
    IMPRESSION = "impression"  # the worker's own, before any answer of the program
    RUNNING = "running"
    FAILED = "failed"
    REPORT = "report"
    DONE = "done"


class Event(StrEnum):
    """What happens in a consultation."""

    NEXT = "next"
    WITHOUT_PICTURES = "without_pictures"  # like next, past the camera
    BACK = "back"
    BACK_WITHOUT_PICTURES = "back_without_pictures"
    ALERT = "alert"  # an urgent rule fires that the worker has not seen yet
    SAFEGUARD = "safeguard"
    CONTINUE = "continue"  # the worker has read the instruction
    FAIL = "fail"
    RETRY = "retry"


QUESTIONS: tuple[Step, ...] = (
    Step.DANGER_SIGNS,
    Step.AGE,
    Step.CONSENT,
    Step.WHO,
    Step.SITES,
    Step.VIEWS,
    Step.COMPLAINT,
    Step.HISTORY,
    Step.EXAMINATION,
    Step.IMPRESSION,
)
INTERRUPTIONS = frozenset({Step.EMERGENCY, Step.SAFEGUARDING})
SUBMITTED = frozenset({Step.RUNNING, Step.FAILED, Step.REPORT, Step.DONE})

# None: back to the step that was interrupted.
TRANSITIONS: Mapping[tuple[Step, Event], Step | None] = MappingProxyType(
    {
        **{(here, Event.NEXT): there for here, there in pairwise(QUESTIONS)},
        **{(there, Event.BACK): here for here, there in pairwise(QUESTIONS)},
        (Step.SITES, Event.WITHOUT_PICTURES): Step.COMPLAINT,
        (Step.COMPLAINT, Event.BACK_WITHOUT_PICTURES): Step.SITES,
        **{(here, Event.ALERT): Step.EMERGENCY for here in QUESTIONS},
        **{(here, Event.SAFEGUARD): Step.SAFEGUARDING for here in QUESTIONS},
        (Step.EMERGENCY, Event.SAFEGUARD): Step.SAFEGUARDING,
        (Step.EMERGENCY, Event.CONTINUE): None,
        (Step.SAFEGUARDING, Event.CONTINUE): None,
        (Step.IMPRESSION, Event.NEXT): Step.RUNNING,
        (Step.RUNNING, Event.NEXT): Step.REPORT,
        (Step.RUNNING, Event.FAIL): Step.FAILED,
        (Step.FAILED, Event.RETRY): Step.RUNNING,
        (Step.REPORT, Event.NEXT): Step.DONE,
    }
)

RESUME: Mapping[Step, str] = MappingProxyType(
    {
        **dict.fromkeys(QUESTIONS, "show the step with what was saved"),
        Step.EMERGENCY: "show the instruction again",
        Step.SAFEGUARDING: "show the instruction again",
        Step.RUNNING: "hand the case over if that was cut off; the daemon runs it",
        Step.FAILED: "show why; a person may run it again",
        Step.REPORT: "list it as ready; it opens only when asked for",
        Step.DONE: "nothing",
    }
)


def step(here: Step, event: Event, *, resume_at: Step | None = None) -> Step:
    """Return the next step.

    Args:
        here: the present step.
        event: what happened.
        resume_at: the step that was interrupted; used only where an interruption ends.

    Raises:
        RuntimeError: the event cannot happen here (a programmer's mistake).
    """
    if (here, event) not in TRANSITIONS:
        raise RuntimeError(f"a consultation at {here} cannot {event}")
    following = TRANSITIONS[here, event]
    if following is not None:
        return following
    if resume_at not in QUESTIONS:
        raise RuntimeError(f"the interruption {here} does not know where to go on")
    return resume_at
