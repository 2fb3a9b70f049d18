"""What the service tells and asks: everything is noted at once, and written by one task in its own time.

While the store is away, what is believed is simply written when it is back (the newest truth, not its history); events
wait in a queue of bounded length, the oldest are dropped first, and counted. Losing the store and having it back is one
line in the log each.
"""

from __future__ import annotations

import asyncio
import random as chance
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from monitor.breaker.machine import EventKind
from monitor.breaker.permit import BreakerEvent
from monitor.breaker.registry import Breakers
from monitor.events import Asked, Event, Found, Kind, Stamp
from monitor.fleet import Fleet
from monitor.model import Key, Result, Transition
from monitor.store.backlog import Backlog
from monitor.store.database import Database
from monitor.store.failures import StoreError
from monitor.store.history import find
from monitor.store.news import News
from monitor.store.prune import prune
from monitor.store.rows import Past
from monitor.store.writer import Writer

SWEEP: Final = 60.0
"""Seconds after which everything is compared with what was written, whether or not it was told of."""
PATIENCE: Final = 5.0
"""Seconds a start waits for the store before it goes on without memory."""
ROOM: Final = 20_000
"""Events that wait while the store is away."""
RETRY: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds until the store is tried again, the last one over and over."""
PRUNE_FIRST: Final = 60.0
PRUNE: Final = 3600.0
"""Seconds until the first pruning, so that a service that is restarted often prunes as well; and between two."""

_EDGES: Final = {
    EventKind.OPENED: (Kind.TRIPPED, "closed", "open"),
    EventKind.CLOSED: (Kind.RECOVERED, "open", "closed"),
    EventKind.FORCED: (Kind.FORCED, "", ""),
    EventKind.RESET: (Kind.RESET, "", "closed"),
}

_log = structlog.get_logger("monitor.store")


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """How the memory is doing."""

    up: bool
    since: float
    """Unix time of the last change of `up`."""
    problem: str
    """Why not, in words; empty while it is up."""
    pending: int
    """Events that wait to be written."""
    dropped: int
    """Events there was no room for."""


class Memory:
    """Keeps beliefs, breakers and events in a `Database`. All on one event loop; breakers may tell from any thread."""

    def __init__(  # noqa: PLR0913 - all by name
        self,
        database: Database,
        *,
        fleet: Fleet,
        breakers: Breakers,
        retention: float,
        heard: Callable[[Event], None] = lambda _: None,
        room: int = ROOM,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Write nothing yet.

        Args:
            database: Where; opened here, and again after trouble.
            fleet: Whose beliefs are kept.
            breakers: Whose states are kept.
            retention: Seconds events are kept.
            heard: Told of every event at once.
            room: Events that may wait while the store is away.
            wall: Unix time.
            sleep: Waits between two attempts.

        """
        self._retention = retention
        self._heard_of = heard
        self._database = database
        self._breakers = breakers
        self._wall = wall
        self._sleep = sleep
        self.stamp = Stamp(wall=wall, random=chance.random)
        """Gives events their ids; one process has one."""
        self._backlog = Backlog(room)
        self._news = News()
        self._writer = Writer(
            database, fleet=fleet, breakers=breakers, boots=self._news.boots, backlog=self._backlog, wall=wall
        )
        self._recall: Callable[[Past], None] = lambda _: None
        self._tried = asyncio.Event()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._up = False
        self._since = wall()
        self._problem = ""
        self._lost = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self, recall: Callable[[Past], None], *, patience: float = PATIENCE) -> None:
        """Open the store, hand over what it remembers, and keep writing; go on without it if it does not answer.

        Args:
            recall: Told once what was remembered: before this returns, or later, when the store is there at last.
            patience: Seconds to wait.

        """
        self._loop = asyncio.get_running_loop()
        self._recall = recall
        self._tasks = (
            asyncio.create_task(self._work(), name="store"),
            asyncio.create_task(self._prune_often(), name="store-prune"),
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._tried.wait()

    async def aclose(self, drain: float = 2.0) -> None:
        """Write what is left within `drain` seconds, and end."""
        if self._up:
            self._writer.everything()
            self._poke()
            with suppress(TimeoutError):
                async with asyncio.timeout(drain):
                    await self._idle.wait()
        self._loop = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._database.aclose()

    def observe(self, result: Result, transitions: Sequence[Transition]) -> None:
        """Hear of a result: an observer."""
        where = result.target.workstation.id
        for transition in transitions:
            self.add(self.stamp.changed(transition))
        news = list(self._news.hear(result))
        for kind, name, words in news:
            self.add(self.stamp.event(kind, at=result.at, workstation=where, subject=name, message=words))
        if transitions or news:
            self._writer.changed(where)

    def breaker(self, event: BreakerEvent) -> None:
        """Hear of a breaker, from any thread: a listener of theirs."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._heard, event)

    def retain(self, retention: float) -> None:
        """Take the retention of a new config, and look for what that config no longer watches."""
        self._retention = retention
        if self._up:
            self._writer.everything()
            self._poke()

    def note(self, kind: Kind, *, subject: str = "", new: str = "", message: str = "", who: str = "") -> None:
        """Note what happened to the monitor itself."""
        self.add(self.stamp.event(kind, subject=subject, new=new, message=message, who=who))

    def add(self, event: Event) -> None:
        """Note an event made elsewhere, with `stamp`."""
        self._backlog.add(event)
        self._heard_of(event)
        self._poke()

    async def find(self, asked: Asked) -> Found:
        """Look events up; without the store, those this process still holds."""
        waiting = self._backlog.waiting(asked)
        try:
            kept = await self._database.read(lambda connection: find(connection, asked))
        except StoreError:
            return Found(_newest(self._backlog.latest(asked), asked), complete=False)
        return Found(_newest(waiting | {event.id: event for event in kept}, asked))

    def status(self) -> StoreStatus:
        """How it is doing."""
        return StoreStatus(self._up, self._since, self._problem, len(self._backlog), self._backlog.dropped)

    async def prune(self) -> None:
        """Delete what is older than the retention, in small steps.

        Raises:
            StoreError: The store is away.

        """
        await prune(self._database, self._wall() - self._retention)

    def _poke(self) -> None:
        self._idle.clear()
        self._wake.set()

    def _heard(self, event: BreakerEvent) -> None:
        self._writer.turned(event.key)
        edge = _EDGES.get(event.kind)
        if edge is not None:
            self.add(self._of_breaker(event, *edge))
        self._poke()

    def _of_breaker(self, event: BreakerEvent, kind: Kind, old: str, new: str) -> Event:
        order, key = event.order, event.key
        message = f"next trial in {event.retry_after:.0f} s" if kind is Kind.TRIPPED else order.why if order else ""
        return self.stamp.event(
            kind,
            workstation=key.workstation,
            subject=f"{key.category}/{key.scope}",
            old=old,
            new=new or self._force_of(key),
            message=message,
            who=order.who if order else "",
        )

    def _force_of(self, key: Key) -> str:
        return next((saved.forced.value for saved in self._breakers.saved([key]) if saved.forced is not None), "")

    async def _work(self) -> None:
        failures = 0
        while True:
            try:
                await self._once()
                failures = 0
            except StoreError as error:
                self._lose(str(error))
                await self._sleep(RETRY[min(failures, len(RETRY) - 1)])
                failures += 1

    async def _once(self) -> None:
        """Write until there is nothing left to write, then wait for more."""
        if not self._up:
            await self._open()
        self._wake.clear()
        while not self._writer.clean:
            await self._writer.write()
            self._wake.clear()
        self._regain()
        self._tried.set()
        self._idle.set()
        try:
            async with asyncio.timeout(SWEEP):
                await self._wake.wait()
        except TimeoutError:
            self._writer.everything()

    async def _open(self) -> None:
        await self._database.open()
        past = await self._writer.first_read()
        if past is not None:
            self._news.restore(past)
            self._recall(past)
            self._writer.recalled(past)
        else:
            self._writer.anew()

    def _lose(self, problem: str) -> None:
        self._problem = problem
        self._tried.set()
        if self._up or not self._lost:
            self._up, self._lost, self._since = False, True, self._wall()
            _log.error("store lost, going on without memory", why=problem)

    def _regain(self) -> None:
        if self._up:
            return
        if self._lost:
            _log.warning("store is back", away_seconds=round(self._wall() - self._since), dropped=self._backlog.dropped)
        self._up, self._lost, self._since, self._problem = True, False, self._wall(), ""

    async def _prune_often(self) -> None:
        await asyncio.sleep(PRUNE_FIRST)
        while True:
            with suppress(StoreError):  # the writer tells of it
                await self.prune()
            await asyncio.sleep(PRUNE)


def _newest(found: dict[str, Event], asked: Asked) -> tuple[Event, ...]:
    return tuple(sorted(found.values(), key=lambda event: event.id, reverse=True)[: asked.limit])
