"""What goes in comes out again, on both databases."""

from __future__ import annotations

import asyncio

from monitor.belief import Remembered
from monitor.breaker.machine import Forced
from monitor.breaker.saved import Order, Saved
from monitor.inventory import RememberedEmulator
from monitor.model import Category, EmulatorRun, Key, Reason, Status
from monitor.store import Database, Past
from monitor.store.rows import Thing, forget, load, upsert
from monitor.store.tables import BELIEFS
from tests.fakes import an_emulator

BELIEF = Remembered(
    kind="check",
    workstation="ws-01",
    name="ssh",
    status=Status.DOWN,
    since=1_700_000_000.123456,
    reason=Reason.REFUSED,
    message="ssh:22 verweigert — 拒绝",
    driver="ldplayer",
)
ENDPOINT = Remembered(kind="endpoint", workstation="ws-01", name="ssh:22", status=Status.UP, since=None)
EMULATOR = RememberedEmulator(
    workstation="ws-01",
    entity=an_emulator(3, expected=True, adb_port=5561, pids=(10, 11), title="主号, 备用"),
    console=EmulatorRun.RUNNING,
    console_since=5.5,
    state="running",
    status=Status.DEGRADED,
    since=6.5,
    reason=Reason.WITNESSES_DISAGREE,
    message="",
    guests={"adb-3": "answers"},
    first_seen=1.0,
    last_seen=9.0,
    boot_seconds=48.5,
)
BREAKER = Saved(
    key=Key(Category.NETWORK, "ws-01", "ssh:22"),
    until=1_700_000_060.5,
    openings=2,
    open_time=60.0,
    trips=7,
    last_trip=1_700_000_000.5,
    open_seconds=120.25,
    forced=Forced.OPEN,
    order=Order("ann", "moving the rack", 1_699_999_999.0),
)


async def put(database: Database, *things: Thing, at: float = 100.0) -> None:
    await database.write(lambda connection: upsert(connection, things, at))


async def test_load__empty__is_nothing(database: Database) -> None:
    assert await database.read(load) == Past()


async def test_upsert__all_kinds__come_back_as_they_were(database: Database) -> None:
    await put(database, BELIEF, ENDPOINT, EMULATOR, BREAKER)
    past = await database.read(load)
    assert set(past.beliefs) == {BELIEF, ENDPOINT}
    assert (past.emulators, past.breakers) == ((EMULATOR,), (BREAKER,))


async def test_upsert__again__overwrites(database: Database) -> None:
    await put(database, BELIEF)
    newer = Remembered(kind="check", workstation="ws-01", name="ssh", status=Status.UP, since=2.0)
    await put(database, newer)
    assert (await database.read(load)).beliefs == (newer,)


async def test_upsert__hostile_text__is_kept_as_far_as_databases_can(database: Database) -> None:
    hostile = "a\0b\ud800c'; DROP TABLE beliefs; --\n\u202e"
    await put(database, Remembered(kind="check", workstation="w", name=hostile, status=Status.UP, since=1.0))
    (kept,) = (await database.read(load)).beliefs
    assert kept.name == "a\N{REPLACEMENT CHARACTER}b?c'; DROP TABLE beliefs; --\n\u202e"


async def test_forget__deletes_only_that_row(database: Database) -> None:
    await put(database, BELIEF, ENDPOINT)
    await database.write(lambda connection: forget(connection, BELIEFS, [("check", "ws-01", "ssh")]))
    assert (await database.read(load)).beliefs == (ENDPOINT,)


async def test_load__row_of_words_unknown_here__is_passed_over(database: Database) -> None:
    await put(database, BELIEF, ENDPOINT)
    await database.write(
        lambda connection: connection.execute(BELIEFS.update().where(BELIEFS.c.kind == "check").values(status="purple"))
    )
    assert (await database.read(load)).beliefs == (ENDPOINT,)


async def test_write__whose_asker_was_cancelled__does_not_count_as_no_answer(database: Database) -> None:
    begun = asyncio.Event()

    async def slow(_: object) -> None:
        begun.set()
        await asyncio.sleep(0.05)

    async def nothing(_: object) -> None:
        return

    asking = asyncio.create_task(database.write(slow))
    await begun.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await database.write(nothing)
