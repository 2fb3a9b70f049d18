"""The memory as the service uses it: nobody waits for it, it writes what changed, and it comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.breaker.machine import Policy, State
from monitor.breaker.registry import Breakers
from monitor.events import Asked, Event, Kind
from monitor.fleet import Fleet
from monitor.model import (
    Category,
    EmulatorRun,
    HostFacts,
    Key,
    Observation,
    Outcome,
    Result,
    Status,
    Target,
    Workstation,
)
from monitor.store import Database, Memory, Past, StoreError, memory
from monitor.store.database import Work
from monitor.store.history import find
from monitor.store.memory import RETRY
from monitor.store.rows import load
from tests.breaker.fakes import probe_error
from tests.fakes import FakeClock, a_console, a_target, an_emulator, answered, failed

SSH = Key(Category.NETWORK, "ws-01", "ssh:22")
NOW = 1_700_000_000.0


@dataclass
class Process:
    """One run of the service, as far as the store is concerned."""

    url: str
    targets: Sequence[Target]
    wall: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    room: int = 100
    busy: float = 0.05

    def __post_init__(self) -> None:
        self.fleet = Fleet()
        self.fleet.replace({t.workstation.id: t.workstation for t in self.targets}.values(), self.targets)
        self.breakers = Breakers(
            policies=dict.fromkeys(Category, Policy(failures=1)), clock=FakeClock(5.0), wall=self.wall
        )
        self.database = Database(self.url, busy=self.busy, answer=3.0)
        self.waits: list[float] = []
        self.retry = asyncio.Event()
        self.memory = Memory(
            self.database,
            fleet=self.fleet,
            breakers=self.breakers,
            retention=90 * 86_400.0,
            room=self.room,
            wall=self.wall,
            sleep=self.sleep,
        )
        self.breakers.subscribe(self.memory.breaker)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.retry.clear()
        await self.retry.wait()

    async def start(self) -> None:
        await self.memory.start(self.recall)

    def recall(self, past: Past) -> None:
        self.breakers.restore(past.breakers)
        self.fleet.restore(past.beliefs, past.emulators)

    def apply(self, result: Result) -> None:
        self.memory.observe(result, self.fleet.apply(result))

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.005)

    async def written(self) -> None:
        await self.until(self.memory._idle.is_set)

    async def events(self, **asked: object) -> list[Event]:
        found = await self.memory.find(Asked(**asked))  # type: ignore[arg-type]  # a test names the fields it is about
        return list(found.events)


Making = Callable[..., Process]


@pytest.fixture
async def process(url: str) -> AsyncIterator[Making]:
    made: list[Process] = []

    def make(*targets: Target, **more: object) -> Process:
        one = Process(url, targets, **more)  # type: ignore[arg-type]  # a test names the fields it is about
        made.append(one)
        return one

    yield make
    for one in made:
        await one.memory.aclose()


async def test_restart__everything__is_as_it_was(process: Making) -> None:
    console, rdp = a_console(), a_target()
    before = process(console, rdp)
    await before.start()
    before.apply(answered(console, NOW, entities=(an_emulator(0), an_emulator(1, EmulatorRun.STOPPED, expected=True))))
    before.apply(failed(rdp, NOW + 1))
    before.apply(failed(rdp, NOW + 2))
    before.breakers.get(SSH).acquire().failure(probe_error())
    await asyncio.sleep(0)
    await before.written()
    after = process(console, rdp)
    await after.start()
    old, new = before.fleet.snapshot()[0], after.fleet.snapshot()[0]
    assert [(c.status, c.since, c.message) for c in new.checks] == [(c.status, c.since, c.message) for c in old.checks]
    assert (new.status, new.since, new.emulators) == (old.status, old.since, old.emulators)
    state = after.breakers.get(SSH).snapshot()
    assert (state.state, state.retry_after, state.trips) == (State.OPEN, 60.0, 1)


async def test_observe__changes__become_events_once(process: Making) -> None:
    console = a_console()
    one = process(console)
    await one.start()
    one.apply(answered(console, NOW, entities=(an_emulator(0, title="a"),)))
    one.apply(answered(console, NOW + 1, entities=(an_emulator(0, title="a"), an_emulator(1, title="b"))))
    one.apply(answered(console, NOW + 2, entities=(an_emulator(1, title="b"),)))
    await one.written()
    found = await one.events(kinds=(Kind.APPEARED, Kind.VANISHED))
    assert [(event.kind, event.subject, event.message) for event in found] == [
        (Kind.VANISHED, "ldplayer:0", "a"),
        (Kind.APPEARED, "ldplayer:1", "b"),
    ]
    statuses = await one.events(kinds=(Kind.CHECK,))
    assert [(event.old, event.new, event.subject) for event in statuses] == [("unknown", "up", "ldplayer")]


async def test_write__of_many_at_once__leaves_no_moment_at_which_events_and_beliefs_differ(
    process: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever transaction a crash comes after: who is told to have gone down is believed to be down."""
    targets = [a_target(workstation=Workstation(id=f"ws-{number:02}", host="127.0.0.1")) for number in range(20)]
    one = process(*targets, room=1000)
    await one.start()
    for target in targets:
        one.apply(answered(target, NOW))
    await one.written()
    write, seen = one.database.write, []

    async def watched(work: Work[Any], *, anywhere: bool = False) -> object:
        done = await write(work, anywhere=anywhere)
        asked = Asked(kinds=(Kind.CHECK,), limit=1000)
        events = await one.database.read(lambda connection: find(connection, asked))
        told = {event.workstation for event in events if event.new == "down"}
        past = await _past(one)
        believed = {b.workstation for b in past.beliefs if b.kind == "check" and b.status is Status.DOWN}
        seen.append((told, believed))
        return done

    monkeypatch.setattr(one.database, "write", watched)
    for target in targets:
        one.apply(failed(target, NOW + 1))
        one.apply(failed(target, NOW + 2))
    await one.written()
    assert len(seen) >= 5
    assert all(told == believed for told, believed in seen)
    assert len(seen[-1][0]) == 20


