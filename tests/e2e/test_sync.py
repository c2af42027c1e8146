"""Real store, real mosquitto, real hub: nothing is lost, whoever is killed."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from edge_agent.errors import UplinkError
from edge_agent.store.outbox import Outbox, append_record
from tests.simulators.broker import Broker, find_mosquitto
from tests.simulators.records import MORNING, a_result
from tests.simulators.writer import build_uplink, open_database
from tests.soak_sync import KINDS, PATIENCE_S, Hub, kill_at_random

pytestmark = pytest.mark.skipif(
    find_mosquitto() is None, reason="mosquitto is not installed (apt-get install mosquitto)"
)
KILLS = int(os.environ.get("DERM_SYNC_KILLS", "9"))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")  # shown when the test fails


def _fill(folder: Path, first: int, last: int) -> None:
    with open_database(folder) as database, database.transaction() as connection:
        for number in range(first, last + 1):
            append_record(connection, a_result(f"{number:032x}"), created=MORNING)


def test_records_wait_for_the_hub_and_then_arrive(tmp_path: Path) -> None:
    """Without a broker, and with a broker but no hub, every row stays; with the hub all arrive and are deleted."""
    _fill(tmp_path, 1, 500)
    with open_database(tmp_path) as database:
        outbox = Outbox(database)
        broker = Broker(tmp_path)
        with pytest.raises(UplinkError, match="no broker"):
            build_uplink(database, tmp_path, broker.url).sync_once(0.1)
        with broker:
            with pytest.raises(UplinkError, match="hub is not connected"):
                build_uplink(database, tmp_path, broker.url).sync_once(0.5)
            assert outbox.status().queued == 500
            with Hub(tmp_path, broker.url) as hub:
                report = build_uplink(database, tmp_path, broker.url).sync_once(PATIENCE_S)
                assert (report.newly_stored, report.queued, report.sent) == (500, 0, 0)
                assert database.rows("SELECT count(*) FROM outbox") == [(0,)]
                status = hub.status()
    assert (status["stored"], status["missing"], status["conflicts"]) == (500, 0, 0)


def test_a_withdrawal_is_confirmed_by_the_hub(tmp_path: Path) -> None:
    """A result that the hub holds disappears there after the withdrawal, and the tombstone leaves the outbox."""
    _fill(tmp_path, 1, 3)
    with open_database(tmp_path) as database, Broker(tmp_path) as broker, Hub(tmp_path, broker.url) as hub:
        uplink = build_uplink(database, tmp_path, broker.url)
        uplink.sync_once(PATIENCE_S)
        Outbox(database).withdraw(f"{2:032x}")
        report = uplink.sync_once(PATIENCE_S)
        assert (report.newly_stored, report.queued, report.sent) == (1, 0, 0)
        status = hub.status()
    assert (status["stored"], status["withdrawn"]) == (2, 1)


def test_a_restored_backup_of_the_device_loses_nothing(tmp_path: Path) -> None:
    """An older copy of the store, with new rows under numbers already used, delivers them all without a conflict."""
    _fill(tmp_path, 1, 2)
    backup = (tmp_path / "store.db").read_bytes()
    with Broker(tmp_path) as broker, Hub(tmp_path, broker.url) as hub:
        _fill(tmp_path, 3, 5)
        with open_database(tmp_path) as database:
            build_uplink(database, tmp_path, broker.url).sync_once(PATIENCE_S)
        (tmp_path / "store.db").write_bytes(backup)
        _fill(tmp_path, 11, 14)
        with open_database(tmp_path) as database:
            report = build_uplink(database, tmp_path, broker.url).sync_once(PATIENCE_S)
        assert (report.queued, report.sent, report.rejected) == (0, 0, 0)
        status = hub.status()
    assert (status["stored"], status["conflicts"]) == (9, 0)


def test_nothing_is_lost_whoever_is_killed(tmp_path: Path) -> None:
    """Device, broker and hub are killed at random moments; every confirmed result is at the hub exactly once."""
    seed = random.SystemRandom().randrange(2**32)
    _say(f"seed {seed}")
    history = kill_at_random(tmp_path, kills=KILLS, seed=seed, say=_say)
    assert sum(history.kills.values()) == KILLS
    assert min(history.kills.values()) >= KILLS // len(KINDS)
    assert history.finished
