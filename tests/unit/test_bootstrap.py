"""What bootstrap wires: parts get what the daemon says, not their own defaults."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Any

import structlog

from edge_agent.bootstrap import build_uplink
from edge_agent.config import BrokerConfig, Config
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox


def test_the_uplink_writes_into_the_daemons_log(tmp_path: Path) -> None:
    """A broker that nobody runs is told to the given log, as an event with its reason."""
    stop, seen = threading.Event(), []

    def record(_logger: Any, _method: str, event: Any) -> Any:
        seen.append(dict(event))
        stop.set()
        raise structlog.DropEvent

    config = Config(state_dir=tmp_path, broker=BrokerConfig(url="mqtt://127.0.0.1:9"))
    with Database(tmp_path / "store.db", StoreKey(secrets.token_hex(32))) as database:
        log = structlog.wrap_logger(None, processors=[record])
        build_uplink(config, Outbox(database), log=log).run(stop)
    assert [event["event"] for event in seen] == ["uplink.offline"]
    assert "127.0.0.1:9" in seen[0]["message"]
