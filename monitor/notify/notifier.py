"""The notifier: hears what changed, decides once a second, puts messages into the outbox, minds the workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import structlog

from monitor.breaker.registry import Breakers
from monitor.channels import AnyChannelKind
from monitor.fleet import Fleet
from monitor.model import Result, Transition, WorkstationState
from monitor.notices import MONITOR_GROUP, Item, Message, Notice, Notifications, Route, Seen, Telling
from monitor.notify.clerk import Clerk
from monitor.notify.crew import Crew
from monitor.notify.doubt import Doubt
from monitor.notify.facts import seen_of
from monitor.notify.outbox import Entry, Outbox
from monitor.notify.payload import loads
from monitor.notify.policy import Muted, Policy, nobody_muted
from monitor.notify.standing import Ended, Standing
from monitor.notify.worker import GIVE_UP, Attempt, ChannelStatus
from monitor.phase import shard_of
from monitor.store.failures import StoreError

TICK: Final = 1.0
"""Seconds between two decisions."""
SWEEP: Final = 30.0
"""Seconds between two looks at everything, and at what others left in the outbox."""
PATIENCE: Final = 3.0
"""Seconds a start waits for the journal, lest what was told is told again."""
KEEP: Final = 30 * 86_400.0
"""Seconds settled messages are kept."""
SLICE: Final = 20
"""Workstations looked at before others may go on."""

_log = structlog.get_logger("monitor.notify")


def _unheard(attempt: Attempt) -> None:
    """Tell nobody."""


class Notifier:
    """A sink; all on one event loop."""

    name = "notify"

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        kinds: Mapping[str, AnyChannelKind],
        fleet: Fleet,
        breakers: Breakers,
        outbox: Outbox,
        muted: Muted = nobody_muted,
        ourselves: Callable[[], tuple[Item, ...]] = tuple,
        own_group: str = MONITOR_GROUP,
        told: Callable[[Attempt], None] = _unheard,
        shard: tuple[int, int] = (1, 1),
        wall: Callable[[], float] = time.time,
        tick: float = TICK,
    ) -> None:
        """Tell nothing yet.

        Args:
            kinds: The kinds of channels there are.
            fleet: Whose beliefs are told.
            breakers: Shown in messages.
            outbox: Where messages wait.
            muted: Whether a silence or a maintenance window covers an item, or it may be our own trouble.
            ourselves: What there is to tell of the monitor itself.
            own_group: The group of that; processes that share a journal have each its own.
            told: Told of every attempt to deliver.
            shard: Which share of the workstations is ours: (I, N). Others may tell of the rest by the same journal.
            wall: Unix time.
            tick: Seconds between two decisions.

        """
        self._fleet = fleet
        self._outbox = outbox
        self._shard = shard
        self._wall = wall
        self._tick = tick
        self._ourselves = ourselves
        self._own_group = own_group
        self._policy = Policy(muted=muted)
        self._clerk = Clerk(breakers, shard=shard, wall=wall)
        self._standing = Standing()
        self._ended: list[Ended] = []
        self._lost: list[Entry] = []
        """What its channel gave up before it was changed."""
        self._crew = Crew(kinds, outbox, self._standing, told=told, wall=wall)
        self._config = Notifications()
        self._workstations: Collection[str] = ()
        self._recalled = False
        self._doubt = Doubt(wall())
        self._task: asyncio.Task[None] | None = None

    def replace(self, config: Notifications, *, workstations: Collection[str], url: str | None, window: float) -> None:
        """Take a config: before `start`, or at any time after it.

        Args:
            config: Channels and routes.
            workstations: All of our share that are watched.
            url: Where the page is, for people.
            window: Seconds within which half of a site must fail to be one incident.

        """
        self._config, self._workstations = config, workstations
        self._clerk.replace(config, url or "")
        self._policy.replace(config.routes, window=window)
        self._retain()
        self._doubt.retain(workstations)
        for channel in self._crew.replace(config.channels):
            self._lost += self._outbox.lost(channel)
        self._prune()

    async def start(self) -> None:
        """Go on from what was told before, then decide and deliver."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not await self._recall():  # noqa: ASYNC110 - a store that is back sets no event
                    await asyncio.sleep(self._tick / 4)
        self._task = asyncio.create_task(self._work(), name="notify")
        self._crew.start()

    async def aclose(self, drain: float = 1.0) -> None:
        """Deliver what is due within `drain` seconds, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._crew.aclose(drain)

    async def deliver(self, result: Result, transitions: Sequence[Transition]) -> None:
        """Take note of what changed, or is known again: a sink."""
        if transitions or self._doubt.awaits(result.target.workstation.id):
            self.look(result.target.workstation.id)

    def look(self, workstation: str) -> None:
        """Take note of how a workstation is."""
        state = self._fleet.workstation(workstation)
        if state is not None:
            self._see(state)

    def channels(self) -> tuple[ChannelStatus, ...]:
        """How the channels are doing."""
        return self._crew.status()

    async def decide(self) -> None:
        """Put everything that is due into the outbox."""
        await self._put_right()
        self._policy.see(self._own_group, Seen(items=self._ourselves()), self._wall())
        for name in self._policy.watched():
            self.look(name)
        for notice in self._policy.due(self._wall()):
            await self._put(notice)

    async def _work(self) -> None:
        swept = float("-inf")
        while True:
            try:
                if not self._recalled:
                    await self._recall()
                now = time.monotonic()
                if now - swept >= SWEEP:
                    swept = now
                    await self._sweep()
                await self.decide()
            except Exception:  # noqa: BLE001 - a defect in deciding must not end all telling
                _log.exception("deciding failed")
            await asyncio.sleep(self._tick)

    async def _sweep(self) -> None:
        for number, state in enumerate(self._fleet.each()):
            self._see(state)
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        if await self._outbox.adopt(self._config.channels, self._wall()):
            self._crew.wake()
        await self._outbox.prune(self._wall() - KEEP)

    def _see(self, state: WorkstationState) -> None:
        """Show the policy a workstation, and those that waited for it; but nothing that is only remembered."""
        self._policy.expect(state.workstation.id, state.workstation.site)
        for name in sorted(self._doubt.admits(state, self._wall())):
            shown = state if name == state.workstation.id else self._fleet.workstation(name)
            if shown is not None:
                self._policy.see(name, seen_of(shown), self._wall())

    async def _recall(self) -> bool:
        """Learn from the journal what was told, and take over what was not delivered; False: it does not answer."""
        try:
            latest = await self._outbox.latest()
        except StoreError:
            return False
        self._recalled = True
        told: list[Notice] = []
        for entry in latest:
            self._clerk.learn(entry)
            message = _read(entry)
            notice = None if message is None else self._ours(message.notice)
            if message is not None and notice is not None:
                told.append(notice)
                self._lost += [entry] if entry.lost and self._wall() - entry.created_at < GIVE_UP else []
                self._standing.note(entry.channel, entry.alert, replace(message, notice=notice))
        self._policy.restore(told)
        self._retain()  # some may have been removed while nobody was here
        self._prune()
        await self._outbox.adopt(self._config.channels, self._wall())
        for channel in self._config.channels:
            self._outbox.hasten(channel, self._wall())
        self._crew.wake()
        return True

    def _ours(self, notice: Notice) -> Notice | None:
        """Return what of a notice is about workstations of our share, watched or not; None: nothing of it is."""
        if notice.group.startswith(MONITOR_GROUP):
            return notice if notice.group == self._own_group else None
        index, shards = self._shard
        problems = tuple(item for item in notice.problems if shard_of(item.workstation, shards) == index)
        recovered = tuple(item for item in notice.recovered if shard_of(item.workstation, shards) == index)
        return replace(notice, problems=problems, recovered=recovered) if problems or recovered else None

    def _retain(self) -> None:
        """Have nothing told but of what is watched."""
        ourselves = [self._own_group] if self._ourselves() else []
        self._policy.retain({*self._workstations, *ourselves}, self._wall())

    def _prune(self) -> None:
        """See what the config tells by a channel no more though it was told by it."""
        pairs = {(route.name, channel) for route in self._config.routes for channel in route.channels}
        self._ended += self._standing.prune(pairs, self._config.channels, self._wall())

    async def _put_right(self) -> None:
        """After a change of the config, tell what could not be told before, and the end of what is told no more.

        Else that would stand for ever in a receiver's list.
        """
        lost, self._lost = self._lost, []
        ended, self._ended = self._ended, []
        entries = []
        for entry in lost:
            message = _read(entry)
            route = None if message is None else self._route(message.notice)
            if message is not None and route is not None and entry.channel in route.channels:
                entries.append(self._entry(entry.channel, message.notice, spoken=True))
        for over in ended:
            route = self._route(over.notice)
            if over.channel in self._config.channels:
                silent = not over.notice.recovered or (route is not None and not route.resolved)
                entries.append(self._entry(over.channel, over.notice, spoken=not silent))
        await self._outbox.put(entries)
        self._crew.wake()

    async def _put(self, notice: Notice) -> None:
        route, parts = self._route(notice), tuple(_all(notice))
        entries: list[Entry] = []
        for channel in route.channels if route is not None else ():
            silent = notice.telling is Telling.RESOLVED and route is not None and not route.resolved
            for part in parts:
                before = self._standing.before(channel, self._clerk.alert(part), [p for p in parts if p is not part])
                spoken = part is notice and not silent
                entries.append(self._entry(channel, replace(part, before=before), spoken=spoken))
        await self._outbox.put(entries)
        self._crew.wake()

    def _entry(self, channel: str, notice: Notice, *, spoken: bool) -> Entry:
        settled = not spoken and not self._crew.level(channel)
        message, entry = self._clerk.write(channel, notice, settled=settled)
        self._standing.note(channel, entry.alert, message)
        return entry

    def _route(self, notice: Notice) -> Route | None:
        return next((route for route in self._config.routes if route.name == notice.route), None)


def _all(notice: Notice) -> Iterator[Notice]:
    """A notice, and what it stands for: a digest may stand for one that stands for others."""
    yield notice
    for part in notice.parts:
        yield from _all(part)


def _read(entry: Entry) -> Message | None:
    with suppress(ValueError):
        return loads(entry.payload)
    return None
