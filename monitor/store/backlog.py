"""Events on their way into the store: a queue of bounded length, and the latest for the page. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final

from monitor.events import Asked, Event

LATEST: Final = 1000
"""Events kept for the page, written or not."""


class Backlog:
    """Events that wait. What is being written stays in it until it is `done`."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._waiting: dict[str, Event] = {}
        self._latest: deque[Event] = deque(maxlen=LATEST)
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def add(self, event: Event) -> None:
        """Take one more; the oldest goes when there is no room."""
        self._latest.append(event)
        if len(self._waiting) >= self._room:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
        self._waiting[event.id] = event

    def take(self, most: int, *, of: Collection[str], without: Collection[str]) -> Sequence[Event]:
        """Return what is to be written next.

        Args:
            most: How many of the oldest.
            of: Workstations of which all are taken, on top of that.
            without: Workstations of which none is taken.

        """
        whole = [event for event in self._waiting.values() if event.workstation in of]
        others = (e for e in self._waiting.values() if e.workstation not in of and e.workstation not in without)
        return [*whole, *islice(others, most)]

    def done(self, events: Iterable[Event]) -> None:
        """Let go of those that are written."""
        for event in events:
            self._waiting.pop(event.id, None)

    def waiting(self, asked: Asked) -> dict[str, Event]:
        """Return those not written yet that are asked for, by id."""
        return {event.id: event for event in self._waiting.values() if asked.admits(event)}

    def latest(self, asked: Asked) -> dict[str, Event]:
        """Return the latest that are asked for, written or not, by id."""
        return {event.id: event for event in self._latest if asked.admits(event)} | self.waiting(asked)
