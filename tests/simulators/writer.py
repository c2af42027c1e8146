"""A device process to be killed: the real store, outbox and uplink; only the cases are made up.

``python -m tests.simulators.writer --state DIR [--broker URL] [--withdraw]`` stores and reports cases in a loop, and
prints one line per durable step: ``added CASE`` after the case is stored, ``finished CASE RECORD`` after its report
and outbox row are, ``withdrawn RECORD``. What is printed must survive any kill; that is what the tests check.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import threading
from pathlib import Path

from edge_agent.store.cases import CaseStore
from edge_agent.store.database import Database
from edge_agent.store.key import load_or_create_key
from edge_agent.store.outbox import Outbox
from edge_agent.uplink.settings import UplinkSettings, load_or_create_device_id
from edge_agent.uplink.uplink import Uplink
from tests.simulators.records import a_case, a_consent, a_result

BACKOFF_S, ACK_TIMEOUT_S = 0.1, 20.0  # a test has no minutes to lose


def open_database(state: Path) -> Database:
    """Open (or make) the store in a state folder."""
    path = state / "store.db"
    return Database(path, load_or_create_key(state / "store.key", database=path))


def build_uplink(database: Database, state: Path, broker: str) -> Uplink:
    """Build the real uplink with impatient settings."""
    wish = UplinkSettings.from_url(broker, device=load_or_create_device_id(state / "device_id"))
    settings = UplinkSettings(
        host=wish.host,
        port=wish.port,
        device=wish.device,
        ack_timeout_s=ACK_TIMEOUT_S,
        idle_poll_s=0.02,
        backoff_first_s=BACKOFF_S,
        backoff_max_s=2 * BACKOFF_S,
    )
    return Uplink(Outbox(database), settings)


def work(database: Database, *, pause_s: float, withdraws: bool, stop: threading.Event) -> None:
    """Store, report and sometimes withdraw cases until told to stop."""
    store = CaseStore(database)
    for case_id in store.pending():
        _finish(store, case_id)
    while not stop.wait(pause_s):
        case_id = secrets.token_hex(6)
        store.add(a_case(case_id, consent=a_consent()), language="en")
        _say("added", case_id)
        _finish(store, case_id)
        if withdraws and secrets.randbelow(6) == 0:
            store.withdraw(case_id)
            _say("withdrawn", store.record_id(case_id))


def _finish(store: CaseStore, case_id: str) -> None:
    if store.mark_running(case_id):
        record_id = store.record_id(case_id)
        store.finish(case_id, {"case_id": case_id}, a_result(record_id))
        _say("finished", case_id, record_id)


def _say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()  # ends with the parent, however that ends
    stop.set()


def main() -> None:
    """Run until killed, or until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--broker")
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--withdraw", action="store_true")
    options = parser.parse_args()
    stop = threading.Event()
    with open_database(options.state) as database:
        sender: threading.Thread | None = None
        if options.broker:
            uplink = build_uplink(database, options.state, options.broker)
            sender = threading.Thread(target=uplink.run, args=(stop,))
            sender.start()
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
        try:
            work(database, pause_s=options.pause, withdraws=options.withdraw, stop=stop)
        finally:
            stop.set()
            if sender is not None:
                sender.join()


if __name__ == "__main__":
    main()
