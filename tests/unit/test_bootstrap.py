"""What bootstrap wires: parts get what the daemon says, not their own defaults."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog

from edge_agent.bootstrap import build_uplink, child_settings, engine_wish
from edge_agent.casework_bootstrap import report_failure
from edge_agent.config import BrokerConfig, Config
from edge_agent.errors import InferenceError
from edge_agent.inference.worker import _parser as child_parser
from edge_agent.inference_child import ChildSettings, InferenceChild, State
from edge_agent.store.database import Database
from edge_agent.store.key import StoreKey
from edge_agent.store.outbox import Outbox
from edge_agent.supervision.logs import build_log
from tests.simulators.cases import case


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


def test_a_full_disk_under_the_log_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stderr on a full disk every kind of log line is lost without an error."""
    with Path("/dev/full").open("w", buffering=1) as full:
        with monkeypatch.context() as patch:
            patch.setattr("sys.stderr", full)
            log = build_log()
        with pytest.raises(OSError, match="No space"):
            full.write("a line\n")
        log.info("ready")
        log.warning("refused", error="StoreFull")
        try:
            raise ValueError("a mistake")
        except ValueError:
            log.exception("failed")
        with pytest.raises(OSError, match="No space"):
            full.close()


def test_a_log_whose_stream_is_gone_stops_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A closed stderr loses the lines too."""
    stream = (tmp_path / "log").open("w")
    monkeypatch.setattr("sys.stderr", stream)
    log = build_log()
    stream.close()
    log.warning("refused")


def test_the_log_is_written_while_it_can_be(capsys: pytest.CaptureFixture[str]) -> None:
    """Losing lines is for broken streams only: a good one gets every line."""
    build_log().warning("refused", error="StoreFull")
    assert '"error": "StoreFull"' in capsys.readouterr().err


def test_a_child_left_half_way_is_ended() -> None:
    """An exception between question and answer leaves the child busy; it is ended, so that the next case gets its own."""
    child = InferenceChild(
        ChildSettings(arguments=["answer"], job_timeout_s=1e12, module="tests.simulators.worker"), wait=lambda _s: False
    )
    try:
        with pytest.raises(OverflowError):  # no thread waits that long
            child.run(case())
        assert child.state is State.BUSY
        report_failure(child, structlog.wrap_logger(None, processors=[_drop]))("case-1", InferenceError("failed"))
        after: State = child.state
        assert after is State.STOPPED
    finally:
        child.stop()


@pytest.mark.parametrize("practice", [None, Path("/etc/clinic/practice.toml")])
def test_the_child_gets_the_practices_file(practice: Path | None, tmp_path: Path) -> None:
    """The switches reach the process that makes the report; without a file none is named."""
    config = Config(state_dir=tmp_path, practice_file=practice)
    arguments = child_settings(config, engine_wish(config)).arguments
    named = dict(zip(arguments[::2], arguments[1::2], strict=True)).get("--practice")
    assert named == (None if practice is None else str(practice))


def test_the_child_knows_every_argument_that_it_is_given(tmp_path: Path) -> None:
    """A switch that the child does not know would end it before the first case, on every start."""
    config = Config(state_dir=tmp_path, practice_file=Path("/etc/clinic/practice.toml"))
    options = child_parser().parse_args(child_settings(config, engine_wish(config)).arguments)
    assert options.practice == Path("/etc/clinic/practice.toml")


def _drop(_logger: Any, _method: str, _event: Any) -> Any:
    raise structlog.DropEvent
