"""Events as they happen, for whoever listens now. A listener that does not keep up is let go, and delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from monitor.events import Event

ROOM: Final = 1000
"""Events that wait for a listener before it is let go."""
MOST: Final = 100
"""Listeners at once."""


class FullError(Exception):
    """There are as many listeners as there may be."""


class Listener:
    """One listener's queue."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(ROOM)
        self._over = asyncio.Event()

    async def next(self, patience: float) -> Event | None:
        """Return the next event; None: there was none within `patience` seconds.

        Raises:
            EOFError: It did not keep up, or the service ends.

        """
        if self._over.is_set():
            raise EOFError
        waiting = asyncio.ensure_future(self._queue.get())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({waiting, over}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if self._over.is_set():
                raise EOFError
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()
            over.cancel()

    def tell(self, event: Event) -> None:
        """Put an event into the queue; one too many ends it."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        """Let the listener go."""
        self._over.set()


class Feed:
    """All who listen. On one event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def publish(self, event: Event) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener.tell(event)

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Hear what happens from here on.

        Raises:
            FullError: There are as many listeners as there may be.

        """
        if len(self._listeners) >= MOST:
            raise FullError
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Let everybody go."""
        for listener in self._listeners:
            listener.end()
