"""Who hears of results: observers at once, sinks behind a bounded queue each.

An observer is a plain function that counts or logs; it must be quick. A sink may be slow (a store, a webhook): it has
its own queue and task, so that it delays neither probes nor other sinks. Either may raise: that is logged and counted,
and nobody else notices. When a sink falls behind for longer than its queue holds, the oldest event is dropped and
counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from monitor.model import Result, Transition

QUEUE: Final = 10_000
"""Events a sink may lag behind."""

Observer = Callable[[Result, Sequence[Transition]], None]

_log = structlog.get_logger(__name__)


class Sink(Protocol):
    """Something that takes events in its own time."""

    name: str

    async def deliver(self, result: Result, transitions: Sequence[Transition]) -> None:
        """Take one result and what it changed."""


class _Lane:
    """One sink, its queue and the task that empties it."""

    def __init__(self, sink: Sink, size: int, failed: Callable[[str], None]) -> None:
        self._sink = sink
        self._queue: deque[tuple[Result, Sequence[Transition]]] = deque(maxlen=size)
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._failed = failed
        self._task = asyncio.create_task(self._work(), name=f"sink:{sink.name}")

    def put(self, result: Result, transitions: Sequence[Transition]) -> None:
        if len(self._queue) == self._queue.maxlen:
            self._failed(self._sink.name)
        self._queue.append((result, transitions))
        self._idle.clear()
        self._wake.set()

    async def close(self, drain: float) -> None:
        """Give it `drain` seconds to empty its queue, then end it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(drain):
                await self._idle.wait()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._deliver(*self._queue.popleft())
            self._idle.set()

    async def _deliver(self, result: Result, transitions: Sequence[Transition]) -> None:
        try:
            await self._sink.deliver(result, transitions)
        except Exception:  # noqa: BLE001 - a sink is a stranger's code; whatever it does, the others go on
            self._failed(self._sink.name)
            _log.exception("sink failed", sink=self._sink.name, target=result.target.id)


class Fanout:
    """Delivers each result to all observers and sinks, isolated from each other."""

    def __init__(self, *, observers: Mapping[str, Observer], failed: Callable[[str], None]) -> None:
        """Start without sinks.

        Args:
            observers: By name, called in this order.
            failed: Told the name of an observer or sink each time it raised or dropped an event.

        """
        self._observers = dict(observers)
        self._failed = failed
        self._lanes: list[_Lane] = []

    def add(self, sink: Sink, *, queue: int = QUEUE) -> None:
        """Attach a sink; needs a running event loop."""
        self._lanes.append(_Lane(sink, queue, self._failed))

    def deliver(self, result: Result, transitions: Sequence[Transition]) -> None:
        """Hand one result to everybody; never raises, never waits."""
        for name, observer in self._observers.items():
            try:
                observer(result, transitions)
            except Exception:  # noqa: BLE001 - an observer can't hurt the probes
                self._failed(name)
                _log.exception("observer failed", observer=name, target=result.target.id)
        for lane in self._lanes:
            lane.put(result, transitions)

    async def aclose(self, drain: float = 1.0) -> None:
        """End all sinks, each with `drain` seconds to deliver what it holds."""
        await asyncio.gather(*(lane.close(drain) for lane in self._lanes))
        self._lanes.clear()