def booted(target: Target, at: float, boot: float) -> Result:
    seen = Observation(host=HostFacts(boot_time_seconds=boot))
    return Result(target=target, outcome=Outcome.SUCCESS, at=at, observation=seen)


async def test_reboot__is_an_event_once_also_over_a_restart(process: Making) -> None:
    host = a_target("host")
    before = process(host)
    await before.start()
    for at, boot in ((NOW, NOW - 9000), (NOW + 120, NOW + 100), (NOW + 240, NOW + 101)):
        before.apply(booted(host, at, boot))
    await before.written()
    await before.memory.aclose()
    after = process(host)
    await after.start()
    after.apply(booted(host, NOW + 360, NOW + 100))
    await after.written()
    found = await after.events(kinds=(Kind.REBOOTED,))
    assert [(event.at, event.subject) for event in found] == [(NOW + 120, "")]
    assert found[0].message.startswith("runs since 2023-11-14")
    after.apply(booted(host, NOW + 480, NOW + 400))
    await after.written()
    assert len(await after.events(kinds=(Kind.REBOOTED,))) == 2


async def test_boot_time__that_wavers__is_not_written_each_time(process: Making) -> None:
    one = process(host := a_target("host"))
    await one.start()
    one.apply(booted(host, NOW, NOW - 9000))
    await one.written()
    before = {belief for belief in (await _past(one)).beliefs if belief.kind == "boot"}
    one.apply(booted(host, NOW + 60, NOW - 8996))
    one.memory.retain(90 * 86_400.0)
    await one.written()
    assert {belief for belief in (await _past(one)).beliefs if belief.kind == "boot"} == before != set()


