"""The workers, one per channel: opened by a config, kept where a new one does not change them, closed when gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from monitor.channels import AnyChannelKind
from monitor.notices import ChannelSpec
from monitor.notify.outbox import Outbox
from monitor.notify.standing import Standing
from monitor.notify.worker import Attempt, ChannelStatus, Worker

CLOSING: Final = 2.0
"""Seconds a worker of a channel that is gone may take to end."""


class Crew:
    """See the module."""

    def __init__(
        self,
        kinds: Mapping[str, AnyChannelKind],
        outbox: Outbox,
        standing: Standing,
        *,
        told: Callable[[Attempt], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._kinds = kinds
        self._outbox = outbox
        self._standing = standing
        self._told = told
        self._wall = wall
        self._specs: Mapping[str, ChannelSpec] = {}
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._ending: dict[str, set[asyncio.Task[None]]] = {}
        self._started = False

    def replace(self, specs: Mapping[str, ChannelSpec]) -> Collection[str]:
        """Take the channels of a config; return those that are there still, but not as before."""
        changed = [name for name in self._workers if specs.get(name) != self._specs.get(name)]
        for name in changed:
            del self._workers[name]
            ending = self._ending.setdefault(name, set())
            for task in self._tasks.pop(name, ()):
                task.cancel()
                ending.add(task)
                task.add_done_callback(ending.discard)
        self._specs = specs
        for name, spec in specs.items():
            if name not in self._workers:
                kind = self._kinds[spec.kind]
                self._workers[name] = Worker(
                    name,
                    spec.kind,
                    kind.open(spec.params),
                    self._outbox,
                    timeout=kind.timeout,
                    told=self._told,
                    wall=self._wall,
                )
        if self._started:
            self.start()
        return [name for name in changed if name in specs]

    def start(self) -> None:
        """Set every worker to work that is not yet."""
        self._started = True
        for name, worker in self._workers.items():
            if name in self._tasks:
                continue
            before = frozenset(self._ending.get(name, ()))
            self._tasks[name] = [asyncio.create_task(_follow(worker, before), name=f"notify:{name}")]
            every = self._refresh(name)
            if every is not None:
                self._tasks[name].append(asyncio.create_task(self._repeat(name, worker, every), name=f"refresh:{name}"))

    async def aclose(self, drain: float) -> None:
        """Let them deliver for `drain` seconds, then end them."""
        if self._started and drain > 0:
            self.wake()
            waits = [asyncio.create_task(worker.drained()) for worker in self._workers.values()]
            if waits:
                await asyncio.wait(waits, timeout=drain)
            for task in waits:
                task.cancel()
        tasks = [task for tasks in (*self._tasks.values(), *self._ending.values()) for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks, self._workers, self._started = {}, {}, False

    def wake(self) -> None:
        """Say that there may be something to deliver."""
        for worker in self._workers.values():
            worker.wake()

    def level(self, channel: str) -> bool:
        """Whether a channel must be sent every change, because it repeats what stands."""
        return self._refresh(channel) is not None

    def status(self) -> tuple[ChannelStatus, ...]:
        """How each is doing."""
        return tuple(worker.status() for worker in self._workers.values())

    def _refresh(self, channel: str) -> float | None:
        spec = self._specs.get(channel)
        return None if spec is None else self._kinds[spec.kind].refresh(spec.params)

    async def _repeat(self, name: str, worker: Worker, every: float) -> None:
        """Send again and again what still stands, silenced or not.

        Without it, Alertmanager would take what somebody has silenced here for over, and say so.
        """
        while True:
            await asyncio.sleep(every)
            for alert, message in self._standing.of(name).items():
                if not self._outbox.holds(name, alert):  # else what waits to be told of it would come after
                    await worker.refresh(message)


async def _follow(worker: Worker, before: Collection[asyncio.Task[None]]) -> None:
    """Work for a channel, once those that did before have let go of what they held: two at a time would tell twice."""
    if before:
        await asyncio.wait(before, timeout=CLOSING)
    await worker.run()
