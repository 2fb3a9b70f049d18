from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text

from monitor.silences import Matchers, Purpose, Repeat, Silence, Span, ended
from monitor.store import Database
from monitor.store.silences import StoredSilences

ONCE = Silence(
    id="a1",
    matchers=Matchers(workstations=("ws-0*",), labels={"rack": "a*"}, subjects=("ldplayer:3",)),
    when=Span(100.0, 200.5),
    who="kim",
    why="new \N{SNOWMAN} disk",
    created_at=99.0,
)
WEEKLY = Silence(
    id="b2",
    purpose=Purpose.MAINTENANCE,
    name="updates",
    matchers=Matchers(sites=("berlin",)),
    when=Repeat(schedule="0 3 * * sun", duration=7200.0, timezone="Europe/Berlin"),
    who="lee",
    why="Windows updates",
    created_at=98.0,
)


async def kept(database: Database) -> dict[str, Silence]:
    return {silence.id: silence for silence in await StoredSilences(database).load()}


async def test_put__then_load__are_what_they_were(database: Database) -> None:
    await StoredSilences(database).put([ONCE, WEEKLY])
    assert await kept(database) == {"a1": ONCE, "b2": WEEKLY}


async def test_put__again__is_changed_but_one_that_was_ended_stays_ended(database: Database) -> None:
    stored = StoredSilences(database)
    await stored.put([ONCE])
    await stored.put([over := ended(ONCE, who="lee", at=150.0)])
    await stored.put([ONCE])
    assert await kept(database) == {"a1": over}


async def test_put__text_no_database_takes__is_cleaned(database: Database) -> None:
    await StoredSilences(database).put([replace(ONCE, why="a\0b\ud800")])
    assert (await kept(database))["a1"].why == "a\N{REPLACEMENT CHARACTER}b?"


async def test_load__words_of_another_version__are_passed_over(database: Database) -> None:
    await StoredSilences(database).put([ONCE, WEEKLY])
    other = text("UPDATE silences SET purpose = 'nap' WHERE id = 'a1'")
    await database.write(lambda connection: connection.execute(other))
    assert await kept(database) == {"b2": WEEKLY}


async def test_forget__what_is_long_over__only(database: Database) -> None:
    stored = StoredSilences(database)
    await stored.put([ONCE, WEEKLY, ended(replace(WEEKLY, id="c3"), who="lee", at=300.0)])
    await stored.forget(250.0)
    assert set(await kept(database)) == {"b2", "c3"}
    await stored.forget(350.0)
    assert set(await kept(database)) == {"b2"}
