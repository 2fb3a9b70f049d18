"""The schema goes up from an older file without loss, and down again; what it makes is what the code expects."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from monitor.store import Database, SchemaError, StoreError
from monitor.store.migrations import Migrations
from monitor.store.tables import METADATA

MEMORY = {"beliefs", "emulators", "breakers", "events", "alembic_version"}
VOICE = {"outbox", "silences"}


def names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def tables(database: Database) -> set[str]:
    return await database.read(lambda connection: connection.run_sync(names))


async def downgrade(database: Database, to: str) -> None:
    migrations = await asyncio.to_thread(Migrations)
    await database.write(lambda connection: connection.run_sync(lambda sync: migrations.downgrade(sync, to)))


async def test_open__new__makes_what_the_tables_say(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, METADATA))

    assert await tables(database) == MEMORY | VOICE
    assert await database.read(lambda connection: connection.run_sync(differences)) == []


async def test_open__twice__changes_nothing(database: Database) -> None:
    await database.open()
    assert await tables(database) == MEMORY | VOICE


async def test_open__older_file__goes_up_and_keeps_what_is_in_it(database: Database) -> None:
    insert = text("INSERT INTO events VALUES ('1', 1.5, 'check', 'ws-01', 'ssh', 'up', 'down', 'refused', '')")
    await downgrade(database, "0001")
    assert await tables(database) == MEMORY
    await database.write(lambda connection: connection.execute(insert))
    await database.open()
    assert await tables(database) == MEMORY | VOICE
    rows = await database.read(lambda connection: connection.execute(text("SELECT at, new FROM events")))
    assert rows.all() == [(1.5, "down")]


async def test_downgrade__to_any_version__and_up_again(database: Database) -> None:
    for version in ("0002", "0001", "0002"):
        await downgrade(database, version)
        await database.open()
        assert await tables(database) == MEMORY | VOICE


async def test_downgrade__to_nothing__leaves_nothing_and_comes_up_again(database: Database) -> None:
    await downgrade(database, "base")
    assert await tables(database) == {"alembic_version"}
    await database.open()
    assert await tables(database) == MEMORY | VOICE


async def test_open__schema_of_a_newer_version__is_refused_and_left_alone(database: Database, url: str) -> None:
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await database.write(lambda connection: connection.execute(newer))
    with pytest.raises(SchemaError, match="version 9999, which this version of emuwatch does not know"):
        await Database(url).open()
    assert await tables(database) == MEMORY | VOICE


async def test_open__two_at_once__both_find_it_ready(url: str) -> None:
    first, second = Database(url), Database(url)
    await asyncio.gather(first.open(), second.open())
    assert await tables(first) == await tables(second) == MEMORY | VOICE
    await asyncio.gather(first.aclose(), second.aclose())


async def test_open__fails_in_the_middle__leaves_the_file_as_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two steps breaks: the first is not left behind, as it would be without a transaction around DDL."""
    await downgrade(database, "base")
    migrations = await asyncio.to_thread(Migrations)

    def half(connection: Connection) -> None:
        migrations.upgrade(connection, "0001")
        connection.execute(text("SELECT * FROM nowhere"))

    with pytest.raises(StoreError):
        await database.write(lambda connection: connection.run_sync(half))
    assert await tables(database) == {"alembic_version"}


async def test_open__no_database_but_some_file__says_so(tmp_path: Path) -> None:
    path = tmp_path / "emuwatch.db"
    await asyncio.to_thread(path.write_bytes, b"this is a letter to my aunt, not a database\n" * 100)
    with pytest.raises(StoreError, match="the file is no SQLite database"):
        await Database(f"sqlite+aiosqlite:///{path}").open()


async def test_open__new_file__only_its_owner_may_read_it(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/emuwatch.db")
    await database.open()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}  # noqa: ASYNC240 - a test's own folder
    await database.aclose()
    assert set(modes.values()) == {0o600}
    assert "emuwatch.db-wal" in modes
