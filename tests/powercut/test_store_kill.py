"""SIGKILL at random moments: whatever the store has confirmed is there afterwards, whole."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from edge_agent.store.cases import CaseStore
from edge_agent.store.outbox import Outbox
from tests.simulators.writer import open_database

KILLS = int(os.environ.get("DERM_POWERCUT_KILLS", "10"))
ROOT = Path(__file__).parents[2]


def _run_and_kill(state: Path, *, lines: int, delay_s: float) -> list[list[str]]:
    """Run the writer until it has said so many lines, wait a random moment more, kill it; return what it said."""
    command = [sys.executable, "-m", "tests.simulators.writer", "--state", str(state)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        time.sleep(delay_s)  # the moment of the kill is the subject of the test
        process.kill()
        said += process.stdout.readlines()
    assert all(said), "the writer ended by itself"
    return [line.decode().split() for line in said if line.endswith(b"\n")]


def test_every_confirmed_step_survives_sigkill(tmp_path: Path) -> None:
    """After each kill the store opens, is intact, and holds every case and row that was confirmed, none twice."""
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")  # shown when the test fails
    moments = random.Random(seed)
    added: set[str] = set()
    finished: dict[str, str] = {}
    for _ in range(KILLS):
        for words in _run_and_kill(tmp_path, lines=moments.randrange(1, 8), delay_s=moments.uniform(0.0, 0.02)):
            if words[0] == "added":
                added.add(words[1])
            else:
                finished[words[1]] = words[2]
        with open_database(tmp_path) as database:
            database.check()
            store = CaseStore(database)
            assert all(store.load(case_id).views for case_id in added)
            for case_id, record_id in finished.items():
                assert store.report(case_id) == {"case_id": case_id}
                assert store.record_id(case_id) == record_id
            queued = [record.body["record_id"] for record in Outbox(database).batch(10**9)]
            assert len(queued) == len(set(queued))
            assert set(finished.values()) <= set(queued)
            reported = database.rows("SELECT record_id FROM cases WHERE state = 'reported'")
            assert {row[0] for row in reported} == set(queued)
            seqs = [row[0] for row in database.rows("SELECT seq FROM outbox ORDER BY seq")]
            assert seqs == list(range(1, len(seqs) + 1))
    assert added and finished, "no kill came after a confirmed step: nothing was tested"