async def test_guest__rebooted__is_an_event_unless_it_vanished_in_between(process: Making) -> None:
    console, guest = a_console(), a_target("adb", emulator="ldplayer:0")
    one = process(console, guest)
    await one.start()

    def boots(identity: str, at: float) -> None:
        one.apply(
            Result(target=guest, outcome=Outcome.SUCCESS, at=at, observation=Observation(facts={"boot_id": identity}))
        )

    one.apply(answered(console, NOW, entities=(an_emulator(0), an_emulator(1))))
    boots("a", NOW + 1)
    boots("b", NOW + 2)
    one.apply(answered(console, NOW + 3, entities=(an_emulator(1),)))
    one.apply(answered(console, NOW + 4, entities=(an_emulator(0), an_emulator(1))))
    boots("c", NOW + 5)
    await one.written()
    assert [(e.at, e.subject) for e in await one.events(kinds=(Kind.REBOOTED,))] == [(NOW + 2, "ldplayer:0")]


async def test_breaker__trip_and_orders__become_events_with_who_and_why(process: Making) -> None:
    one = process(a_target())
    await one.start()
    breaker = one.breakers.get(SSH)
    breaker.acquire().failure(probe_error())
    breaker.force_open(who="ann", why="moving the rack")
    breaker.reset(who="bob", why="done")
    await asyncio.sleep(0)
    await one.written()
    assert [(e.kind, e.subject, e.who, e.message) for e in reversed(await one.events())] == [
        (Kind.TRIPPED, "network/ssh:22", "", "next trial in 60 s"),
        (Kind.FORCED, "network/ssh:22", "ann", "moving the rack"),
        (Kind.RESET, "network/ssh:22", "bob", "done"),
    ]


async def test_restart__forced__is_kept_with_who_and_why(process: Making) -> None:
    before = process(a_target())
    await before.start()
    before.breakers.get(SSH).force_open(who="ann", why="moving the rack")
    await asyncio.sleep(0)
    await before.written()
    after = process(a_target())
    await after.start()
    state = after.breakers.get(SSH).snapshot()
    assert state.forced is not None
    assert state.order is not None
    assert (state.order.who, state.order.why) == ("ann", "moving the rack")


async def test_restart__nothing_new__writes_nothing_again(process: Making) -> None:
    before = process(rdp := a_target())
    await before.start()
    before.apply(answered(rdp, NOW))
    await before.written()
    await before.memory.aclose()
    count = len((await _past(before)).beliefs)
    after = process(rdp, wall=FakeClock(NOW + 60))
    await after.start()
    after.apply(answered(rdp, NOW + 60))
    after.memory.note(Kind.SERVICE, new="started")
    await after.written()
    assert len((await _past(after)).beliefs) == count
    assert [event.kind for event in await after.events(since=NOW + 1)] == [Kind.SERVICE]


async def _past(process: Process) -> Past:
    database = Database(process.url)
    await database.open()
    past = await database.read(load)
    await database.aclose()
    return past


async def test_retain__check_gone_from_config__is_forgotten(process: Making) -> None:
    rdp, other = a_target(), a_target("other")
    one = process(rdp, other)
    await one.start()
    one.apply(answered(rdp, NOW))
    one.apply(answered(other, NOW))
    await one.written()
    one.fleet.replace([rdp.workstation], [rdp])
    one.memory.retain(86_400.0)
    await one.written()
    assert "other" not in {belief.name for belief in (await _past(one)).beliefs}


async def test_start__rows_of_another_shard__are_left_alone(process: Making) -> None:
    here, there = a_target(), a_target(workstation=a_target().workstation.__class__(id="ws-99", host="127.0.0.1"))
    first, second = process(here), process(there)
    await first.start()
    await second.start()
    first.apply(answered(here, NOW))
    second.apply(answered(there, NOW))
    await first.written()
    await second.written()
    again = process(here)
    await again.start()
    await again.written()
    assert {belief.workstation for belief in (await _past(again)).beliefs} == {"ws-01", "ws-99"}


