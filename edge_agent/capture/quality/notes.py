"""Write the gate's verdicts into the form where nobody judged the pictures: a person's word is never overwritten."""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.capture.quality.gate import Quality, judge
from edge_agent.contracts.case import Frame
from edge_agent.contracts.intake import Intake, ViewNote


def noted(intake: Intake, frames: Sequence[Frame]) -> tuple[Intake, tuple[Quality | None, ...]]:
    """Return the form with a quality and its reasons on the note of every picture, and what the gate said of those it judged.

    Args:
        intake: the form; it may have fewer notes than there are pictures, or more (``views_of`` refuses those).
        frames: uint8[H, W, 3], BGR, in the order of the notes.

    Returns:
        The form, and for each picture the gate's judgement, None where a person had judged.
    """
    notes = [*intake.views, *(ViewNote() for _ in frames[len(intake.views) :])]
    judged: list[Quality | None] = []
    for n, frame in enumerate(frames):
        note = notes[n]
        own = None if note.quality is not None else judge([frame], shot=note.shot, site=note.body_site)
        judged.append(own)
        if own is not None:
            notes[n] = note.model_copy(update={"quality": own.verdict, "reasons": own.reasons})
    return intake.model_copy(update={"views": tuple(notes)}), tuple(judged)
