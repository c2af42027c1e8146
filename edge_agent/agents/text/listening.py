"""Pass on what agents write while they write it: how far they are, and to whoever asked for it the words themselves.

Progress is counted in chunks, which are about tokens. Words reach only a listener inside this program: before a reader may
see them they have to be screened (``shown``), and that needs the whole text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_agent.agents.text.reader import TextEvent
from edge_agent.contracts.manifest import AgentName

OnProgress = Callable[[str, int, int], None]
OnText = Callable[[AgentName, int, str, str], None]  # agent, row of the batch, step, chunk
STAGE = "writing"
EVERY = 32  # chunks between two signs of life


class Listener:
    """Hear the engine's text events during one case at a time; deaf in between."""

    def __init__(self) -> None:
        self._tell: OnProgress | None = None
        self._on_text: OnText | None = None
        self._heard = 0

    @contextmanager
    def listening(self, tell: OnProgress, on_text: OnText | None) -> Iterator[None]:
        """Pass events on until the block ends.

        Args:
            tell: told ("writing", chunks so far, the same) now and then: nobody knows how long a text will be.
            on_text: told of every chunk, unscreened; None for nobody.
        """
        self._tell, self._on_text, self._heard = tell, on_text, 0
        try:
            yield
        finally:
            self._tell = self._on_text = None

    def hear(self, agent: AgentName, event: TextEvent) -> None:
        """Take one event from the engine."""
        self._heard += 1
        if self._tell is not None and self._heard % EVERY == 0:
            self._tell(STAGE, self._heard, self._heard)
        if self._on_text is not None:
            self._on_text(agent, event.row, event.step, str(event.value))
