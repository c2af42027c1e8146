"""Signals: the first SIGTERM asks, the second ends, SIGHUP reloads; heard while the main thread is busy elsewhere."""

from __future__ import annotations

import os
import signal
import threading

from edge_agent.supervision.signals import Signals

PATIENCE_S = 10.0


def test_the_first_stops_and_the_second_ends() -> None:
    """Two SIGTERM: asked once, then ended with its number; SIGHUP in between changes nothing of that."""
    stopped, reloaded, ended = threading.Event(), threading.Event(), threading.Event()
    numbers: list[int] = []

    def end(number: int) -> None:
        numbers.append(number)
        ended.set()

    with Signals(stopped.set, reloaded.set, end_at_once=end):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped.wait(PATIENCE_S)
        assert not ended.is_set()
        os.kill(os.getpid(), signal.SIGHUP)
        assert reloaded.wait(PATIENCE_S)
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended.wait(PATIENCE_S)
    assert numbers == [signal.SIGTERM]


def test_the_handlers_from_before_come_back() -> None:
    """Ctrl-C works as usual after the block."""
    before = signal.getsignal(signal.SIGINT)
    with Signals(lambda: None, lambda: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
