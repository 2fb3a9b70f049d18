"""What a notifier makes of what was told before it: by an older process, by an older config, by another shard."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Self

import pytest
from pydantic import SecretStr

from monitor.breaker.registry import Breakers
from monitor.channels import discover, webhook
from monitor.fleet import Fleet
from monitor.model import Status
from monitor.notices import ChannelSpec, Notice, Notifications, Route, Telling
from monitor.notify import Notifier, Outbox, StoredJournal, notifier
from monitor.notify.outbox import Entry
from monitor.phase import shard_of
from monitor.store import StoreError
from tests.notify.conftest import Receiver
from tests.notify.told import a_route, an_item

KINDS = discover()
NOW = 1_700_000_000.0
PROBLEM, REMINDER, RESOLVED = "problem", "reminder", "resolved"
FIRST, SECOND = (next(f"ws-{n:02}" for n in range(99) if shard_of(f"ws-{n:02}", 2) == shard) for shard in (1, 2))
"""A workstation of each of two shards."""


class Process:
    """One process that tells a receiver; its clock is moved by hand."""

    def __init__(
        self,
        receiver: Receiver,
        journal: StoredJournal,
        *,
        watches: Collection[str] = ("ws-01",),
        routes: tuple[Route, ...] = (a_route(remind=3600.0),),
        shard: tuple[int, int] = (1, 1),
        at: float = NOW,
    ) -> None:
        self.now = at
        self.spec = ChannelSpec("webhook", webhook.Params(url=SecretStr(receiver.url), timeout="2s"))
        self.outbox = Outbox(StoredJournal(journal._database, who=f"{shard[0]}/{shard[1]}"))
        self.notifier = Notifier(
            kinds=KINDS,
            fleet=Fleet(),
            breakers=Breakers(),
            outbox=self.outbox,
            shard=shard,
            wall=lambda: self.now,
            tick=3600.0,  # decides when the test says so
        )
        self.watch(*watches, routes=routes)

    def watch(self, *workstations: str, routes: tuple[Route, ...] = (a_route(remind=3600.0),)) -> None:
        """Take a config."""
        config = Notifications(channels={"c": self.spec}, routes=routes)
        self.notifier.replace(config, workstations=workstations, url=None, window=60)

    async def __aenter__(self) -> Self:
        await self.notifier.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.notifier.aclose(0)

    async def tell(self, telling: Telling, *workstations: str, group: str = "") -> None:
        items = tuple(an_item(name, status=Status.DOWN) for name in workstations)
        problems, recovered = ((), items) if telling is Telling.RESOLVED else (items, ())
        await self.notifier._put(
            Notice(
                telling=telling,
                route="r",
                group=group or workstations[0],
                at=self.now,
                opened=NOW,
                site="berlin",
                problems=problems,
                recovered=recovered,
            )
        )
        await self.delivered()

    async def hours(self, count: int) -> None:
        """Let hours pass, deciding in each."""
        for _ in range(count):
            self.now += 3600.0
            await self.notifier.decide()
        await self.delivered()

    async def delivered(self) -> None:
        async with asyncio.timeout(20):
            while self.outbox.waiting():  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.01)


def told(receiver: Receiver) -> list[tuple[Any, Any]]:
    """What arrived: of each message its kind and what it is about."""
    return [(request.json["kind"], request.json["group"]) for request in receiver.requests]


async def test_workstation_removed_while_nobody_watched__is_told_to_be_over_and_never_reminded_of(
    receiver: Receiver, journal: StoredJournal
) -> None:
    async with Process(receiver, journal, watches=("ws-01", "ws-77")) as before:
        await before.tell(Telling.PROBLEM, "ws-77")
    async with Process(receiver, journal) as after:
        await after.hours(3)
    async with Process(receiver, journal, at=after.now) as later:
        later.watch("ws-01")
        await later.hours(3)
    assert told(receiver) == [(PROBLEM, "ws-77"), (RESOLVED, "ws-77")]


class Away(StoredJournal):
    """A journal whose store can't be asked until the test says so."""

    there = False

    async def put(self, entries: Sequence[Entry]) -> None:
        self._ask()
        await super().put(entries)

    async def latest(self) -> Sequence[Entry]:
        self._ask()
        return await super().latest()

    async def live(self, now: float) -> Sequence[Entry]:
        self._ask()
        return await super().live(now)

    def _ask(self) -> None:
        if not self.there:
            raise StoreError("away")


