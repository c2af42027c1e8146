"""What a person sees while a command works: progress on stderr; stdout belongs to the answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from rich.console import Console
from rich.status import Status


class Screen:
    """Write notes and progress to stderr, moving on a terminal and one line a step elsewhere.

    Args:
        stream: where to write; None means stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Console(file=stream if stream is not None else sys.stderr, highlight=False)

    def note(self, text: str) -> None:
        """Write one line, or lose it: a full disk behind stderr must not cost a person the report."""
        with suppress(OSError, ValueError):  # ValueError: the stream was closed
            self._console.print(text, markup=False)

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show that something goes on until the block ends."""
        if self._console.is_terminal:
            with self._console.status(title) as status:
                yield Progress(self, status)
        else:
            self.note(title)
            yield Progress(self, None)


class Progress:
    """Show the stages of one piece of work."""

    def __init__(self, screen: Screen, status: Status | None) -> None:
        self._screen = screen
        self._status = status

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` steps of a stage are finished."""
        text = f"{stage} {done}/{total}" if total else stage
        if self._status is not None:
            self._status.update(text)
        else:
            self._screen.note(text)
