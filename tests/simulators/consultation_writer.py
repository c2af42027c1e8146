"""A kiosk to be killed: walks through consultations in the real store and says every answer that is on the disk.

``python -m tests.simulators.consultation_writer --state DIR`` prints ``saved CASE STEP VIEWS`` after each answer and
``handed CASE`` after each hand-over. What is printed must survive any kill. It ends with its stdin.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from edge_agent.consultation import answers
from edge_agent.consultation.draft import Draft
from edge_agent.consultation.steps import QUESTIONS, Step
from edge_agent.store.vault import ImageKind
from tests.simulators.consultations import COURSE, NOW, PNG, Post, steps, taken


def answer_next(post: Post, draft: Draft) -> Draft:
    """Answer the screen at which a draft stands; at the views one picture is taken first."""
    if draft.step is Step.VIEWS and not draft.views:
        return post.consultations.take(
            draft.case_id,
            PNG,
            kind=ImageKind.ORDINARY,
            describe=lambda one, image_id: answers.with_view(one, taken(image_id)),
        )
    return post.consultations.change(draft.case_id, steps()[QUESTIONS.index(draft.step)])


def work(post: Post, stop: threading.Event) -> None:
    """Go on with what was left, then begin one consultation after the other, until told to stop."""
    post.consultations.finish_hand_overs(desk=post.desk, rules=COURSE, now=NOW)
    waiting = [post.consultations.draft(row.case_id) for row in post.consultations.open_drafts()]
    while not stop.is_set():
        draft = waiting.pop() if waiting else post.consultations.begin(owner="worker 1", now=NOW)
        while draft.step is not Step.RUNNING and not stop.is_set():
            draft = answer_next(post, draft)
            _say("saved", draft.case_id, draft.step, str(len(draft.views)))
        if draft.step is Step.RUNNING:
            post.hand_over(draft.case_id)
            _say("handed", draft.case_id)


def _say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def main() -> None:
    """Run until killed, or until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    stop = threading.Event()
    threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    post = Post(options.state)
    post.vault.sweep()
    post.vault.settle()
    work(post, stop)
    post.database.close()


if __name__ == "__main__":
    main()