async def test_prune__keeps_the_last_status_before_the_cut_off(process: Making) -> None:
    one = process(rdp := a_target())
    await one.start()
    day = 86_400.0
    for ago, ok in [(120, True), (110, False), (109, False), (100, True), (10, False), (9, False)]:
        one.apply(answered(rdp, NOW - ago * day) if ok else failed(rdp, NOW - ago * day))
    one.memory.note(Kind.RELOAD, new="ok")
    await one.written()
    await one.memory.prune()
    kept = await one.events(kinds=(Kind.CHECK,))
    assert [((NOW - event.at) / day, event.new) for event in kept] == [(9.0, "down"), (100.0, "up")]
    assert {event.kind for event in await one.events()} == {Kind.CHECK, Kind.WORKSTATION, Kind.RELOAD}


async def test_told__while_it_writes_the_very_last__comes_to_rest(
    process: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever pokes it then finds nothing left to write; it must not go round and round on the loop."""
    one = process(rdp := a_target())
    await one.start()
    await one.written()
    write, rounds = one.memory._once, 0

    async def told_in_between() -> None:
        nonlocal rounds
        rounds += 1
        assert rounds < 20
        await write()

    monkeypatch.setattr(one.memory, "_once", told_in_between)
    one.apply(answered(rdp, NOW))
    await asyncio.sleep(0)
    one.memory._poke()
    await one.written()
    one.memory._poke()
    await one.written()


async def test_find__filters__are_those_asked_for(process: Making) -> None:
    one = process(rdp := a_target())
    await one.start()
    one.apply(answered(rdp, NOW))
    for number in range(5):
        one.memory.note(Kind.RELOAD, new="ok", message=str(number))
    await one.written()
    newest = await one.events(limit=2)
    assert [event.message for event in newest] == ["4", "3"]
    assert [event.message for event in await one.events(limit=2, before=newest[-1].id)] == ["2", "1"]
    assert {event.kind for event in await one.events(workstation="ws-01")} == {Kind.CHECK, Kind.WORKSTATION}
    assert await one.events(since=NOW + 1) == []


async def test_lost__goes_on_and_writes_what_is_still_true_when_it_is_back(
    process: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = process(rdp := a_target(), room=4)
    await one.start()
    one.apply(answered(rdp, NOW))
    await one.written()
    engine, one.database._engine = one.database._engine, None
    opening = one.database.open
    monkeypatch.setattr(one.database, "open", _refuse)
    with capture_logs() as logs:
        one.apply(failed(rdp, NOW + 1))
        one.apply(failed(rdp, NOW + 2))
        await one.until(lambda: len(one.waits) == 1)
        for _ in range(5):
            one.memory.note(Kind.RELOAD, new="ok")
        one.retry.set()
        await one.until(lambda: len(one.waits) == 2)
        status = one.memory.status()
        assert (status.up, status.pending, status.dropped) == (False, 4, 3)
        assert not (await one.memory.find(Asked())).complete
        assert engine is not None
        await engine.dispose()
        monkeypatch.setattr(one.database, "open", opening)
        one.retry.set()
        await one.written()
    assert one.memory.status().up
    assert [entry["event"] for entry in logs] == ["store lost, going on without memory", "store is back"]
    assert one.waits == list(RETRY[:2])
    assert {b.status for b in (await _past(one)).beliefs if b.kind == "check"} == {Status.DOWN}


async def _refuse() -> None:
    raise StoreError("no")


async def test_prune__begins_soon_after_the_start(process: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    before = process(a_target())
    before.memory.add(before.memory.stamp.event(Kind.RELOAD, at=NOW - 100 * 86_400.0))
    await before.start()
    await before.written()
    monkeypatch.setattr(memory, "PRUNE_FIRST", 0.2)
    await process(a_target()).start()
    async with asyncio.timeout(10):
        while await before.events(kinds=(Kind.RELOAD,)):  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.01)
