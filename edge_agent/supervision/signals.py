"""Turn signals into events, in a thread: whatever the main thread does, the first SIGTERM is heard and the second ends.

A handler that sets a ``threading.Event`` can deadlock with the code that it interrupts. Here the interpreter writes the
signal's number into a pipe (``signal.set_wakeup_fd``) and a thread of its own reads it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

ENDING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Listen for SIGTERM, SIGINT and SIGHUP while the ``with`` block runs. Only for the main thread.

    Args:
        on_stop: called at the first SIGTERM or SIGINT.
        on_reload: called at every SIGHUP.
        end_at_once: called with the number of the second SIGTERM or SIGINT; ends the process without any tidying up:
            what is stored is safe, and children end when their pipe closes.
    """

    def __init__(
        self,
        on_stop: Callable[[], None],
        on_reload: Callable[[], None],
        *,
        end_at_once: Callable[[int], None] = lambda number: os._exit(128 + number),
    ) -> None:
        self._on_stop = on_stop
        self._on_reload = on_reload
        self._end_at_once = end_at_once
        self._is_stopping = False

    def __enter__(self) -> Self:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._writing, False)
        self._before = {number: signal.signal(number, _ignore) for number in (*ENDING, signal.SIGHUP)}
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._writing)
        self._thread.join()
        os.close(self._reading)

    def _listen(self) -> None:
        while heard := os.read(self._reading, 1):
            number = heard[0]
            if number == signal.SIGHUP:
                self._on_reload()
            elif number in ENDING and self._is_stopping:
                self._end_at_once(number)
            elif number in ENDING:
                self._is_stopping = True
                self._on_stop()


def _ignore(_number: int, _frame: object) -> None:
    """Take the signal's default effect away; the pipe has its number already."""
