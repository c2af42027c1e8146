"""Who follows which case: every follower has a queue, and whoever comes late gets what was said before."""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from edge_agent.ipc import Kind, Message

MOST_KEPT: Final = 500  # messages of a running case that a late follower still gets
STEPS: Final = frozenset({Kind.PROGRESS, Kind.FIELD})  # every other message ends a case

Followed = queue.Queue[Message]


@dataclass(slots=True)
class _Room:
    """Who follows one case, and what was said since its present run began."""

    followers: list[Followed] = field(default_factory=list)
    said: deque[Message] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))


class Rooms:
    """Bring what happens to cases to their followers; from any thread. Knows no store: an end is told once."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Room] = {}
        self._lock = threading.Lock()

    def enter(self, case_id: str) -> Followed:
        """Begin to follow a case; the queue holds already what was said since its present run began."""
        mine: Followed = queue.Queue()
        with self._lock:
            room = self._rooms.setdefault(case_id, _Room())
            for message in room.said:
                mine.put(message)
            room.followers.append(mine)
        return mine

    def leave(self, case_id: str, mine: Followed) -> None:
        """Follow the case no longer."""
        with self._lock:
            self._rooms[case_id].followers.remove(mine)
            self._tidy(case_id)

    def begin(self, case_id: str) -> None:
        """Forget what an earlier run of the case said."""
        with self._lock:
            if (room := self._rooms.get(case_id)) is not None:
                room.said.clear()
                self._tidy(case_id)

    def tell(self, case_id: str, message: Message) -> None:
        """Tell the followers of one case; after an end nothing of the run is kept."""
        with self._lock:
            room = self._rooms.setdefault(case_id, _Room())
            if message.kind in STEPS:
                room.said.append(message)
            else:
                room.said.clear()
            for follower in room.followers:
                follower.put(message)
            self._tidy(case_id)

    def tell_all(self, message: Message) -> None:
        """Tell everybody who follows any case."""
        with self._lock:
            for follower in [one for room in self._rooms.values() for one in room.followers]:
                follower.put(message)

    def _tidy(self, case_id: str) -> None:
        room = self._rooms.get(case_id)
        if room is not None and not room.followers and not room.said:
            del self._rooms[case_id]
