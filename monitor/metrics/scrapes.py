"""`/metrics` without the web: renders on the event loop in short slices, once for all who ask at the same time.

Beliefs live on the loop and are not thread-safe, and a thread that formats would hold the interpreter's lock for longer
than a slice; so only gzip, which lets go of that lock, has a thread.

How fresh: an answer holds nothing that was read more than `FRESH` seconds before the request came, and no series of
what left the config before it. Whoever asks while an older rendering is under way waits for the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Final, Protocol, cast

from prometheus_client import CollectorRegistry

from monitor.metrics.lines import Lines
from monitor.metrics.rendering import Body, Family, Format, Rendering, body, packed
from monitor.metrics.series import KINDS, Kind, Shape, Values

FRESH: Final = 1.0
"""Seconds for which a rendering is given to others, from its beginning on."""
SLICE: Final = 0.002
"""Seconds a rendering holds the loop at a time."""
STRIDE: Final = 8
"""Entities between two looks at the clock."""

Entity = tuple[Kind, Hashable, Shape, Values]
"""Its kind, its key among them, what fixes its series, and their values."""


class Source(Protocol):
    """What is rendered."""

    @property
    def era(self) -> int:
        """Changes whenever something leaves the config: a rendering of another era is given to nobody."""

    def entities(self) -> Iterator[Entity]:
        """Everything as it is now, one after the other."""

    def scraped(self, *, shared: bool) -> None:
        """Count an answer."""

    def rendered(self, *, seconds: float, series: int) -> None:
        """Note what a rendering cost the loop."""


class _Flight:
    """One rendering, under way or done, and its bodies."""

    def __init__(self, began: float, era: int, work: asyncio.Task[Rendering]) -> None:
        self.began = began
        self.era = era
        self.work = work
        self.bodies: dict[Format, asyncio.Task[Body]] = {}


class Scrapes:
    """Answers scrapers.

    Args:
        registry: What prometheus_client renders: few series.
        source: What is rendered here: many; None: nothing.
        clock: Monotonic seconds.

    """

    def __init__(
        self, *, registry: CollectorRegistry, source: Source | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._source = source
        self._clock = clock
        self._lines = {kind: Lines(kind) for kind in KINDS}
        self._flight: _Flight | None = None
        self._turn = asyncio.Lock()

    async def body(self, style: Format, names: Collection[str] = ()) -> Body:
        """Return everything in one format.

        Args:
            style: The format.
            names: Only samples of these names; empty: all.

        """
        flight = await self._fresh_flight(self._clock())
        rendering = await asyncio.shield(flight.work)
        if names:
            return await self._selected(rendering, style, frozenset(names))
        return await self._written(flight, rendering, style)

    async def aclose(self) -> None:
        """End what is under way."""
        flight, self._flight = self._flight, None
        if flight is not None:
            tasks = [flight.work, *flight.bodies.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------- who shares what
    async def _fresh_flight(self, asked: float) -> _Flight:
        """Join a rendering that is fresh enough, or begin one once no other is under way."""
        flight = self._usable(asked)
        if flight is None:
            async with self._turn:
                flight = self._usable(asked)
                if flight is None:
                    if self._flight is not None:
                        await asyncio.wait([self._flight.work])
                    flight = self._begin()
                    self._count(shared=False)
                    return flight
        self._count(shared=True)
        return flight

    def _usable(self, asked: float) -> _Flight | None:
        flight = self._flight
        if flight is None or flight.era != self._era() or asked - flight.began > FRESH:
            return None
        failed = flight.work.done() and (flight.work.cancelled() or flight.work.exception() is not None)
        return None if failed else flight

    def _begin(self) -> _Flight:
        work = asyncio.create_task(self._render(), name="scrape")
        flight = self._flight = _Flight(self._clock(), self._era(), work)
        work.add_done_callback(lambda _: asyncio.get_running_loop().call_later(FRESH, self._forget, flight))
        return flight

    def _forget(self, flight: _Flight) -> None:
        """Let go of a rendering nobody may have any more."""
        if self._flight is flight:
            self._flight = None

    async def _written(self, flight: _Flight, rendering: Rendering, style: Format) -> Body:
        task = flight.bodies.get(style)
        if task is None:
            task = flight.bodies[style] = asyncio.create_task(self._write(flight, rendering, style))
        return await asyncio.shield(task)

    async def _write(self, flight: _Flight, rendering: Rendering, style: Format) -> Body:
        if not style.packed:
            return body(rendering, style)
        plain = await self._written(flight, rendering, Format(openmetrics=style.openmetrics))
        return await asyncio.to_thread(packed, plain)

    async def _selected(self, rendering: Rendering, style: Format, names: frozenset[str]) -> Body:
        restricted = cast("CollectorRegistry", self._registry.restricted_registry(names))
        families = tuple(family for family in rendering.families if family.metric.name in names)
        chosen = body(Rendering(families, restricted), style)
        return await asyncio.to_thread(packed, chosen) if style.packed else chosen

    # ------------------------------------------------------------------------------------------------------- rendering
    async def _render(self) -> Rendering:
        """Render everything, a slice at a time."""
        families: dict[str, Family] = {metric.name: Family(metric) for kind in KINDS for metric in kind.metrics}
        if self._source is None:
            families = {}
        busy, series, began = 0.0, 0, time.perf_counter()
        for written in self._steps(families):
            series += written
            now = time.perf_counter()
            if now - began > SLICE:
                busy += now - began
                await asyncio.sleep(0)
                began = time.perf_counter()
        if self._source is not None:
            self._source.rendered(seconds=busy + time.perf_counter() - began, series=series)
        return Rendering(tuple(families.values()), self._registry)

    def _steps(self, families: dict[str, Family]) -> Iterator[int]:
        """Read everything, then join the lines; the loop may do other work at each step. Yields series written."""
        if self._source is None:
            return
        put = {kind: lines.begin() for kind, lines in self._lines.items()}
        for number, (kind, key, shape, values) in enumerate(self._source.entities()):
            put[kind](key, shape, values)
            if number % STRIDE == 0:
                yield 0
        for lines in self._lines.values():
            lines.end()
            yield lines.series
            for metric, block in lines.blocks():
                families[metric.name].blocks.append(block)
                yield 0

    def _era(self) -> int:
        return 0 if self._source is None else self._source.era

    def _count(self, *, shared: bool) -> None:
        if self._source is not None:
            self._source.scraped(shared=shared)
