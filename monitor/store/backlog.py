"""Events on their way into the store: a queue of bounded length, and the latest for the page. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from monitor.events import Asked, Event

LATEST: Final = 1000
"""Events kept for the page, written or not."""


class Backlog:
    """Events that wait. What is being written stays in it until it is `done`."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._waiting: deque[Event] = deque()
        self._taken = 0
        self._latest: deque[Event] = deque(maxlen=LATEST)
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def add(self, event: Event) -> None:
        """Take one more; the oldest goes when there is no room."""
        self._latest.append(event)
        if len(self._waiting) >= self._room:
            self._waiting.popleft()
            self._taken = max(0, self._taken - 1)
            self.dropped += 1
        self._waiting.append(event)

    def take(self, most: int) -> Sequence[Event]:
        """Return the oldest ones, to be written."""
        taken = list(islice(self._waiting, most))
        self._taken = len(taken)
        return taken

    def done(self) -> None:
        """Let go of those that were taken: they are written."""
        for _ in range(self._taken):
            self._waiting.popleft()
        self._taken = 0

    def waiting(self, asked: Asked) -> dict[str, Event]:
        """Return those not written yet that are asked for, by id."""
        return {event.id: event for event in self._waiting if asked.admits(event)}

    def latest(self, asked: Asked) -> dict[str, Event]:
        """Return the latest that are asked for, written or not, by id."""
        return {event.id: event for event in self._latest if asked.admits(event)} | self.waiting(asked)