async def test_store_that_is_late__what_was_told_meanwhile_is_newer_than_what_it_remembers(
    receiver: Receiver, journal: StoredJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "PATIENCE", 0.01)
    async with Process(receiver, journal) as before:
        await before.tell(Telling.PROBLEM, "ws-01")
    after = Process(receiver, journal, at=NOW + 60)
    after.outbox._journal = away = Away(journal._database, who="1/1")
    async with after:
        await after.tell(Telling.RESOLVED, "ws-01")
        away.there = True
        assert await after.notifier._recall()
        await after.hours(2)
    assert told(receiver) == [(PROBLEM, "ws-01"), (RESOLVED, "ws-01")]


async def test_shards_of_one_store__remind_of_and_end_only_what_is_their_own(
    receiver: Receiver, journal: StoredJournal
) -> None:
    async with Process(receiver, journal, watches=(SECOND,), shard=(2, 2)) as second:
        await second.tell(Telling.PROBLEM, SECOND)
    async with Process(receiver, journal, watches=(FIRST,), shard=(1, 2)) as first:
        await first.hours(2)
        first.watch(FIRST)
        await first.hours(2)
        assert told(receiver) == [(PROBLEM, SECOND)]
    async with Process(receiver, journal, watches=(), shard=(1, 2)) as first:
        await first.hours(2)
        assert told(receiver) == [(PROBLEM, SECOND)]
    async with Process(receiver, journal, watches=(SECOND,), shard=(2, 2)) as second:
        await second.hours(1)
    assert told(receiver) == [(PROBLEM, SECOND), (REMINDER, SECOND)]


async def test_shards_of_one_store__each_have_their_own_incident_of_a_site(
    receiver: Receiver, journal: StoredJournal
) -> None:
    shards = {(1, 2): FIRST, (2, 2): SECOND}
    async with AsyncExitStack() as stack:
        for shard, name in shards.items():
            process = await stack.enter_async_context(Process(receiver, journal, watches=(name,), shard=shard))
            await process.tell(Telling.PROBLEM, name, group="site:berlin")
    assert len({request.json["key"] for request in receiver.requests}) == 2
    for shard, name in shards.items():
        async with Process(receiver, journal, watches=(name,), shard=shard) as process:
            await process.hours(1)
    reminders = [(r.json["kind"], [item["workstation"] for item in r.json["problems"]]) for r in receiver.requests[2:]]
    assert reminders == [(REMINDER, [FIRST]), (REMINDER, [SECOND])]


@pytest.mark.parametrize("routes", [(a_route(name="renamed"),), ()])
async def test_route_renamed_or_removed__whoever_was_told_by_it_is_told_that_it_ends(
    receiver: Receiver, journal: StoredJournal, routes: tuple[Route, ...]
) -> None:
    async with Process(receiver, journal) as process:
        await process.tell(Telling.PROBLEM, "ws-01")
        process.watch("ws-01", routes=routes)
        await process.hours(1)
    async with Process(receiver, journal, routes=routes, at=process.now) as after:
        await after.hours(2)
    assert told(receiver) == [(PROBLEM, "ws-01"), (RESOLVED, "ws-01")]
    assert receiver.requests[1].json["title"].startswith("[not told any more] ws-01")


async def test_route_that_tells_no_ends__renamed__tells_none_only_as_long_as_it_is_there(
    receiver: Receiver, journal: StoredJournal
) -> None:
    quiet = a_route(resolved=False)
    async with Process(receiver, journal, routes=(quiet,)) as process:
        await process.tell(Telling.PROBLEM, "ws-01")
        process.watch("ws-01", routes=(replace(quiet, channels=()),))
        await process.hours(1)
    assert told(receiver) == [(PROBLEM, "ws-01")]
