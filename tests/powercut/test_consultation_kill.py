"""SIGKILL a kiosk at every step of a consultation: each saved answer is there, each case is handed over once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from edge_agent.consultation.steps import QUESTIONS, Step
from edge_agent.errors import CaseError
from tests.simulators.consultation_writer import answer_next
from tests.simulators.consultations import COURSE, NOW, Post

KILLS = int(os.environ.get("DERM_POWERCUT_KILLS", "12"))
ROOT = Path(__file__).parents[2]
LINES_OF_ONE_CASE = len(QUESTIONS) + 2  # an answer each, one picture, the hand-over


def _run_and_kill(state: Path, *, lines: int, delay_s: float) -> list[list[str]]:
    """Run the writer until it has said so many lines, wait a moment more, kill it; return what it said."""
    command = [sys.executable, "-m", "tests.simulators.consultation_writer", "--state", str(state)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        time.sleep(delay_s)  # the moment of the kill is the subject of the test
        process.kill()
        said += process.stdout.readlines()
    assert all(said), "the writer ended by itself"
    return [line.decode().split() for line in said if line.endswith(b"\n")]


def test_a_kill_at_every_step_loses_no_answer_and_doubles_no_case(tmp_path: Path) -> None:
    """After each kill the last saved step of every draft is there or a later one, and no case or visit stands twice."""
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")  # shown when the test fails
    moments = random.Random(seed)
    handed: set[str] = set()
    last: dict[str, tuple[int, int]] = {}
    order = [*QUESTIONS, Step.RUNNING]
    for kill in range(KILLS):
        lines = kill % LINES_OF_ONE_CASE + 1  # a kill after each step in turn
        for words in _run_and_kill(tmp_path, lines=lines, delay_s=moments.uniform(0.0, 0.02)):
            if words[0] == "handed":
                handed.add(words[1])
            else:
                last[words[1]] = (order.index(Step(words[2])), int(words[3]))
        post = Post(tmp_path)
        post.database.check()
        for case_id, (place, views) in last.items():
            _check_one(post, case_id, place=place, views=views, is_handed=case_id in handed)
        visits = post.database.rows("SELECT case_id FROM visits")
        assert len(visits) == len(set(visits))
        post.database.close()
    assert handed, "no kill came after a hand-over: nothing was tested"
    _finish_everything(tmp_path)


def _check_one(post: Post, case_id: str, *, place: int, views: int, is_handed: bool) -> None:
    try:
        draft = post.consultations.draft(case_id)
    except CaseError:  # handed over: said, or done in the moment before the kill
        assert len(post.cases.load(case_id).views) == 1
        assert post.episodes.has_visit(case_id)
        return
    assert not is_handed
    assert [*QUESTIONS, Step.RUNNING].index(draft.step) >= place
    assert len(draft.views) >= views
    for view in draft.views:
        assert post.consultations.picture(case_id, view.image_id)


def _finish_everything(folder: Path) -> None:
    """What is left can be finished by hand: no draft is stuck, and no picture of a draft stays in the vault."""
    post = Post(folder)
    post.consultations.finish_hand_overs(desk=post.desk, rules=COURSE, now=NOW)
    for row in post.consultations.open_drafts():
        draft = post.consultations.draft(row.case_id)
        while draft.step is not Step.RUNNING:
            draft = answer_next(post, draft)
        post.hand_over(draft.case_id)
    post.vault.sweep()
    post.vault.settle()
    assert post.consultations.open_drafts() == []
    assert len(list(post.vault.files())) == len(post.episodes.queue())
    post.database.close()
