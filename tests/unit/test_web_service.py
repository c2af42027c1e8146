"""The web server as a part: the real one, over its port."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx

from edge_agent.kiosk.server import KioskServer
from edge_agent.supervision.web_service import ASK_EVERY_S, WebService
from tests.simulators.kiosk_parts import kiosk_parts


class Deaf:
    """A server whose thread runs and that never answers."""

    is_alive = True
    origin = "http://127.0.0.1:9"

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


def test_the_real_server_answers_and_is_started_again(tmp_path: Path) -> None:
    """Asked over its port: no fault; stopped: a fault; started again: none."""
    now = [0.0]
    with kiosk_parts(tmp_path) as parts:
        service = WebService(lambda: KioskServer(parts), clock=lambda: now[0])
        for _ in range(2):
            service.start()
            now[0] += ASK_EVERY_S
            assert service.fault() is None
            service.stop()
            assert service.fault() == "the web server ended"


def test_a_server_on_a_unix_socket_is_asked_there(tmp_path: Path) -> None:
    """The same question over the socket's file."""
    now, path = [0.0], tmp_path / "k.sock"
    with kiosk_parts(tmp_path, socket=path) as parts:
        service = WebService(lambda: KioskServer(parts), socket_path=path, clock=lambda: now[0])
        service.start()
        try:
            now[0] += ASK_EVERY_S
            assert service.fault() is None
        finally:
            service.stop()


def test_a_server_that_does_not_answer_has_a_fault() -> None:
    """Its thread runs, but nobody listens: noticed when it is asked."""
    now = [0.0]
    service = WebService(Deaf, clock=lambda: now[0])
    service.start()
    assert service.fault() is None
    now[0] += ASK_EVERY_S
    assert service.fault() == "the web server does not answer"


def test_metrics_need_no_session_and_everything_else_does(tmp_path: Path) -> None:
    """A scraper on this computer reads the numbers; the same stranger sees no page."""
    with kiosk_parts(tmp_path) as parts:
        server = KioskServer(replace(parts, metrics=lambda: b"derm_edge_queue_length 3\n"))
        server.start()
        try:
            assert httpx.get(f"{server.origin}/metrics", timeout=10).content == b"derm_edge_queue_length 3\n"
            assert httpx.get(f"{server.origin}/status", timeout=10).status_code == 401
        finally:
            server.stop()
